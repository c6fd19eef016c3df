import dataclasses
import itertools
import threading
import time
from functools import partial
from statistics import median

import pytest
import torch

import datamodules
import lit_models
from benchmarks.measurement import loop_timings
from benchmarks.records.record import OK
from benchmarks.training import training
from benchmarks.training.callbacks.divergence import DivergedError
from benchmarks.training.checkpoint_file import CheckpointFile
from datamodules import DataError
from lit_models.classifier import LitClassifier
from tests.runs import numbers, train


def train_in_two_parts(spec, data_dir, calls):
    """Break a training off after so many calls of its step, and go on; returns the record."""
    path, left, step = data_dir / "saved", iter(range(calls)), LitClassifier.training_step

    def break_off(module, batch, index):
        if next(left, None) is None:
            raise InterruptedError
        return step(module, batch, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LitClassifier, "training_step", break_off)
        with pytest.raises(InterruptedError):
            train(spec, data_dir, checkpoint=path, checkpoint_seconds=0.0)
    return train(spec, data_dir, checkpoint=path)


def test_a_record_is_complete(make_spec, tmp_path):
    record = train(make_spec(), tmp_path)
    assert record.status == OK
    empty = {name for name, value in vars(record).items() if value is None}
    of_others = {"validation_accuracy", "validation_mean_iou", "timed_again", "uncounted"}
    of_others |= {"initial_weights", "varied", "varied_value"}
    of_others |= {"test_balanced_accuracy", "validation_balanced_accuracy"}
    of_load = {"other_load", "bound_by"}  # a short run, or a busy machine
    assert empty - of_load == {"error", "test_mean_iou", "made_in", "compile_seconds"} | of_others
    assert (
        record.parameters
        == lit_models.cost(
            lit_models.build("lenet", in_channels=3, image_size=32), 32, 3
        ).parameters
    )
    assert [entry["epoch"] for entry in record.history] == [1, 2]
    assert record.history[-1]["loss"] == record.loss
    assert record.train_examples == 80
    assert record.evaluations == []
    assert record.examples_per_sec_q1 <= record.examples_per_sec_q3
    assert record.inference_examples_per_sec > 0
    assert record.inference_batch_size in (4, 8, 16)
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


def test_bfloat16(make_spec, tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr("benchmarks.training.preparation.keep_in_fp32", kept.append)
    record = train(make_spec(precision="bf16-mixed"), tmp_path)
    assert record.precision == "bf16-mixed"
    assert len(kept) == 1
    assert record.loss == pytest.approx(train(make_spec(), tmp_path).loss, rel=0.1)
    assert len(kept) == 1  # an fp32 training needs no exception


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


@pytest.mark.parametrize(("every", "epochs"), [(0.4, [0.4, 0.8, 1.2, 1.6, 2]), (2, [2]), (9, [2])])
def test_accuracy_on_the_way_changes_nothing(make_spec, tmp_path, every, epochs):
    """Epochs have five batches."""
    plain = train(make_spec(), tmp_path)
    record = train(make_spec(evaluate_every=every), tmp_path)
    assert record.weights_digest == plain.weights_digest
    assert record.history == plain.history
    assert [point["epoch"] for point in record.evaluations] == epochs
    assert record.evaluations[-1]["accuracy"] == pytest.approx(record.test_accuracy)
    seconds = [point["seconds"] for point in record.evaluations]
    assert seconds[0] > 0
    assert seconds == sorted(seconds)
    assert seconds[-1] <= record.fit_seconds


def test_accuracy_on_the_way_outlives_an_interruption(make_spec, tmp_path):
    spec = make_spec(evaluate_every=0.4)
    plain, record = train(spec, tmp_path), train_in_two_parts(spec, tmp_path, calls=7)
    assert record.resumed == 1
    accuracies = ([p["accuracy"] for p in r.evaluations] for r in (plain, record))
    assert next(accuracies) == next(accuracies)


def test_the_seed_draws_the_subset_if_it_shall(make_spec, tmp_path):
    def subsets(subset):
        specs = (make_spec(train_examples=40, subset=subset, seed=seed) for seed in (0, 1))
        return [serve_labels(spec) for spec in specs]

    def serve_labels(spec):
        dataset = datamodules.load("cifar10", tmp_path)
        data = training.serve(dataset, torch.device("cpu"), spec.protocol, spec.seed)
        return data.train_batches.labels.tolist()

    fixed, by_seed = subsets("fixed"), subsets("by_seed")
    assert fixed[0] == fixed[1]
    assert by_seed[0] != by_seed[1]


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
    save, spent = CheckpointFile.save_checkpoint, 0.0

    def save_for_hours(*args, **options):
        nonlocal spent
        spent += 10_000.0
        save(*args, **options)

    monkeypatch.setattr(CheckpointFile, "save_checkpoint", save_for_hours)
    for clock in ("perf_counter", "monotonic"):
        read = partial(getattr(time, clock))
        monkeypatch.setattr(time, clock, lambda read=read: read() + spent)
    record = train(make_spec(), tmp_path, checkpoint=path, checkpoint_seconds=0.0)
    assert numbers(record) == plain
    assert path.exists()
    assert spent > 10_000.0
    assert record.fit_seconds < 5_000
    assert 75 / record.examples_per_sec < 5_000


def test_seconds_to_the_first_step_count_from_the_decision(make_spec, tmp_path):
    began = time.time()
    record = train(make_spec(), tmp_path, decided_at=began - 1000)
    took = time.time() - began
    assert 1000 <= record.import_seconds < record.first_step_seconds < 1000 + took
    assert record.fit_seconds < took
    assert record.compile_seconds is None


def test_what_is_derived_is_of_what_is_measured(make_spec, tmp_path):
    record = train(make_spec(), tmp_path)
    samples = {name: entry["samples"] for name, entry in record.samples.items()}
    assert {len(values) for values in samples.values()} == {loop_timings.ROUNDS}
    for name in ("step", "textbook", "data"):
        assert getattr(record, f"{name}_examples_per_sec") == median(samples[name])
    assert record.loop_efficiency == median(samples["loop_efficiency"])
    assert record.relative_speed == median(samples["relative_speed"])
    assert record.relative_speed == pytest.approx(
        median(a / b for a, b in zip(samples["loop"], samples["reference"], strict=True))
    )
    rate = record.examples_per_sec
    flops_per_example = record.train_flops / (record.train_examples * record.epochs)
    assert record.flops_per_sec == pytest.approx(flops_per_example * rate)
    assert 0 < record.utilisation < 1
    assert record.micro_batches == 1


def test_micro_batches_train_the_same_net(make_spec, tmp_path, monkeypatch):
    """Batches of 30, 30 and 20 in eights: sizes that do not divide."""
    whole = train(make_spec(batch_size=30), tmp_path)
    monkeypatch.setattr("benchmarks.run._first_size", lambda *args: 8)
    parts = train(make_spec(batch_size=30), tmp_path)
    assert parts.weights_digest != whole.weights_digest  # another order of additions
    for theirs, ours in zip(whole.history, parts.history, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3)
    assert parts.test_accuracy == pytest.approx(whole.test_accuracy, abs=1 / 40)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_training_in_groups_is_cut_short_and_goes_on_to_the_bit(
    make_spec, tmp_path, monkeypatch, precision
):
    """16 batches an epoch, in groups of 3, cut short in the second epoch."""
    spec = make_spec(batch_size=5, precision=precision)
    plain = train(spec, tmp_path)
    monkeypatch.setattr(training, "GROUPS_AN_EPOCH", 1)
    monkeypatch.setattr(training, "LARGEST_GROUP", 3)
    record = train_in_two_parts(spec, tmp_path, calls=8)
    assert record.resumed == 1
    assert record.history == plain.history
    assert record.weights_digest == plain.weights_digest
    assert record.test_accuracy == plain.test_accuracy


def test_a_training_from_disk_is_cut_short_and_goes_on_to_the_bit(make_spec, tmp_path, monkeypatch):
    spec = make_spec(batch_size=16)
    plain = train(spec, tmp_path)
    assert plain.data_placement == "device"
    monkeypatch.setattr("datamodules.memory.SHARE", 0.0)
    record = train_in_two_parts(spec, tmp_path, calls=7)
    assert record.data_placement == "disk"
    assert record.resumed == 1
    assert record.history == plain.history
    assert record.weights_digest == plain.weights_digest
    assert record.predictions_digest == plain.predictions_digest
    assert record.loop_efficiency > 0
    assert not [t for t in threading.enumerate() if t.name.startswith("batches")]


def test_on_an_accelerator_every_clock_waits_and_memory_is_its_allocators(
    make_spec, tmp_path, accelerator, monkeypatch
):
    monkeypatch.setattr(loop_timings, "ROUNDS", 5)
    record = train(make_spec(epochs=3), tmp_path)
    assert record.peak_memory_mb == 250
    assert accelerator.count("time") > 50
    for number, event in enumerate(accelerator):
        if event == "time":
            assert accelerator[number - 1] == "synchronize"
    fit = accelerator.index("reset_peak_memory_stats"), accelerator.index("max_memory_allocated")
    # The first epoch has no more batches than are left out.
    assert accelerator[slice(*fit)].count("time") == 2 * (record.epochs - 1)
