"""Compiles a net before its training, so that no time of the training is the compiler's."""

import torch

from benchmarks.machine import accelerator
from benchmarks.training.training import Training
from lit_models.dry_run import untouched, untouched_buffers


def compile_net(training: Training) -> float:
    """Compile the net in place, with CUDA graphs on a GPU; returns the seconds it took.

    Compiles forward and backward pass for a full batch and for the last batch of an epoch. Leaves
    weights, buffers, attributes and random numbers as they were.
    """
    net, device = training.net, training.device
    weights = [(weight, weight.detach().clone()) for weight in net.parameters()]
    began = accelerator.now(device)
    # CUDA graphs reuse output buffers, which would overwrite accumulated gradients.
    has_graphs = device.type == "cuda" and training.micro_batch_size is None
    net.compile(mode="reduce-overhead" if has_graphs else None, dynamic=False)
    loader = training.data.train_batches
    sizes = {loader.global_size(index) for index in (0, len(loader) - 1)}
    devices = [device] if accelerator.is_accelerator(device) else []
    draws = torch.random.fork_rng(devices, device_type=device.type)
    with draws, untouched(net), untouched_buffers(net):
        training = training.with_negligible_updates()
        optimizer, (images, labels) = training.optimizer(), training.first_batch()
        # The first call of a graph warms up, the second records it.
        for size in [*sizes] * (3 if has_graphs else 1):
            training.step(optimizer, images[:size], labels[:size])
    seconds = accelerator.now(device) - began
    with torch.no_grad():
        for weight, value in weights:
            weight.copy_(value)
    net.zero_grad()
    return seconds
