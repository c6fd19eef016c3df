"""Studies of a few lines, kept outside the suite, through the command line and in this process."""

import json
import sys
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from benchmarks import cli, studies
from benchmarks.errors import UsageError
from benchmarks.planning import fingerprint
from benchmarks.planning.protocol import Count
from benchmarks.studies.base import Column, Context, Study
from tests.conftest import ROOT

TEN_LINES = '''"""Do squares grow?"""
import matplotlib.pyplot as plt
import pandas as pd
from benchmarks.studies.base import Study, Verdict
class Squares(Study):
    def measure(self, settings, context):
        return pd.DataFrame({"x": [1, 2], "square": [1, 4]})
    def plot(self, rows):
        return plt.figure()
    def verdicts(self, rows): return [Verdict("They do", "growth", 3, 2, 4, at_least=0)]
'''


@pytest.fixture
def write_study(tmp_path, monkeypatch):
    """Writes `mine.<name>`, and returns the folder of its results."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine").mkdir()

    def write(code=TEN_LINES, name="squares"):
        for module in ("mine", f"mine.{name}"):
            monkeypatch.delitem(sys.modules, module, raising=False)
        for cached in ("_path", "_module_digest", "_imported", "_is_module"):
            getattr(fingerprint, cached).cache_clear()
        (tmp_path / "mine" / f"{name}.py").write_text(code)
        return tmp_path / "results" / "studies" / f"mine.{name}"

    return write


def run(tmp_path, *arguments):
    return cli.main([*arguments, "--results", str(tmp_path / "results")])


def test_a_study_of_ten_lines_is_measured_drawn_and_answered(tmp_path, write_study, capsys):
    folder = write_study()
    assert run(tmp_path, "study", "mine.squares") == 0
    assert pd.read_csv(folder / "results.csv")["square"].tolist() == [1, 4]
    (verdict,) = json.loads((folder / "verdicts.json").read_text())
    assert verdict["outcome"] == "supported"
    overview, picture = folder.parent / "README.md", folder / "plots" / "mine.squares.png"
    table, page = (folder / "table.md").read_text(), overview.read_text()
    assert verdict["sentence"] in table
    for part in ("Do squares grow?", verdict["sentence"], "(mine.squares/plots/mine.squares.png)"):
        assert part in page
    assert table in capsys.readouterr().out

    for path in (folder / "table.md", folder / "verdicts.json", picture, overview):
        path.unlink()
    assert run(tmp_path, "report") == 0
    assert (folder / "table.md").read_text() == table
    assert overview.read_text() == page
    assert picture.exists()


def test_the_study_of_the_documentation_works(tmp_path, write_study):
    code = (ROOT / "docs" / "studies.md").read_text().partition("```python\n")[2]
    folder = write_study(code.partition("```")[0])
    assert run(tmp_path, "study", "mine.squares", "--set", "image_sizes=28,56") == 0
    assert "61,706" in (folder / "table.md").read_text()
    assert len(pd.read_csv(folder / "results.csv")) == 2


def test_the_code_that_measures_is_in_the_key_and_not_the_presentation(tmp_path, write_study):
    folder = write_study()
    keys = []
    for old, new in (("", ""), ("plt.figure()", "plt.figure(dpi=50)"), ("[1, 4]", "[1, 5]")):
        write_study(TEN_LINES.replace(old, new))
        assert run(tmp_path, "study", "mine.squares") == 0
        keys += set(pd.read_csv(folder / "results.csv")["key"])
    assert keys[0] == keys[1] != keys[2]


def test_a_study_that_fails_does_not_stop_the_others(tmp_path, write_study, monkeypatch, capsys):
    for name in ("broken", "squares", "unserved"):
        write_study(name=name)
    for name, error in (("broken", "ValueError"), ("unserved", "UsageError")):
        importing = "from benchmarks.errors import UsageError\n"
        code = TEN_LINES.replace("return pd.DataFrame(", f"raise {error}('no {name}')  # (")
        write_study(code.replace("import pandas", f"{importing}import pandas"), name)
    monkeypatch.setattr(studies, "names", lambda: ["mine.broken", "mine.squares", "mine.unserved"])
    assert run(tmp_path, "study", "all") == 1
    said = capsys.readouterr().err
    assert "ValueError: no broken" in said  # with its traceback
    assert "benchmarks: study mine.unserved: no unserved\n" in said
    assert said.endswith("failed: mine.broken, mine.unserved\n")
    assert (tmp_path / "results" / "studies" / "mine.squares" / "table.md").exists()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nowhere", "cannot be imported: No module named 'nowhere'"),
        ("x = (", "cannot be imported"),
        ("x = 1", "must define one subclass of Study, not 0"),
    ],
)
def test_a_module_without_a_study_is_refused_in_one_line(
    tmp_path, write_study, capsys, code, message
):
    write_study(code)
    assert run(tmp_path, "study", "mine.squares") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line


def test_list_asks_the_question_of_every_study(capsys):
    assert cli.main(["study", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == studies.names()
    assert all(line.endswith("?") for line in lines)
    assert "kernel_size" in studies.names()


@dataclass(frozen=True)
class Settings:
    names: tuple[str, ...] = ("a", "b")
    size: Count = 2
    seed: int = 0


class Counting(Study):
    """Counts its measurements; a part for each name."""

    quick = Settings()
    full = Settings(size=3)
    part = "name"
    columns = (Column("name", "a name"), Column("map", "zeros", format=None))

    def __init__(self):
        super().__init__("tests.counting")
        self.measured, self.refused = [], None

    def parts(self, settings):
        return {name: replace(settings, names=(name,)) for name in settings.names}

    def measure(self, settings, context):
        (name,) = settings.names
        if name == self.refused:
            raise UsageError(f"{name} cannot be measured")
        self.measured.append(name)
        maps = [np.full((settings.size, 2), ord(name)), np.zeros(settings.size)]
        return pd.DataFrame({"name": name, "map": maps, "row": [0, 1]})

    def plot(self, rows):
        return plt.figure()


@pytest.fixture
def counting():
    return Counting()


@pytest.fixture
def context(tmp_path):
    return Context(tmp_path / "studies" / "counting", "cpu")


def test_each_part_is_kept_as_soon_as_it_is_measured(counting, context):
    counting.refused = "b"
    with pytest.raises(UsageError):
        counting.run(counting.quick, context)
    counting.refused = None
    counting.run(counting.quick, context)
    assert counting.measured == ["a", "b"]
    counting.run(Settings(names=("c", "b")), context)
    assert counting.measured == ["a", "b", "c"]
    assert set(counting.read(context.folder)["name"]) == {"a", "b", "c"}


@pytest.mark.parametrize("change", [{"size": 3}, {"seed": 1}])
def test_other_settings_are_measured_and_replace_the_rows(counting, context, change):
    counting.run(counting.quick, context)
    counting.run(replace(counting.quick, **change), context)
    assert counting.measured == ["a", "b"] * 2
    rows = counting.read(context.folder)
    assert len(rows) == 4
    for name, value in change.items():
        assert set(rows[name]) == {value}
    assert len(list((context.folder / "arrays").iterdir())) == 2  # those of old keys are gone


def test_force_measures_again(counting, context):
    counting.run(counting.quick, context)
    counting.run(counting.quick, replace(context, force=True))
    assert counting.measured == ["a", "b"] * 2


def test_cells_may_be_arrays(counting, context):
    counting.run(counting.quick, context)
    rows = counting.read(context.folder).set_index(["name", "row"])
    assert (rows.loc[("b", 0), "map"] == np.full((2, 2), ord("b"))).all()
    assert rows.loc[("a", 1), "map"].shape == (2,)
    assert "array 2 x 2" in (context.folder / "results.csv").read_text()


@pytest.mark.parametrize("damage", [b"", b"PK nonsense", None])
def test_arrays_that_are_lost_are_said_in_one_line(counting, context, capsys, damage):
    counting.run(counting.quick, context)
    path = next((context.folder / "arrays").iterdir())
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    with pytest.raises(UsageError, match="lacks arrays; .* FORCE=1"):
        counting.read(context.folder)
    assert path.with_name(f"{path.name}.damaged").exists() == (damage is not None)
    counting.run(counting.quick, replace(context, force=True))
    assert len(counting.read(context.folder)) == 4


def test_rows_of_an_older_version_are_refused_in_one_line(counting, context):
    context.folder.mkdir(parents=True)
    (context.folder / "results.csv").write_text("name,key\na,1\n")
    with pytest.raises(UsageError, match="lacks map"):
        counting.rebuild(context.folder)


@pytest.mark.parametrize(
    ("budget", "given", "expected"),
    [
        ("quick", {}, Settings()),
        ("full", {}, Settings(size=3)),
        ("full", {"size": "28", "names": "x[a=[1,2]],y"}, Settings(("x[a=[1,2]]", "y"), 28)),
    ],
)
def test_settings_are_those_of_the_budget_unless_given(counting, budget, given, expected):
    assert counting.settings(budget, given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sise": "1"}, "unknown setting 'sise'; did you mean size"),
        ({"size": "0"}, "setting size: Input should be greater than 0, not '0'"),
        ({"size": "x"}, "setting size: .* not 'x'"),
    ],
)
def test_wrong_settings_are_refused(counting, given, message):
    with pytest.raises(UsageError, match=message):
        counting.settings("quick", given)
