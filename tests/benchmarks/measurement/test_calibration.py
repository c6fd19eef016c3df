import pytest
import torch

from benchmarks.measurement import calibration

CPU = torch.device("cpu")

FIGURES = {
    "reference": lambda: calibration.reference_examples_per_sec(CPU),
    "peak": lambda: calibration.peak_flops_per_sec(CPU, "32-true"),
}


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(calibration, "SECONDS", 0.0)


@pytest.mark.parametrize("figure", FIGURES)
def test_the_device_is_synchronised_before_every_reading_of_the_clock(accelerator, figure):
    FIGURES[figure]()
    works = {"reference": 1, "peak": 2}[figure]
    assert accelerator == ["synchronize", "time"] * 4 * works  # at least three times are taken


@pytest.mark.parametrize("figure", FIGURES)
def test_the_random_state_is_left_unchanged(accelerator, figure):
    before = torch.get_rng_state()
    FIGURES[figure]()
    assert torch.equal(torch.get_rng_state(), before)


def test_the_reference_is_the_median_and_the_peak_the_best(monkeypatch):
    times = [0.5, 0.25, 1.0]
    monkeypatch.setattr(calibration, "_times", lambda work, device, seconds: times)
    assert calibration.reference_examples_per_sec(CPU) == calibration.BATCH_SIZE / 0.5
    side = calibration.SIDES["cpu"]
    product, convolution = 2 * side**3, 2 * side // 128 * 32**2 * 256**2 * 9
    assert calibration.peak_flops_per_sec(CPU, "32-true") == max(product, convolution) / 0.25


@pytest.mark.parametrize(
    ("precision", "dtype"), [("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)]
)
def test_the_peak_is_in_the_precision_of_the_run(monkeypatch, precision, dtype):
    def take(work, device, seconds):
        assert work().dtype == dtype
        return [1.0]

    monkeypatch.setattr(calibration, "_times", take)
    assert calibration.peak_flops_per_sec(CPU, precision) > 0


@pytest.mark.parametrize(("fraction", "steps"), [(1.0, 20), (0.5, 10), (0.01, 3)])
def test_the_reference_is_timed_for_a_fraction_of_the_time(monkeypatch, fraction, steps):
    ticks = iter(range(1000))
    times = []
    monkeypatch.setattr(calibration, "SECONDS", 20.0)
    monkeypatch.setattr(
        calibration.accelerator, "now", lambda device: times.append(float(next(ticks))) or times[-1]
    )
    calibration.reference_examples_per_sec(CPU, fraction)
    assert len(times) == steps + 1


def test_the_reference_is_the_same_work_whatever_the_random_state(monkeypatch):
    losses = []

    def take(work, device, seconds):
        work()
        return [1.0]

    original = calibration.backpropagate

    def backpropagate(*args):
        for microbatch in original(*args):
            losses.append(microbatch[-1])
            yield microbatch

    monkeypatch.setattr(calibration, "_times", take)
    monkeypatch.setattr(calibration, "backpropagate", backpropagate)
    for seed in (1, 2):
        torch.manual_seed(seed)
        calibration.reference_examples_per_sec(CPU)
    assert losses[0] == losses[1]
