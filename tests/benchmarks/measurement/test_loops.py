import dataclasses
from itertools import count

import pytest
import torch
from torch import nn

import lit_models
from benchmarks.measurement import flops, loops
from benchmarks.measurement.loops import WARMUP_STEPS
from benchmarks.training.callbacks import divergence
from benchmarks.training.callbacks.checkpoints import Checkpoints
from benchmarks.training.callbacks.clock import TrainingClock
from benchmarks.training.callbacks.divergence import DivergenceWatch
from benchmarks.training.callbacks.peak_memory import PeakMemory
from benchmarks.training.training import group_size
from lit_models.train_scores import TrainScores
from tests.steps import Guarded, NoReading, OnMeta

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
    assert 0 < LOOPS[loop](make_training(net), 7) < 1e9  # over an epoch of 5 steps
    assert len(steps) == (0 if loop == "data_loop" else WARMUP_STEPS + 7)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_rate_is_of_all_examples_of_the_steps_timed(make_training, monkeypatch, loop):
    """Under a clock that ticks once a step; where there is none, once a batch."""
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
def test_the_device_is_waited_for_at_both_ends_and_not_between(make_training, accelerator, loop):
    net = lenet()
    net.register_forward_hook(lambda *args: accelerator.append("step"))
    LOOPS[loop](make_training(net), 2)
    clock = ["synchronize", "time"]
    steps = [] if loop == "data_loop" else ["step"]
    assert accelerator == WARMUP_STEPS * steps + clock + 2 * steps + clock


def test_the_textbooks_clock_waits_for_the_device_at_every_reading(make_training, accelerator):
    loops.d2l_clock_loop(make_training(lenet()), 3)
    assert accelerator.count("time") == 2 * (WARMUP_STEPS + 3) - WARMUP_STEPS
    for number, event in enumerate(accelerator):
        if event == "time":
            assert accelerator[number - 1] == "synchronize"


@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_a_bare_step_is_that_of_the_trainer(make_training, micro_batch_size):
    """The same weights after an epoch in either, with clipping and a constant rate."""
    first, fields = lenet().state_dict(), {"schedule": "constant", "clip_norm": 0.3}
    trained = []
    for is_bare in (True, False):
        net = lenet()
        net.load_state_dict(first)
        training = make_training(net, micro_batch_size, **fields)
        if is_bare:
            optimizer = training.optimizer()
            for batch in training.data.train_dataloader():
                training.step(optimizer, *batch)
        else:
            trainer = training.trainer(
                max_epochs=1, enable_progress_bar=False, enable_checkpointing=False
            )
            trainer.fit(training.module(), datamodule=training.data)
        trained.append(net.state_dict())
    bare, of_trainer = trained
    for name, weight in bare.items():
        torch.testing.assert_close(of_trainer[name], weight)
        assert not torch.equal(weight, first[name])


@pytest.mark.parametrize("group_size", [2, 3, 5, 7])
def test_the_trainer_does_the_same_to_groups_as_to_batches(make_training, group_size):
    """To the bit, over epochs of 5 batches, the last of them smaller."""
    first, trained = lenet().state_dict(), []
    for size in (1, group_size):
        net = lenet()
        net.load_state_dict(first)
        training = make_training(net, batch_size=18, augmentation="[flip]", schedule="one_cycle")
        training.data.group_size = size
        training = dataclasses.replace(
            training, protocol=dataclasses.replace(training.protocol, epochs=2)
        )
        clock, module = TrainingClock(warmup=0), training.module()
        trainer = training.trainer(
            max_epochs=2, callbacks=[clock], enable_progress_bar=False, enable_checkpointing=False
        )
        trainer.fit(module, datamodule=training.data)
        loader = training.data.train_dataloader()
        untimed = loader.global_size(len(loader) - 1) if len(loader) > 1 else 0
        assert (trainer.global_step, clock.examples) == (10, 160 - untimed)
        trained.append((net.state_dict(), module.history))
    (weights, history), (of_groups, history_of_groups) = trained
    assert history_of_groups == history
    for name, weight in weights.items():
        assert torch.equal(of_groups[name], weight)


@pytest.mark.parametrize("steps", [1, 9])
def test_a_slice_of_groups_times_whole_groups(make_training, steps):
    """After one group as a warm-up."""
    net, seen = lenet(), []
    net.register_forward_hook(lambda *args: seen.append(1))
    training = make_training(net, batch_size=4, schedule="one_cycle")
    training.data.group_size = 3
    assert loops.trainer_loop(training, steps) > 0
    assert 3 + steps <= len(seen) < 3 + steps + 3


def test_only_small_nets_come_in_groups_and_none_is_long(make_training):
    data = make_training(lenet(), batch_size=1).data  # 80 batches
    assert group_size(0, data) == group_size(10**8, data) == 80 // 8
    assert group_size(2 * 10**8, data) == 5
    assert group_size(10**10, data) == 1
    assert group_size(0, make_training(lenet(), batch_size=16).data) == 1


def test_the_net_does_not_change_while_it_is_timed(make_training):
    net = lenet()
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    fields = {"optimizer": "sgd", "learning_rate": 1e30, "clip_norm": "null"}
    assert loops.bare_loop(make_training(net, **fields).with_negligible_updates(), 3) > 0
    for name, weight in net.state_dict().items():
        torch.testing.assert_close(weight, before[name])


def test_flops_are_those_of_forward_and_backward_pass(make_training):
    class Linear(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Flatten(), nn.Linear(3072, 10))

    training = make_training(Linear())
    assert flops.training_flops(training) == 2 * 2 * 3072 * 10  # output, and gradient of the weight
    training = make_training(Linear(), micro_batch_size=4)
    assert flops.training_flops(training) == 2 * 2 * 3072 * 10


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_the_flops_of_a_grouped_convolution_are_those_of_its_groups(make_training, groups):
    net = nn.Sequential(
        nn.Conv2d(3, 8, 1, bias=False),  # the gradient of its image is not wanted
        nn.Conv2d(8, 16, 3, stride=2, groups=groups, bias=False),
        nn.ConvTranspose2d(16, 8, 5, groups=groups, bias=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )
    first, second = 3 * 8 * 32**2, 8 * 16 * 9 * 15**2 // groups
    third, last = 16 * 8 * 25 * 15**2 // groups, 80
    expected = 2 * (2 * first + 3 * (second + third + last))
    assert flops.training_flops(make_training(net)) == expected


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


@pytest.mark.parametrize("group_size", [1, 2])
@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_no_callback_of_a_run_reads_a_value_back_within_an_epoch(
    make_training, monkeypatch, micro_batch_size, group_size
):
    monkeypatch.setattr(divergence, "SECONDS", 1e9)
    monkeypatch.setattr(TrainScores, "CAPACITY", 20)  # added up within the epoch
    fields = {"augmentation": "[flip,crop,cutout]", "schedule": "one_cycle"}
    training = make_training(lenet(), micro_batch_size, **fields)
    training.data.group_size = group_size
    clock, watch, guarded = TrainingClock(), DivergenceWatch(), Guarded(NoReading())
    memory = PeakMemory(training.device)
    progress = Checkpoints(None, 1e9, clock, watch, memory, jobs=1)
    trainer = training.trainer(
        max_epochs=2, callbacks=[clock, watch, progress, guarded], enable_progress_bar=False
    )
    trainer.fit(training.module(), datamodule=training.data)
    assert guarded.steps == {1: 10, 2: 6}[group_size]


@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_batches_and_steps_stay_on_their_device(make_training, monkeypatch, micro_batch_size):
    # PyTorch has no fused optimizers for this device.
    monkeypatch.setattr(
        loops,
        "make_optimizer",
        lambda parameters, protocol: torch.optim.SGD(parameters, momentum=0.9),
    )
    fields = {"augmentation": "[flip,crop,cutout]", "image_size": 40}
    net = lit_models.build("lenet", in_channels=3, image_size=40)
    training = make_training(net, micro_batch_size, "meta", **fields)
    steps = training.optimizer()
    batches = iter(training.data.train_dataloader())
    training.step(steps, *next(batches))  # the order of the epoch is drawn on the CPU
    with OnMeta():
        for _ in range(4):
            training.step(steps, *next(batches))
