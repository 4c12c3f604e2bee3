"""One HTML file that shows a scene without Python and without a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.errors import InputError
from explorer.progress import progress
from explorer.render.export.exporting import Options
from explorer.render.files import save_text
from explorer.web.material import Material
from explorer.web.page import embedded, script, standalone, style
from explorer.web.plan import STEPS, Plan

if TYPE_CHECKING:
    from explorer.render.linked.scene import Scene

__all__ = ["Options", "Written", "export_html"]

MEGABYTE = 1_000_000
MARKUP = 20_000
"""Bytes kept for the markup around each block and for what the page says of it."""


@dataclass(frozen=True)
class Written:
    """A file that was written.

    Attributes:
        path: where it is.
        megabytes: how much it weighs.
        left: what was left out, one line each; the page says the same.
    """

    path: Path
    megabytes: float
    left: tuple[str, ...]


def export_html(scene: Scene, path: str | Path, options: Options | None = None) -> Written:
    """Write a scene as one HTML file that opens from disk: turn, hover, click, select, heatmaps, neighbours.

    Coordinates are kept in 16 bits, maps in 8 with each picture's range, pictures as WebP. What does not
    fit is left out, most useful last, and said in the page and in what is returned.

    Args:
        scene: the run and projection, and what is shown first.
        path: the file, .html or .htm.
        options: what goes in; everything that fits into 15 MB by default.

    Raises:
        InputError: another suffix, a scene without positions, or less room than the points alone need.
        RenderError: the file cannot be written.
    """
    target, options = Path(path), options or Options()
    if target.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{target}: expected a name that ends in .html")
    if not options.megabytes > 0:
        raise InputError(f"{target}: megabytes {options.megabytes:g}, expected a number beyond 0")
    if options.channels is not None and options.channels < 0:
        raise InputError(f"{target}: channels {options.channels}, expected 0 or more")
    n = scene.state.projection.n_samples
    if not n:
        raise InputError(f"{target}: the projection of {scene.state.projection.layer} has no positions")
    material = Material(scene)
    meta = {**material.meta(), "typical": material.typical(), "grids": {}, "rows": {}}
    if scene.beside is not None:
        meta["left"].append(f"the second map, {scene.named_map(scene.beside)} of {scene.beside.layer}")
    # Names and script take what their own text takes; the rest is for numbers and pictures.
    taken = sum(len(text.encode("utf-8")) for text in (script(), style(), embedded(meta)))
    plan = Plan(options.megabytes * MEGABYTE - taken - MARKUP, meta)
    with progress(f"{target.name}", len(STEPS), "parts") as advance:
        for step in STEPS:
            step(plan, material, options)
            advance(1)
    text = standalone(plan.meta, plan.blocks)
    weight = len(text.encode("utf-8"))
    if weight > options.megabytes * MEGABYTE:
        raise InputError(f"{target}: {_too_large(plan, weight, options.megabytes, n)}")
    save_text(text, target)
    return Written(target, weight / MEGABYTE, tuple(plan.meta["left"]))


def _too_large(plan: Plan, weight: int, most: float, n: int) -> str:
    return (
        f"{n:,} points with no more than they need weigh {weight / MEGABYTE:.1f} MB, more than {most:g}; "
        "allow more, or project fewer positions with --sample"
    )
