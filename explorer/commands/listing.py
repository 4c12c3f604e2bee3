"""What the command line prints of models and projections."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from explorer.render.words import QUALITIES, quality_words

if TYPE_CHECKING:
    from explorer.capture import Model
    from explorer.reduce import Projection

METHODS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP", "precomputed": "own coordinates"}
MEANINGS = {
    "trustworthiness": "neighbours on the map are near in truth",
    "continuity": "neighbours in truth are near on the map",
    "neighbourhood_preservation": "share of the 15 nearest in truth that are the 15 nearest on the map",
    "shepard_correlation": "far in truth is far on the map",
}


def print_layers(model: Model) -> None:
    """Print where the model comes from, its preprocessing, and a table of its layers."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    found = model.layers()
    # Names are never cut: a terminal folds them, a file or pipe gets them whole.
    console = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 1000)
    origin = model.provenance
    words = [model.adapter_name]
    if origin.get("checkpoint"):
        step = "" if origin.get("step") is None else f", step {origin['step']}"
        under = f", under {origin['found_under']}" if origin.get("found_under") else ""
        words.append(f"weights from {origin['checkpoint']}{step}{under}")
    console.print(f"{model.name}: {' · '.join(words)}", markup=False)
    rule = model.preprocessing.describe() if model.preprocessing else "none declared"
    shape = "" if model.input_shape is None else f" → {_shape(model.input_shape)}"
    fit = " (not declared, made to fit the input: check it)" if model.made_to_fit else ""
    console.print(f"preprocessing: {rule}{shape}{fit}", markup=False)
    if model.class_names:
        console.print(f"classes: {', '.join(model.class_names)}", markup=False)
    for line in getattr(model.adapter, "notes", ()):
        console.print(line, markup=False)
    table = Table(box=None, pad_edge=False)
    for title in ("layer", "kind", "output shape", "positions", "channels", "parameters"):
        table.add_column(title, justify="left" if title in ("layer", "kind") else "right", overflow="fold")
    for info in found:
        shown = "?" if info.shape is None else _shape(info.shape)
        table.add_row(
            Text(info.name),
            Text(info.kind),
            shown,
            _count(info.positions),
            _count(info.channels),
            f"{info.parameters:,}",
        )
    console.print(table)


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
    lines = [
        f"{name.replace('_', ' ')} {quality[name]:.3f} (a random map {quality['random'][name]:.3f}, "
        f"PCA {quality['pca'][name]:.3f}): {meaning}"
        for name, meaning in MEANINGS.items()
    ]
    return [*lines, f"measured on {quality['measured_on']:,} positions; 1 is perfect in all of them"]


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(str(size) for size in shape)


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"
