import dataclasses
import json

import pytest

from benchmarks.planning.plan import code_digest, digest
from benchmarks.records import record, storage
from benchmarks.records.record import FAILED, RecordStore, RunRecord

# People script against these.
PROMISED = """model, dataset, protocol, seed, status, error, parameters, macs, loss, train_accuracy,
test_accuracy, examples_per_sec, step_examples_per_sec, loop_efficiency, peak_memory_mb,
train_flops, fit_seconds, image_size, batch_size, epochs, train_examples, precision,
memory_format, device, torch_version, commit, data_source, key, finished_at"""


def test_promised_columns():
    assert set(PROMISED.replace(",", " ").split()) <= set(record.COLUMNS)


def test_what_is_written_is_read_back(make_spec, tmp_path):
    spec, store = make_spec(), RecordStore(tmp_path)
    assert store.find(spec) is None
    record = RunRecord.of(spec, status=FAILED, error="it | rained", history=[])
    store.write(spec, record)
    found = store.find(spec)
    assert dataclasses.asdict(found) == json.loads(json.dumps(dataclasses.asdict(record)))
    assert not list(tmp_path.rglob("*.part"))


def test_a_record_of_a_clone_is_no_reason_not_to_run(make_spec, tmp_path):
    spec, store = make_spec(), RecordStore(tmp_path)
    store.write(spec, RunRecord.of(spec))
    assert store.finished(spec)
    (tmp_path / ".identity").unlink()  # as git leaves it out
    assert store.find(spec)
    assert store.finished(spec) is None
    store.write(spec, RunRecord.of(spec))
    assert store.finished(spec)


def test_a_failed_run_is_not_finished(make_spec, tmp_path):
    spec, store = make_spec(), RecordStore(tmp_path)
    store.write(spec, RunRecord.of(spec, status=FAILED))
    assert store.finished(spec) is None


def test_the_code_of_a_model_counts_but_not_its_comments(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "some_net.py"
    digests = []
    for text in ("size = 3", "size = 3  # three", "size  =  3", "size = 5"):
        path.write_text(text)
        digests.append(code_digest(["some_net"]))
    assert digests[0] == digests[1] == digests[2] != digests[3]


def test_prose_does_not_count_but_what_is_imported_of_the_models_does(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "some_net.py"
    bodies = ("x = 1", '"""Prose."""\nx = 1', 'x = 1\ndef f():\n    """Prose."""\n    return 2')
    digests = []
    for body in (*bodies, bodies[-1].replace("Prose", "Verse")):
        path.write_text(body)
        digests.append(code_digest(["some_net"]))
    assert digests[0] == digests[1] != digests[2] == digests[3]
    path.write_text("from lit_models.nets.lenet import LeNet\nx = 1")
    assert code_digest(["some_net"]) == code_digest(["some_net", "lit_models.nets.lenet"])


def test_a_record_of_another_version_is_named_and_left_where_it_is(make_spec, tmp_path, capsys):
    spec, store = make_spec(), RecordStore(tmp_path)
    content = {**dataclasses.asdict(RunRecord.of(spec)), "a_new_column": 1}
    path = store.path(spec)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**content, "checksum": digest(content)}))
    assert store.find(spec) is None
    assert "of another version" in capsys.readouterr().err
    assert path.exists()


def test_a_write_that_fails_leaves_the_old_record(make_spec, tmp_path, monkeypatch):
    spec, store = make_spec(), RecordStore(tmp_path)
    store.write(spec, RunRecord.of(spec, error="first"))
    second = RunRecord.of(spec, error="second")
    monkeypatch.setattr(record.json, "dumps", lambda *a, **k: "half a rec")
    monkeypatch.setattr(storage.os, "replace", lambda *a: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        store.write(spec, second)
    monkeypatch.undo()
    assert store.find(spec).error == "first"
    assert not list(tmp_path.rglob("*.part"))


def test_an_unreadable_record_is_named_and_the_rest_is_read(make_spec, tmp_path, capsys):
    store = RecordStore(tmp_path)
    for seed in (0, 1):
        spec = make_spec(seed=seed)
        store.write(spec, RunRecord.of(spec))
    path = store.path(spec)
    path.write_text(path.read_text()[:50])
    (folder,) = store.folders()
    assert [record.seed for record in record.load(folder)] == [0]
    assert path.name in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [{"model": "nin"}, {"seed": 1}, {"device": "cuda"}, {"data_digest": "other"}, "learning_rate"],
)
def test_the_key_changes_with_all_that_changes_the_numbers(make_spec, change):
    spec = make_spec()
    if change == "learning_rate":
        change = {"protocol": dataclasses.replace(spec.protocol, learning_rate=0.5)}
    assert spec.key == make_spec().key
    assert dataclasses.replace(spec, **change).key != spec.key


def test_the_key_does_not_depend_on_what_a_protocol_is_called(make_spec):
    spec = make_spec()
    assert dataclasses.replace(spec, protocol_name="other").key == spec.key


def test_a_users_net_is_known_by_all_code_of_its_package(tmp_path, monkeypatch):
    package = tmp_path / "users_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "nets.py").write_text("from .blocks import width\nfrom . import heads\n")
    (package / "heads.py").write_text("import users_package.more\n")
    (package / "more.py").write_text("classes = 3\n")
    digests = set()
    for width in (3, 4):
        (package / "blocks.py").write_text(f"width = {width}\n")
        for classes in (3, 4):
            (package / "more.py").write_text(f"classes = {classes}\n")
            monkeypatch.syspath_prepend(tmp_path)
            digests.add(code_digest(["users_package.nets"], "users_package"))
    assert len(digests) == 4
