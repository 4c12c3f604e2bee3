"""One HTML file that shows a scene without Python and without a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.errors import InputError
from explorer.progress import progress
from explorer.render.drawing.text import plural
from explorer.render.epochs.scene import EpochScene
from explorer.render.export.exporting import Options
from explorer.render.files import save_text
from explorer.web.epochs_file import about_epochs, add_epochs, training_of
from explorer.web.material import Material, Told
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

    Of a training every epoch goes in, with the slider. Coordinates are kept in 16 bits, maps in 8 with
    each picture's range, pictures as WebP. What does not fit is left out, most useful last, and said in
    the page and in what is returned.

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
    meta = material.whole_meta()
    if scene.beside is not None:
        meta["left"].append(f"the second map, {scene.named_map(scene.beside)} of {scene.beside.layer}")
    training = training_of(scene)
    plan = _filled(target, material, options, meta=meta, training=training)
    text = standalone(plan.meta, plan.blocks)
    weight = len(text.encode("utf-8"))
    if weight > options.megabytes * MEGABYTE:
        raise InputError(f"{target}: {_too_large(plan, weight, options.megabytes)}")
    save_text(text, target)
    return Written(target, weight / MEGABYTE, tuple(plan.meta["left"]))


def _filled(
    target: Path, material: Material, options: Options, *, meta: Told, training: EpochScene | None
) -> Plan:
    """As much as fits, of one map or of all epochs."""
    epochs = 0 if training is None else len(training.evolution.epochs)
    if training is not None:
        meta.update(about_epochs(training))
    elif isinstance(material.scene, EpochScene):
        others = len(material.scene.evolution.epochs) - 1
        meta["left"].append(f"{plural(others, 'other epoch')}: this map does not go through them")
    # Names and script take what their own text takes; the rest is for numbers and pictures.
    told = (script(epochs=epochs > 0), style(), embedded(meta))
    taken = sum(len(text.encode("utf-8")) for text in told) + MARKUP * max(1, epochs)
    plan = Plan(options.megabytes * MEGABYTE - taken, meta)
    with progress(f"{target.name}", epochs or len(STEPS), "epochs" if epochs else "parts") as advance:
        if training is not None:
            add_epochs(plan, training, options, advance=advance)
            return plan
        for step in STEPS:
            step(plan, material, options)
            advance(1)
    return plan


def _too_large(plan: Plan, weight: int, most: float) -> str:
    n, epochs = plan.meta["nRows"], len(plan.meta.get("epochs", {}).get("names", ()))
    many, choose = (
        (f" at {epochs} epochs", ", choose epochs with --epochs or --every") if epochs else ("", "")
    )
    weigh = f"weigh {weight / MEGABYTE:.1f} MB, more than {most:g}"
    return (
        f"{n:,} points{many} with no more than they need {weigh}; "
        f"allow more{choose}, or project fewer positions with --sample"
    )
