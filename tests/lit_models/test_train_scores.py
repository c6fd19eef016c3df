import gc

import pytest
import torch
from torch.nn import functional as F

from lit_models.train_scores import TrainScores


@pytest.mark.parametrize("capacity", [1, 30, 8192])
def test_scores_count_each_label_once_for_any_batches(capacity, monkeypatch):
    monkeypatch.setattr(TrainScores, "CAPACITY", capacity)
    scores = TrainScores()
    logits, labels = torch.randn(50, 10), torch.randint(10, (50,))
    losses = F.cross_entropy(logits, labels, reduction="none")
    for part in torch.arange(50).split([20, 1, 29]):
        scores.update(labels[part], logits[part], losses[part])
    expected = {
        "loss": losses.mean(),
        "train_accuracy": (logits.argmax(1) == labels).float().mean(),
    }
    torch.testing.assert_close(scores.compute(), expected)
    scores.reset()
    scores.update(labels[:1], logits[:1], losses[:1])
    assert scores.compute()["loss"] == losses[0]


def test_restored_scores_continue_to_the_bit(monkeypatch):
    """Saved when some batches are reduced and others are in the buffer."""
    monkeypatch.setattr(TrainScores, "CAPACITY", 3000)
    logits, labels, losses = (
        torch.randn(9, 1000, 10),
        torch.randint(10, (9, 1000)),
        torch.rand(9, 1000),
    )
    whole, first, second = TrainScores(), TrainScores(), TrainScores()
    for scores in (whole, first, second):
        scores.persistent(True)
    for number, batch in enumerate(zip(labels, logits, losses, strict=True)):
        whole.update(*batch)
        (first if number < 5 else second).update(*batch)
        if number == 4:
            assert first.count == 3000
            assert len(first.get_extra_state()[0]) == 2000
            second.load_state_dict(first.state_dict())
    assert second.compute() == whole.compute()


def test_scores_keep_no_tensor_per_step():
    """Such tensors would fragment the heap."""

    def tensors():
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    scores = TrainScores()
    counts = []
    for _ in range(4):
        labels, logits = torch.randint(10, (20,)), torch.randn(20, 10)
        scores.update(labels, logits, F.cross_entropy(logits, labels, reduction="none"))
        counts.append(tensors())
    assert len(set(counts)) == 1
    assert scores.count == 0
