"""Guards of what a step may do, and the steps of a Trainer under such a guard."""

import lightning as L
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class NoReading(TorchDispatchMode):
    """Inside, to read a value back from the device is an error: a step would wait for it."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        assert "_local_scalar_dense" not in str(function), "a value was read back"
        return function(*args, **(kwargs or {}))


class OnMeta(TorchDispatchMode):
    """Inside, a tensor that is not on the device `meta` is an error.

    That stands for an accelerator: what is on the CPU would have to be transferred.
    """

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, result)):
            device = leaf.device if isinstance(leaf, Tensor) else leaf
            if isinstance(device, torch.device):
                assert device.type == "meta", f"{function} touches {device}"
        return result


class Guarded(L.Callback):
    """The training steps of an epoch, and all between them, in a dispatch mode."""

    def __init__(self, mode):
        self.mode = mode
        self.steps = 0
        self._is_open = False

    def on_train_batch_start(self, trainer, module, batch, batch_index):
        if not self._is_open:
            self._is_open = True
            self.mode.__enter__()

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_index):
        self.steps += 1
        if trainer.is_last_batch:
            self._close()

    def on_exception(self, trainer, module, exception):
        self._close()

    def _close(self):
        if self._is_open:
            self._is_open = False
            self.mode.__exit__(None, None, None)


def quiet_trainer(**options):
    """A Trainer of one epoch on the CPU that writes nothing."""
    options = {"max_epochs": 1, "accelerator": "cpu", **options}
    return L.Trainer(
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
