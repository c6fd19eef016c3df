"""The loops that most people would write, to compare ours with.

As in benchmarks/measurement/loops.py, each takes a training and a number of steps, and returns
examples/sec. Nets are in PyTorch's default layout, and the optimizer is SGD with its defaults.
"""

import importlib.util
from dataclasses import dataclass
from itertools import chain, repeat

import lightning as L
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassAccuracy
from torchvision import transforms
from torchvision.datasets import VisionDataset

from benchmarks.measurement import loops
from benchmarks.measurement.loops import WARMUP_STEPS
from benchmarks.training.callbacks.clock import TrainingClock
from benchmarks.training.training import Training
from datamodules import ImageDataset
from datamodules.loader import Batch

HAS_TIMM = importlib.util.find_spec("timm") is not None


class ImageFiles(VisionDataset):
    """Examples as torchvision's datasets serve them: each a PIL image, transformed."""

    def __init__(self, dataset: ImageDataset, transform: transforms.Compose) -> None:
        super().__init__(transform=transform)
        self.images = dataset.train_images.permute(0, 2, 3, 1).squeeze(-1).numpy()
        self.labels = dataset.train_labels.tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


@dataclass(frozen=True)
class Peer:
    """A training, and the DataLoader (of so many `workers`) that most people would feed it with."""

    training: Training
    dataset: ImageDataset
    workers: int

    @property
    def device(self) -> torch.device:
        return self.training.device

    def net(self) -> nn.Module:
        """The net of the training, in train mode; the loops take turns with the same weights."""
        net = self.training.net.to(self.device, memory_format=torch.contiguous_format)
        net.zero_grad()
        return net.train()

    def loader(self) -> DataLoader:
        size = self.training.protocol.image_size
        resize = [] if size == self.dataset.train_images.shape[-1] else [transforms.Resize(size)]
        images = ImageFiles(self.dataset, transforms.Compose([*resize, transforms.ToTensor()]))
        batch_size = self.training.protocol.batch_size
        return DataLoader(images, batch_size, shuffle=True, num_workers=self.workers)

    def optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.SGD(net.parameters(), lr=self.training.protocol.learning_rate)


def dataloader_loop(peer: Peer, steps: int) -> float:
    """`train_ch6` of Dive into Deep Learning, timed with its DataLoader."""
    net, device = peer.net(), peer.device
    optimizer, loss = peer.optimizer(net), nn.CrossEntropyLoss()
    metric = [0.0, 0.0, 0]
    batches = chain.from_iterable(repeat(peer.loader()))

    def step() -> int:
        images, labels = next(batches)
        optimizer.zero_grad()
        images, labels = images.to(device), labels.to(device)
        logits = net(images)
        mean_loss = loss(logits, labels)
        mean_loss.backward()
        optimizer.step()
        with torch.no_grad():
            metric[0] += float(mean_loss * len(labels))
            metric[1] += float((logits.argmax(axis=1) == labels).sum())
            metric[2] += len(labels)
        return len(labels)

    return loops.timed(step, steps, device)


class PlainModule(L.LightningModule):
    """The module of Lightning's introduction, with accuracy."""

    def __init__(self, net: nn.Module, num_classes: int, optimizer: torch.optim.Optimizer) -> None:
        super().__init__()
        self.net, self._optimizer = net, optimizer
        self.accuracy = MulticlassAccuracy(num_classes, average="micro")

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        images, labels = batch
        logits = self.net(images)
        loss = F.cross_entropy(logits, labels)
        self.accuracy(logits, labels)
        self.log("train_loss", loss)
        self.log("train_accuracy", self.accuracy, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self._optimizer


def lightning(peer: Peer, steps: int) -> float:
    """Lightning's Trainer, with a module and a DataLoader as most people would write them."""
    net, clock = peer.net(), TrainingClock(WARMUP_STEPS)
    trainer = L.Trainer(
        accelerator=peer.device.type,
        devices=1,
        max_epochs=-1,
        max_steps=WARMUP_STEPS + steps,
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    module = PlainModule(net, peer.training.num_classes, peer.optimizer(net))
    trainer.fit(module, train_dataloaders=peer.loader())
    return clock.examples_per_sec


def timm(peer: Peer, steps: int) -> float:
    """The step of timm's train.py, with its optimizer and meters, on one resident batch."""
    from timm.optim import create_optimizer_v2
    from timm.utils import AverageMeter

    net, meter = peer.net(), AverageMeter()
    rate = peer.training.protocol.learning_rate
    optimizer = create_optimizer_v2(net, opt="momentum", lr=rate, momentum=0.0)
    images, labels = peer.training.first_batch()
    images, loss_fn = images.contiguous(), nn.CrossEntropyLoss()

    def step() -> int:
        loss = loss_fn(net(images), labels)
        loss.backward()
        optimizer.step()
        meter.update(loss.item(), len(labels))
        optimizer.zero_grad()
        return len(labels)

    return loops.timed(step, steps, peer.device)


OURS = {"ours": loops.trainer_loop, "bare": loops.bare_loop}
THEIRS = {"textbook": dataloader_loop, "lightning": lightning}
if HAS_TIMM:
    THEIRS["timm"] = timm
