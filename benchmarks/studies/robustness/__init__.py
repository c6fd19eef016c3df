"""Which changes of an image do nets withstand, and is pooling what makes them ignore shifts?

Small nets on CIFAR-10 that differ in what halves their maps, trained with augmentation and without,
and tested on images that are shifted, rotated, scaled, flipped, blurred, brightened, desaturated or
noisy. An image counts as unchanged if a net still answers the same (R. Zhang, "Making Convolutional
Networks Shift-Invariant Again", 2019, 4: consistency).
"""

from benchmarks.studies.robustness.study import Robustness

__all__ = ["Robustness"]
