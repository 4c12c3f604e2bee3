"""A model's answers as the page reads them: a map over its picture, or a grown picture beside real ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from explorer.errors import ExplorerError, InputError
from explorer.render.drawing.colours import theme as theme_named
from explorer.render.linked.answers import Grown, Mapped, completeness
from explorer.render.linked.saliency_files import SALIENCY
from explorer.web.material import Told
from explorer.web.packing import png, wire

if TYPE_CHECKING:
    from explorer.explain.maximised import Maximised, Real
    from explorer.explain.saliency import Saliency
    from explorer.render.linked.answers import Answer
    from explorer.render.linked.state import State


def mapped(answer: Mapped, state: State, image: int, cut: int) -> Told:
    """The saliency map of one picture, with what it explains.

    Args:
        answer: the maps.
        state: of the scene; its picture and slice are set to these.
        image: the picture; of another one than was asked about, only which one that was is told.
        cut: the slice of a volume.
    """
    found = answer.found
    told: Told = {"kind": "map", "method": found.method, "images": list(answer.images), "image": None}
    told |= {"kept": answer.kept, "again": answer.again, "colour": None}
    if answer.kept and len(answer.images) > 1:
        told["colour"] = SALIENCY + answer.kept
    if image not in answer.images:
        return told
    state.image = image
    if len(state.values.spatial) == 3:
        state.cut = cut
    at, panel = answer.images.index(image), answer.panel(state, theme_named(state.theme))
    values, scale = np.asarray(panel.values, np.float32), panel.scale
    assert scale is not None  # a map has one
    missed = completeness(found, at)
    return {
        **told,
        "image": image,
        "target": found.target[at],
        "short": panel.detail.partition(" · off ")[0],
        "layer": found.layer,
        "missed": missed,
        "averaged": found.averaged,
        "facts": {name: str(value) for name, value in found.facts.items()},
        "values": wire(values),
        "shape": list(values.shape),
        "scale": {
            "low": float(scale.low),
            "high": float(scale.high),
            "map": "diverging" if found.signed else "viridis",
            "clipped": True,
        },
        "signed": found.signed,
        "sheet": found.values.ndim == 3,
    }


def grown(answer: Grown) -> Told:
    """A grown picture with the real pictures that are answered most."""
    return {**growing(answer.found), "again": answer.again}


def growing(found: Maximised) -> Told:
    """A picture, whole or on its way, with the real pictures that are answered most."""
    reached = found.reached[0]
    best = int(np.nanargmax(reached)) if np.isfinite(reached).any() else 0
    whole = bool(np.isfinite(reached[best]))
    return {
        "kind": "grown",
        "name": found.names[0],
        "layer": found.layer,
        "picture": png(found.shown()[0, best]),
        "reached": float(reached[best]) if whole else None,
        "steps": int(found.settings.get("steps", 0)),
        "real": [] if found.real is None else _real(found, found.real),
        "of": 0 if found.real is None else found.real.n_images,
        "sheet": whole,
    }


def _real(found: Maximised, real: Real) -> list[Told]:
    """The real pictures, cut to what their strongest position sees."""
    told = []
    for rank in range(real.values.shape[1]):
        (top, bottom), (left, right) = real.boxes[0, rank]
        told.append(
            {
                "image": int(real.images[0, rank]),
                "position": [int(at) for at in real.places[0, rank]],
                "value": float(real.values[0, rank]),
                "picture": png(real.pictures[0, rank, top:bottom, left:right]),
            }
        )
    return told


def sheet(answer: Answer, named: str, *, image: int, theme: str) -> Told:
    """An answer as a sheet with its title, as PNG.

    Args:
        answer: what the model answered last.
        named: whose answer it is, for the title and the file's name.
        image: the picture whose map is drawn.
        theme: "light" or "dark"; maps are drawn on white.

    Raises:
        InputError: there is none of this picture.
    """
    from explorer.render.sheets.maximised_sheet import maximised_sheet
    from explorer.render.sheets.saliency_page import saliency_page

    if isinstance(answer, Grown):
        made = maximised_sheet(replace(answer.found, model=named), theme=theme)
        name = answer.found.names[0]
    else:
        if image not in answer.images:
            raise InputError(f"picture {image}: the model was asked about others")
        at = answer.images.index(image)
        made = saliency_page(_alone(answer, at, named))
        name = f"{answer.found.method}-{answer.found.names[at]}"
    stem = "".join(letter if letter.isalnum() or letter in "._" else "-" for letter in f"{named}-{name}")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sheet.png"
        try:
            made.save(path)
        except ExplorerError as error:
            raise InputError(str(error).replace(str(path), f"{stem}.png")) from None
        return {"name": f"{stem}.png", "type": "image/png", "bytes": path.read_bytes()}


def _alone(answer: Mapped, at: int, named: str) -> Saliency:
    """The map of one of the pictures, with the picture as the run keeps it."""
    found, one = answer.found, slice(at, at + 1)
    picture = answer.asked.run.picture(answer.images[at])
    return replace(
        found,
        values=found.values[one],
        target=found.target[one],
        names=found.names[one],
        labels=None if found.labels is None else found.labels[one],
        completeness=None if found.completeness is None else found.completeness[one],
        pictures=None if picture is None else np.asarray(picture)[None],
        coarse=None,
        question=None,
        known=found.scores[one],
        model=named,
    )
