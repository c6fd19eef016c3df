import pytest

import lit_models
from benchmarks.measurement import calibration, loop_timings, loops
from benchmarks.measurement.loop_timings import LoopTimings
from benchmarks.training.callbacks.divergence import DivergenceWatch
from datamodules.loader import DeviceLoader


def test_every_second_round_runs_in_reverse_order():
    order, numbers = [], iter(range(100))

    def turn(name):
        order.append(name)
        return float(next(numbers))

    samples = loop_timings.in_turns({name: lambda name=name: turn(name) for name in "abc"}, 3)
    assert order == list("abccbaabc")
    assert samples == {"a": [0, 5, 6], "b": [1, 4, 7], "c": [2, 3, 8]}


@pytest.mark.parametrize(
    ("loop", "step", "data", "verdict"),
    [
        (90, 100, 1000, "net"),
        (90, 1000, 100, "data"),
        (10, 100, 1000, "framework"),
        (40, 100, 90, "data"),  # 40 % net, 44 % data
        (30, 100, 90, "framework"),  # 30 % net, 33 % data, 37 % the rest
        (101, 100, 1000, "net"),  # the bare loop was unlucky
    ],
)
def test_what_takes_most_of_the_loop_bounds_it(loop, step, data, verdict):
    samples = {"loop": loop, "step": step, "data": data}
    measured = LoopTimings(
        {name: [rate * turn for turn in (1, 2, 3)] for name, rate in samples.items()}
    )
    assert measured.bound_by == verdict
    assert measured.loop_efficiency == loop / step


def test_rates_are_compared_only_within_a_round():
    """A machine that slows down tenfold has the same ratios in every round."""
    rates = {"loop": [90.0, 9.0, 0.9], "step": [100.0, 10.0, 1.0], "reference": [900.0, 90.0, 9.0]}
    measured = LoopTimings(rates)
    assert measured.loop_efficiency == pytest.approx(0.9)
    assert measured.relative_speed == pytest.approx(0.1)
    summary = measured.summary()
    for name in ("loop_efficiency", "relative_speed"):
        assert summary[name]["iqr"] == pytest.approx(0.0)
    quartiles = {"q1": (0.9 + 9) / 2, "q3": (9 + 90) / 2, "iqr": (90 - 0.9) / 2}
    assert summary["loop"] == {"median": 9.0, **quartiles, "samples": [90.0, 9.0, 0.9]}


def test_an_outlier_changes_neither_median_nor_bound():
    samples = {"loop": [90.0] * 5, "step": [100.0] * 4 + [1e9], "data": [1000.0] * 4 + [1e-9]}
    measured = LoopTimings(samples)
    assert measured.medians == {"loop": 90, "step": 100, "data": 1000}
    assert measured.bound_by == "net"


@pytest.mark.parametrize(
    ("seconds", "rate", "steps"), [(1.0, 1000.0, 100), (0.25, 1000.0, 25), (0.001, 1.0, 2)]
)
def test_steps_fill_the_time_and_are_at_least_two(seconds, rate, steps):
    assert loop_timings.steps_in(seconds, rate, 10) == steps


def test_a_slice_is_a_fraction_of_a_short_training_and_limited(make_training, monkeypatch):
    asked = []
    turns = {"loop": lambda training, steps: asked.append(steps) or 1.0}
    monkeypatch.setattr(loop_timings, "LOOPS", turns)
    for fit_seconds in (2.0, 1e6):
        loop_timings.measure(
            make_training(lenet()), examples_per_sec=16_000, fit_seconds=fit_seconds
        )
    assert asked == [100] * loop_timings.ROUNDS + [250] * loop_timings.ROUNDS


def lenet():
    return lit_models.build("lenet", in_channels=3, image_size=32)


def measure(training):
    return loop_timings.measure(training, examples_per_sec=1.0, fit_seconds=0.0)


def test_all_loops_are_measured(make_training, monkeypatch):
    monkeypatch.setattr(loop_timings, "ROUNDS", 3)
    measured = measure(make_training(lenet()))
    assert set(measured.samples) == {"loop", "step", "textbook", "data", "reference"}
    for samples in measured.samples.values():
        assert len(samples) == loop_timings.ROUNDS
        assert min(samples) > 0
    assert measured.medians["data"] > measured.medians["loop"]


@pytest.mark.parametrize(
    ("slow", "bound_by"), [("net", "net"), ("loader", "data"), ("callback", "framework")]
)
def test_the_slow_part_is_named(make_training, monkeypatch, slow, bound_by):
    """The clock shows the seconds that net, loader and callback each take for a batch."""
    seconds = {"net": 1.0, "loader": 1.0, "callback": 1.0} | {slow: 50.0}
    now, net, serve = [0.0], lenet(), DeviceLoader.__iter__

    def spend(part):
        now[0] += seconds[part]

    def serve_slowly(loader):
        for batch in serve(loader):
            spend("loader")
            yield batch

    class SlowWatch(DivergenceWatch):
        def on_train_batch_end(self, *args):
            spend("callback")

    net.register_forward_hook(lambda *args: spend("net"))
    monkeypatch.setattr(DeviceLoader, "__iter__", serve_slowly)
    monkeypatch.setattr(loops, "DivergenceWatch", SlowWatch)
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    monkeypatch.setattr(calibration, "reference_examples_per_sec", lambda *args, **options: 1.0)
    monkeypatch.setattr(loop_timings, "ROUNDS", 2)
    measured = measure(make_training(net))
    assert measured.bound_by == bound_by
    assert (measured.loop_efficiency < 0.5) == (slow != "net")
    assert measured.medians["step"] == 16 / seconds["net"]
    assert measured.medians["data"] == 16 / seconds["loader"]
