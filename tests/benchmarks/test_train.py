import dataclasses
import itertools
import time

import lightning as L
import pytest
import torch
from torch.nn import functional as F

import lit_models
from benchmarks.checkpoints import CheckpointFile
from benchmarks.divergence import DivergedError
from benchmarks.records import OK, RunRecord
from benchmarks.train import train
from datamodules import DataError
from datamodules.image_data import DeviceResidentDataModule
from lit_models.classifier import LitClassifier
from tests.conftest import NoReading

MEASURED = {
    *(f.name for f in dataclasses.fields(RunRecord) if f.name.endswith(("_per_sec", "_seconds"))),
    "loop_efficiency",
    "bound_by",
    "sentinel_drift",
    "relative_speed",
    "peak_memory_mb",
    "utilisation",
    "speeds",
    "finished_at",
}


def numbers(record):
    """What must be the same whenever the same run is repeated."""
    return {key: v for key, v in dataclasses.asdict(record).items() if key not in MEASURED}


def test_a_record_is_complete(make_spec, tmp_path):
    record = train(make_spec(), tmp_path)
    assert record.status == OK
    empty = {key for key, value in dataclasses.asdict(record).items() if value is None}
    of_validation = {"validation_accuracy", "validation_mean_iou"}
    assert empty == {"error", "test_mean_iou", "made_in", "compile_seconds"} | of_validation
    assert (
        record.parameters
        == lit_models.cost(
            lit_models.build("lenet", in_channels=3, image_size=32), 32, 3
        ).parameters
    )
    assert [entry["epoch"] for entry in record.history] == [1, 2]
    assert record.history[-1]["loss"] == record.loss
    assert record.train_examples == 80
    assert record.data_source == "CIFAR-10 (PNG, 80 + 40)"


def test_other_data_than_planned_for_are_refused(make_spec, tmp_path):
    spec = dataclasses.replace(make_spec(), data_digest="of other images")
    with pytest.raises(DataError, match="is not what the run was planned for"):
        train(spec, tmp_path)


def test_training_learns(make_spec, tmp_path):
    record = train(make_spec("lenet", epochs=60), tmp_path)
    assert record.history[-1]["loss"] < record.history[0]["loss"] / 2
    assert record.test_accuracy > 0.5


def test_same_seed_same_result(make_spec, tmp_path):
    first, second = (numbers(train(make_spec(), tmp_path)) for _ in range(2))
    assert first == second
    other = numbers(train(make_spec(seed=1), tmp_path))
    assert other["loss"] != first["loss"]


def test_training_flops_are_three_times_the_forward_pass(make_spec, tmp_path):
    record = train(make_spec(), tmp_path)
    forward = 2 * record.macs * record.train_examples * record.epochs
    # The first convolution need not pass a gradient on to the image.
    assert 2 * forward < record.train_flops < 3 * forward


def test_bfloat16(make_spec, tmp_path):
    record = train(make_spec(precision="bf16-mixed"), tmp_path)
    assert record.precision == "bf16-mixed"
    assert record.loss == pytest.approx(train(make_spec(), tmp_path).loss, rel=0.1)


def test_clipping_bounds_the_gradient(make_spec, tmp_path):
    """Plain SGD at rate 1 moves the weights by the gradient, clipped to all but nothing."""
    options = {"optimizer": "sgd", "learning_rate": 1.0, "schedule": "constant"}
    still = train(make_spec(clip_norm=1e-6, **options), tmp_path).history
    moving = train(make_spec(clip_norm="null", **options), tmp_path).history
    assert still[1]["loss"] == pytest.approx(still[0]["loss"], abs=0.02)
    assert abs(moving[1]["loss"] - moving[0]["loss"]) > 0.1


def test_validation_leaves_the_test_set_alone(make_spec, tmp_path):
    record = train(make_spec(validation_examples=20), tmp_path)
    assert record.test_accuracy is None
    assert 0 <= record.validation_accuracy <= 1
    assert record.train_examples == 60


def test_a_diverged_run_is_stopped_and_named(make_spec, tmp_path):
    spec = make_spec(optimizer="sgd", learning_rate=1e30, clip_norm="null", schedule="constant")
    with pytest.raises(DivergedError, match="the loss became (nan|inf) at step [2-9], epoch [12]"):
        train(spec, tmp_path)


def test_a_weight_that_is_not_finite_is_divergence_too(make_spec, tmp_path, monkeypatch):
    """Of the last step no loss tells."""
    step, steps = torch.optim.AdamW.step, itertools.count(1)

    def spoil(optimizer, *args, **kwargs):
        step(optimizer, *args, **kwargs)
        if next(steps) == 10:
            with torch.no_grad():
                optimizer.param_groups[0]["params"][0][0] = float("inf")

    monkeypatch.setattr(torch.optim.AdamW, "step", spoil)
    with pytest.raises(DivergedError, match="a weight is not finite after step 10"):
        train(make_spec(), tmp_path)


def test_saving_changes_nothing_and_is_not_timed(make_spec, tmp_path, monkeypatch):
    plain = numbers(train(make_spec(), tmp_path))
    path = tmp_path / "saved.ckpt"
    save, now, spent = CheckpointFile.save_checkpoint, time.perf_counter, 0.0

    def save_for_hours(*args, **options):
        nonlocal spent
        spent += 10_000.0
        save(*args, **options)

    monkeypatch.setattr(CheckpointFile, "save_checkpoint", save_for_hours)
    monkeypatch.setattr(time, "perf_counter", lambda: now() + spent)
    record = train(make_spec(), tmp_path, checkpoint=path, checkpoint_seconds=0.0)
    assert numbers(record) == plain
    assert path.exists()
    assert spent > 10_000.0
    assert record.fit_seconds < 5_000
    assert 75 / record.examples_per_sec < 5_000


def classifier(net):
    return LitClassifier(
        net,
        10,
        lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        lambda optimizer, steps: torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0),
    )


def test_loss_and_accuracy_count_each_example_once(small_dataset):
    """80 examples in batches of 30, 30, 20: a mean of batch means would be another number."""
    torch.manual_seed(0)
    net = lit_models.build("lenet", in_channels=3, image_size=32)
    module = classifier(net)
    data = DeviceResidentDataModule(
        small_dataset, torch.device("cpu"), image_size=32, batch_size=30
    )
    losses, hits = [], 0

    class Recorder(L.Callback):
        def on_train_batch_start(self, trainer, module, batch, batch_index):
            nonlocal hits
            images, labels = batch
            with torch.no_grad():
                logits = net(images)  # before the update, as in the training step
            losses.extend(F.cross_entropy(logits, labels, reduction="none").tolist())
            hits += (logits.argmax(1) == labels).sum().item()

    L.Trainer(
        max_epochs=1,
        accelerator="cpu",
        callbacks=[Recorder()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(module, datamodule=data)
    (entry,) = module.history
    assert len(losses) == 80
    assert entry["loss"] == pytest.approx(sum(losses) / 80, rel=1e-5)
    assert entry["train_accuracy"] == pytest.approx(hits / 80)


def test_no_step_reads_a_value_back_from_the_device(small_dataset):
    module = classifier(lit_models.build("resnet18", in_channels=3, image_size=32))
    batch = small_dataset.train_images[:8] / 255, small_dataset.train_labels[:8]

    with NoReading():
        module.training_step(batch, 0).backward()
        with pytest.raises(AssertionError):
            torch.ones(()).item()
