import pandas as pd
import pytest

from benchmarks import cli
from benchmarks.studies.bfloat16_training import BFloat16Training

FIELDS = "{image_size: 32, epochs: 1, batch_size: 4, learning_rate: 0.1}"


def test_the_steps_of_each_net_are_timed_in_both_precisions(tmp_path, small_data):
    protocol = tmp_path / "small.yaml"
    protocol.write_text(FIELDS)
    given = {"models": "lenet,convnet", "protocol": protocol, "dataset": "cifar10"}
    given |= {"rounds": 3, "block_seconds": 1e-4}
    options = [f"--set={name}={value}" for name, value in given.items()]
    command = ["study", "bfloat16_training", "--device=cpu", f"--results={tmp_path}"]
    assert cli.main([*command, *options]) == 0
    folder = tmp_path / "studies" / "bfloat16_training"
    rows = BFloat16Training("bfloat16_training").read(folder)
    assert sorted(rows["model"]) == ["convnet", "lenet"]
    assert set(rows["batch_size"]) == {4}
    assert (rows["ratio_q1"] <= rows["ratio"]).all()
    assert (rows["ratio"] <= rows["ratio_q3"]).all()
    assert (folder / "plots" / "bfloat16_training.png").exists()


@pytest.mark.parametrize(
    ("ratios", "outcomes"),
    [
        ([1.5, 1.6, 1.55], ["supported", "supported"]),
        ([0.9, 0.8, 0.85], ["not supported", "not supported"]),
    ],
)
def test_the_nets_are_judged_together_and_by_the_slowest(ratios, outcomes):
    rows = pd.DataFrame({"model": list("abc"), "ratio": ratios})
    rows["fp32_rounds"] = [[ratio, ratio, ratio] for ratio in ratios]
    rows["bf16_rounds"] = [[1.0, 1.0, 1.0]] * 3
    verdicts = BFloat16Training("bfloat16_training").verdicts(rows)
    assert [verdict.outcome for verdict in verdicts] == outcomes
