"""What two or more papers share."""


def output_size(
    size: int, kernel_size: int, stride: int = 1, padding: int = 0, ceil_mode: bool = False
) -> int:
    """Height or width in pixels after a convolution or pooling, as PyTorch computes it.

    Args:
        size: height or width of the input.
        kernel_size: of the window.
        stride: of the window.
        padding: a side.
        ceil_mode: round up, unless the last window would start in the right padding.
    """
    span = size + 2 * padding - kernel_size
    if not ceil_mode:
        return span // stride + 1
    steps = -(-span // stride)
    return steps + (steps * stride < size + padding)
