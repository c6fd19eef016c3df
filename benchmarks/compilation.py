"""A net compiled before its training, so that no time of the training is the compiler's."""

import copy

import torch

from benchmarks import timing
from benchmarks.loops import Training


def compile_net(training: Training) -> float:
    """Compile the net in place, with CUDA graphs on a GPU; returns the seconds it took.

    Forward and backward pass are compiled for the shapes of a full batch and of the last of an
    epoch, without an effect on weights, statistics and random numbers.
    """
    net, device = training.net, training.device
    before = copy.deepcopy(net.state_dict())
    began = timing.now(device)
    net.compile(mode="reduce-overhead" if device.type == "cuda" else None, dynamic=False)
    optimizer, (images, labels) = training.idle().optimizer(), training.first_batch()
    sizes = {len(labels), len(training.data.train_dataloader().labels) % len(labels) or len(labels)}
    devices = [device] if timing.is_accelerator(device) else []
    with torch.random.fork_rng(devices, device_type=device.type):
        for size in sizes:
            training.step(optimizer, images[:size], labels[:size])
    seconds = timing.now(device) - began
    net.load_state_dict(before)
    net.zero_grad()
    return seconds
