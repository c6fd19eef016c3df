"""Several nodes on one machine: one command each, which differ in their environments."""

import pytest

from benchmarks import cli
from benchmarks.errors import UsageError
from benchmarks.execution.rendezvous import node_rank
from benchmarks.records.record import OK
from benchmarks.records.store import load
from tests.runs import flat


def records(results):
    return [flat(record) for folder in results.glob("*/*") for record in load(folder)]


@pytest.mark.slow
def test_two_nodes_equal_two_devices(start_node, tmp_path):
    """Node 0 decides which runs are started. The nodes share nothing but its store."""
    alone = start_node(9, "--devices=2")
    assert alone.wait(120) == 0
    nodes = [start_node(0, "--num-nodes=2"), start_node(1, "--num-nodes=2", "--seeds=1,0")]
    outputs = [node.communicate(timeout=120) for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], outputs
    assert outputs[1][0].splitlines() == ["lenet (seed 0) ...", "lenet (seed 0): ok"]
    assert not records(tmp_path / "1")
    (expected,), (record,) = records(tmp_path / "9"), records(tmp_path / "0")
    assert (record.status, record.devices, record.num_nodes) == (OK, 1, 2)
    assert record.weights_digest == expected.weights_digest
    assert record.history == expected.history
    assert record.test_accuracy == expected.test_accuracy


def test_missing_variables_are_named(capsys, monkeypatch):
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.delenv("MASTER_PORT", raising=False)
    monkeypatch.delenv("NODE_RANK", raising=False)
    assert cli.main(["run", "--models=lenet", "--num-nodes=2", "--device=cpu"]) == 2
    message = "benchmarks: 2 nodes need MASTER_PORT, NODE_RANK in the environment\n"
    assert capsys.readouterr().err == message


@pytest.mark.parametrize("rank", ["2", "-1", "first"])
def test_an_invalid_number_of_a_node_is_refused(monkeypatch, rank):
    for name, value in {"MASTER_ADDR": "x", "MASTER_PORT": "1", "NODE_RANK": rank}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="NODE_RANK must be a whole number below 2"):
        node_rank(2)
