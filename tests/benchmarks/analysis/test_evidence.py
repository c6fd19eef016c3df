"""What the records of one comparison say, by model."""

from benchmarks.analysis.evidence import Evidence
from benchmarks.records.store import RecordStore
from tests.runs import record_of


def test_values_of_a_varied_field_are_rows_of_their_own(make_spec, tmp_path):
    store = RecordStore(tmp_path)
    for size in (8, 16):
        spec = make_spec(batch_size=size)
        setup = {"varied": "batch_size", "varied_value": size, "protocol_digest": "shared"}
        store.write(spec, record_of(spec, **setup))
    found = Evidence.load(tmp_path / spec.folder)
    assert list(found.runs) == ["lenet, batch size 16", "lenet, batch size 8"]
    assert [len(runs) for runs in found.runs.values()] == [1, 1]
