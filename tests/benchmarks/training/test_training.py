import dataclasses

import pytest
import torch

import lit_models
from benchmarks.training import training as training_module
from benchmarks.training.callbacks import divergence
from benchmarks.training.callbacks.checkpoints import Checkpoints
from benchmarks.training.callbacks.clock import TrainingClock
from benchmarks.training.callbacks.divergence import DivergenceWatch
from benchmarks.training.callbacks.peak_memory import PeakMemory
from benchmarks.training.callbacks.stages import StageReports
from benchmarks.training.callbacks.stop_signal import StopSignal
from benchmarks.training.training import evaluation_batch_size, group_size
from lit_models.train_scores import TrainScores
from tests.steps import Guarded, NoReading, OnMeta


def lenet():
    return lit_models.build("lenet", in_channels=3, image_size=32)


@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_a_bare_step_equals_a_step_of_the_trainer(make_training, micro_batch_size):
    """Both give the same weights after an epoch, with clipping and a constant learning rate."""
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
def test_training_by_groups_equals_training_by_batches(make_training, group_size):
    """They are equal to the bit, over epochs of 5 batches whose last is smaller."""
    first, trained = lenet().state_dict(), []
    for size in (1, group_size):
        net = lenet()
        net.load_state_dict(first)
        training = make_training(net, batch_size=18, augmentation="[flip]", schedule="one_cycle")
        training.data.group_size = size
        training = dataclasses.replace(
            training, protocol=dataclasses.replace(training.protocol, epochs=2)
        )
        clock, module = TrainingClock(warmup_steps=0), training.module()
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


def test_only_small_nets_are_trained_by_groups_of_limited_size(make_training):
    data = make_training(lenet(), batch_size=1).data  # 80 batches
    assert group_size(0, data) == group_size(10**8, data) == 80 // 8
    assert group_size(2 * 10**8, data) == 5
    assert group_size(10**10, data) == 1
    assert group_size(0, make_training(lenet(), batch_size=16).data) == 1


@pytest.mark.parametrize(
    ("batch_size", "image_size", "size"),
    [(32, 72, 96), (256, 28, 512), (256, 96, 256), (1, 72, 101), (7, 10_000, 7)],
)
def test_an_evaluation_takes_whole_batches_of_so_many_pixels(batch_size, image_size, size):
    assert evaluation_batch_size(batch_size, image_size) == size


@pytest.mark.parametrize("group_size", [1, 2])
@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_no_callback_reads_a_value_back_within_an_epoch(
    make_training, monkeypatch, tmp_path, micro_batch_size, group_size
):
    monkeypatch.setattr(divergence, "SECONDS", 1e9)
    monkeypatch.setattr(TrainScores, "CAPACITY", 20)  # reduced within the epoch
    fields = {"augmentation": "[flip,crop,cutout]", "schedule": "one_cycle"}
    training = make_training(lenet(), micro_batch_size, **fields)
    training.data.group_size = group_size
    clock, watch, guarded = TrainingClock(), DivergenceWatch(), Guarded(NoReading())
    memory, stop = PeakMemory(training.device, before=0), StopSignal()
    path = tmp_path / "saved.ckpt"
    saving = Checkpoints(path, 1e9, dict, stop=stop, watch=watch, clocks=[clock])
    stages = StageReports(10, report=print, seconds_after=lambda seconds: 0.0)
    callbacks = [clock, watch, memory, stop, stages, saving, guarded]
    trainer = training.trainer(max_epochs=2, callbacks=callbacks, enable_progress_bar=False)
    trainer.fit(training.module(), datamodule=training.data)
    assert guarded.steps == {1: 10, 2: 6}[group_size]


@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_batches_and_steps_stay_on_their_device(make_training, monkeypatch, micro_batch_size):
    # PyTorch has no fused optimizers for this device.
    monkeypatch.setattr(
        training_module,
        "make_optimizer",
        lambda parameters, protocol: torch.optim.SGD(parameters, momentum=0.9),
    )
    fields = {"augmentation": "[flip,crop,cutout]", "image_size": 40}
    net = lit_models.build("lenet", in_channels=3, image_size=40)
    training = make_training(net, micro_batch_size, "meta", **fields)
    optimizer = training.optimizer()
    batches = iter(training.data.train_dataloader())
    training.step(optimizer, *next(batches))  # the order of the epoch is drawn on the CPU
    with OnMeta():
        for _ in range(4):
            training.step(optimizer, *next(batches))
