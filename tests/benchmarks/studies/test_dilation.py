import pytest

from benchmarks import cli
from benchmarks.studies.dilation import Dilation, paths
from lit_models.nets.dilated_fcn import coverage


@pytest.mark.parametrize("rates", [(1, 2, 5), (2, 2, 2), (3, 1)])
def test_paths_reach_the_pixels_of_the_coverage(rates):
    ways = paths(rates, 3)
    seen, span = coverage(rates)
    assert ways.shape == (span, span)
    assert (ways > 0).sum() == seen**2
    assert ways.sum() == 9 ** len(rates)


def test_the_condition_does_not_tell_all_holes(tmp_path):
    given = ["--set=largest_rate=3", "--set=drawn=1 2 5,2 2 2", "--device=cpu"]
    assert cli.main(["study", "dilation", *given, "--results", str(tmp_path)]) == 0
    study, folder = Dilation("dilation"), tmp_path / "studies" / "dilation"
    rows = study.read(folder)
    assert len(rows) == 1 + 27
    assert study.table(rows)["rates"].tolist() == ["1 2 5", "2 2 2"]
    counted, *conditions = study.verdicts(rows)
    assert counted.outcome == "supported"
    by_gap, by_divisor, by_first, converse = conditions
    assert by_gap.outcome == by_divisor.outcome == "not supported"
    assert by_first.outcome == "supported"
    assert "Rates 2, 2, 2: 7 of 13 px." in by_gap.note
    assert converse.effect <= 1
    assert (folder / "plots" / "dilation.png").exists()
