"""What a model is and what it costs, without training it: a card of each, and a table of all."""

from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import torch
from tabulate import tabulate

import lit_models
from benchmarks.errors import UsageError
from benchmarks.records.storage import write_atomic
from lit_models import Entry
from lit_models.analysis.cost import LayerCost, training_memory
from lit_models.analysis.receptive_field.graph import Field, TracingError

_HEADERS = (
    "layer",
    "kind",
    "output",
    "kernel",
    "stride",
    "parameters",
    "MACs",
    "activations",
    "receptive field",
    "jump",
)

_CAPTION = """\
MACs: multiply-adds of convolutions and matrix products. Activations: numbers that all layers put \
out. MiB in training: what is kept of an image between forward and backward pass. Receptive field: \
pixels that a position of the last map sees, height and width; + all: and, through gates, the \
whole image."""


def card(name: str, *, image_size: int, in_channels: int, num_classes: int) -> str:
    """All there is to say of a model, with a table by layer for one image.

    Raises:
        ModelError: unknown model, or one that cannot take such images.
    """
    entry = lit_models.entry(name)
    shape = {"image_size": image_size, "in_channels": in_channels}
    lit_models.check(name, num_classes=num_classes, **shape)
    # Registered nets need no weights for this; others may compute with theirs as they are built.
    with nullcontext() if entry.min_size is None else torch.device("meta"):
        net = lit_models.build(name, num_classes=num_classes, **shape)
    cost = lit_models.cost(net, **shape)
    try:
        net_field = lit_models.receptive_field(net, **shape)
        fields, seen = net_field.layers, f"{_size(net_field)}, {_jump(net_field)} px apart"
    except TracingError as error:
        fields, seen = [None] * len(cost.layers), f"not known: {error}"
    rows = [_layer_row(layer, field) for layer, field in zip(cost.layers, fields, strict=True)]
    outside = [
        getattr(cost, count) - sum(getattr(layer, count) for layer in cost.layers)
        for count in ("parameters", "macs")
    ]
    if any(outside):
        rows.append(["(outside these layers)", "", "", "", "", *map("{:,}".format, outside)])
    activations = sum(layer.activations for layer in cost.layers)
    totals = (f"{cost.parameters:,}", f"{cost.macs:,}", f"{activations:,}")
    rows.append(["total", "", "", "", "", *totals])
    table = tabulate(rows, _HEADERS, colalign=("left", "left") + ("right",) * 8)
    memory = training_memory(net, **shape) / 2**20
    least = "not declared" if entry.min_size is None else f"{entry.min_size} px"
    facts = {
        "image": f"{in_channels} x {image_size} x {image_size}, {num_classes} classes",
        "smallest image": least,
        "memory of activations in training": f"{memory:,.1f} MiB an image",
        "receptive field": seen,
        "published figures": fidelity(entry),
    }
    lines = "\n".join(f"{label}: {fact}" for label, fact in facts.items())
    return f"{entry.name}: {entry.summary}\n\n{entry.reference}\n\n{table}\n\n{lines}"


def fidelity(entry: Entry) -> str:
    """Whether a net has the figures published for it, and which these are."""
    published = entry.published
    if published is None:
        return "none to check against"
    shape = {"image_size": published.image_size, "in_channels": published.in_channels}
    with torch.device("meta"):
        net = lit_models.build(entry.name, num_classes=published.num_classes, **shape)
    found = {"parameters": sum(p.numel() for p in net.get_submodule(published.module).parameters())}
    if published.macs is not None:
        found["MACs"] = lit_models.cost(net, **shape).macs
    expected = {"parameters": published.parameters, "MACs": published.macs}
    verdicts = [
        f"{count:,} {what}, "
        + ("as published" if count == expected[what] else f"NOT the {expected[what]:,} published")
        for what, count in found.items()
    ]
    size = f"{published.in_channels} x {published.image_size} x {published.image_size}"
    place = f"{size}, {published.num_classes} classes"
    return f"{'; '.join(verdicts)} ({published.source}; {place})"


def comparison(*, image_size: int, in_channels: int, num_classes: int) -> pd.DataFrame:
    """One row a registered model, for one image; models that need larger ones are left out."""
    shape = {"image_size": image_size, "in_channels": in_channels}
    rows = []
    for entry in map(lit_models.entry, lit_models.names()):
        if image_size < entry.min_size:
            continue
        with torch.device("meta"):
            net = lit_models.build(entry.name, num_classes=num_classes, **shape)
        cost, field = lit_models.cost(net, **shape), lit_models.receptive_field(net, **shape)
        rows.append(
            {
                "model": entry.name,
                "task": entry.task,
                "parameters": cost.parameters,
                "macs": cost.macs,
                "activations": sum(layer.activations for layer in cost.layers),
                "training_memory_mb": training_memory(net, **shape) / 2**20,
                "receptive_field": _size(field),
                "jump": _jump(field),
                "min_size": entry.min_size,
                "published_figures": fidelity(entry),
            }
        )
    return pd.DataFrame(rows)


def write_comparison(folder: Path, **shape: int) -> str:
    """Write `models.csv` and `table.md` into `folder`; returns the table, in markdown.

    Raises:
        UsageError: no model takes such images.
    """
    rows = comparison(**shape)
    if rows.empty:
        raise UsageError(f"no model takes images of {shape['image_size']} px")
    write_atomic(folder / "models.csv", rows.to_csv(index=False))
    counts = {"parameters": "parameters", "macs": "MACs", "activations": "activations"}
    columns = {
        "model": rows["model"],
        **{label: rows[column].map("{:,}".format) for column, label in counts.items()},
        "MiB in training": rows["training_memory_mb"].map("{:,.1f}".format),
        "receptive field": rows["receptive_field"],
        "smallest image": rows["min_size"].map("{} px".format),
    }
    table = pd.DataFrame(columns).to_markdown(
        index=False, disable_numparse=True, colalign=["left"] + ["right"] * (len(columns) - 1)
    )
    image = "{in_channels} x {image_size} x {image_size}".format(**shape)
    markdown = f"{table}\n\nFor one image of {image} and {shape['num_classes']} classes. {_CAPTION}"
    write_atomic(folder / "table.md", markdown + "\n")
    return markdown


def _layer_row(layer: LayerCost, field: Field | None) -> list[str]:
    return [
        layer.name,
        layer.kind,
        " x ".join(map(str, layer.output_shape)),
        _window(layer.kernel_size),
        _window(layer.stride),
        f"{layer.parameters:,}",
        f"{layer.macs:,}",
        f"{layer.activations:,}",
        "" if field is None else _size(field),
        "" if field is None else _jump(field),
    ]


def _window(pair: tuple[int, int] | None) -> str:
    if pair is None:
        return ""
    return str(pair[0]) if len(set(pair)) == 1 else " x ".join(map(str, pair))


def _size(field: Field) -> str:
    if field.size is None:
        return "all" if field.sees_all else ""
    size = field.size
    text = " x ".join(map(str, size)) if isinstance(size, tuple) else str(size)
    return f"{text} + all" if field.sees_all else text


def _jump(field: Field) -> str:
    jump = field.jump
    if jump is None:
        return ""
    return " x ".join(f"{j:g}" for j in jump) if isinstance(jump, tuple) else f"{float(jump):g}"
