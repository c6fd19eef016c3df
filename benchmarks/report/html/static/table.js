"use strict";

/** The table: a row for each net, or for each run. */
const table = (() => {
  const { columns, nets, runs } = page.data("table");
  const names = columns.map((column) => column.name);
  const shown = columns.filter((column) => column.is_shown).map((column) => column.name);
  let current = null;

  /** How DataTables shows a column: numbers as text, but sorted and filtered as numbers. */
  function definition({ title, unit, doc, name, digits, is_number }, index) {
    return {
      name,
      title: unit ? `${title} (${unit})` : title,
      type: is_number ? "num" : "string",
      className: is_number ? "number" : "text",
      visible: chosenColumns().includes(name),
      data: (row, kind) => {
        const value = row.cells[index];
        if (kind === "export") return value;
        if (kind !== "display") return value ?? (is_number ? -Infinity : "");
        if (name === "model") return netButton(row);
        return is_number ? numberCell(value, row.half?.[name], digits) : String(value ?? "");
      },
      createdCell: (cell) => cell.setAttribute("title", doc),
      render: { display: (shownCell) => shownCell },
    };
  }

  function numberCell(value, half, digits) {
    const text = page.text(value, digits);
    return half === undefined || value === null ? text : `${text} ± ${page.text(half, digits)}`;
  }

  /** The name of a net as a button that focuses it. */
  function netButton(row) {
    const button = page.element("button", { type: "button", className: "net" }, row.label);
    button.addEventListener("click", () => focus.toggle(row.label));
    return button;
  }

  function chosenColumns() {
    const chosen = state.get("columns");
    return chosen ? chosen.split(",") : shown;
  }

  function draw() {
    if (current) current.destroy();
    document.getElementById("nets").replaceChildren();
    const isOfRuns = state.get("rows") === "runs";
    current = new DataTable("#nets", {
      data: isOfRuns ? runs : nets,
      columns: columns.map(definition),
      order: [],
      paging: false,
      info: false,
    });
  }

  draw();
  return { draw };
})();
