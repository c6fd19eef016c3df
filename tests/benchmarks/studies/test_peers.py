from contextlib import nullcontext

import pandas as pd
import pytest
import torch

from benchmarks import cli
from benchmarks.measurement import loop_timings
from benchmarks.studies.peers import study
from benchmarks.studies.peers.loops import OURS, THEIRS, ImageFiles, Peer
from benchmarks.studies.peers.processes import LoopProcess, PeerSetup
from datamodules.datamodule import DeviceResidentDataModule

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _short(monkeypatch, small_fashion_mnist):
    monkeypatch.setattr(study, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(study, "SECONDS", 0.0)
    monkeypatch.setattr(study, "PROCESSES", 2)
    monkeypatch.setattr(study, "OWN_SIZES", {"lenet": {"image_size": 28, "batch_size": 8}})
    monkeypatch.setattr(study, "_best_workers", lambda theirs, steps: 0)


def run(data_dir, results, *options):
    arguments = ["--models", "lenet", "--device", "cpu", "--results", str(results)]
    return cli.main(["peers", *arguments, "--data_dir", str(data_dir), *options])


def test_every_loop_is_timed_and_ours_compared_with_it(small_fashion_mnist, tmp_path, capsys):
    assert run(small_fashion_mnist, tmp_path) == 0
    folder = tmp_path / "studies" / "peers"
    first = (folder / "results.csv").read_text()
    rows = pd.read_csv(folder / "results.csv").set_index("loop")
    assert list(rows.index) == [*OURS, *THEIRS]
    for column in ("examples_per_sec", "ratio"):
        assert (rows[f"{column}_q1"] <= rows[f"{column}_median"]).all()
        assert (rows[f"{column}_median"] <= rows[f"{column}_q3"]).all()
    assert rows.loc["ours", "ratio_median"] == 1
    assert (folder / "plots" / "peers.png").exists()
    shown = capsys.readouterr().out
    assert "- lenet: our loop is" in shown
    for name in set(rows.index) - {"ours"}:
        assert f"times as fast as {study.NAMES[name]}" in shown

    assert run(small_fashion_mnist, tmp_path) == 0
    assert (folder / "results.csv").read_text() == first  # what is measured stays
    (folder / "table.md").unlink()
    assert cli.main(["report", "--results", str(tmp_path)]) == 0
    assert (folder / "table.md").exists()


def test_an_unknown_model_is_refused_in_one_line(small_fashion_mnist, tmp_path, capsys):
    arguments = ["--models", "lenett", "--data_dir", str(small_fashion_mnist)]
    assert cli.main(["peers", *arguments, "--results", str(tmp_path)]) == 2
    assert "lenet" in capsys.readouterr().err.strip()
    assert not (tmp_path / "studies" / "peers" / "results.csv").exists()


def test_the_textbook_trains_on_the_same_examples(small_dataset):
    """What its loader makes of an image is what the resident data serve."""
    training = PeerSetup("lenet", small_dataset, CPU, 32, 8).training(is_ours=True)
    (images, labels), *_ = Peer(training, small_dataset, 0).loader()
    data = DeviceResidentDataModule(
        small_dataset, CPU, image_size=32, batch_size=80, normalize=False
    )
    ((all_images, all_labels),) = data.train_dataloader()
    for image, label in zip(images, labels, strict=True):
        same = torch.isclose(all_images, image, atol=1e-6).flatten(1).all(1)
        assert label in all_labels[same]


def test_images_are_resized_as_files_are(small_dataset):
    training = PeerSetup("lenet", small_dataset, CPU, 48, 8).training(is_ours=True)
    images, _ = next(iter(Peer(training, small_dataset, 0).loader()))
    assert images.shape == (8, 3, 48, 48)
    assert len(ImageFiles(small_dataset, lambda image: image)) == 80


def test_a_side_hands_on_its_errors(small_dataset):
    with (
        LoopProcess(PeerSetup("lenet", small_dataset, CPU, 32, 8), is_ours=False) as theirs,
        pytest.raises(KeyError, match="nonsense"),
    ):
        theirs.speed("nonsense", 2)


def test_what_cannot_be_trained_in_other_loops_is_refused(small_fashion_mnist, tmp_path, capsys):
    for model, reason in (("unet", "is for segmentation"), ("googlenet_bn", "auxiliary")):
        arguments = ["--models", model, "--data_dir", str(small_fashion_mnist)]
        assert cli.main(["peers", *arguments, "--results", str(tmp_path)]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert reason in line


def test_the_best_number_of_workers_is_the_fastest(monkeypatch):
    class Stopwatch:
        def speed(self, loop, steps, workers):
            return {0: 100.0, 1: 300.0}.get(workers, 200.0)

    monkeypatch.undo()
    assert study._best_workers(Stopwatch(), steps=2) == 1


@pytest.mark.parametrize(
    ("threads", "counts"), [(1, {0, 1}), (2, {0, 1, 2}), (12, {0, 1, 2, 4, 8, 12})]
)
def test_of_many_cores_workers_are_tried_by_powers_of_two(monkeypatch, threads, counts):
    asked = set()

    class Stopwatch:
        def speed(self, loop, steps, workers):
            asked.add(workers)
            return 100.0

    monkeypatch.undo()
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    study._best_workers(Stopwatch(), steps=2)
    assert asked == counts


def test_medians_are_over_all_processes(monkeypatch, small_dataset):
    """Of which each is as fast as it is for all its life."""
    theirs = iter([20.0, 20.0, 50.0, 40.0])  # the first is asked for workers alone

    class Process(nullcontext):
        def __init__(self, comparison, is_ours):
            super().__init__(self)
            self.rate = 100.0 if is_ours else next(theirs)

        def speed(self, loop, steps, workers=0):
            return self.rate

    monkeypatch.setattr(study, "LoopProcess", Process)
    monkeypatch.setattr(study, "PROCESSES", 3)
    rows = study.measure("lenet", small_dataset, CPU, 28, 8).set_index("loop")
    assert rows.loc["textbook", "examples_per_sec_median"] == 40
    assert rows.loc["textbook", "ratio_median"] == 2.5
    assert rows.loc["bare", "ratio_median"] == 1
    assert set(rows["rounds"]) == {3}


def test_ratios_are_of_the_same_round():
    samples = {"ours": [2.0, 9.0], "bare": [4.0, 3.0]}
    assert loop_timings.ratios(samples, "ours", "bare") == [0.5, 3.0]
