"""What README.md and docs/ show: links, commands, tables, protocol, code.

`python -m tests.test_readme` puts the tables of the committed results, and those of the fields of a
record, into these pages.
"""

import dataclasses
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from benchmarks import cli
from benchmarks.machine import shell
from benchmarks.planning.protocol import FIELDS, Protocol
from benchmarks.records.record import COLUMNS, PARTS, RunRecord
from benchmarks.records.store import load
from benchmarks.report import table
from benchmarks.report.notes import escape
from benchmarks.report.rebuild import read
from datamodules.sources import cifar10
from tests.conftest import ROOT

README, DOCS = ROOT / "README.md", ROOT / "docs"
PAGES = [README, *sorted(DOCS.glob("*.md"))]
TEXTS = {path: path.read_text() for path in PAGES}

SIX = ("model", "parameters", "test accuracy", "examples/sec", "loop efficiency", "seconds")
TABLES = {README: ("fashion_mnist", SIX), DOCS / "models.md": ("fashion_mnist_masks", None)}
TABLE = r"^\| model .*(?:\n\|.*)*"
STUDIES = {DOCS / "speed.md": "cost_growth"}
STUDY_TABLE = r"^\| quantity .*(?:\n\|.*)*"

# Options, or assignments to variables, then make or the program itself
COMMAND = r"(?:[A-Z_0-9]+=\S+ )*(?:make|\S*python -m benchmarks) .*"


def measured(page):
    """The table of a page, from committed records: these columns, or those of `table.md`."""
    dataset, columns = TABLES[page]
    comparison = read(ROOT / "results" / "reference" / dataset / "quick")
    cells = table.cells(comparison.current, comparison.standing)
    shown = cells[[*columns]] if columns else cells.drop(columns=[*table.REST], errors="ignore")
    align = ["left", *["right"] * (len(shown.columns) - 1)]
    return shown.map(escape).to_markdown(index=False, disable_numparse=True, colalign=align)


def measured_by_study(page):
    """The table of a study that a page shows."""
    path = ROOT / "results" / "reference" / "studies" / STUDIES[page] / "table.md"
    return re.search(STUDY_TABLE, path.read_text(), re.M).group()


def columns_and_fields():
    """A table of the columns of the CSV file, and one of the other fields of a record."""
    words = {
        (part, f.name): f"{f.metadata['unit']} | {escape(f.metadata['doc'])} |"
        for part, kind in {"": RunRecord, **PARTS}.items()
        for f in dataclasses.fields(kind)
        if f.metadata
    }
    of_column = {name: text for (_, name), text in words.items() if name in COLUMNS}
    others = {".".join(filter(None, key)): text for key, text in words.items()}
    others = {name: text for name, text in others.items() if name.split(".")[-1] not in COLUMNS}
    for title, rows in (
        ("column", {name: of_column[name] for name in COLUMNS}),
        ("field", others),
    ):
        head = f"| {title} | unit | meaning |\n|:--|:--|:--|"
        yield "\n".join([head, *(f"| `{name}` | {text}" for name, text in rows.items())])


def generated():
    """Tables that are not typed by hand: the page, the pattern and the text of each."""
    yield from ((page, TABLE, measured(page)) for page in TABLES)
    yield from ((page, STUDY_TABLE, measured_by_study(page)) for page in STUDIES)
    for text in columns_and_fields():
        first = text.split()[1]
        yield DOCS / "results.md", rf"^\| {first} .*(?:\n\|.*)*", text


def commands():
    """The words of every command, in blocks and in lines of text."""
    for text in TEXTS.values():
        blocks = re.findall(r"```(?:sh)?\n(.*?)```", text, re.S)
        lines = [line for block in blocks for line in block.splitlines()]
        spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
        for line in [*lines, *spans]:
            if re.fullmatch(COMMAND, line):
                yield shlex.split(line.partition(" | ")[0], comments=True)


def code(page):
    (found,) = re.findall(r"```python\n(.*?)```", TEXTS[page], re.S)
    return found


def module(path, source):
    """A module made of the code of a page."""
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_readme_is_short():
    assert len(TEXTS[README].splitlines()) <= 120


@pytest.mark.parametrize("page", TABLES, ids=lambda page: page.name)
def test_tables_are_the_measured_ones(committed_results, page):
    assert re.findall(TABLE, TEXTS[page], re.M) == [measured(page)], (
        "`python -m tests.test_readme` puts the committed tables into the pages"
    )


@pytest.mark.parametrize("page", STUDIES, ids=lambda page: page.name)
def test_tables_of_studies_are_the_measured_ones(committed_results, page):
    assert re.findall(STUDY_TABLE, TEXTS[page], re.M) == [measured_by_study(page)]


def test_every_field_of_a_record_is_listed():
    for page, pattern, text in generated():
        if page.name == "results.md":
            assert re.findall(pattern, TEXTS[page], re.M) == [text], (
                "`python -m tests.test_readme` puts the fields into the page"
            )


def test_results_of_a_gpu_are_named_with_their_commit(committed_results):
    text = (committed_results / "fashion_mnist" / "standard" / "table.md").read_text()
    commit, changed = re.search(r"commit:\s(\w+)(-dirty)?", text).groups()
    for text in TEXTS.values():
        for paragraph in re.findall(r".*H100(?:.*\n)*?(?=\n|\Z)", text):
            assert commit in paragraph
            assert ("local changes" in " ".join(paragraph.split())) == bool(changed)


def test_every_committed_record_can_be_read(committed_results):
    paths = list(committed_results.glob("*/*/runs/*.json"))
    folders = {path.parent.parent for path in paths}
    assert sum(len(load(folder)) for folder in folders) == len(paths) > 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXTS[page]) if "://" not in link]
    for link in links:
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_file(), link
        titles = re.findall(r"^#+ (.*)", target.read_text(), re.M) if anchor else []
        assert not anchor or anchor in {
            re.sub(r"\W+", "-", t.lower()).strip("-") for t in titles
        }, link


def test_every_page_and_study_is_shown():
    assert all(f"](docs/{page.name})" in TEXTS[README] for page in PAGES[1:])
    assert all(name in TEXTS[DOCS / "studies.md"] for name in cli.studies.names())


def test_commands_work_as_written():
    """Make has the targets and variables, and the program takes the options."""
    parser, _ = cli.make_parser()
    makefile, targets = (ROOT / "Makefile").read_text(), set()
    for words in commands():
        while "=" in words[0]:
            words = words[1:]
        if words[0] != "make":
            parser.parse_args(words[words.index("benchmarks") + 1 :])
            continue
        variables = dict(word.split("=", 1) for word in words[1:] if "=" in word)
        called = [word for word in words[1:] if "=" not in word]
        targets.update(called)
        assert all(re.search(rf"\b{name}\b", makefile) for name in variables), words
        if called == ["bench"]:
            parser.parse_args(["run", *shlex.split(variables.get("ARGS", ""))])
    assert {"bench", "test", "report", "study", "peers", "describe"} <= targets
    command = ["make", "--dry-run", f"PYTHON={sys.executable}", *sorted(targets)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def test_variables_and_options_in_the_text_exist():
    files = [ROOT / "Makefile", *ROOT.glob("benchmarks/**/*.py"), *ROOT.glob("datamodules/**/*.py")]
    source = "\n".join(path.read_text() for path in files)
    options = {
        option for verb in cli.make_parser()[1].values() for option in verb._option_string_actions
    }
    for text in TEXTS.values():
        spans = "\n".join(re.findall(r"`([^`\n]+)`", text))
        assert set(re.findall(r"(?<![\w-])--[\w.-]+", spans)) <= options
        for name in set(re.findall(r"\b[A-Z][A-Z_0-9]{3,}\b(?==|$)", spans, re.M)):
            assert re.search(rf"\b{name}\b", source) or is_of_a_library(name), name


def is_of_a_library(name):
    """Whether a variable is one of those that the suite knows by pattern."""
    patterns = [each for each in vars(shell).values() if isinstance(each, re.Pattern)]
    return any(pattern.match(name) for pattern in patterns)


def test_the_model_works_when_pasted(tmp_path):
    program = (
        code(README) + "\nimport torch\nassert mynet()(torch.zeros(2, 1, 9, 9)).shape == (2, 10)\n"
    )
    (tmp_path / "mynet.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, tmp_path / "mynet.py"], env=environment, check=True)


def test_the_dataset_works_when_pasted(tmp_path, image_folder):
    made = module(tmp_path / "pets_module.py", code(DOCS / "datasets.md"))
    made.CLASSES = cifar10.CLASSES
    shutil.copytree(image_folder, tmp_path / "pets")
    dataset = made.load(tmp_path)
    assert dataset.train_images.shape == (80, 3, 32, 32)
    assert dataset.source == "pets (PNG)"


def test_the_protocols_are_valid_and_every_field_is_listed(tmp_path):
    text = TEXTS[DOCS / "protocols.md"]
    contents = re.findall(r"```yaml\n(.*?)```", text, re.S)
    assert contents
    for content in contents:
        (tmp_path / "mine.yaml").write_text(content)
        Protocol.load(str(tmp_path / "mine.yaml"))
    table = text.split("| field |")[1].split("\n\n")[0]
    assert tuple(re.findall(r"^\| `(\w+)`", table, re.M)) == FIELDS


if __name__ == "__main__":
    for page, pattern, made in generated():
        text = page.read_text()
        (found,) = re.findall(pattern, text, re.M)
        page.write_text(text.replace(found, made))
