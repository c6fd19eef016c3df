import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.studies.robustness import Robustness
from benchmarks.studies.robustness.changes import CHANGES, NEUTRAL, changed


@pytest.mark.parametrize("name", sorted(CHANGES.keys() - {"flip", "blur"}))
def test_a_change_grows_from_none_with_its_strength(name):
    ramp = torch.linspace(0.2, 0.8, 32).expand(32, 32)
    images, change = torch.stack([ramp, ramp.T, (ramp + ramp.T) / 2])[None], CHANGES[name]
    neutral = NEUTRAL.get(name, 0.0)

    def distance(strength):
        given = change.apply(images, strength, [0.5, 0.5, 0.5])
        assert given.shape == images.shape
        return float((given - images).abs().mean())

    assert distance(neutral) < 1e-6
    for side in (-1, 1):
        given = [strength for strength in change.strengths if side * (strength - neutral) > 0]
        distances = [0.01, *map(distance, sorted(given, key=lambda each: side * each))]
        assert distances == sorted(distances)


def test_images_are_shifted_to_the_right_by_whole_pixels():
    images = torch.rand(1, 3, 8, 8)
    (shifted,) = (
        each for name, by, each in changed(images, [0.0] * 3) if (name, by) == ("shift", 2)
    )
    torch.testing.assert_close(shifted[..., 2:], images[..., :-2])
    assert not shifted[..., :2].any()


def make_rows(right):
    """Rows of two seeds; `right`: the part of the answers that is right and unchanged."""
    rows = []
    for (pooling, augmentation, change, strength), part in right.items():
        for seed in (0, 1):
            answers = np.roll(np.arange(400) < 400 * part, 3 * seed)
            rows.append(
                {
                    "model": f"convnet[pooling={pooling}]" if pooling != "max" else "convnet",
                    "label": f"{pooling}, {augmentation}",
                    "augmentation": augmentation,
                    **{"seed": seed, "change": change, "strength": strength, "accuracy": part},
                    **{"correct": answers, "unchanged": answers},
                }
            )
    return pd.DataFrame(rows)


def test_consistency_under_shifts_tells_whether_pooling_buys_invariance():
    conditions = (("none", 0.0), ("shift", 4.0), ("rotation", 15.0))
    parts = {"max": (0.9, 0.8, 0.5), "convolution": (0.9, 0.6, 0.5)}
    right = {
        (pooling, augmentation, *condition): part
        for pooling, of in parts.items()
        for augmentation in ("none", "flip+crop")
        for condition, part in zip(conditions, of, strict=True)
    }
    right["max", "flip+crop", "shift", 4.0] = 0.85
    study, rows = Robustness("robustness"), make_rows(right)
    invariance, rotations, augmented, _ = study.verdicts(rows)
    assert invariance.effect == pytest.approx(20)
    assert invariance.outcome == "supported"
    assert rotations.effect == pytest.approx(0)
    assert augmented.effect == pytest.approx(5)
    figure = study.plot(rows)
    assert [axes.get_title("left") for axes in figure.axes[:2]] == ["shift (px)", "rotation (°)"]
    plt.close(figure)
    by_change = study.table(rows).set_index("change")
    assert by_change.loc["shift 4"].tolist() == ["0.600", "0.600", "0.800", "0.850"]
