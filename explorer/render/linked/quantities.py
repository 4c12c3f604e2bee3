"""What can be told of every projected position: one number, or one of some classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, suggest
from explorer.render.drawing.text import plural
from explorer.render.linked.saliency_files import SALIENCY, cell_means, kept, read_kept

if TYPE_CHECKING:
    from explorer.render.linked.state import State
    from explorer.render.values import RunLike

COLOURS = (*("label", "image", "row", "column", "norm", "channel", "component", "rgb", "trust", "cluster"),)
"""Colourings of every run; a focus, masks, columns and kept maps bring others."""
MOST_CLASSES = 12
METADATA = "metadata:"
MISSING = "(none)"
TRUST_OF_RANDOM = 0.5


@dataclass(frozen=True)
class Clustering:
    """How clusters are found.

    Attributes:
        method: "kmeans" (so many groups, all of similar size) or "hdbscan" (dense groups, however many,
            and the rest in none).
        on: "features" (the original ones, by PCA to at most 50 dimensions) or "map" (what is seen).
        n: number of clusters of k-means.
        least: fewest positions that HDBSCAN calls a cluster; None for a hundredth of them all.
    """

    method: Literal["kmeans", "hdbscan"] = "kmeans"
    on: Literal["features", "map"] = "features"
    n: int = 8
    least: int | None = None

    def __post_init__(self) -> None:
        for value, known in ((self.method, ("kmeans", "hdbscan")), (self.on, ("features", "map"))):
            if value not in known:
                raise InputError(f"clustering {value!r}: {suggest(value, known)}")
        if self.n < 1 or (self.least is not None and self.least < 2):
            raise InputError(f"clustering: n {self.n} and least {self.least}, expected from 1 and from 2")


@dataclass(frozen=True, eq=False)
class Quantity:
    """One number or class a projected position.

    Attributes:
        title: what it is, and in what unit.
        values: (n_samples,) numbers; of classes their index in `names`.
        names: the classes; empty for numbers.
        signed: whether zero means something, so that a scale may be centred on it.
        limits: the ends of the scale where they are given; None to take them from the values.
        ticks: numbers to write at the scale; its ends and middle when empty.
        note: what else a reader should know, such as what was sampled.
    """

    title: str
    values: NDArray[Any]
    names: tuple[str, ...] = ()
    signed: bool = True
    limits: tuple[float, float] | None = None
    ticks: tuple[float, ...] = ()
    note: str = ""


def columns(run: RunLike) -> dict[str, NDArray[Any]]:
    """A run's columns of one value an image, by name; empty where it has none."""
    found = getattr(run, "metadata", None) or {}
    return {str(name): np.asarray(column) for name, column in found.items()}


def modes(state: State) -> tuple[str, ...]:
    """The colourings that this run and this moment have."""
    lacking = {"label": state.run.labels is None, "trust": state.projection.trust is None}
    found = [mode for mode in COLOURS if not lacking.get(mode, False)]
    found += [] if state.focus is None else ["similarity"]
    found += ["mask"] if getattr(state.run, "mask_names", None) else []
    found += [SALIENCY + name for name in kept(state.run)]
    return (*found, *(METADATA + name for name in state.columns))


class Quantities:
    """Everything that was asked for of one projection, computed once.

    Similarity and single channels are kept for the last that was asked for.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._kept: dict[str, tuple[object, Quantity]] = {}

    def get(self, name: str) -> Quantity:
        """One of the `modes` but "rgb", which is neither a number nor a class."""
        state = self._state
        depends: object = {
            "channel": state.channel,
            "component": min(state.component, state.projection.n_components - 1),
            "similarity": state.focus,
            "cluster": state.clustering,
        }.get(name)
        held = self._kept.get(name)
        if held is None or held[0] != depends:
            make = MAKERS.get(name)
            if name.startswith(SALIENCY):
                quantity = _saliency(state, name.removeprefix(SALIENCY))
            else:
                quantity = _column(state, name.removeprefix(METADATA)) if make is None else make(state)
            self._kept[name] = held = depends, quantity
        return held[1]

    def forget(self, name: str) -> None:
        """Compute one again when it is asked for: what it is read from has changed."""
        self._kept.pop(name, None)


def natural(name: str) -> tuple[int, float, str]:
    """A key that sorts 2 before 10, and numbers before words."""
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name


def _classes(title: str, values: list[str], of_row: NDArray[np.int64]) -> Quantity:
    """Classes of images, for every row."""
    names = sorted(set(values), key=natural)
    number = {name: index for index, name in enumerate(names)}
    return Quantity(title, np.array([number[value] for value in values], np.int64)[of_row], tuple(names))


def _label(state: State) -> Quantity:
    return _classes("label", list(state.run.labels or ()), state.image_of_row)


def _image(state: State) -> Quantity:
    n = state.run.n_images
    if n <= MOST_CLASSES:
        # Two images may share a name: the number tells them apart.
        return Quantity("image", state.image_of_row, tuple(state.run.image_names))
    return _counted("image, in the run's order", state.image_of_row, n)


def _counted(title: str, values: NDArray[Any], n: int) -> Quantity:
    """Whole numbers from 0 to n - 1, which mean a place and not an amount."""
    last = max(n - 1, 0)
    return Quantity(title, values, signed=False, limits=(0.0, float(last)), ticks=whole_ticks(last))


def whole_ticks(last: int) -> tuple[float, ...]:
    """Whole numbers from 0 to `last` in equal steps where that can be: all of a few, else up to six."""
    if last <= 9:
        return tuple(float(tick) for tick in range(last + 1))
    parts = next((parts for parts in (5, 4, 3, 2) if last % parts == 0), 4)
    return tuple(float(tick) for tick in np.linspace(0, last, parts + 1).round())


def _place(mode: str) -> Callable[[State], Quantity]:
    """Where in its image a position is: "row" or "column"."""

    def make(state: State) -> Quantity:
        spatial = state.values.spatial
        rank = len(spatial)
        edge = "from the left" if mode == "column" else "from the top"
        title = f"{mode} of the position, {edge}"
        if rank == 0 or (rank == 1 and mode == "row"):
            return _counted(title, np.zeros(len(state.rows), np.int64), 1)
        inside = state.rows % state.positions
        values = inside % spatial[-1] if mode == "column" else inside // spatial[-1] % spatial[-2]
        return _counted(title, values, spatial[-1 if mode == "column" else -2])

    return make


def _norm(state: State) -> Quantity:
    values = state.values.norms().reshape(-1)[state.rows]
    return Quantity(f"norm over {plural(state.values.channels, 'channel')}", values)


def _channel(state: State) -> Quantity:
    values = state.values.channel(state.channel).reshape(-1)[state.rows]
    return Quantity(f"channel {state.channel}, activation", values)


def _component(state: State) -> Quantity:
    axis = min(state.component, state.projection.n_components - 1)
    values = state.projection.coordinates[:, axis]
    return Quantity(
        f"component {axis + 1} of the projection", values, signed=state.projection.method == "pca"
    )


def _trust(state: State) -> Quantity:
    assert state.projection.trust is not None  # the state has looked
    title = "trust: 1 neighbours are true, 0.5 as in a random map"
    return Quantity(title, state.projection.trust, signed=False, limits=(TRUST_OF_RANDOM, 1.0))


def _similarity(state: State) -> Quantity:
    at = state.focus
    assert at is not None  # the state has looked
    values = state.values.similarity(at.image, at.position).reshape(-1)[state.rows]
    lowest = float(np.nanmin(values, initial=0.0))
    where = ", ".join(map(str, at.position))
    title = (
        f"cosine similarity to {state.run.image_names[at.image]} at {where}" if where else "cosine similarity"
    )
    return Quantity(title, values, signed=lowest < -0.1, limits=(min(0.0, lowest), 1.0))


def _cluster(state: State) -> Quantity:
    from explorer.render.linked.clusters import cluster

    return cluster(state, state.clustering)


def _mask(state: State) -> Quantity:
    """The class that the run's masks have at each position; those that occur, in the masks' order."""
    run: Any = state.run
    marked = np.asarray(run.mask_classes(state.values.layer)).reshape(-1)[state.rows]
    known, values = np.unique(marked, return_inverse=True)
    names = tuple(str(run.mask_names.get(int(code), int(code))) for code in known)
    return Quantity("mask class", values.astype(np.int64), names)


def _saliency(state: State, name: str) -> Quantity:
    """Maps that the run keeps, as the mean over each position's cell."""
    values, told = read_kept(state.run, name)
    means = cell_means(values, state.values.spatial).reshape(-1)[state.rows]
    title = f"saliency, {told['method']}: what drives {told['target']} (mean over the cell)"
    return Quantity(title, means, signed=told["signed"])


def _column(state: State, name: str) -> Quantity:
    """A column of the run's metadata: classes where it is words or a few whole numbers, else numbers."""
    column = state.columns[name]
    few = column.dtype.kind in "iub" and len(np.unique(column)) <= MOST_CLASSES
    if column.dtype.kind in "iufb" and not few:
        return Quantity(name, column[state.image_of_row])
    return _classes(name, [str(value) or MISSING for value in column.tolist()], state.image_of_row)


MAKERS: dict[str, Callable[[State], Quantity]] = {
    "label": _label,
    "image": _image,
    "row": _place("row"),
    "column": _place("column"),
    "norm": _norm,
    "channel": _channel,
    "component": _component,
    "trust": _trust,
    "similarity": _similarity,
    "cluster": _cluster,
    "mask": _mask,
}


def steps_of(values: NDArray[Any]) -> NDArray[np.intp]:
    """Five steps, 0 to 4, evenly over the middle 98 % of values (n,); the smallest where not a number."""
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(len(values), np.intp)
    low, high = np.percentile(values[finite], [1, 99])
    unit = (np.where(finite, values, low) - low) / (high - low if high > low else 1.0)
    return np.asarray(np.clip(unit * 5, 0, 4), np.intp)
