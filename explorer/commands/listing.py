"""What the command line prints of models and projections."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from explorer.render.linked.words import MEANINGS, QUALITIES, quality_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from explorer.capture import Model
    from explorer.capture.protocol import LayerInfo
    from explorer.capture.receptive_field import ReceptiveField
    from explorer.reduce import Projection

METHODS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP", "precomputed": "own coordinates"}
BESIDE = {"random": "a random map", "pca": "PCA"}

FEW = 4
"""Names of layers that are printed for a reason; how many more there are is said."""


def print_layers(model: Model, *, measure: bool = True) -> None:
    """Print where the model comes from, its preprocessing, and a table of its layers."""
    found = model.measured_layers() if measure else model.layers()
    console = to_terminal()
    origin = model.provenance
    words = [model.adapter_name]
    if origin.get("checkpoint"):
        step = "" if origin.get("step") is None else f", step {origin['step']}"
        under = f", under {origin['found_under']}" if origin.get("found_under") else ""
        words.append(f"weights from {origin['checkpoint']}{step}{under}")
    console.print(f"{model.name}: {' · '.join(words)}", markup=False)
    rule = model.preprocessing.describe() if model.preprocessing else "none declared"
    shape = "" if model.input_shape is None else f" → {shape_words(model.input_shape)}"
    fit = " (not declared, made to fit the input: check it)" if model.made_to_fit else ""
    console.print(f"preprocessing: {rule}{shape}{fit}", markup=False)
    if model.class_names:
        console.print(f"classes: {', '.join(model.class_names)}", markup=False)
    for line in getattr(model.adapter, "notes", ()):
        console.print(line, markup=False)
    console.print(_layer_table(found, model.input_shape))
    for line in _field_notes(found):
        console.print(line, markup=False)


def to_terminal() -> Console:
    """Where tables go. Names are never cut: a terminal folds them, a file or pipe gets them whole."""
    from rich.console import Console

    return Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 1000)


def _layer_table(infos: Sequence[LayerInfo], input_shape: tuple[int, ...] | None) -> Table:
    """A row a layer."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("layer", "kind"):
        table.add_column(title, overflow="fold")
    titles = ["output shape", "positions", "channels", "parameters"]
    has_fields = any(info.receptive_field is not None for info in infos)
    for title in [*titles, "sees", "every", "from"] if has_fields else titles:
        table.add_column(title, justify="right", overflow="fold")
    for info in infos:
        table.add_row(
            Text(info.name),
            Text(info.kind),
            "?" if info.shape is None else shape_words(info.shape),
            _count(info.positions),
            _count(info.channels),
            f"{info.parameters:,}",
            *(_field_words(info.receptive_field, input_shape) if has_fields else ()),
        )
    return table


def _field_words(field: ReceptiveField | None, input_shape: tuple[int, ...] | None) -> tuple[str, str, str]:
    """Size, stride and offset of what a position sees; one number where all axes agree on the latter."""
    if field is None or field.how == "unknown":
        return "?", "", ""
    mark = "~" if field.how == "measured" else ""
    if input_shape is not None and field.is_whole(input_shape):
        return f"{mark}all", "", ""
    stride, offset = (
        ", ".join(str(value) for value in (values[:1] if len(set(values)) == 1 else values))
        for values in (field.stride, field.offset)
    )
    return mark + shape_words(field.size), stride, offset


def _field_notes(infos: Sequence[LayerInfo]) -> list[str]:
    """What the last three columns mean, and what was not followed."""
    known = [info for info in infos if info.receptive_field is not None]
    if not known:
        return []
    lines = [
        "sees: pixels of the input that a position depends on (receptive field); every: pixels from one",
        "position to the next; from: where those of the first position begin, below 0 in the padding",
    ]
    groups: dict[tuple[str, str], list[str]] = {}
    for info in known:
        field = info.receptive_field
        if field is not None and field.how != "computed":
            groups.setdefault((field.how, field.why), []).append(info.name)
    for (how, why), names in groups.items():
        what = "~ measured on random inputs" if how == "measured" else "? not known"
        rest = f" and {len(names) - FEW} more" if len(names) > FEW else ""
        reason = f": not followed: {why}" if why else ""
        lines.append(f"{what}: {', '.join(names[:FEW])}{rest}{reason}")
    return lines


def describe_projection(projection: Projection) -> str:
    """One line: layer, method, how many positions of how many, and how far to trust it."""
    taken, whole = projection.n_samples, projection.n_positions
    count = f"{whole:,} positions" if taken == whole else f"{taken:,} of {whole:,} positions"
    method = f"{METHODS.get(projection.method, projection.method)} {projection.n_components}D"
    figures = [words for name in QUALITIES if (words := quality_words(projection, name))]
    return " · ".join([projection.layer, method, count, *figures])


def explain_quality(projection: Projection) -> list[str]:
    """What the figures mean, a line each, in words for somebody who has never seen them."""
    quality = projection.quality
    if "trustworthiness" not in quality:
        return ["too few positions to tell how far the map can be trusted"]
    others = [(words, quality[other]) for other, words in BESIDE.items() if other in quality]
    lines = []
    for name, meaning in MEANINGS.items():
        beside = ", ".join(f"{words} {scored[name]:.3f}" for words, scored in others)
        lines.append(f"{name.replace('_', ' ')} {quality[name]:.3f} ({beside}): {meaning}")
    return [*lines, f"measured on {quality['measured_on']:,} positions; 1 is perfect in all of them"]


def shape_words(shape: tuple[int, ...]) -> str:
    """Sizes in a row, such as 8 × 8 × 48."""
    return " × ".join(str(size) for size in shape)


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"
