import pytest

import lit_models
from benchmarks.commands import layers as command
from benchmarks.commands.layers import write_layers
from benchmarks.records import layers, store
from benchmarks.report.html import models
from benchmarks.report.html.page import page
from benchmarks.report.rebuild import read

SHAPE = {"image_size": 32, "in_channels": 3}


@pytest.fixture
def folder(make_results, tmp_path):
    """Runs of LeNet, and of a net whose record has other costs than the net of today."""
    cost = lit_models.cost(lit_models.build("lenet", num_classes=3, **SHAPE), **SHAPE)
    counts = {"parameters": cost.parameters, "macs": cost.macs, "mean": [0.5, 0.5, 0.5]}
    make_results(tmp_path, {"lenet": [0.7, 0.71]}, **counts)
    return make_results(tmp_path, {"lenet_relu": [0.8]}, parameters=1)


def test_the_page_shows_the_layers_of_the_nets_that_were_trained(folder):
    write_layers(folder)
    assert [path.name for path in (folder / "layers").iterdir()] == ["lenet-32px.csv"]
    made = read(folder)
    by_label = {net["label"]: net["layers"] for net in models.data(made)}
    assert by_label["lenet_relu"] == []
    rows = by_label["lenet"]
    record = made.by_key[made.keys("lenet")[0]]
    assert sum(row[3] for row in rows) == record.cost.parameters
    assert sum(row[4] for row in rows) == record.cost.macs
    assert {"Conv2d", "Linear"} <= {row[1] for row in rows}
    text = page(made)
    assert text.count('class="layers"') == 1
    assert "<td>Conv2d</td>" in text


def test_layers_are_counted_once_and_anew_where_the_file_does_not_fit(folder, monkeypatch):
    write_layers(folder)
    file = folder / "layers" / "lenet-32px.csv"
    content = file.read_text()
    with monkeypatch.context() as patch:
        patch.setattr(store, "load", lambda _, load=store.load: load(folder)[:2])
        patch.setattr(command, "_counted", lambda *_: pytest.fail("a net is built again"))
        write_layers(folder)
    file.write_text(content.replace(",0\n", ",1\n"))
    record = next(each for each in store.load(folder) if each.setup.model == "lenet")
    assert layers.read(folder, record) is None
    write_layers(folder)
    assert file.read_text() == content


def test_a_damaged_file_is_no_table(folder):
    record = store.load(folder)[0]
    (folder / "layers").mkdir()
    for content in ("", "layer\n", "layer,kind,output,parameters,macs\na,b,c,d,e\n"):
        (folder / "layers" / "lenet-32px.csv").write_text(content)
        assert layers.read(folder, record) is None
