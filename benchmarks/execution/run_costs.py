"""The seconds that runs will take, from a few steps of each net, timed before the sweep."""

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

import datamodules
from benchmarks.errors import UsageError
from benchmarks.execution import processes
from benchmarks.machine import process_settings, timing_lock
from benchmarks.measurement import loop_timings, loops, speed
from benchmarks.planning.plan import RunOptions, RunSpec
from benchmarks.training.preparation import prepare
from benchmarks.training.training import Training, serve

SECONDS = 1.0  # of training steps that are timed; at least two steps

Row = tuple[str, int | float | str | None]  # model and value of the varied field


@dataclass(frozen=True)
class RunCost:
    """What a run costs, whatever the number of its training examples.

    Args:
        fixed_seconds: from the decision to run to the first step, and of all evaluations.
        examples_per_sec: of the training loop.
        epochs, batch_size: of the protocol.
        timed: whether the loops are timed after the training.
    """

    fixed_seconds: float
    examples_per_sec: float
    epochs: int
    batch_size: int
    timed: bool = True

    def seconds(self, examples: int) -> float:
        """Seconds of a run on so many training examples, from the decision to the record."""
        training = self.epochs * examples / self.examples_per_sec
        timing = speed.estimated_seconds(self.batch_size / self.examples_per_sec, training)
        return self.fixed_seconds + training + (timing if self.timed else 0.0)


def row(spec: RunSpec) -> Row:
    """What runs of all seeds have in common."""
    return spec.model, spec.varied_value


def measure(specs: list[RunSpec], options: RunOptions) -> dict[Row, RunCost]:
    """The cost of a run of each row, from steps in a process of its own, as a run has.

    A row that cannot be trained is named and left out: its runs will fail soon.

    Args:
        specs: the runs of a sweep, on one device each.
        options: as in the sweep.

    Raises:
        UsageError: no row can be trained.
    """
    alone: AbstractContextManager[None] = timing_lock.timing() if options.timing else nullcontext()
    costs: dict[Row, RunCost] = {}
    problems: list[str] = []
    with alone:
        for spec in {row(spec): spec for spec in specs}.values():
            try:
                costs[row(spec)] = _in_process(spec, options)
            except Exception as error:
                reason = " ".join(str(error).split()) or type(error).__name__
                problems.append(f"{spec.model} cannot be timed, and is not counted: {reason}")
                print(f"benchmarks: {problems[-1]}", file=sys.stderr)
    if not costs:
        raise UsageError(f"no model can be timed for a budget; {problems[0]}")
    return costs


def _in_process(spec: RunSpec, options: RunOptions) -> RunCost:
    with ProcessPoolExecutor(1, processes.context(), processes.begin) as pool:
        return pool.submit(_measure, spec, options, time.time()).result()


def _measure(spec: RunSpec, options: RunOptions, decided_at: float) -> RunCost:
    """Prepare a training as a run does, and time a few steps and a batch of the evaluation."""
    torch.set_num_threads(options.threads)
    process_settings.quieten()
    process_settings.set_up()
    protocol = spec.protocol
    dataset = datamodules.load(spec.data or spec.dataset, options.data_dir)
    data = serve(dataset, torch.device(spec.device), protocol, spec.seed)
    training = prepare(
        spec,
        dataset,
        data,
        micro_batch_size=protocol.batch_size,
        initialises=True,
        data_dir=options.data_dir,
    ).training.with_negligible_updates()
    start_seconds = time.time() - decided_at
    roughly = loops.bare_loop(training, 1)
    steps = loop_timings.steps_in(SECONDS, roughly, protocol.batch_size)
    began = time.monotonic()
    examples_per_sec = loops.trainer_loop(training, steps)
    steps += max(loops.WARMUP_STEPS, data.group_size)
    own_seconds = time.monotonic() - began - steps * protocol.batch_size / examples_per_sec
    # The Trainer is set up for the training, and for each round in which its loop is timed.
    trainers = 1 + loop_timings.ROUNDS * options.timing
    evaluations = 1 + int(protocol.epochs / (protocol.evaluate_every or float("inf")))
    return RunCost(
        start_seconds + trainers * max(0.0, own_seconds) + _test_seconds(training, evaluations),
        examples_per_sec,
        protocol.epochs,
        protocol.batch_size,
        options.timing,
    )


@torch.inference_mode()
def _test_seconds(training: Training, evaluations: int) -> float:
    """Seconds of so many evaluations, from one batch, and of making the examples ready for them."""
    began = time.monotonic()
    batches = training.data.test_dataloader()
    images, _ = next(iter(batches))
    ready_seconds = time.monotonic() - began
    net = training.net.to(training.device).eval()

    def step() -> int:
        net(images)
        return len(images)

    with training.autocast():
        examples_per_sec = loops.timed(step, 1, training.device)
    return ready_seconds + evaluations * len(batches.labels) / examples_per_sec
