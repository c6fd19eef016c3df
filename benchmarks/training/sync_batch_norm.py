"""BatchNorm over the global batch of all ranks, also on the CPU, where PyTorch's does not work."""

import torch
import torch.distributed as dist
from lightning.pytorch.plugins import LayerSync
from torch import Tensor, nn

from lit_models import ModelError

_KNOWN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class SyncBatchNorm(LayerSync):
    """Converts the BatchNorm layers of a model for a training, and back.

    Args:
        device: type of device. PyTorch's layer serves all but the CPU.

    Raises:
        ModelError: a subclass of BatchNorm, which may do more than normalise, as some of timm's do.
    """

    def __init__(self, device: str) -> None:
        self._layer = _LayerOnCpu if device == "cpu" else _Layer
        self._kinds: dict[nn.Module, type[nn.Module]] = {}

    def apply(self, model: nn.Module) -> nn.Module:
        for name, module in model.named_modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                if type(module) not in _KNOWN:
                    kind = type(module).__name__
                    raise ModelError(f"{name}, a {kind}, cannot be shared by several devices")
                self._kinds[module] = type(module)
                module.__class__ = self._layer
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        for module, kind in self._kinds.items():
            module.__class__ = kind
        return model


class _Layer(nn.SyncBatchNorm):
    process_group = None  # all ranks


class _LayerOnCpu(nn.modules.batchnorm._BatchNorm):
    """`nn.SyncBatchNorm` from plain operations. A rank may have no example."""

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002
        pass  # any shape, as in PyTorch's layer

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        others = [d for d in range(x.dim()) if d != 1]
        shape = [-1 if d == 1 else 1 for d in range(x.dim())]
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        count = values.new_tensor([x.numel() // x.shape[1]])
        sums = _SumOverRanks.apply(torch.cat([values.sum(others), count]))
        total, count = sums[:-1], sums[-1].detach()
        if count <= 1:
            raise ValueError("BatchNorm needs more than one value a channel to train")
        mean = total / count
        centred = values - mean.view(shape)
        variance = _SumOverRanks.apply(centred.square().sum(others)) / count
        if self.track_running_stats:
            self._track(mean.detach(), variance.detach() * count / (count - 1))
        normalised = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(x.dtype)

    def _track(self, mean: Tensor, variance: Tensor) -> None:
        self.num_batches_tracked += 1
        mean_of_all = 1 / float(self.num_batches_tracked)
        momentum = mean_of_all if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)


class _SumOverRanks(torch.autograd.Function):
    """The sum over the ranks. The loss of every rank depends on it: its gradient is summed too."""

    @staticmethod
    def forward(ctx, tensor: Tensor) -> Tensor:
        total = tensor.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return _SumOverRanks.apply(gradient)
