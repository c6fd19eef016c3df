import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import lit_models
from lit_models.segmenter import LitSegmenter
from lit_models.train_scores import TrainScores
from tests.steps import Guarded, NoReading, quiet_trainer

CLASSES = 4


def segmenter(net, **options):
    return LitSegmenter(
        net,
        CLASSES,
        lambda parameters: torch.optim.SGD(parameters, lr=0.0),
        lambda optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0),
        **options,
    )


class Given(nn.Module):
    """Predicts the class that each pixel of the image encodes, with logit 3; other logits are 0."""

    def __init__(self):
        super().__init__()
        self.zero = nn.Parameter(torch.zeros(()))

    def forward(self, images):
        one_hot = nn.functional.one_hot(images[:, 0].long(), CLASSES).movedim(-1, 1)
        return 3.0 * one_hot + self.zero


def batches(*pairs):
    """Batches of one example, each from the (predicted, true) classes of its pixels."""
    made = [(torch.tensor(p)[None, None].float(), torch.tensor(t)[None]) for p, t in pairs]
    return DataLoader(made, batch_size=None)


EXAMPLES = batches(
    ([[0, 0], [1, 1]], [[0, 0], [1, 0]]),
    ([[0, 2], [0, 0]], [[0, 0], [0, 0]]),
)


def test_scores_are_those_computed_by_hand():
    """Intersection and union of class 0: 5 and 7 pixels; of class 1: 1 and 2; of class 2: 0 and 1.
    Class 3 is neither present nor predicted, and does not count."""
    (scores,) = quiet_trainer().test(segmenter(Given()), EXAMPLES, verbose=False)
    assert scores["test_accuracy"] == pytest.approx(6 / 8)
    assert scores["test_mean_iou"] == pytest.approx((5 / 7 + 1 / 2 + 0) / 3)


def test_mean_iou_is_computed_over_the_whole_set_and_not_per_image():
    (together,) = quiet_trainer().test(segmenter(Given()), EXAMPLES, verbose=False)
    alone = [
        quiet_trainer().test(
            segmenter(Given()), DataLoader([batch], batch_size=None), verbose=False
        )[0]
        for batch in EXAMPLES
    ]
    of_images = sum(scores["test_mean_iou"] for scores in alone) / 2
    assert together["test_mean_iou"] != pytest.approx(of_images, abs=0.01)


def test_predicting_only_background_scores_low():
    """Accuracy is the background's fraction of the pixels; all other IoUs are zero."""
    nothing = batches(([[0, 0], [0, 0]], [[0, 0], [1, 2]]))
    (scores,) = quiet_trainer().test(segmenter(Given()), nothing, verbose=False)
    assert scores["test_accuracy"] == pytest.approx(1 / 2)
    assert scores["test_mean_iou"] == pytest.approx((2 / 4 + 0 + 0) / 3)


def test_loss_and_train_accuracy_are_means_over_pixels():
    module = segmenter(Given())
    quiet_trainer().fit(module, EXAMPLES)
    (entry,) = module.history
    log_sum = torch.tensor([3.0, 0, 0, 0]).logsumexp(0).item()
    assert entry["train_accuracy"] == pytest.approx(6 / 8)
    assert entry["loss"] == pytest.approx(log_sum - 3 * 6 / 8)


@pytest.mark.parametrize("micro_batch_size", [None, 1])
@pytest.mark.parametrize("capacity", [1, 600])
def test_no_step_reads_a_value_back_from_the_device(micro_batch_size, capacity, monkeypatch):
    monkeypatch.setattr(TrainScores, "CAPACITY", capacity)
    net = lit_models.build("unet", num_classes=CLASSES, image_size=16)
    module = segmenter(net, clip_norm=1.0, micro_batch_size=micro_batch_size)
    examples = [(torch.randn(2, 1, 16, 16), torch.randint(CLASSES, (2, 16, 16)))] * 3
    guarded = Guarded(NoReading())
    quiet_trainer(callbacks=[guarded]).fit(module, DataLoader(examples, batch_size=None))
    assert guarded.steps == 3
