from benchmarks import cli
from benchmarks.studies.cheap_convolutions import CheapConvolutions
from lit_models.cheap_convolutions import KINDS

SMALL = {"channels": 8, "image_size": 6, "batch_size": 1, "rounds": 6, "block_seconds": 2e-4}


def test_formulas_are_counted_and_times_measured(tmp_path):
    given = [f"--set={name}={value}" for name, value in SMALL.items()]
    arguments = ["study", "cheap_convolutions", "--device=cpu", *given]
    assert cli.main([*arguments, "--results", str(tmp_path)]) == 0
    study, folder = CheapConvolutions("cheap_convolutions"), tmp_path / "studies"
    rows = study.read(folder / study.name)
    assert rows["kind"].tolist() == [*KINDS]
    assert rows["formula"].tolist() == [576, 288, 144, 72, 72, 136, 68]
    assert rows["macs_part"].tolist() == (rows["macs"] / (36 * 576)).tolist()
    exact, *times, ratio, groups, bottleneck = study.verdicts(rows)
    assert (exact.outcome, exact.effect) == ("supported", 0)
    assert len(times) == 2 * 6
    assert all(each.low <= each.effect <= each.high for each in times)
    assert ratio.effect == (72 + 64) / 288
    assert ratio.outcome == groups.outcome == "not supported"
    assert bottleneck.outcome == "supported"
    assert (folder / study.name / "plots" / f"{study.name}.png").exists()
