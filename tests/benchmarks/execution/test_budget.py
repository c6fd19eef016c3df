import random
from dataclasses import replace

import pytest

from benchmarks import cli
from benchmarks.errors import UsageError
from benchmarks.execution import budget, run_costs
from benchmarks.execution.budget import largest, two_digits, with_train_examples
from benchmarks.execution.run_costs import RunCost
from benchmarks.planning.options import read_duration
from benchmarks.planning.plan import RunOptions

NUMBERS = [*two_digits(100, 3_000), 3_000]


def random_costs(seed):
    """The costs of several nets, of which the slowest is a hundred times slower."""
    chance = random.Random(seed)
    return [
        RunCost(chance.uniform(1, 40), 10 ** chance.uniform(1, 3), 4, 32, chance.random() < 0.5)
        for _ in range(chance.randint(1, 8))
    ]


def test_times_are_read():
    texts = ("90s", "15m", "1h30m", "2h", "1.5m", "1h1m1s")
    assert [read_duration(text) for text in texts] == [90, 900, 5_400, 7_200, 90, 3_661]


@pytest.mark.parametrize("seed", range(20))
def test_the_sweep_fits_and_no_larger_number_would(seed):
    costs = random_costs(seed)

    def seconds(examples):
        return sum(cost.seconds(examples) for cost in costs)

    chosen = []
    for available in (1.0, 10.0, 60.0, 300.0, 900.0, 3_600.0, 1e6):
        number = largest(NUMBERS, seconds, available)
        larger = [other for other in NUMBERS if number is None or other > number]
        assert number is None or seconds(number) <= available
        assert all(seconds(other) > available for other in larger)
        chosen.append(number or 0)
    assert chosen == sorted(chosen)
    assert (chosen[0], chosen[-1]) == (0, 3_000)


def test_a_number_with_finished_runs_is_preferred_to_a_slightly_larger_one():
    def chosen(available, *reusable):
        return largest(NUMBERS, float, available, reusable)

    assert chosen(1_650.0) == 1_600
    assert chosen(1_650.0, 1_500) == 1_500
    assert chosen(1_650.0, 1_400, 1_500, 1_700) == 1_500
    assert chosen(1_650.0, 1_000) == 1_600
    # The whole protocol is what was asked for.
    assert chosen(3_000.0, 2_900) == 3_000


def test_numbers_have_two_significant_digits():
    numbers = two_digits(95, 60_000)
    assert numbers[:7] == [95, 96, 97, 98, 99, 100, 110]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 59_000
    assert all(float(f"{number:.1e}") == number for number in numbers)


@pytest.mark.parametrize("given", [[], ["--protocol.epochs=8", "--protocol.momentum=0.5"]])
def test_the_sweep_is_named_as_if_the_number_had_been_given(given):
    arguments = ["run", "--models=lenet", "--device=cpu", *given]
    explicit = cli.parse([*arguments, "--protocol.train_examples=900"]).config.resolved()
    chosen = with_train_examples(cli.parse(arguments).config.resolved(), 900)
    assert chosen.title == explicit.title
    assert chosen.recipes == explicit.recipes


def test_a_few_steps_tell_what_a_run_costs(make_spec, tmp_path, capsys):
    breaks = replace(make_spec("lenet_relu"), protocol=replace(make_spec().protocol, image_size=8))
    specs = [make_spec(seed=0), make_spec(seed=1), breaks]
    costs = run_costs.measure(specs, RunOptions(tmp_path, threads=1))
    ((own, cost),) = costs.items()
    assert own == ("lenet", None)
    assert cost.fixed_seconds > 0
    assert cost.seconds(80) > cost.fixed_seconds + 2 * 80 / cost.examples_per_sec
    assert "lenet_relu cannot be timed, and is not counted: " in capsys.readouterr().err
    with pytest.raises(UsageError, match="no model can be timed"):
        run_costs.measure([breaks], RunOptions(tmp_path, threads=1))


@pytest.mark.usefixtures("small_data", "in_this_process")
def test_a_sweep_is_cut_to_its_budget_and_finished_runs_are_reused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(budget, "EXAMPLES_A_CLASS", 1)
    monkeypatch.setattr("benchmarks.report.rebuild.rebuild", lambda folder: "")
    monkeypatch.setattr(
        run_costs,
        "measure",
        lambda specs, options: {run_costs.row(s): RunCost(1.0, 4.0, 2, 16, False) for s in specs},
    )

    def bench(time, *arguments):
        fields = ("image_size=32", "epochs=2", "batch_size=16", "train_examples=80")
        command = ["run", "--models=lenet", "--dataset=cifar10", "--protocol=quick"]
        command += [f"--protocol.{field}" for field in fields]
        command += ["--no-timing", "--device=cpu", f"--results={tmp_path}", f"--budget={time}"]
        status = cli.main([*command, *arguments])
        return status, capsys.readouterr()

    # A run on n examples takes 1 + n / 2 seconds.
    status, shown = bench("22s")
    assert status == 0
    assert "budget 22 s: train_examples is 41 instead of 80; the sweep takes about" in shown.out
    (folder,) = (tmp_path / "cifar10").iterdir()
    assert "train_examples=41" in folder.name

    # More time for a second seed, and the first is there.
    status, shown = bench("24s", "--seeds=0,1")
    assert status == 0
    assert "train_examples is 41 instead of 80" in shown.out
    assert "1 of 2 runs have finished with it" in shown.out

    status, shown = bench("5m", "--seeds=2")
    assert status == 0
    assert "the whole protocol fits, nothing is changed" in shown.out

    status, shown = bench("5m", "--seeds=2")
    assert "every run has finished; nothing is changed" in shown.out

    status, shown = bench("8s", "--seeds=3")
    assert status == 2
    assert shown.err == (
        "benchmarks: budget 8 s is too short: the sweep takes at least 9 s, with 16 training "
        "examples\n"
    )
