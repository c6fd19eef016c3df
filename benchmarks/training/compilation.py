"""Compiles a net before its training, so that no time of the training is the compiler's."""

import copy

import torch

from benchmarks.machine import accelerator
from benchmarks.training.training import Training


def compile_net(training: Training) -> float:
    """Compile the net in place, with CUDA graphs on a GPU; returns the seconds it took.

    Compiles forward and backward pass for a full batch and for the last batch of an epoch. Leaves
    weights, statistics and random numbers as they were.
    """
    net, device = training.net, training.device
    before = copy.deepcopy(net.state_dict())
    began = accelerator.now(device)
    # CUDA graphs reuse output buffers, which would overwrite accumulated gradients.
    has_graphs = device.type == "cuda" and training.micro_batch_size is None
    net.compile(mode="reduce-overhead" if has_graphs else None, dynamic=False)
    training = training.with_negligible_updates()
    optimizer, (images, labels) = training.optimizer(), training.first_batch()
    loader = training.data.train_batches
    sizes = {loader.global_size(index) for index in (0, len(loader) - 1)}
    devices = [device] if accelerator.is_accelerator(device) else []
    with torch.random.fork_rng(devices, device_type=device.type):
        # The first call of a graph warms up, the second records it.
        for size in [*sizes] * (3 if has_graphs else 1):
            training.step(optimizer, images[:size], labels[:size])
    seconds = accelerator.now(device) - began
    net.load_state_dict(before)
    net.zero_grad()
    return seconds
