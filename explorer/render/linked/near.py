"""What resembles what: neighbours of a position in the original space and on the map, side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, suggest
from explorer.render.drawing.text import count
from explorer.render.linked.state import State
from explorer.render.values import similarity

MANY = 10_000_000  # values that are compared in more than a moment


@dataclass(frozen=True)
class Near:
    """The nearest projected positions of one position, itself left out, nearest first.

    Attributes:
        rows: (k,) rows of the projection.
        distances: (k,) in the metric's unit.
        positions: (image, *position) of each.
        recall: share of the true neighbours that the kept graph holds on average; 1.0 where every row
            was compared.
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]
    positions: tuple[tuple[int, ...], ...]
    recall: float = 1.0


@dataclass(frozen=True)
class Neighbourhood:
    """Both neighbourhoods of a position.

    Attributes:
        truth: its neighbours by the original features.
        shown: its neighbours on the map.
        metric: what tells neighbours apart in truth: "euclidean" or "cosine".
        shared: how many positions are in both.
    """

    truth: Near
    shown: Near
    metric: str
    shared: int


def neighbourhood(state: State, k: int = 8) -> Neighbourhood:
    """The nearest neighbours of the position that is looked at, among the projected positions.

    Those in truth come from the graph that the run keeps for t-SNE and UMAP, where it keeps one of the
    same rows and the position is one of them; otherwise the position is compared with every row.
    One outside the sample has no place on the map: there the neighbours of the nearest sampled position
    of the same picture are given, that position first.

    Raises:
        InputError: no position is looked at, or k is below 1.
    """
    if state.focus is None:
        raise InputError("neighbours: look at a position first: select(image, *position)")
    if k < 1:
        raise InputError(f"{k} neighbours: expected at least 1")
    key = (id(state.projection), state.focus, k)
    if state.near is None or state.near[0] != key:
        metric = str(state.projection.parameters.get("metric", "euclidean"))
        truth, shown = _in_truth(state, k, metric), _on_map(state, k)
        shared = len(np.intersect1d(truth.rows, shown.rows))
        state.near = key, Neighbourhood(truth, shown, metric, shared)
    return state.near[1]


def takes_long(state: State) -> str:
    """What the neighbours that are not known yet need that takes more than a moment; empty for nothing."""
    at = state.focus
    if at is None or (state.near is not None and state.near[0][:2] == (id(state.projection), at)):
        return ""
    n = len(state.rows)
    compared = math.prod(state.values.grid_shape) * state.values.channels
    if compared <= MANY or (at.row is not None and state.graph() is not None):
        return ""
    return f"comparing {count(n)} positions of {state.values.layer} …"


def _in_truth(state: State, k: int, metric: str) -> Near:
    at = state.focus
    assert at is not None  # the caller looked
    if at.row is not None:
        kept = _kept(state, at.row, k, metric)
        if kept is not None:
            return kept
    if metric == "cosine":
        apart = 1.0 - state.values.similarity(at.image, at.position).reshape(-1)[state.rows].astype(float)
    else:
        apart = _distances(state, np.asarray(state.values.image(at.image)[at.position]))
    return _nearest(state, apart, at.row, k)


def _distances(state: State, one: NDArray[Any]) -> NDArray[np.float64]:
    """Euclidean distance of every projected position's vector to one, (n_samples,), a chunk at a time."""
    wide = one.astype(np.float64)
    grid = np.empty(state.values.grid_shape)

    def apart(values: NDArray[Any]) -> NDArray[np.float64]:
        gaps = values.astype(np.float64) - wide
        return np.asarray(np.sqrt(np.einsum("...c,...c->...", gaps, gaps)))

    return np.asarray(state.values.reduced(apart, grid).reshape(-1)[state.rows])


def _on_map(state: State, k: int) -> Near:
    at = state.focus
    if at is None or at.nearest is None:
        return Near(np.zeros(0, np.int64), np.zeros(0), ())
    coordinates = state.projection.coordinates.astype(np.float64)
    apart = np.sqrt(((coordinates - coordinates[at.nearest]) ** 2).sum(axis=1))
    return _nearest(state, apart, at.row, k)


def _nearest(state: State, apart: NDArray[Any], own: int | None, k: int) -> Near:
    """The k smallest distances; equally near ones by their row."""
    numbers = np.asarray(apart, np.float64).copy()
    numbers[~np.isfinite(numbers)] = np.inf
    if own is not None:
        numbers[own] = np.inf
    k = min(k, int(np.isfinite(numbers).sum()))
    some = (
        np.argpartition(numbers, k - 1)[:k] if 0 < k < len(numbers) else np.flatnonzero(np.isfinite(numbers))
    )
    # Others as far as the last one compete for its place.
    some = np.flatnonzero(numbers <= numbers[some].max(initial=-np.inf)) if len(some) else some
    order = some[np.lexsort((some, numbers[some]))][:k].astype(np.int64)
    return Near(order, numbers[order], tuple(state.position_of(int(row)) for row in order))


def _kept(state: State, row: int, k: int, metric: str) -> Near | None:
    """The neighbours of a row in the graph that the run keeps of this projection's rows, or None."""
    graph = state.graph()
    if graph is None or graph.k < k:
        return None
    rows = graph.indices[row, :k].astype(np.int64)
    places = tuple(state.position_of(int(one)) for one in rows)
    # The graph's own distances are of rescaled rows: these are in the layer's unit.
    own = _vector(state, state.position_of(row))
    others = np.stack([_vector(state, place) for place in places])
    if metric == "cosine":
        apart = 1.0 - similarity(others, own)
    else:
        apart = np.sqrt(((others - own) ** 2).sum(axis=1))
    return Near(rows, apart, places, 1.0 if graph.recall is None else graph.recall)


def _vector(state: State, place: tuple[int, ...]) -> NDArray[np.float64]:
    return np.asarray(state.values.image(place[0])[place[1:]], np.float64)


def typical(state: State, label: str | None = None) -> list[tuple[int, float]]:
    """Pictures from the most typical to the oddest: by how far each one's mean vector lies from the class's.

    A picture's mean vector is taken over all its positions, the class's over its pictures; the distance
    is Euclidean, in the layer's own unit.

    Args:
        state: the layer.
        label: a class; None for all pictures together.

    Returns:
        (picture, distance), nearest first: the oddest are at the end.

    Raises:
        InputError: the run has no such label.
    """
    labels = state.run.labels
    if label is None:
        members = np.arange(state.run.n_images)
    else:
        members = np.flatnonzero(np.array([own == label for own in labels or ()], bool))
        if not len(members):
            raise InputError(f"label {label!r}: {suggest(label, sorted(set(labels or ())))}")
    means = state.values.means()[members]
    apart = np.sqrt(((means - means.mean(axis=0)) ** 2).sum(axis=1))
    order = np.argsort(apart, kind="stable")
    return [(int(members[i]), float(apart[i])) for i in order]


def find_images(state: State, text: str) -> list[int]:
    """Pictures whose name or label holds a text, small and capital letters alike, in the run's order.

    Names and labels equal to the text come first.
    """
    wanted = text.casefold()
    exact, within = [], []
    for image, name in enumerate(state.run.image_names):
        words = [name.casefold(), (state.label(image) or "").casefold()]
        if wanted in words:
            exact.append(image)
        elif any(wanted in word for word in words):
            within.append(image)
    return exact + within
