import dataclasses
import json
from pathlib import Path

import pytest

from benchmarks.planning.fingerprint import digest
from benchmarks.records import record as records
from benchmarks.records import storage, store
from benchmarks.records.frames import frame
from benchmarks.records.record import COLUMNS, FAILED, PARTS, RunRecord
from benchmarks.records.store import RecordStore, load
from tests.runs import record_of

# People script against these.
PROMISED = """model, dataset, protocol, seed, status, error, parameters, macs, loss, train_accuracy,
test_accuracy, examples_per_sec, step_examples_per_sec, loop_efficiency, peak_memory_mb,
train_flops, fit_seconds, image_size, batch_size, epochs, train_examples, precision,
memory_format, device, torch_version, commit, data_source, key, finished_at"""

# One record of each schema, as it was written.
SCHEMAS = sorted((Path(__file__).parent / "schemas").glob("*.json"))


def test_promised_columns():
    assert set(PROMISED.replace(",", " ").split()) <= set(COLUMNS)
    assert len(COLUMNS) == len(set(COLUMNS))


def test_every_field_is_documented():
    for part in (*PARTS.values(), RunRecord):
        undocumented = {f.name for f in dataclasses.fields(part) if not f.metadata.get("doc")}
        assert undocumented <= set(PARTS)


def test_what_is_written_is_read_back(make_spec, tmp_path):
    spec, store = make_spec(), RecordStore(tmp_path)
    assert store.find(spec) is None
    values = {"loss": 0.5, "jobs": 2, "samples": {"loop": {"median": 1.0}}, "commit": "abc"}
    written = store.write(spec, record_of(spec, status=FAILED, error="it | rained", **values))
    assert store.find(spec) == written
    assert (written.scores.loss, written.resources.jobs) == (0.5, 2)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_a_record_of_every_schema_is_read(path):
    content = json.loads(path.read_text())
    record = RunRecord.from_dict(content)
    row = record.row()
    flat = content if "schema" not in content else {}
    assert row["model"] == "lenet"
    assert all(row[name] == value for name, value in flat.items() if name in row)
    assert record.history
    assert record.speed.samples["loop"]["samples"]
    assert record.setup.settings["image_size"] == row["image_size"]
    assert len(frame([record])) == 1


def test_there_is_a_record_of_every_schema():
    found = {json.loads(path.read_text()).get("schema", 1) for path in SCHEMAS}
    assert found == set(range(1, records.SCHEMA + 1))


def test_an_unknown_field_is_left_out(make_spec):
    content = RunRecord.of(make_spec()).to_dict()
    content["scores"]["elegance"] = content["elegance"] = 1
    assert RunRecord.from_dict(content) == RunRecord.of(
        make_spec(), finished_at=content["finished_at"]
    )


def test_a_record_of_a_clone_is_no_reason_not_to_run(make_spec, tmp_path):
    spec, store = make_spec(), RecordStore(tmp_path)
    store.write(spec, RunRecord.of(spec))
    assert store.finished(spec)
    (tmp_path / ".identity").unlink()  # git leaves it out of a clone
    assert store.find(spec)
    assert store.finished(spec) is None
    store.write(spec, RunRecord.of(spec))
    assert store.finished(spec)


def test_a_failed_run_is_not_finished(make_spec, tmp_path):
    spec, store = make_spec(), RecordStore(tmp_path)
    store.write(spec, RunRecord.of(spec, status=FAILED))
    assert store.finished(spec) is None


def test_a_record_of_a_later_version_is_named_and_left_where_it_is(make_spec, tmp_path, capsys):
    spec, store = make_spec(), RecordStore(tmp_path)
    content = RunRecord.of(spec).to_dict() | {"schema": records.SCHEMA + 1}
    path = store.path(spec)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**content, "checksum": digest(content)}))
    assert store.find(spec) is None
    assert f"its schema is {records.SCHEMA + 1}" in capsys.readouterr().err
    assert path.exists()


def test_a_write_that_fails_leaves_the_old_record(make_spec, tmp_path, monkeypatch):
    spec, folder = make_spec(), RecordStore(tmp_path)
    folder.write(spec, RunRecord.of(spec, error="first"))
    second = RunRecord.of(spec, error="second")
    monkeypatch.setattr(store.json, "dumps", lambda *a, **k: "half a rec")
    monkeypatch.setattr(storage.os, "replace", lambda *a: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        folder.write(spec, second)
    monkeypatch.undo()
    assert folder.find(spec).error == "first"
    assert not list(tmp_path.rglob("*.part"))


def test_file_and_folder_are_synced_before_a_record_counts(make_spec, tmp_path, monkeypatch):
    """The content reaches the disk before its name does, and the name before `write` returns."""
    order = []
    sync, rename = storage.os.fsync, storage.os.replace

    def fsync(descriptor):
        is_folder = Path(f"/proc/self/fd/{descriptor}").resolve().is_dir()
        order.append("folder" if is_folder else "file")
        sync(descriptor)

    def replace(source, target):
        order.append("rename")
        rename(source, target)

    monkeypatch.setattr(storage.os, "fsync", fsync)
    monkeypatch.setattr(storage.os, "replace", replace)
    storage.write_atomic(tmp_path / "record.json", "{}")
    assert order == ["file", "rename", "folder"]


def test_an_unreadable_record_is_named_and_the_rest_is_read(make_spec, tmp_path, capsys):
    store = RecordStore(tmp_path)
    for seed in (0, 1):
        spec = make_spec(seed=seed)
        store.write(spec, RunRecord.of(spec))
    path = store.path(spec)
    path.write_text(path.read_text()[:50])
    (folder,) = store.folders()
    assert [record.setup.seed for record in load(folder)] == [0]
    assert path.name in capsys.readouterr().err


def test_files_are_named_after_models_with_options(make_spec, tmp_path):
    store = RecordStore(tmp_path)
    spec = make_spec("convnet[first_layer_filters=8]")
    store.write(spec, RunRecord.of(spec))
    assert store.path(spec).name == f"convnet-first_layer_filters=8-seed0-{spec.key}.json"
    assert store.latest(spec).setup.model == spec.model
    assert store.latest(make_spec("convnet")) is None
    rates = ",".join(["1"] * 90)
    models = [f"dilated_fcn[rates=[{rates},{last}]]" for last in (2, 3)]
    names = {store.path(dataclasses.replace(spec, model=model)).name for model in models}
    assert len({name.rpartition("-")[0] for name in names}) == 2
    assert max(map(len, names)) < 150


def test_the_latest_record_of_a_model_and_seed_is_found(make_spec, tmp_path):
    store = RecordStore(tmp_path)
    for year, fields in (("2001", {"epochs": 3}), ("2003", {"epochs": 4}), ("2002", {"epochs": 5})):
        other = make_spec(**fields)
        store.write(other, RunRecord.of(other, finished_at=year))
    assert store.latest(make_spec()).setup.epochs == 4
    assert store.latest(make_spec(seed=1)) is None
