import pytest
import torch
from torch.nn import functional as F

from benchmarks import cli
from benchmarks.studies.transposed_convolution import TransposedConvolution, matrix, with_zeros


def test_the_matrix_convolves():
    kernel, image = torch.randn(1, 1, 3, 3), torch.randn(1, 1, 6, 6)
    expected = F.conv2d(image, kernel, stride=2, padding=1)
    found = matrix(kernel, 6, stride=2, padding=1) @ image.flatten()
    torch.testing.assert_close(found, expected.flatten())


def test_zeros_lie_between_and_around():
    maps = torch.tensor([[[[1.0, 2], [3, 4]]]])
    expected = torch.tensor([[0.0, 0, 0, 0], [0, 1, 0, 2], [0, 0, 0, 0], [0, 3, 0, 4]])
    assert torch.equal(with_zeros(maps, 2, 1, 0)[0, 0], expected)
    assert torch.equal(with_zeros(maps, 2, -1, -1)[0, 0], torch.zeros(1, 1))


def test_identities_hold_and_misprints_do_not(tmp_path):
    given = ["--set=image_sizes=5,6", "--set=kernel_sizes=1,3", "--device=cpu"]
    assert cli.main(["study", "transposed_convolution", *given, "--results", str(tmp_path)]) == 0
    study = TransposedConvolution("transposed_convolution")
    folder = tmp_path / "studies" / study.name
    verdicts = study.verdicts(study.read(folder))
    assert [each.outcome for each in verdicts] == 4 * ["supported"] + 2 * ["not supported"]
    assert (
        verdicts[-1].effect
        == F.conv_transpose2d(
            torch.zeros(1, 1, 6, 4), torch.zeros(1, 1, 3, 5), stride=(2, 3), padding=(1, 2)
        ).shape[3]
    )
    assert 0 < verdicts[-2].effect < 1
    assert (folder / "plots" / f"{study.name}.png").exists()


@pytest.mark.parametrize("stride", [1, 2])
def test_a_kernel_equal_to_the_maps_by_hand(stride):
    """The example of "Dive into Deep Learning", 13.10."""
    maps = torch.tensor([[[[0.0, 1], [2, 3]]]])
    rows = {1: [[0, 0, 1], [0, 4, 6], [4, 12, 9]]}
    rows[2] = [[0, 0, 0, 1], [0, 0, 2, 3], [0, 2, 0, 3], [4, 6, 6, 9]]
    spread = with_zeros(maps, stride, 1, 1)
    assert F.conv2d(spread, maps.flip(2, 3))[0, 0].tolist() == rows[stride]
