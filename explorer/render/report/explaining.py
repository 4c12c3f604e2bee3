"""`why`: what a selection has in common, as numbers and as one page."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.errors import InputError
from explorer.explain import selection_files
from explorer.explain.by_model import with_drivers
from explorer.explain.reasons import Reasons, reasons
from explorer.explain.selected import choose
from explorer.render.drawing.text import count

if TYPE_CHECKING:
    from explorer.capture.model import Model
    from explorer.capture.store import Run
    from explorer.explain.maximised import Maximised
    from explorer.reduce.projection import Projection

VARIANTS, REAL, SIDE = 3, 4, 128
"""Grown pictures, real ones beside them, and pixels a side from which growing would take minutes."""
SUFFIXES = (".html", ".htm", ".pdf")


@dataclass(frozen=True, eq=False)
class Why(Reasons):
    """Why some positions lie together: the numbers of `Reasons`, and the page that tells them.

    Save it, or leave it at the end of a notebook's cell.
    """

    @property
    def headline(self) -> str:
        """What there is to know first, in plain words."""
        from explorer.render.report.words import headline

        return headline(self)

    def save(self, path: str | Path) -> Path:
        """Write the page as .html (one file, nothing from elsewhere) or as .pdf.

        Raises:
            InputError: another suffix.
            RenderError: the file cannot be written.
        """
        from explorer.render.files import save_text
        from explorer.render.report.content import content

        target = check_report(path)
        if target.suffix.lower() == ".pdf":
            from explorer.render.report.pdf import save

            save(content(self), target)
            return target
        return save_text(self.html(), target)

    def html(self) -> str:
        """The page."""
        from explorer.render.report.content import content
        from explorer.render.report.html import html

        return html(content(self))

    def _repr_html_(self) -> str:
        from html import escape

        page = escape(self.html())
        look = "width: 100%; height: 720px; border: 1px solid #8884; border-radius: 8px"
        return f'<iframe sandbox="" title="report on a selection" srcdoc="{page}" style="{look}"></iframe>'


def check_report(path: str | Path) -> Path:
    """The path, when its suffix is one that a report is written as.

    Raises:
        InputError: it has another suffix, or none.
    """
    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        raise InputError(f"{target}: a report is written as .html or .pdf")
    return target


def why(
    run: Run,
    selection: object,
    layer: str | None = None,
    *,
    model: Model | object = None,
    projection: Projection | None = None,
    images: object = None,
    n: int = 8,
) -> Why:
    """Say what some positions have in common, and what sets them apart from the others.

    Typical patches, the labels, masks and metadata they cover and how far beyond their share, pictures by
    share, channels by how far they are apart; with a model that gives gradients also the pixels that drive
    exactly these positions, and the picture that their mean direction grows into.

    Args:
        run: an opened run folder.
        selection: a scene's selection; masks (batch, *spatial) of True and False; positions
            (n, 1 + n_spatial) of (image, *position); a file that `save_selection` wrote (.csv, .npz,
            .parquet); or, with a projection, the name of a cluster, such as "cluster 3", or of a label.
        layer: the layer; may be left out where the selection tells it.
        model: the model that the run was captured from, or anything `load_model` opens.
        projection: a projection of the layer; where it shows a sample, the selection is compared with the
            positions that it shows, else with all of the layer.
        images: where the run's inputs are, as `capture` takes them; left out, where the model says, or made
            anew from the pictures that the run keeps.
        n: how many typical patches to give.

    Raises:
        InputError: an empty selection, one of another run or grid, or a model that answers otherwise.
        LayerError: the run has no such layer.
    """
    if not hasattr(run, "manifest") or not hasattr(run, "receptive_field"):
        raise InputError(f"{run!r:.60}: a selection is explained of a run; open one with explorer.open_run")
    if projection is not None:
        if layer not in (None, projection.layer):
            raise InputError(f"layer {layer}: the projection is of {projection.layer}")
        layer = projection.layer
    if isinstance(selection, str) and Path(selection).suffix.lower() not in selection_files.SUFFIXES:
        selection = _of_class(run, selection, projection)
    chosen = choose(run, selection, layer)
    among = None if projection is None else projection.rows
    if projection is not None and projection.grid_shape != chosen.grid_shape:
        raise InputError(f"projection on the grid {projection.grid_shape}: it is of another run")
    found, opened = with_drivers(reasons(run, chosen, among=among, n=n), model, images)
    if opened is not None:
        found = _with_grown(found, opened)
    return Why(**{field.name: getattr(found, field.name) for field in fields(Reasons)})


def _with_grown(found: Reasons, model: Model) -> Reasons:
    """Add what the selection's direction grows into, beside the strongest real pictures."""
    from explorer.explain.by_model import furthest
    from explorer.maximize import SIDE, maximize, smaller

    if not found.direction.any():
        return replace(
            found, grown_note="The selection has no direction of its own: its mean is that of all."
        )
    size = smaller(model, found.layer)
    large = size is None and math.prod((model.input_shape or (0,))[:2]) > SIDE**2
    grown = maximize(
        model,
        layer=found.layer,
        directions={"the selection's direction": found.direction},
        size=size,
        variants=1 if large else VARIANTS,
    )
    grown = replace(grown, real=furthest(found, REAL))
    return replace(found, grown=grown, grown_note=grown_words(grown))


def grown_words(grown: Maximised) -> str:
    """How pictures were grown, for a caption."""
    steps, kind = grown.settings["steps"], grown.settings["parametrisation"]
    tall, wide = grown.settings["size"]
    begun = "frequencies" if kind == "fourier" else "pixels"
    return (
        f"From noise of {wide} × {tall} pixels, {count(steps)} steps of ascent in {begun} towards whatever "
        "takes all positions of a picture furthest along the selection's direction, on average; beside it "
        "the real pictures that lie furthest along it. A grown picture shows what the layer looks for in "
        "this direction, exaggerated; it need not look like anything that occurs."
    )


def _of_class(run: Run, name: str, projection: Projection | None) -> object:
    """The positions of a cluster or a label of a projection."""
    if projection is None:
        raise InputError(
            f"selection {name!r}: a cluster or label is one of a projection; give projection=, or a file "
            "ending in .csv, .npz or .parquet"
        )
    import numpy as np

    from explorer.render.linked.clusters import OUTSIDE
    from explorer.render.linked.colouring import class_names
    from explorer.render.linked.state import State

    state = State(run, projection)
    state.colour = "cluster" if name.startswith("cluster ") or name == OUTSIDE else "label"
    code = class_names(state, name).index(name)
    return state.choose(np.asarray(state.quantity(state.colour).values == code))
