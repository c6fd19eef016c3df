import math

import pytest

from benchmarks.studies.base import Verdict


@pytest.mark.parametrize(
    ("low", "high", "bounds", "outcome"),
    [
        (1.9, 2.1, {"at_least": 1.5}, "supported"),
        (1.0, 1.4, {"at_least": 1.5}, "not supported"),
        (1.4, 2.1, {"at_least": 1.5}, "undecided"),
        (1.9, 2.1, {"at_least": 1.5, "at_most": 2.0}, "undecided"),
        (2.1, 2.2, {"at_least": 1.5, "at_most": 2.0}, "not supported"),
        (1.4, 2.1, {"at_least": 1.5, "more_seeds": 4}, "needs 4 more seeds"),
        (1.9, 2.1, {"at_least": 1.5, "more_seeds": 4}, "supported"),
        (math.nan, math.nan, {"at_least": 1.5}, "undecided"),
    ],
)
def test_a_claim_is_judged_by_the_whole_interval(low, high, bounds, outcome):
    verdict = Verdict("It grows", "Growth", (low + high) / 2, low, high, **bounds)
    assert verdict.outcome == outcome
    assert verdict.sentence.startswith(f"*It grows*: **{outcome}**. Growth: ")
    assert ("no interval" in verdict.sentence) == math.isnan(low)


def test_what_is_kept_is_json():
    kept = Verdict("It grows", "Growth", 2, math.nan, math.nan, at_least=0).to_dict()
    assert kept["low"] is kept["at_most"] is None
    assert kept["effect"] == 2
