"""No node waits for another that is gone."""

import time

import pytest

from tests.benchmarks.test_nodes import FIELDS, start  # noqa: F401


@pytest.mark.faults
@pytest.mark.parametrize("gone", [0, 1])
def test_the_others_do_not_wait_for_a_node_that_is_gone(
    start, tmp_path, counted, monkeypatch, gone
):
    counted()
    monkeypatch.setitem(FIELDS, "epochs", 1_000_000)
    long = ["--num-nodes=2", "--checkpoint-seconds=0"]
    nodes = [start(rank, *long) for rank in (0, 1)]
    while not list(tmp_path.rglob("*.ckpt")):
        time.sleep(0.1)
        assert [node.poll() for node in nodes] == [None, None]
    nodes[gone].kill()
    output, errors = nodes[1 - gone].communicate(timeout=60)
    assert nodes[1 - gone].returncode == (1 if gone else 2)
    assert ("lenet (seed 0): failed" in output) if gone else ("node 0 is gone" in errors)
