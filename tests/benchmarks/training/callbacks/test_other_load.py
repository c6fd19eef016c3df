import subprocess
import sys
import time

import psutil
import pytest

from benchmarks.training.callbacks.other_load import OtherLoad, _others

SECONDS = 1.5


def usable_cores():
    return len(psutil.Process().cpu_affinity())


def load_while(work) -> float | None:
    load = OtherLoad()
    with load.counted():
        work()
    return load.fraction


def spin():
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="affinities are asked for as on Linux")
def test_a_busy_process_is_the_load_of_others_and_ones_own_work_is_not():
    idle = load_while(lambda: time.sleep(SECONDS))
    if idle is None or idle > 0.05:
        pytest.skip(f"the machine is not idle: {idle}")
    assert load_while(spin) < 0.1
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        assert load_while(lambda: time.sleep(SECONDS)) > 0.7 / usable_cores()
    finally:
        busy.kill()
        busy.wait()


def test_the_ranks_of_a_node_are_not_others():
    assert _others([(3.0, 7.0, 8.0), (2.0, 7.0, 8.0)]) == (2.0, 8.0)
    assert _others([(3.0, 2.9, 8.0)]) == (0.0, 8.0)


def test_a_system_that_does_not_tell_has_no_load():
    assert _others([(3.0, 0.0, 8.0)]) == (0.0, 0.0)
    assert load_while(lambda: None) is None


def test_an_interrupted_fit_goes_on_counting():
    first, second = OtherLoad(), OtherLoad()
    first.load_state_dict({"others": 1.0, "available": 10.0})
    second.load_state_dict(first.state_dict())
    assert second.fraction == 0.1
