import os
import threading
import time

import pytest

from benchmarks.execution import processes


def wait_under(parent, seconds):
    with processes.exiting_with(parent or os.getppid()):
        time.sleep(seconds)
    assert threading.active_count() == 1, "a thread would be forked"


@pytest.mark.parametrize(("parent", "seconds", "status"), [(None, 0.2, 0), (1, 60.0, 1)])
def test_a_process_exits_with_its_parent(parent, seconds, status):
    process = processes.context().Process(target=wait_under, args=(parent, seconds))
    began = time.monotonic()
    process.start()
    process.join(30)
    assert process.exitcode == status
    assert time.monotonic() - began < 30
