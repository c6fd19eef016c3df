import shutil

import pytest

from benchmarks import cli
from benchmarks.analysis.compare import BETTER, SAME, WORSE, compare
from benchmarks.errors import UsageError

NETS = {"lenet": [0.80, 0.803, 0.798], "resnet18": [0.85, 0.849, 0.852]}


def outcomes(comparison):
    (folder,) = comparison.folders
    return {(each.model, each.text.split()[0]): each.outcome for each in folder.changes}


@pytest.fixture
def old(make_results, tmp_path):
    make_results(tmp_path / "old", NETS)
    return tmp_path / "old"


def test_folders_of_the_same_runs_do_not_differ(old, tmp_path, capsys):
    shutil.copytree(old, tmp_path / "new")
    comparison = compare(old, tmp_path / "new")
    assert set(outcomes(comparison).values()) == {SAME}
    assert "the keys are equal" in str(comparison)
    assert cli.main(["compare", str(old), str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out.endswith("no difference beyond noise\n")


def test_other_seeds_of_the_same_net_do_not_differ(old, make_results, tmp_path):
    make_results(tmp_path / "new", {"lenet": [0.799, 0.802, 0.805], "resnet18": NETS["resnet18"]})
    assert set(outcomes(compare(old, tmp_path / "new")).values()) == {SAME}


def test_a_net_that_got_worse_is_a_regression_and_its_recipe_is_named(
    old, make_results, tmp_path, capsys
):
    new = tmp_path / "new"
    make_results(new, NETS | {"lenet": [0.75, 0.752, 0.748]}, fields={"learning_rate": 0.5})
    comparison = compare(old, new)
    assert outcomes(comparison)["lenet", "test"] == WORSE
    assert outcomes(comparison)["resnet18", "test"] == SAME
    assert "all models: learning_rate 0.002 -> 0.5" in str(comparison)
    assert cli.main(["compare", str(old), str(new)]) == 1
    assert capsys.readouterr().out.endswith("1 worse, 0 better\n")
    assert cli.main(["compare", str(new), str(old)]) == 0


def test_a_slow_net_is_a_regression_in_terms_of_the_reference(old, make_results, tmp_path):
    new = tmp_path / "new"
    make_results(new, {"lenet": NETS["lenet"]}, relative_speed=0.4, examples_per_sec=999.0)
    make_results(new, {"resnet18": NETS["resnet18"]}, relative_speed=0.6, examples_per_sec=1.0)
    found = outcomes(compare(old, new))
    assert found["lenet", "relative"] == WORSE
    assert found["resnet18", "relative"] == BETTER


def test_one_training_each_must_change_by_a_point(make_results, tmp_path):
    old, small, large = (tmp_path / name for name in ("old", "small", "large"))
    for folder, accuracy in ((old, 0.80), (small, 0.795), (large, 0.74)):
        make_results(folder, {"lenet": [accuracy]})
    assert outcomes(compare(old, small))["lenet", "test"] == SAME
    assert outcomes(compare(old, large))["lenet", "test"] == WORSE


def test_a_net_that_now_fails_is_a_regression(old, make_results, tmp_path):
    new = tmp_path / "new"
    make_results(new, {"lenet": NETS["lenet"]})
    assert "only in" in str(compare(old, new))
    assert compare(old, new).regressions == 0
    make_results(new, {"resnet18": [0.0]}, status="failed")
    assert compare(old, new).regressions == 1


def test_records_without_predictions_are_compared_by_their_seeds(make_results, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    make_results(old, NETS, with_predictions=False)
    make_results(new, NETS | {"lenet": [0.70, 0.703, 0.698]}, with_predictions=False)
    assert outcomes(compare(old, new))["lenet", "test"] == WORSE
    assert outcomes(compare(old, new))["resnet18", "test"] == SAME


def test_folders_with_nothing_in_common_are_refused(old, make_results, tmp_path, capsys):
    with pytest.raises(UsageError, match="no records in"):
        compare(old, tmp_path / "nowhere")
    (tmp_path / "other").mkdir()
    shutil.copytree(old / "cifar10", tmp_path / "other" / "cifar100")
    with pytest.raises(UsageError, match="nothing to compare"):
        compare(old, tmp_path / "other")
    assert cli.main(["compare", str(old), str(tmp_path / "nowhere")]) == 2
