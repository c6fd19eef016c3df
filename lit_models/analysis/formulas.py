"""The formulas of convolution and pooling along one axis: output size, parameters, multiply-adds.

V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016. Padding is that
of one side, as in PyTorch, whether it is given as a number or as a pair (height, width). Sizes are
in pixels.
"""

from math import gcd


def conv_size(
    size: int, kernel_size: int, *, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    """Output size of a convolution: floor((n + 2p - d(k - 1) - 1) / s) + 1.

    Raises:
        ValueError: the kernel is larger than the padded image, or an argument is out of range.
    """
    _check_positive(size=size, kernel_size=kernel_size, stride=stride, dilation=dilation)
    _check_not_negative(padding=padding)
    kernel, padded = extent(kernel_size, dilation), size + 2 * padding
    if kernel > padded:
        raise ValueError(
            f"a kernel of {kernel_size} px with dilation {dilation} spans {kernel} px, "
            f"more than the padded image of {padded} px"
        )
    return (padded - kernel) // stride + 1


def pool_size(
    size: int,
    kernel_size: int,
    *,
    stride: int | None = None,
    padding: int = 0,
    ceil_mode: bool = False,
) -> int:
    """Output size of a pooling layer, by default with the stride of its window.

    As a convolution's; with `ceil_mode` it is rounded up, but no window starts beyond the image and
    its left padding.

    Raises:
        ValueError: padding of more than half of the window, no window fits, or an argument is out
            of range.
    """
    stride = kernel_size if stride is None else stride
    _check_positive(size=size, kernel_size=kernel_size, stride=stride)
    _check_not_negative(padding=padding)
    if padding > kernel_size // 2:
        raise ValueError(
            f"padding {padding} is more than half of the pool's window of {kernel_size} px"
        )
    if not ceil_mode:
        return conv_size(size, kernel_size, stride=stride, padding=padding)
    windows = -(-(size + 2 * padding - kernel_size) // stride) + 1
    if (windows - 1) * stride >= size + padding:
        windows -= 1
    if windows < 1:
        raise ValueError(
            f"no window of {kernel_size} px fits in the padded image of {size + 2 * padding} px"
        )
    return windows


def transposed_conv_size(
    size: int,
    kernel_size: int,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    output_padding: int = 0,
) -> int:
    """Output size of a transposed convolution: (n - 1)s - 2p + d(k - 1) + 1 + output padding.

    Raises:
        ValueError: output padding that is not below the stride or the dilation, padding that
            removes the whole output, or an argument is out of range.
    """
    _check_positive(size=size, kernel_size=kernel_size, stride=stride, dilation=dilation)
    _check_not_negative(padding=padding, output_padding=output_padding)
    if output_padding >= max(stride, dilation):
        raise ValueError(
            f"output padding {output_padding} is neither below the stride {stride} "
            f"nor below the dilation {dilation}"
        )
    output = (size - 1) * stride - 2 * padding + extent(kernel_size, dilation) + output_padding
    if output < 1:
        raise ValueError(f"padding {padding} removes the whole output")
    return output


def extent(kernel_size: int, dilation: int = 1) -> int:
    """Pixels from the first to the last that a dilated kernel covers: d(k - 1) + 1."""
    return dilation * (kernel_size - 1) + 1


def conv_parameters(
    in_channels: int, out_channels: int, kernel_size: int, *, groups: int = 1, bias: bool = True
) -> int:
    """Weights and biases of a convolution with a square kernel: k^2 C D / g, and D biases.

    Raises:
        ValueError: `groups` does not divide both numbers of channels, or one of these is below 1.
    """
    _check_positive(in_channels=in_channels, out_channels=out_channels, kernel_size=kernel_size)
    check_groups(in_channels, out_channels, groups)
    return kernel_size**2 * in_channels // groups * out_channels + bias * out_channels


def conv_macs(
    in_channels: int, out_channels: int, kernel_size: int, *, groups: int = 1, output_size: int
) -> int:
    """Multiply-adds of a convolution for one image: each weight serves every output position.

    Raises:
        ValueError: `groups` does not divide both numbers of channels.
    """
    weights = conv_parameters(in_channels, out_channels, kernel_size, groups=groups, bias=False)
    return weights * output_size**2


def separable_parameters(
    in_channels: int, out_channels: int, kernel_size: int, *, bias: bool = True
) -> int:
    """Those of a depthwise convolution and the 1x1 convolution after it: k^2 C + C D, and biases.

    Raises:
        ValueError: a number of channels is below 1.
    """
    depthwise = conv_parameters(
        in_channels, in_channels, kernel_size, groups=in_channels, bias=bias
    )
    return depthwise + conv_parameters(in_channels, out_channels, 1, bias=bias)


def bottleneck_parameters(
    in_channels: int, inner_channels: int, out_channels: int, kernel_size: int, *, bias: bool = True
) -> int:
    """Those of a convolution between two 1x1 convolutions: C R + k^2 R^2 + R D, and biases.

    Raises:
        ValueError: a number of channels is below 1.
    """
    inner = conv_parameters(inner_channels, inner_channels, kernel_size, bias=bias)
    first = conv_parameters(in_channels, inner_channels, 1, bias=bias)
    return first + inner + conv_parameters(inner_channels, out_channels, 1, bias=bias)


def check_groups(in_channels: int, out_channels: int, groups: int) -> None:
    """Check that channels can be divided into groups.

    Raises:
        ValueError: `groups` does not divide both numbers of channels.
    """
    largest = gcd(in_channels, out_channels)
    if groups < 1 or largest % groups:
        raise ValueError(
            f"{groups} groups do not divide both {in_channels} and {out_channels} channels; "
            f"the divisors of {largest} do"
        )


def _check_positive(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")


def _check_not_negative(**values: int) -> None:
    for name, value in values.items():
        if value < 0:
            raise ValueError(f"{name} must not be negative, not {value}")
