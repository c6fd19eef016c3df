from contextlib import nullcontext
from dataclasses import replace

import pandas as pd
import pytest
import torch

from benchmarks import cli
from benchmarks.measurement import loop_timings
from benchmarks.studies.base import Context
from benchmarks.studies.peers import study
from benchmarks.studies.peers.loops import OURS, THEIRS, ImageFiles, Peer
from benchmarks.studies.peers.processes import LoopProcess, PeerSetup
from datamodules.datamodule import ImageDataModule

CPU = torch.device("cpu")
# A slice has two steps, and a process one round.
SHORT = study.Settings(models=("lenet",), processes=2, seconds=0.0, slice_seconds=0.0)


@pytest.fixture
def short(monkeypatch):
    """Images are small, and no number of workers is tried."""
    monkeypatch.setattr(study, "OWN_SIZES", {"lenet": {"image_size": 28, "batch_size": 8}})
    monkeypatch.setattr(study, "_best_workers", lambda theirs, steps: 0)


@pytest.fixture
def two_processes(monkeypatch):
    """One process of each side serves a whole study; they are kept by `ours`."""
    started = {}

    def process(setup, ours):
        if ours not in started:
            started[ours] = LoopProcess(setup, ours)
        return nullcontext(started[ours])

    monkeypatch.setattr(study, "LoopProcess", process)
    yield started
    for each in started.values():
        each.__exit__()


def run(data_dir, results, model="lenet"):
    folders = ["--data-dir", str(data_dir), "--results", str(results)]
    short = [f"--set={name}={value}" for name, value in vars(SHORT).items() if name != "models"]
    return cli.main(["peers", "--models", model, "--device", "cpu", *short, *folders])


@pytest.mark.slow
def test_every_loop_is_timed_and_compared_with_ours(
    short, two_processes, small_fashion_mnist, tmp_path, capsys
):
    assert run(small_fashion_mnist, tmp_path) == 0
    folder = tmp_path / "studies" / "peers"
    first = (folder / "results.csv").read_text()
    rows = pd.read_csv(folder / "results.csv").set_index("loop")
    assert list(rows.index) == [*OURS, *THEIRS]
    for column in ("examples_per_sec", "ratio"):
        assert (rows[f"{column}_q1"] > 0).all()
        assert (rows[f"{column}_q1"] <= rows[f"{column}_median"]).all()
        assert (rows[f"{column}_median"] <= rows[f"{column}_q3"]).all()
    assert rows.loc["ours", "ratio_median"] == 1
    assert (folder / "plots" / "peers.png").exists()
    shown = capsys.readouterr().out
    for name in set(rows.index) - {"ours"}:
        assert f"ours / {name}" in shown
    assert shown.count("**undecided**") == len(study.CLAIMS)  # one net has no interval

    with pytest.raises(KeyError, match="nonsense"):  # the process hands on its errors
        two_processes[False].speed("nonsense", 2)

    assert run(small_fashion_mnist, tmp_path) == 0
    assert (folder / "results.csv").read_text() == first  # nothing is measured again
    (folder / "table.md").unlink()
    assert cli.main(["report", "--results", str(tmp_path)]) == 0
    assert (folder / "table.md").exists()


def test_an_unknown_model_is_refused_in_one_line(small_fashion_mnist, tmp_path, capsys):
    assert run(small_fashion_mnist, tmp_path, "lenett") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "lenet" in line
    assert not (tmp_path / "studies" / "peers" / "results.csv").exists()


def test_the_dataloader_serves_the_resident_examples(small_dataset):
    training = PeerSetup("lenet", small_dataset, CPU, 32, 8).training(ours=True)
    (images, labels), *_ = Peer(training, small_dataset, 0).loader()
    data = ImageDataModule(small_dataset, CPU, image_size=32, batch_size=80, normalize=False)
    ((all_images, all_labels),) = data.train_dataloader()
    for image, label in zip(images, labels, strict=True):
        same = torch.isclose(all_images, image, atol=1e-6).flatten(1).all(1)
        assert label in all_labels[same]


def test_the_dataloader_resizes_images(small_dataset):
    training = PeerSetup("lenet", small_dataset, CPU, 48, 8).training(ours=True)
    images, _ = next(iter(Peer(training, small_dataset, 0).loader()))
    assert images.shape == (8, 3, 48, 48)
    assert len(ImageFiles(small_dataset, lambda image: image)) == 80


@pytest.mark.parametrize(
    ("model", "reason"), [("unet", "is for segmentation"), ("googlenet_bn", "auxiliary")]
)
def test_a_model_that_other_loops_cannot_train_is_refused(
    monkeypatch, small_fashion_mnist, tmp_path, capsys, model, reason
):
    class InThisProcess(nullcontext):
        def __init__(self, setup, ours):
            super().__init__(self)
            self.setup, self.ours = setup, ours

        def speed(self, loop, steps, workers=0):
            self.setup.training(self.ours)

    monkeypatch.setattr(study, "LoopProcess", InThisProcess)
    assert run(small_fashion_mnist, tmp_path, model) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert reason in line


class Stopwatch:
    """Answers with given rates of the textbook's loop by its number of workers."""

    def __init__(self, rates):
        self.rates, self.counts = rates, set()

    def speed(self, loop, steps, workers):
        self.counts.add(workers)
        return self.rates.get(workers, 200.0)


def test_the_best_number_of_workers_is_the_fastest():
    assert study._best_workers(Stopwatch({0: 100.0, 1: 300.0}), steps=2) == 1


@pytest.mark.parametrize(
    ("threads", "counts"), [(1, {0, 1}), (2, {0, 1, 2}), (12, {0, 1, 2, 4, 8, 12})]
)
def test_many_workers_are_tried_by_powers_of_two(monkeypatch, threads, counts):
    stopwatch = Stopwatch({})
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    study._best_workers(stopwatch, steps=2)
    assert stopwatch.counts == counts


def test_medians_are_over_all_processes(short, monkeypatch, small_fashion_mnist, tmp_path):
    """Each process has a rate of its own, and keeps it."""
    theirs = iter([20.0, 20.0, 50.0, 40.0])  # the first only finds the number of workers

    class Process(nullcontext):
        def __init__(self, setup, ours):
            super().__init__(self)
            self.rate = 100.0 if ours else next(theirs)

        def speed(self, loop, steps, workers=0):
            return self.rate

    monkeypatch.setattr(study, "LoopProcess", Process)
    context = Context(tmp_path, "cpu", small_fashion_mnist)
    rows = study.Peers("peers").measure(replace(SHORT, processes=3), context).set_index("loop")
    assert rows.loc["textbook", "examples_per_sec_median"] == 40
    assert rows.loc["textbook", "ratio_median"] == 2.5
    assert rows.loc["bare", "ratio_median"] == 1
    assert set(rows["rounds"]) == {3}


def test_ratios_are_taken_within_a_round():
    samples = {"ours": [2.0, 9.0], "bare": [4.0, 3.0]}
    assert loop_timings.ratios(samples, "ours", "bare") == [0.5, 3.0]
