"""The words of a page: its heading, and what is known of the selected position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.render.drawing.text import METHODS as METHODS
from explorer.render.drawing.text import count, number, plural
from explorer.render.drawing.text import method_name as method_name
from explorer.render.linked.plane import field_box
from explorer.render.linked.state import State
from explorer.render.values import length

if TYPE_CHECKING:
    from explorer.reduce.projection import Projection

TOLD = ("n_components", "method", "sample")  # parameters that the title and the counts already tell
USUAL = ("explorer", "euclidean")  # engine and metric, where they are the usual ones
QUALITIES = {
    "trustworthiness": "trustworthiness",
    "kl_divergence": "KL divergence",
    "explained_variance_ratio": "explained variance",
}
MEANINGS = {
    "trustworthiness": "neighbours on the map are near in truth",
    "continuity": "neighbours in truth are near on the map",
    "neighbourhood_preservation": "share of the 15 nearest in truth that are the 15 nearest on the map",
    "shepard_correlation": "far in truth is far on the map",
}
"""What the figures of a map mean, for somebody who has never seen them."""
AXES = {0: (), 1: ("position",), 2: ("row", "column"), 3: ("slice", "row", "column")}


@dataclass(frozen=True)
class Header:
    """Title and one line of facts."""

    title: str
    facts: str


@dataclass(frozen=True)
class Info:
    """The information box.

    Attributes:
        heading: what is selected.
        rows: (name, value) pairs.
        foot: a hint or a warning below them.
        warns: whether the foot is a warning.
        marked: whether a mark in the cloud belongs to it.
    """

    heading: str
    rows: tuple[tuple[str, str], ...]
    foot: str = ""
    warns: bool = False
    marked: bool = False


def header(state: State, beside: Projection | None = None) -> Header:
    """What was projected, how, and how far it can be trusted; and which map stands beside it."""
    projection = state.projection
    title = " · ".join([state.run.name, projection.layer, method_name(projection.method)])
    if beside is not None:
        other = [beside.layer] if beside.layer != projection.layer else []
        title += f"  |  {' · '.join([*other, method_name(beside.method)])}"
    images = plural(state.run.n_images, "image")
    if projection.n_samples < projection.n_positions:
        of = f"{count(projection.n_samples)} of {count(projection.n_positions)} positions"
        facts = [f"{of} (sampled evenly over images)", images]
    else:
        facts = [f"{plural(projection.n_samples, 'position')} of {images}"]
    facts += [words for name in QUALITIES if (words := quality_words(projection, name))]
    for name, value in projection.parameters.items():
        if (
            isinstance(value, (int, float, str))
            and not isinstance(value, bool)
            and name not in TOLD
            and value not in USUAL
        ):
            whole = isinstance(value, int) and abs(value) < 10**9
            shown = str(value) if whole or isinstance(value, str) else number(float(value), 4)
            facts.append(f"{name.replace('_', ' ')} {shown}")
    return Header(title, " · ".join(facts))


def quality_words(projection: Projection, name: str) -> str:
    """One figure of a map with what a random map and PCA would score; empty when it was not measured."""
    quality = projection.quality
    if name not in quality:
        return ""
    beside = [
        f"{METHODS.get(other, other)} {number(float(quality[other][name]))}"
        for other in ("random", "pca")
        if other != projection.method and name in quality.get(other, {})
    ]
    compared = f" ({', '.join(beside)})" if beside else ""
    return f"{QUALITIES[name]} {number(float(quality[name]))}{compared}"


def info(state: State, *, interactive: bool) -> Info:
    """What is known of the selected position, or of the image while none is selected."""
    return _image(state, interactive) if state.focus is None else _position(state)


def _image(state: State, interactive: bool) -> Info:
    """The current image in figures."""
    values, label = state.values.image(state.image), state.label(state.image)
    norms = length(values)
    finite = norms[np.isfinite(norms)]
    rows = [("image", f"index {count(state.image)} of {count(state.run.n_images)}")]
    rows += [] if label is None else [("label", label)]
    rows.append(("positions", " × ".join(map(str, state.values.spatial)) or "none"))
    rows.append(("channels", count(state.values.channels)))
    if finite.size:
        rows.append(("norm", f"{number(float(finite.min()))} to {number(float(finite.max()))}"))
    inside = int((state.image_of_row == state.image).sum())
    if state.projection.rows is not None:
        rows.append(("in the cloud", plural(inside, "position")))
    hint = "Click a point or a map  ·  h lists the keys" if interactive else ""
    foot = selection_words(state) or hint
    return Info(state.run.image_names[state.image], tuple(rows), foot)


def _position(state: State) -> Info:
    """The selected position in figures."""
    chosen = state.focus
    assert chosen is not None
    vector = np.asarray(state.values.image(chosen.image)[chosen.position], np.float64)
    finite = np.nan_to_num(vector, nan=-np.inf)
    strongest = int(np.argmax(finite))
    rows = [("image", state.run.image_names[chosen.image])]
    rows += [] if chosen.label is None else [("label", chosen.label)]
    rows += sees(state)
    rows.append(("norm", number(float(np.sqrt((vector**2).sum())))))
    rows.append((f"channel {state.channel}", number(float(vector[state.channel]))))
    rows.append(("strongest", f"channel {strongest}: {number(float(vector[strongest]))}"))
    if chosen.row is not None and state.projection.trust is not None:
        rows.append(("trust", number(float(state.projection.trust[chosen.row]), 2)))
    foot = selection_words(state)
    if chosen.coordinates is not None:
        rows.append((method_name(state.projection.method), ", ".join(map(number, chosen.coordinates))))
    else:
        foot = f"Not in the sample of {count(state.projection.n_samples)}"
        foot += " · no position of this image is" if chosen.nearest is None else ""
    if chosen.row is None and chosen.nearest is not None:
        near = state.projection.positions()[chosen.nearest][1:]
        foot += f" · dashed ring: nearest sampled, {where(tuple(near.tolist()))}"
    heading = where(chosen.position) or "the whole image"
    return Info(
        heading=heading[0].upper() + heading[1:],
        rows=tuple(rows),
        foot=foot,
        warns=chosen.row is None,
        marked=chosen.nearest is not None,
    )


def sees(state: State) -> list[tuple[str, str]]:
    """What of its input the position looked at depends on; nothing of a run that cannot tell of any layer."""
    if not hasattr(state.run, "receptive_box"):
        return []
    spans = field_box(state)
    if spans is None:
        return [("sees", "not known of this layer")]
    run: Any = state.run
    layer = state.values.layer
    shape = run.manifest["layers"][layer]["receptive_field"]["input"][:-1]
    end = ", measured" if run.receptive_field(layer).how == "measured" else ""
    if all(span == (0, whole) for span, whole in zip(spans, shape, strict=True)):
        return [("sees", f"the whole input{end}")]
    if any(low >= high for low, high in spans):
        return [("sees", f"only padding{end}")]
    axes = (f"{axis}s {low}–{high - 1}" for axis, (low, high) in zip(AXES[len(spans)], spans, strict=True))
    return [("sees", ", ".join(axes) + end)]


def where(position: tuple[int, ...]) -> str:
    """A position on a grid in words: row 3, column 4; empty where there are no axes."""
    axes = AXES[len(position)]
    return ", ".join(f"{axis} {at}" for axis, at in zip(axes, position, strict=True))


def selection_words(state: State) -> str:
    """How much is selected, in words; empty for nothing and for a single position."""
    n = len(state.selection)
    if not state.wide:
        return ""
    inside = int(state.selected.sum())
    here = int(state.selection.mask(state.image).sum())
    words = f"Selected: {plural(n, 'position')} in {plural(len(state.selection.images), 'image')}"
    words += f", {count(here)} here"
    return words if inside == n else f"{words} · {count(inside)} of them in the cloud"


def caveat(state: State, *, n: int, thinned: int | None, outside: int, hidden: int) -> str:
    """What a picture of the cloud leaves out: "" for nothing.

    Args:
        state: what filters and isolation it has.
        n: how many points there are.
        thinned: how many are drawn while the camera moves; None at rest.
        outside: how many lie outside the frame.
        hidden: how many a filter hides.
    """
    parts = []
    if thinned is not None:
        parts.append(f"moving: {count(thinned)} of {plural(n, 'point')} drawn")
    if hidden:
        by = [mode.removeprefix("metadata:") for mode, names in state.hidden.items() if names]
        parts.append(f"{plural(hidden, 'point')} hidden by {' and '.join(by)}")
    if outside:
        parts.append(f"{count(outside)} of {plural(n, 'point')} far off, outside this view")
    if state.isolated:
        parts.append(f"only {state.run.image_names[state.image]} in colour")
    return " · ".join(parts)
