import pandas as pd
import pytest

from benchmarks import cli
from benchmarks.studies.bfloat16 import FOLLOWS, IN_BFLOAT16, KEPT, BFloat16

SMALL = {"channels": 32, "image_size": 4, "batch_size": 1, "rounds": 3, "block_seconds": 1e-4}


def test_every_layer_is_timed_in_both_precisions(tmp_path):
    given = [f"--set={name}={value}" for name, value in SMALL.items()]
    assert cli.main(["study", "bfloat16", "--device=cpu", f"--results={tmp_path}", *given]) == 0
    folder = tmp_path / "studies" / "bfloat16"
    rows = BFloat16("bfloat16").read(folder)
    assert (rows["ratio_low"] <= rows["ratio"]).all()
    assert (rows["ratio"] <= rows["ratio_high"]).all()
    assert set(rows["computed"]) == {IN_BFLOAT16, KEPT, FOLLOWS}
    computed = rows.set_index("layer")["computed"]
    assert computed["3x3 convolution, depthwise"] == KEPT
    assert computed["3x3 convolution, groups of 16"] == IN_BFLOAT16
    assert (folder / "plots" / "bfloat16.png").exists()


@pytest.mark.parametrize(
    ("ratios", "outcomes"),
    [
        ([1.5, 2.0, 0.6, 0.8], ["supported", "supported"]),
        ([0.5, 2.0, 0.6, 1.4], ["not supported", "not supported"]),
        ([0.95, 2.0, 0.6, 1.05], ["supported", "supported"]),  # less than a tenth
    ],
)
def test_the_rule_is_judged_by_its_worst_layer(ratios, outcomes):
    computed = [IN_BFLOAT16, IN_BFLOAT16, KEPT, KEPT]
    rows = pd.DataFrame({"layer": list("abcd"), "computed": computed, "ratio": ratios})
    rows = rows.assign(ratio_low=rows["ratio"] - 0.01, ratio_high=rows["ratio"] + 0.01)
    verdicts = BFloat16("bfloat16").verdicts(rows)
    assert [verdict.outcome for verdict in verdicts] == outcomes
