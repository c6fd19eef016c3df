"""Processes in which our loops and those of others take turns to train the same net."""

import multiprocessing
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

import torch

import lit_models
from benchmarks.errors import UsageError
from benchmarks.execution import processes
from benchmarks.machine import process_settings
from benchmarks.planning.protocol import Protocol
from benchmarks.studies.peers.loops import OURS, THEIRS, Peer
from benchmarks.training.training import Training, group_size, serve
from datamodules import ImageDataset


@dataclass(frozen=True)
class PeerSetup:
    """The training that all loops run."""

    model: str
    dataset: ImageDataset
    device: torch.device
    image_size: int
    batch_size: int

    def training(self, ours: bool) -> Training:
        """The same training for our loops and for those of others.

        Raises:
            UsageError: the other loops cannot train this net.
        """
        protocol = Protocol(
            image_size=self.image_size,
            epochs=1,
            batch_size=self.batch_size,
            learning_rate=0.05,
            normalize=False,
            precision="32-true",
            # Of the other loops, only timm's step uses these data, a single batch.
            train_examples=None if ours else self.batch_size,
        )
        data = serve(self.dataset, self.device, protocol)
        torch.manual_seed(0)
        channels, num_classes = self.dataset.channels, len(self.dataset.classes)
        shape = {"in_channels": channels, "num_classes": num_classes, "image_size": self.image_size}
        net = lit_models.build(self.model, **shape).to(
            self.device, memory_format=torch.channels_last
        )
        if hasattr(net, "auxiliary_weight"):
            raise UsageError(f"{self.model} has auxiliary classifiers: other loops cannot train it")
        data.group_size = group_size(lit_models.cost(net, self.image_size, channels).macs, data)
        task = lit_models.entry(self.model).task
        return Training(net, task, num_classes, protocol, data).with_negligible_updates()


class LoopProcess:
    """A process that runs our loops with our process settings, or other loops with the defaults."""

    def __init__(self, setup: PeerSetup, ours: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, setup, ours))
        self._process.start()
        there.close()

    def __enter__(self) -> "LoopProcess":
        return self

    def __exit__(self, *error: object) -> None:
        self._pipe.close()
        self._process.join()

    def speed(self, loop: str, steps: int, workers: int = 0) -> float:
        """Examples/sec of one of the loops over a number of steps.

        Raises:
            UsageError: the process has died.
            Exception: whatever the loop raised.
        """
        try:
            self._pipe.send((loop, steps, workers))
            answer = self._pipe.recv()
        except (EOFError, BrokenPipeError):
            self._process.join(processes.SECONDS_TO_EXIT)
            reason = processes.cause_of_death(self._process.exitcode)
            raise UsageError(f"{loop} cannot be timed: its process {reason}") from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(pipe: Connection, setup: PeerSetup, ours: bool) -> None:
    """Time the loops that the pipe asks for, until it closes."""
    process_settings.quieten()
    # Workers of a DataLoader start by the system's default method, not by spawn.
    multiprocessing.set_start_method(multiprocessing.get_all_start_methods()[0], force=True)
    if ours:
        process_settings.set_up()
    torch.backends.cudnn.allow_tf32 = False  # all loops compute in fp32
    training = None
    with suppress(EOFError, KeyboardInterrupt):
        while True:
            loop, steps, workers = pipe.recv()
            answer: float | Exception
            try:
                training = training or setup.training(ours)
                if ours:
                    answer = OURS[loop](training, steps)
                else:
                    answer = THEIRS[loop](Peer(training, setup.dataset, workers), steps)
            except Exception as error:
                answer = error
            pipe.send(answer)
