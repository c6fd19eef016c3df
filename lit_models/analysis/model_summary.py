"""Summaries of models, without training: a card of one model, and a table that compares all."""

from contextlib import nullcontext

import pandas as pd
import torch
from tabulate import tabulate

import lit_models
from lit_models import Cost, Entry, options
from lit_models.analysis.cost import LayerCost, training_memory
from lit_models.analysis.receptive_field import Field, TracingError

_CAPTION = """\
MACs: multiply-adds of convolutions and matrix products. Activations: output values of all layers. \
MiB in training: memory kept per image between forward and backward pass. Receptive field: height \
and width in pixels of the image that a position of the last map sees; + all: and, through gates, \
the whole image."""


def card(name: str, *, image_size: int, in_channels: int, num_classes: int) -> str:
    """Everything known about a model, with a table by layer for one image.

    Raises:
        ModelError: unknown model, or the model cannot take such images.
    """
    entry = lit_models.entry(name)
    shape = {"image_size": image_size, "in_channels": in_channels}
    lit_models.check(name, num_classes=num_classes, **shape)
    # Registered nets need no weights for this; other nets may compute with theirs when built.
    with nullcontext() if entry.min_size is None else torch.device("meta"):
        net = lit_models.build(name, num_classes=num_classes, **shape)
    cost = lit_models.cost(net, **shape)
    fields: dict[str, Field] = {}
    try:
        net_field = lit_models.receptive_field(net, **shape)
        fields = {layer.name: layer for layer in net_field.layers}  # of the last call of each
        seen = f"{_size(net_field)}, {_text(net_field.jump)} px apart"
    except TracingError as error:
        seen = f"not known: {error}"
    memory = training_memory(net, **shape) / 2**20
    image = f"{in_channels} x {image_size} x {image_size}"
    facts = {
        "MACs and activations of one image": f"{image}, {num_classes} classes",
        "smallest image": "not declared" if entry.min_size is None else f"{entry.min_size} px",
        "memory of activations in training": f"{memory:,.1f} MiB an image",
        "receptive field": seen,
        "options": ", ".join(options.takes(entry)) or "none",
        "published figures": fidelity(entry),
    }
    if cost.uncounted:
        facts["MACs"] = f"at least {cost.macs:,}; not counted: {', '.join(cost.uncounted)}"
    lines = "\n".join(f"{label}: {fact}" for label, fact in facts.items())
    table = _layer_table(cost, fields)
    return f"{entry.name}: {entry.summary}\n\n{entry.reference}\n\n{table}\n\n{lines}"


def fidelity(entry: Entry) -> str:
    """A net's parameters and MACs compared with the figures published for it."""
    published = entry.published
    if published is None:
        return "none to check against"
    shape = {"image_size": published.image_size, "in_channels": published.in_channels}
    with torch.device("meta"):
        net = lit_models.build(entry.name, num_classes=published.num_classes, **shape)
    part = net.get_submodule(published.module)
    counts = [("parameters", sum(p.numel() for p in part.parameters()), published.parameters)]
    if published.macs is not None:
        counts.append(("MACs", lit_models.cost(net, **shape).macs, published.macs))
    verdicts = [
        f"{found:,} {what}, "
        + ("as published" if found == expected else f"NOT the {expected:,} published")
        for what, found, expected in counts
    ]
    size = f"{published.in_channels} x {published.image_size} x {published.image_size}"
    conditions = f"{size}, {published.num_classes} classes"
    return f"{'; '.join(verdicts)} ({published.source}; {conditions})"


def comparison(*, image_size: int, in_channels: int, num_classes: int) -> pd.DataFrame:
    """One row per registered model that takes images of this size."""
    shape = {"image_size": image_size, "in_channels": in_channels}
    rows = []
    for entry in map(lit_models.entry, lit_models.names()):
        if entry.min_size is None or image_size < entry.min_size:
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
                "jump": _text(field.jump),
                "min_size": entry.min_size,
                "published_figures": fidelity(entry),
            }
        )
    return pd.DataFrame(rows)


def comparison_table(
    rows: pd.DataFrame, *, image_size: int, in_channels: int, num_classes: int
) -> str:
    """The rows of `comparison` as a markdown table with a caption."""
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
    image = f"{in_channels} x {image_size} x {image_size}"
    return f"{table}\n\nFor one image of {image} and {num_classes} classes. {_CAPTION}"


def _layer_table(cost: Cost, fields: dict[str, Field]) -> str:
    rows = [_layer_row(layer, fields.get(layer.name)) for layer in cost.layers]
    parameters = cost.parameters - sum(layer.parameters for layer in cost.layers)
    macs = cost.macs - sum(layer.macs for layer in cost.layers)
    if parameters or macs:
        counts = {"parameters": f"{parameters:,}", "MACs": f"{macs:,}"}
        rows.append({"layer": "(outside these layers)", **counts})
    activations = sum(layer.activations for layer in cost.layers)
    totals = {"parameters": cost.parameters, "MACs": cost.macs, "activations": activations}
    rows.append({"layer": "total", **{column: f"{count:,}" for column, count in totals.items()}})
    if cost.uncounted:
        rows[-1]["MACs"] = f">= {cost.macs:,}"
    return tabulate(rows, headers="keys", colalign=("left", "left") + ("right",) * 8)


def _layer_row(layer: LayerCost, field: Field | None) -> dict[str, str]:
    return {
        "layer": layer.name + (f" ({layer.calls} calls)" if layer.calls > 1 else ""),
        "kind": layer.kind,
        "output": " x ".join(map(str, layer.output_shape)),
        "kernel": _text(layer.kernel_size),
        "stride": _text(layer.stride),
        "parameters": f"{layer.parameters:,}",
        "MACs": f"{layer.macs:,}",
        "activations": f"{layer.activations:,}",
        "receptive field": "" if field is None else _size(field),
        "jump": "" if field is None else _text(field.jump),
    }


def _size(field: Field) -> str:
    texts = [_text(field.size), "all" if field.sees_all else ""]
    return " + ".join(text for text in texts if text)


def _text(value: float | tuple[float, ...] | None) -> str:
    """A value, `height x width` if these differ, or nothing for None."""
    if value is None:
        return ""
    values = value if isinstance(value, tuple) else (value,)
    return " x ".join(f"{v:.9g}" for v in dict.fromkeys(values))
