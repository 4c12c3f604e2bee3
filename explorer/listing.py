"""What the command line prints of models and projections."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from explorer.capture import Model
    from explorer.reduce import Projection

METHODS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP", "precomputed": "own coordinates"}


def print_layers(model: Model) -> None:
    """Print where the model comes from, its preprocessing, and a table of its layers."""
    from rich.console import Console
    from rich.table import Table

    found = model.layers()
    console = Console(soft_wrap=True, highlight=False)
    origin = model.provenance
    words = [model.adapter_name]
    if origin.get("checkpoint"):
        step = "" if origin.get("step") is None else f", step {origin['step']}"
        words.append(f"weights from {origin['checkpoint']}{step}")
    console.print(f"{model.name}: {' · '.join(words)}", markup=False)
    rule = model.preprocessing.describe() if model.preprocessing else "none declared"
    shape = "" if model.input_shape is None else f" → {_shape(model.input_shape)}"
    console.print(f"preprocessing: {rule}{shape}", markup=False)
    if model.class_names:
        console.print(f"classes: {', '.join(model.class_names)}", markup=False)
    table = Table(box=None, pad_edge=False)
    for title in ("layer", "kind", "output shape", "positions", "channels", "parameters"):
        table.add_column(title, justify="left" if title in ("layer", "kind") else "right", no_wrap=True)
    for info in found:
        shown = "?" if info.shape is None else _shape(info.shape)
        table.add_row(
            info.name,
            info.kind,
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
    figures = {key: value for key, value in projection.quality.items() if not key.endswith("_rows")}
    quality = ", ".join(f"{key.replace('_', ' ')} {value:.3f}" for key, value in figures.items())
    method = f"{METHODS[projection.method]} {projection.n_components}D"
    return " · ".join(part for part in (projection.layer, method, count, quality) if part)


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(str(size) for size in shape)


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"
