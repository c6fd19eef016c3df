import copy

import lightning as L
import pytest
import torch
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

import lit_models
from lit_models.classifier import LitClassifier, backpropagate, forward_loss
from lit_models.train_scores import TrainScores
from tests.steps import Guarded, NoReading, OnMeta, quiet_trainer


def classifier(net, **options):
    return LitClassifier(
        net,
        10,
        lambda parameters: torch.optim.AdamW(parameters, lr=0.01, fused=True),
        lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, 100),
        **options,
    )


def batches(*sizes, image_size=32, device="cpu"):
    made = [
        (torch.rand(size, 3, image_size, image_size), torch.randint(10, (size,))) for size in sizes
    ]
    return DataLoader([[t.to(device) for t in batch] for batch in made], batch_size=None)


class WithAuxiliary(nn.Module):
    """Returns logits, and in train mode those of an auxiliary classifier too."""

    auxiliary_weight = 0.3

    def __init__(self):
        super().__init__()
        self.body, self.head, self.auxiliary = (
            nn.Linear(3072, 8),
            nn.Linear(8, 10),
            nn.Linear(8, 10),
        )

    def forward(self, x):
        x = self.body(x.flatten(1)).tanh()
        return (self.head(x), self.auxiliary(x)) if self.training else self.head(x)


NETS = {
    "plain": lambda: lit_models.build("lenet", in_channels=3, image_size=32),
    "auxiliary": WithAuxiliary,
}


@pytest.mark.parametrize("micro_batch_size", [1, 3, 5, 8, 100])
@pytest.mark.parametrize("size", [1, 7, 12])
@pytest.mark.parametrize("net", NETS)
def test_gradients_of_micro_batches_add_up_to_that_of_the_batch(net, size, micro_batch_size):
    whole = NETS[net]().double()
    parts = copy.deepcopy(whole)
    ((images, labels),) = batches(size)
    images = images.double()
    _, losses, loss = forward_loss(whole, images, labels)
    loss.backward()
    passes = list(backpropagate(parts, images, labels, micro_batch_size))
    sizes = [len(p[0]) for p in passes]
    assert sizes[:-1] == [micro_batch_size] * (len(passes) - 1)
    assert sizes[-1] <= micro_batch_size + 1
    assert sizes[-1] > 1 or 1 in (size, micro_batch_size)  # BatchNorm cannot train on one
    for ours, theirs in zip(parts.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)
    some_labels, logits, some_losses, loss_parts = zip(*passes, strict=True)
    assert torch.equal(torch.cat(some_labels), labels)
    torch.testing.assert_close(torch.cat(some_losses), losses.detach())
    torch.testing.assert_close(sum(loss_parts), loss.detach())
    assert not any(tensor.requires_grad for tensor in (*logits, *some_losses, *loss_parts))


@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_history_is_exact_epoch_by_epoch(micro_batch_size):
    """Batches of 30, 30 and 20: a mean of batch means would differ."""
    net = NETS["plain"]()
    seen = []

    class Recorder(L.Callback):
        def on_train_batch_start(self, trainer, module, batch, batch_index):
            images, labels = batch
            with torch.no_grad():
                logits = net(images)  # before the update, as in the training step
            losses = F.cross_entropy(logits, labels, reduction="none")
            seen.append((losses, (logits.argmax(1) == labels).float()))

    module = classifier(net, micro_batch_size=micro_batch_size)
    quiet_trainer(max_epochs=2, callbacks=[Recorder()]).fit(module, batches(30, 30, 20))
    assert [entry["epoch"] for entry in module.history] == [1, 2]
    for entry, of_epoch in zip(module.history, (seen[:3], seen[3:]), strict=True):
        losses, hits = (torch.cat(values) for values in zip(*of_epoch, strict=True))
        assert len(losses) == 80
        assert entry["loss"] == pytest.approx(losses.mean().item(), rel=1e-5)
        assert entry["train_accuracy"] == pytest.approx(hits.mean().item())


def test_micro_batches_train_like_whole_batches():
    """Three epochs with clipping; the last batch is smaller, and 5 divides no size."""
    modules = []
    first, examples = NETS["plain"](), batches(12, 12, 7)
    for micro_batch_size in (None, 5):
        module = classifier(copy.deepcopy(first), clip_norm=0.5, micro_batch_size=micro_batch_size)
        quiet_trainer(max_epochs=3).fit(module, examples)
        modules.append(module)
    whole, parts = modules
    for ours, theirs in zip(parts.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    assert any(
        not torch.allclose(trained, initial)
        for trained, initial in zip(whole.net.parameters(), first.parameters(), strict=True)
    )
    for ours, theirs in zip(parts.history, whole.history, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_no_step_reads_a_value_back_from_the_device(micro_batch_size, monkeypatch):
    monkeypatch.setattr(TrainScores, "CAPACITY", 6)  # reduced within the epoch
    net = lit_models.build("resnet18", in_channels=3, image_size=32)
    module = classifier(net, clip_norm=1.0, micro_batch_size=micro_batch_size)
    guarded = Guarded(NoReading())
    quiet_trainer(callbacks=[guarded]).fit(module, batches(8, 8, 6))
    assert guarded.steps == 3
    with NoReading(), pytest.raises(AssertionError):
        torch.ones(()).item()


class MetaAccelerator(CPUAccelerator):
    """Permits `meta` as a device."""

    def setup_device(self, device):
        pass


class OnMetaDevice(SingleDeviceStrategy):
    def __init__(self):
        super().__init__(torch.device("meta"), MetaAccelerator())

    def reduce(self, tensor, *args, **kwargs):
        return torch.ones(())  # the length of the data, reduced before the first step

    def teardown(self):
        pass  # nothing to move back to the CPU


class OnMetaClassifier(LitClassifier):
    """Tensors on `meta` have no values to read at the end of an epoch, and no fused optimizers."""

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
        return [optimizer], [torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, 3)]

    def on_train_epoch_end(self):
        pass


@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_no_step_transfers_memory_of_the_host(micro_batch_size, monkeypatch):
    monkeypatch.setattr(TrainScores, "CAPACITY", 6)
    module = classifier(
        lit_models.build("resnet18", in_channels=3, image_size=32),
        clip_norm=1.0,
        micro_batch_size=micro_batch_size,
    )
    module.__class__ = OnMetaClassifier
    guarded = Guarded(OnMeta())
    trainer = quiet_trainer(accelerator="auto", strategy=OnMetaDevice(), callbacks=[guarded])
    trainer.fit(module, batches(8, 8, 6, device="meta"))
    assert guarded.steps == 3
    with OnMeta(), pytest.raises(AssertionError):
        torch.ones(3, device="meta") * torch.ones(())
