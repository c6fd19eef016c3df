"""What two or more papers share."""


def output_size(size: int, kernel_size: int, stride: int = 1, padding: int = 0) -> int:
    """Height or width in pixels after a convolution or pooling, rounded down as PyTorch does."""
    return (size + 2 * padding - kernel_size) // stride + 1
