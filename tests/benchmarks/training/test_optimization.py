import pytest
import torch
from torch import nn

from benchmarks.planning.protocol import Protocol
from benchmarks.training import optimization

RECIPE = {"image_size": 28, "epochs": 1, "batch_size": 8, "learning_rate": 0.1}


def rates(steps, **fields):
    """The learning rate of each step."""
    protocol = Protocol(**RECIPE, **fields)
    optimizer = optimization.make_optimizer(nn.Linear(2, 2).parameters(), protocol)
    scheduler = optimization.make_scheduler(optimizer, steps, protocol)
    assert (scheduler is None) == (protocol.schedule == "constant")
    found = [optimizer.param_groups[0]["lr"]]
    for _ in range(steps - 1):
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        found.append(optimizer.param_groups[0]["lr"])
    return found


@pytest.mark.parametrize("warmup", [0.1, 0.5])
@pytest.mark.parametrize("steps", [1, 2, 3, 10, 11])
def test_one_cycle_of_any_length(steps, warmup):
    found = rates(steps, schedule="one_cycle", warmup=warmup)
    assert all(0 < rate <= 0.1 for rate in found)


def test_one_cycle_rises_and_falls():
    found = rates(100, schedule="one_cycle", warmup=0.3)
    assert max(found) == found[29] == pytest.approx(0.1)
    assert found[:30] == sorted(found[:30])
    assert found[29:] == sorted(found[29:], reverse=True)


def test_constant():
    assert rates(5) == [0.1] * 5


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_the_optimizer_is_the_protocols(name, kind):
    protocol = Protocol(**RECIPE, optimizer=name, momentum=0.8, beta2=0.95, weight_decay=0.02)
    optimizer = optimization.make_optimizer(nn.Linear(2, 2).parameters(), protocol)
    (group,) = optimizer.param_groups
    assert isinstance(optimizer, kind)
    assert (group["lr"], group["weight_decay"]) == (0.1, 0.02)
    assert group["betas" if name == "adamw" else "momentum"] == (
        (0.9, 0.95) if name == "adamw" else 0.8
    )
