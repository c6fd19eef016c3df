"""What a dataset holds, in words."""

from datamodules.dataset import SEGMENTATION, ImageDataset

LISTED = 10  # of the files that were left out, and of the classes


def summary(dataset: ImageDataset) -> str:
    """Images and classes of each split, sizes, formats, and which files were left out and why."""
    train, test = dataset.train_images, dataset.test_images
    channels, size = train.shape[1:3]
    lines = [f"{dataset.source}: {len(train):,} training and {len(test):,} test images, verified"]
    lines.append(f"images: {channels} x {size} x {size}, mean {_figures(dataset.mean)}, ")
    lines[-1] += f"standard deviation {_figures(dataset.std)}"
    if dataset.task == SEGMENTATION:
        lines.append(f"classes of pixels: {', '.join(dataset.classes)}")
    else:
        lines += _classes(dataset)
    if files := dataset.files:
        lines.append(f"formats: {_counted(files.formats)}")
        lines.append(f"sizes in px: {_sizes(files.sizes)}")
        lines += files.notes
        if files.skipped:
            lines.append(f"left out: {_few(files.skipped)}")
    return "\n".join(lines)


def _classes(dataset: ImageDataset) -> list[str]:
    count = len(dataset.classes)
    counts = [
        labels.bincount(minlength=count).tolist()
        for labels in (dataset.train_labels, dataset.test_labels)
    ]
    rows = [
        f"  {name}: {train:,} training, {test:,} test"
        for name, train, test in zip(dataset.classes, *counts, strict=True)
    ]
    rest = [f"  ... and {count - LISTED:,} more"] if count > LISTED else []
    return [f"{count:,} classes:", *rows[:LISTED], *rest]


def _figures(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4f}" for value in values)


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))


def _sizes(sizes: dict[tuple[int, int], int]) -> str:
    """The sizes by number of images, or the range if there are more than a few."""
    if len(sizes) <= 3:
        return _counted({f"{width} x {height}": count for (width, height), count in sizes.items()})
    ranges = [f"{min(sides)} to {max(sides)}" for sides in zip(*sizes, strict=True)]
    return " x ".join(ranges)


def _few(names: tuple[str, ...]) -> str:
    rest = f", and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return f"{', '.join(names[:LISTED])}{rest}"
