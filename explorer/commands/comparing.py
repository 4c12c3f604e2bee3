"""The command that compares: parity."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from explorer.errors import InputError

if TYPE_CHECKING:
    from explorer.parity import LayerParity, Parity

FEW = 6
"""Names of layers without a counterpart that are printed; how many more there are is said."""


def parity(
    model_a: Path,
    model_b: Path,
    images: Path | None = None,
    /,
    *,
    map: Annotated[list[str] | None, Parameter(negative=())] = None,  # noqa: A002
    tolerance: float = 1e-4,
) -> int:
    """Compare two saved forms of one network layer by layer, such as a checkpoint and its export.

    Exits with 0 when all layers held against each other are equal, with 1 when they part.

    Example: activation-explorer parity model.toml exported.onnx images/ --tolerance 1e-4

    Args:
        model_a: the reference: a model.toml, or a file that stands alone.
        model_b: the other one.
        images: folder, picture or .npy; may be left out where model_a names its images.
        map: a=b, a layer of model_a and the one of model_b it belongs to; may be given several times.
        tolerance: largest difference, relative to a layer's largest value, that counts as equal.
    """
    from explorer.parity import parity as compare

    found = compare(model_a, model_b, images, matches=_matches(map or []), tolerance=tolerance)
    print_parity(found, (str(model_a), str(model_b)))
    return 0 if found.equal else 1


def _matches(given: list[str]) -> dict[str, str]:
    """Read a=b."""
    found = {}
    for text in given:
        name, mark, counterpart = text.partition("=")
        if not (name and mark and counterpart):
            raise InputError(f"--map {text}: expected a=b, a layer of MODEL_A and one of MODEL_B")
        found[name] = counterpart
    return found


def print_parity(found: Parity, names: tuple[str, str]) -> None:
    """Print a table of the layers, and in words whether the models are the same."""
    from rich.table import Table
    from rich.text import Text

    from explorer.commands.listing import shape_words, to_terminal

    console = to_terminal()
    how = sorted({layer.pair.how for layer in found.layers})
    console.print(f"a: {names[0]}", markup=False)
    console.print(f"b: {names[1]}", markup=False)
    words = " and ".join("as given" if each == "given" else f"by {each}" for each in how)
    console.print(f"{len(found.layers)} layers matched {words}, compared on {found.n_images} images")
    table = Table(box=None, pad_edge=False)
    for title in ("layer of a", "layer of b", "shape"):
        table.add_column(title, overflow="fold")
    for title in ("largest difference", "relative", "correlation", ""):
        table.add_column(title, justify="right" if title else "left")
    for layer in found.layers:
        same = layer.pair.a == layer.pair.b
        table.add_row(
            Text(layer.pair.a),
            "" if same else Text(layer.pair.b),
            " and ".join(shape_words(shape) for shape in dict.fromkeys(layer.shapes)),
            f"{layer.absolute:.2e}",
            f"{layer.relative:.2e}",
            "" if math.isnan(layer.correlation) else f"{layer.correlation:.6f}",
            "" if layer.equal else "apart",
        )
    console.print(table)
    for line in found.skipped:
        console.print(f"skipped {line}", markup=False)
    for side, left in (("a", found.only_a), ("b", found.only_b)):
        if left:
            more = f" and {len(left) - FEW} more" if len(left) > FEW else ""
            console.print(f"only in {side}: {', '.join(left[:FEW])}{more}", markup=False)
    console.print(verdict(found), markup=False)


def verdict(found: Parity) -> str:
    """Whether the models are the same, in a line."""
    apart = found.first_apart
    if apart is None:
        return f"equal: no layer differs by more than {found.tolerance:g} of its largest value"
    return f"apart from {apart.pair.a} on: {_why(apart, found.tolerance)}"


def _why(apart: LayerParity, tolerance: float) -> str:
    if apart.shapes[0] != apart.shapes[1]:
        return "the shapes differ"
    if apart.relative <= tolerance:
        return "NaN or infinity in different places"
    return f"differs by {apart.relative:.2e} of its largest value, more than {tolerance:g}"
