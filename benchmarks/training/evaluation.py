"""How well a net did on the evaluated examples: the test set, or those held out."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy

from benchmarks.records.artifacts import Predictions
from benchmarks.records.parts import Scores
from benchmarks.training import ddp
from datamodules import ImageDataset
from datamodules.datamodule import ImageDataModule
from lit_models.classifier import LitClassifier
from lit_models.segmenter import LitSegmenter

IMBALANCE = 1.5  # examples of the largest class over those of the smallest


def evaluated(
    module: LitClassifier,
    data: ImageDataModule,
    dataset: ImageDataset,
    logged: dict[str, float],
    split: str,
) -> tuple[Scores, Predictions]:
    """Scores and predictions of the test that a module has just passed. A collective.

    Args:
        module: after its training and its test.
        data: its examples.
        dataset: where these are from.
        logged: the metrics of the test, such as `test_accuracy`.
        split: `test` or `validation`: what the evaluated examples are.
    """
    predictions = predictions_of(module, data, dataset.classes)
    labels = data.test_dataloader().labels.cpu()
    last_epoch = module.history[-1]
    balanced = balanced_accuracy(predictions, dataset.train_labels)
    if balanced is not None:
        logged = logged | {"test_balanced_accuracy": balanced}
    named: dict[str, Any] = {name.replace("test", split): score for name, score in logged.items()}
    scores = Scores(
        loss=last_epoch["loss"],
        train_accuracy=last_epoch["train_accuracy"],
        evaluated_examples=len(labels),
        majority_share=labels.flatten().bincount().max().item() / labels.numel(),
        predictions_digest=predictions.digest,
        labels_digest=predictions.labels.digest if predictions.labels else None,
        **named,
    )
    return scores, predictions


def balanced_accuracy(predictions: Predictions, train_labels: Tensor) -> float | None:
    """The mean over the classes of the accuracy on the images of a class.

    None: the classes of the training examples, int64 (n,), are about equally large; or the net
    segments images.
    """
    if predictions.predicted is None or predictions.labels is None:
        return None
    classes = len(predictions.labels.classes)
    counts = train_labels.bincount(minlength=classes)
    if counts.max() <= IMBALANCE * counts.min():
        return None
    predicted, true = (
        torch.from_numpy(values.astype(np.int64))
        for values in (predictions.predicted, predictions.labels.true)
    )
    return multiclass_accuracy(predicted, true, classes, average="macro").item()


def predictions_of(
    module: LitClassifier, data: ImageDataModule, classes: tuple[str, ...]
) -> Predictions:
    """The predictions of the test that a module has just passed, in the order of the examples.

    A collective.
    """
    if isinstance(module, LitSegmenter):
        return Predictions(confusion=module.confusion.compute().cpu().numpy())
    batches = data.test_dataloader()
    # A rank may have no example at all.
    none = [torch.empty(0, dtype=d, device=data.device) for d in (torch.int64, torch.float32)]
    batches_of_each = zip(none, *module.predictions, strict=True)
    predicted, confidence = (torch.cat(tensors).cpu() for tensors in batches_of_each)
    served = ddp.gather((batches.served_indices(), predicted, confidence))
    indices, predicted, confidence = (torch.cat(parts) for parts in zip(*served, strict=True))
    order = indices.argsort()
    return Predictions.of(
        predicted[order].numpy(),
        confidence[order].numpy(),
        true=batches.labels.cpu().numpy(),
        classes=classes,
    )
