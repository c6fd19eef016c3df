import pytest
import torch
from torch.nn import functional as F

from benchmarks import cli
from benchmarks.studies.convolution_basics import ConvolutionBasics, cross_correlate


def test_the_loops_compute_what_pytorch_computes():
    image, kernel = torch.randn(6, 7), torch.randn(3, 2)
    expected = F.conv2d(image[None, None], kernel[None, None])[0, 0]
    torch.testing.assert_close(cross_correlate(image, kernel), expected)


def test_identities_hold_and_misprints_do_not(tmp_path):
    given = ["--set=image_sizes=5,7,8", "--set=seeds=5", "--device=cpu"]
    assert cli.main(["study", "convolution_basics", *given, "--results", str(tmp_path)]) == 0
    study, folder = ConvolutionBasics("convolution_basics"), tmp_path / "studies/convolution_basics"
    verdicts = study.verdicts(study.read(folder))
    assert [each.outcome for each in verdicts] == 5 * ["supported"] + 4 * ["not supported"]
    assert [each.effect for each in verdicts[-2:]] == [4, 10]
    assert verdicts[4].effect == pytest.approx(0.04, abs=0.04)
    assert (folder / "plots" / "convolution_basics.png").exists()
