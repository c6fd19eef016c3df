"""`report.html`: a comparison as one page, which needs no network.

A section of the page is a `Section` in `page.SECTIONS`: a name, a title, and a function that makes
its data from a `Comparison` (in `<name>.py`). Its HTML is `templates/<name>.html`, which sees the
data as `data`. Its script, if it has one, is `static/<name>.js`, is named in `page.SCRIPTS`, and
gets the same data by `page.data("<name>")`. Its style is `static/<name>.css`, named in
`page.STYLES`.

Scripts are plain: each defines one constant, named as its file, which later scripts use:

- `page.data(section)`: the data of a section.
- `page.text(number, digits)`, `page.element(tag, properties, ...children)`.
- `state.get(name)`, `state.set({name: text})`, `state.watch(name, listener)`: what the reader
  chose, as it stands in the hash of the address.
- `theme.color("--ink")`, `theme.onChange(listener)`: the colours of the style sheet, dark or light.
- `focus.toggle(label)`, `focus.isFaded(label)`: the net that the reader looks at.

All of them, and the libraries (`Plotly`, `DataTable`), stand in the page itself; a policy in its
head forbids any request.
"""
