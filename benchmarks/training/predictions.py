"""What a net makes of the evaluated examples, gathered from all ranks."""

import torch

from benchmarks.records.artifacts import Predictions
from benchmarks.training import ddp
from datamodules.datamodule import DeviceResidentDataModule
from lit_models.classifier import LitClassifier
from lit_models.segmenter import LitSegmenter


def predictions_of(
    module: LitClassifier, data: DeviceResidentDataModule, classes: tuple[str, ...]
) -> Predictions:
    """The predictions of the test that a module has just passed, in the order of the examples.

    A collective.
    """
    if isinstance(module, LitSegmenter):
        return Predictions(confusion=module.confusion.compute().cpu().numpy())
    batches = data.test_dataloader()
    batches_of_each = zip(*module.predictions, strict=True)
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
