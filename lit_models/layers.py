"""Code shared by several nets."""


def output_size(
    size: int, kernel_size: int, stride: int = 1, padding: int = 0, ceil_mode: bool = False
) -> int:
    """Height or width in pixels after a convolution or pooling, as PyTorch computes it.

    Args:
        size: height or width of the input.
        kernel_size: size of the window.
        stride: step of the window.
        padding: pixels added on each side.
        ceil_mode: round up, unless the last window would start in the padding at the end.
    """
    span = size + 2 * padding - kernel_size
    if not ceil_mode:
        return span // stride + 1
    steps = -(-span // stride)
    return steps + (steps * stride < size + padding)
