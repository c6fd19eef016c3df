from itertools import groupby

import pytest
import torch

import lit_models
from benchmarks.planning.placement import Placement
from benchmarks.planning.plan import RunOptions, plan
from benchmarks.planning.protocol import Protocol
from benchmarks.planning.sweep_config import SweepConfig

MODELS = lit_models.names("resnet*")


@pytest.fixture
def planned(small_dataset):
    """Makes the plan of some models with some seeds."""

    def make(seeds, models=MODELS, device="cpu", **fields):
        config = SweepConfig(
            models=tuple(models),
            dataset="cifar10",
            protocol=Protocol.load("quick", fields),
            protocol_name="quick",
            placement=Placement(device, strategy="single_device"),
            seeds=tuple(seeds),
        )
        return plan(config, small_dataset)

    return make


def test_every_model_comes_once_with_every_seed_seed_by_seed(planned):
    specs = planned([3, 1, 2])
    by_seed = {seed: list(group) for seed, group in groupby(specs, lambda spec: spec.seed)}
    assert list(by_seed) == [3, 1, 2]
    for group in by_seed.values():
        assert sorted(spec.model for spec in group) == sorted(MODELS)
    assert len({spec.key for spec in specs}) == 3 * len(MODELS)


def test_the_order_is_drawn_by_the_seed(planned):
    def order(seed, **others):
        return [spec.model for spec in planned([seed], **others)]

    assert order(0) == order(0)
    assert len({tuple(order(seed)) for seed in range(4)}) == 4
    together = [spec.model for spec in planned([1, 0])]
    assert together == order(1) + order(0)
    assert {order(seed)[0] for seed in range(12)} > {order(0)[0]}


@pytest.mark.parametrize(
    ("device", "has_bfloat16", "asked", "precision"),
    [
        ("cuda", True, "auto", "bf16-mixed"),
        ("cuda", False, "auto", "32-true"),
        ("cuda", True, "32-true", "32-true"),
        ("cuda", False, "bf16-mixed", "bf16-mixed"),
        ("mps", True, "auto", "32-true"),
        ("cpu", True, "auto", "bf16-mixed"),
        ("cpu", False, "auto", "32-true"),
        ("cpu", True, "32-true", "32-true"),
        ("cpu", False, "bf16-mixed", "bf16-mixed"),
    ],
)
def test_precision_is_decided_before_the_run(
    planned, monkeypatch, device, has_bfloat16, asked, precision
):
    def is_supported(including_emulation):
        assert not including_emulation
        return has_bfloat16

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_bfloat16)
    (spec,) = planned([0], ["lenet"], device, precision=asked)
    assert spec.protocol.precision == precision
    if precision != asked:  # a run is the same, whether its precision was said or found
        (said,) = planned([0], ["lenet"], device, precision=precision)
        assert said.key == spec.key


def test_the_key_changes_with_precision_and_compiler(planned):
    keys = {
        planned([0], ["lenet"], **fields)[0].key
        for fields in (
            {"precision": "32-true"},
            {"precision": "bf16-mixed"},
            {"precision": "32-true", "compile": "true"},
            {"precision": "32-true", "memory_format": "contiguous_format"},
        )
    }
    assert len(keys) == 4


def test_the_key_of_a_model_covers_its_options(planned):
    def keys(*models):
        return [spec.key for spec in sorted(planned([0], models), key=lambda spec: spec.model)]

    plain, narrow, narrower = keys(
        "convnet", *(f"convnet[first_layer_filters={n}]" for n in (4, 8))
    )
    assert len({plain, narrow, narrower}) == 3
    (spec,) = planned([0], ["convnet[first_layer_filters=4]"])
    assert (
        spec.training_inputs["code of the net"]
        == planned([0], ["convnet"])[0].training_inputs["code of the net"]
    )


def test_speeds_have_inputs_of_their_own(planned, tmp_path):
    (spec,) = planned([0], ["lenet"])
    known = spec.timing_inputs(RunOptions(tmp_path, jobs=1, threads=2))
    assert spec.timing_inputs(None).items() < known.items()
    for other in (RunOptions(tmp_path, jobs=2, threads=2), RunOptions(tmp_path, jobs=1, threads=1)):
        assert spec.timing_inputs(other) != known
    assert not known.keys() & spec.training_inputs.keys()
