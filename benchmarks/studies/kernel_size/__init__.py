"""How does compute time grow with the size of a kernel?

One convolution is timed with stride 1, padding k // 2 and no bias. So parameters and multiply-adds
both grow with the square of the kernel size k, in a fixed ratio; the time may grow differently.
"""

from benchmarks.studies.kernel_size.study import KernelSize

__all__ = ["KernelSize"]
