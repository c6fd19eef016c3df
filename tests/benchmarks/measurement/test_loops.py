from itertools import count

import pytest
import torch

import lit_models
from benchmarks.measurement import loops
from benchmarks.measurement.loops import WARMUP_STEPS

LOOPS = {
    name: getattr(loops, name)
    for name in ("trainer_loop", "bare_loop", "d2l_clock_loop", "data_loop")
}


def lenet():
    return lit_models.build("lenet", in_channels=3, image_size=32)


@pytest.mark.parametrize("loop", LOOPS)
def test_every_loop_takes_the_steps_asked_for_and_gives_a_rate(make_training, loop):
    net, steps = lenet(), []
    net.register_forward_hook(lambda *args: steps.append(1))
    assert 0 < LOOPS[loop](make_training(net), 7) < 1e9  # more steps than the 5 of an epoch
    assert len(steps) == (0 if loop == "data_loop" else WARMUP_STEPS + 7)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_rate_counts_all_examples_of_the_timed_steps(make_training, monkeypatch, loop):
    """The clock ticks once a step, or once a batch in the loop that has no steps."""
    ticks, net = count(1), lenet()
    training = make_training(net, batch_size=20)
    loader, now = training.data.train_dataloader(), [0]

    def tick(*args):
        now[0] = next(ticks)

    if loop == "data_loop":
        prepare = loader.prepare
        monkeypatch.setattr(loader, "prepare", lambda images: (tick(), prepare(images))[1])
    else:
        net.register_forward_hook(tick)
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    assert LOOPS[loop](training, 6) == 20


@pytest.mark.parametrize("loop", ["bare_loop", "data_loop", "trainer_loop"])
def test_the_device_is_synchronised_at_both_ends_and_not_between(make_training, accelerator, loop):
    net = lenet()
    net.register_forward_hook(lambda *args: accelerator.append("step"))
    LOOPS[loop](make_training(net), 2)
    clock = ["synchronize", "time"]
    steps = [] if loop == "data_loop" else ["step"]
    assert accelerator == WARMUP_STEPS * steps + clock + 2 * steps + clock


def test_the_d2l_clock_synchronises_the_device_at_every_reading(make_training, accelerator):
    loops.d2l_clock_loop(make_training(lenet()), 3)
    assert accelerator.count("time") == 2 * (WARMUP_STEPS + 3) - WARMUP_STEPS
    for number, event in enumerate(accelerator):
        if event == "time":
            assert accelerator[number - 1] == "synchronize"


@pytest.mark.parametrize("steps", [1, 9])
def test_the_trainer_loop_times_whole_groups_after_one_as_warm_up(make_training, steps):
    net, seen = lenet(), []
    net.register_forward_hook(lambda *args: seen.append(1))
    training = make_training(net, batch_size=4, schedule="one_cycle")
    training.data.group_size = 3
    assert loops.trainer_loop(training, steps) > 0
    assert 3 + steps <= len(seen) < 3 + steps + 3


def test_the_net_does_not_change_while_it_is_timed(make_training):
    net = lenet()
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    fields = {"optimizer": "sgd", "learning_rate": 1e30, "clip_norm": "null"}
    assert loops.bare_loop(make_training(net, **fields).with_negligible_updates(), 3) > 0
    for name, weight in net.state_dict().items():
        torch.testing.assert_close(weight, before[name])


@pytest.mark.parametrize(
    ("precision", "dtype"), [("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)]
)
def test_every_loop_computes_in_the_precision_of_the_protocol(make_training, precision, dtype):
    net, seen = lenet(), set()
    net.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    training = make_training(net, precision=precision)
    for loop in (loops.trainer_loop, loops.bare_loop, loops.d2l_clock_loop):
        seen.clear()
        loop(training, 2)
        assert seen == {dtype}
