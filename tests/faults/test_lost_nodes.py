"""A node that is gone ends the run on the others."""

import time

import pytest


@pytest.mark.faults
@pytest.mark.parametrize("gone", [0, 1])
def test_a_lost_node_ends_the_run(start_node, tmp_path, counted, gone):
    counted()
    options = ["--num-nodes=2", "--checkpoint-seconds=0"]
    nodes = [start_node(rank, *options, epochs=1_000_000) for rank in (0, 1)]
    while not list(tmp_path.rglob("*.ckpt")):
        time.sleep(0.1)
        assert [node.poll() for node in nodes] == [None, None]
    nodes[gone].kill()
    output, errors = nodes[1 - gone].communicate(timeout=60)
    if gone == 0:
        assert nodes[1].returncode == 2
        assert "node 0 is gone" in errors
    else:
        assert nodes[0].returncode == 1
        assert "lenet (seed 0): failed" in output
