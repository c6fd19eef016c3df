"""The processes in which our loops, and those of others, take turns to train the same net."""

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
from benchmarks.training.training import Training, group_size
from datamodules import ImageDataset
from datamodules.datamodule import DeviceResidentDataModule


@dataclass(frozen=True)
class PeerSetup:
    """What all loops train, and where.

    Args:
        model: name of the net.
        dataset: the examples.
        device: where it is trained.
        image_size: height and width in pixels.
        batch_size: examples a step.
    """

    model: str
    dataset: ImageDataset
    device: torch.device
    image_size: int
    batch_size: int

    def training(self, is_ours: bool) -> Training:
        """The same net for either side.

        Raises:
            UsageError: a net that other loops cannot train.
        """
        protocol = Protocol(
            image_size=self.image_size,
            epochs=1,
            batch_size=self.batch_size,
            learning_rate=0.05,
            normalize=False,
            precision="32-true",
        )
        layout = getattr(torch, protocol.memory_format)
        data = DeviceResidentDataModule(
            self.dataset,
            self.device,
            image_size=self.image_size,
            batch_size=self.batch_size,
            # Of theirs, timm's step alone is fed from here, by a single batch.
            train_examples=None if is_ours else self.batch_size,
            normalize=False,
            memory_format=layout,
        )
        torch.manual_seed(0)
        num_classes = len(self.dataset.classes)
        net = lit_models.build(
            self.model,
            in_channels=self.dataset.channels,
            num_classes=num_classes,
            image_size=self.image_size,
        ).to(self.device, memory_format=layout)
        if hasattr(net, "auxiliary_weight"):
            raise UsageError(
                f"{self.model} has auxiliary classifiers, which other loops cannot train"
            )
        cost = lit_models.cost(net, self.image_size, self.dataset.channels)
        data.group_size = group_size(cost.macs, data)
        return Training(
            net, lit_models.entry(self.model).task, num_classes, protocol, data
        ).with_negligible_updates()


class LoopProcess:
    """A process in which our loops run, or those of others: each with the settings it would have.

    Args:
        comparison: what is trained.
        is_ours: with our settings of PyTorch and of memory, or with those they come with.
    """

    def __init__(self, comparison: PeerSetup, is_ours: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, comparison, is_ours))
        self._process.start()
        there.close()

    def __enter__(self) -> "LoopProcess":
        return self

    def __exit__(self, *error: object) -> None:
        self._pipe.close()
        self._process.join()

    def speed(self, loop: str, steps: int, workers: int = 0) -> float:
        """Examples/sec of a slice of one of the loops.

        Raises:
            UsageError: its process is no more.
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


def _serve(pipe: Connection, comparison: PeerSetup, is_ours: bool) -> None:
    """What the process of a side does: whatever it is asked, until nobody asks."""
    process_settings.quieten()
    # Workers of a DataLoader begin as they do by default, not as this process did.
    multiprocessing.set_start_method(multiprocessing.get_all_start_methods()[0], force=True)
    if is_ours:
        process_settings.set_up()
    torch.backends.cudnn.allow_tf32 = False  # all compute in fp32
    training = None
    with suppress(EOFError, KeyboardInterrupt):
        while True:
            loop, steps, workers = pipe.recv()
            try:
                if training is None:
                    training = comparison.training(is_ours)
                if is_ours:
                    answer = OURS[loop](training, steps)
                else:
                    answer = THEIRS[loop](Peer(training, comparison.dataset, workers), steps)
            except Exception as error:
                answer = error
            pipe.send(answer)
