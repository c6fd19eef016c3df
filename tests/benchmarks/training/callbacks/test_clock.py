import pytest
import torch

from benchmarks.machine import accelerator
from benchmarks.training.callbacks.clock import TrainingClock


class Trainer:
    """Counts what `TrainingClock` asks for."""

    train_dataloader = None
    is_last_batch = False

    def __init__(self, steps):
        self.estimated_stepping_batches = steps
        self.global_step = 0


class Module:
    device = torch.device("cpu")


@pytest.fixture
def events(monkeypatch):
    """What the clock does, in order: synchronising the device, and reading the time."""
    events = []

    def read():
        events.append("time")
        return float(len(events))

    monkeypatch.setattr(accelerator, "synchronize", lambda device: events.append("sync"))
    monkeypatch.setattr(accelerator.time, "perf_counter", read)
    return events


def run(clock, epochs, batches, size=8, before=0):
    trainer, batch = Trainer(before + epochs * batches), (None, torch.zeros(size))
    clock.on_train_start(trainer, Module)
    for _ in range(epochs):
        clock.on_train_epoch_start(trainer, Module)
        for index in range(batches):
            trainer.global_step += 1
            trainer.is_last_batch = index == batches - 1
            clock.on_train_batch_start(trainer, Module, batch, index)
            clock.on_train_batch_end(trainer, Module, None, batch, index)
        clock.on_train_epoch_end(trainer, Module)
    return clock


def test_the_first_steps_are_not_timed(events):
    clock = run(TrainingClock(), epochs=2, batches=20)
    assert clock.examples == 8 * (40 - clock.warmup_steps - 1)


def test_the_first_batch_of_another_shape_is_not_timed(events):
    clock = run(TrainingClock(), epochs=1, batches=20)
    # The fake clock reads 2 when it starts, and 4 before the last batch.
    assert (clock.examples, clock.seconds) == (8 * (20 - clock.warmup_steps - 1), 2)
    assert events == ["sync", "time"] * 2


def test_a_short_training_is_timed_too(events):
    for batches in (1, 2, 3):
        assert run(TrainingClock(), epochs=1, batches=batches).examples == 8


def test_every_reading_of_the_clock_is_preceded_by_a_synchronisation(events):
    run(TrainingClock(), epochs=3, batches=4)
    assert events == ["sync", "time"] * 4  # warm-up takes the whole first epoch


def test_time_between_epochs_is_left_out(events):
    clock = run(TrainingClock(), epochs=3, batches=4)
    # The fake clock reads 2, 4, 6, 8: two timed epochs take 2 each, and 2 pass between them.
    assert clock.seconds == 4
    assert clock.examples_per_sec == clock.examples / 4


def test_nothing_is_timed_while_the_clock_is_stopped(events):
    clock, trainer = TrainingClock(), Trainer(1)
    clock.on_train_start(trainer, Module)  # reads 2
    with clock.stopped(Module.device):  # 4
        accelerator.time.perf_counter()
    clock.on_train_epoch_end(trainer, Module)  # 7 to 9
    assert clock.seconds == 4


def test_a_clock_that_is_restored_warms_up_and_goes_on(events):
    first = run(TrainingClock(), epochs=1, batches=20)
    second = TrainingClock()
    second.load_state_dict(first.state_dict())
    run(second, epochs=1, batches=20, before=20)
    assert second.examples == 2 * first.examples
    assert second.seconds > first.seconds


@pytest.mark.parametrize("queue", ["cuda", "mps"])
def test_the_accelerator_alone_is_waited_for(monkeypatch, queue):
    asked = []
    device = torch.device(queue)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: device)
    monkeypatch.setattr(torch.accelerator, "synchronize", asked.append)
    for name in ("cuda", "mps", "cpu"):
        accelerator.synchronize(torch.device(name))
    assert asked == [device]


def test_without_an_accelerator_nothing_is_waited_for(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: None)
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda device: pytest.fail("it was"))
    accelerator.synchronize(torch.device("cpu"))
