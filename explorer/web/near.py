"""Who resembles whom in the layer's own space: neighbours of rows, and vectors short enough for a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ReductionError
from explorer.reduce.neighbours import Metric, Neighbours, find_neighbours
from explorer.web.packing import to_signed

if TYPE_CHECKING:
    from explorer.web.material import Material

PAIRS = 20_000
"""Pairs of positions on which the error of shortened vectors is measured."""


@dataclass(frozen=True)
class Short:
    """Vectors in few bytes.

    Attributes:
        values: (n_positions, width) int8.
        scale: (width,) what a byte is worth in each column.
        error: 95 % of cosines between two positions lie within this of the exact ones.
    """

    values: NDArray[np.int8]
    scale: NDArray[np.float32]
    error: float


def original_neighbours(material: Material, k: int) -> Neighbours:
    """The k nearest rows of every row of the projection, by the layer's own values.

    They come from the graph that the run keeps, where it keeps one of these rows.

    Raises:
        ReductionError: values that are not finite.
    """
    state = material.scene.state
    graph = state.graph()
    if graph is not None and graph.k >= min(k, len(state.rows) - 1):
        return graph.take(min(k, graph.k))
    rows = state.values.vectors(state.rows)
    if not np.isfinite(rows).all():
        raise ReductionError(f"layer {state.values.layer}: some values are not finite")
    metric: Metric = "cosine" if state.projection.parameters.get("metric") == "cosine" else "euclidean"
    return find_neighbours(rows, k, metric=metric)


def shortened(material: Material, width: int) -> Short:
    """Unit vectors of every position in so many bytes, turned so that the first columns carry most.

    Cosines of the shortened vectors are near the exact ones: how near is measured.

    Raises:
        ReductionError: values that are not finite.
    """
    values = material.scene.state.values
    channels = values.channels
    moments = np.zeros((channels, channels))
    for _, chunk in values.chunks():
        rows = directions(chunk)
        moments += rows.T @ rows
    if not np.isfinite(moments).all():
        raise ReductionError(f"layer {values.layer}: some values are not finite")
    turn = np.eye(channels) if width == channels else np.linalg.eigh(moments)[1][:, ::-1][:, :width]
    parts = [directions(chunk) @ turn for _, chunk in values.chunks()]
    bytes_, scale = to_signed(np.concatenate(parts))
    return Short(bytes_, scale, _error(material, bytes_ * scale))


def directions(chunk: NDArray[Any]) -> NDArray[np.float64]:
    """Values (n, *spatial, channels) as rows of length 1; rows of zeros stay zero."""
    rows = chunk.reshape(-1, chunk.shape[-1]).astype(np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    rows = rows / np.where(largest > 0, largest, 1.0)
    lengths = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0))


def _error(material: Material, short: NDArray[Any]) -> float:
    """How far cosines of shortened vectors lie from the exact ones, the 95th percentile over random pairs."""
    rng = np.random.default_rng(0)
    values = material.scene.state.values
    some = np.sort(rng.choice(len(short), min(len(short), 2000), replace=False))
    exact = []
    for start, chunk in values.chunks():
        first = start * material.each
        inside = some[(some >= first) & (some < first + len(chunk) * material.each)] - first
        exact.append(directions(chunk.reshape(-1, chunk.shape[-1])[inside]))
    rows = np.concatenate(exact)
    near = directions(short[some])
    one, other = rng.integers(0, len(some), (2, PAIRS))
    gaps = np.abs((rows[one] * rows[other]).sum(axis=1) - (near[one] * near[other]).sum(axis=1))
    return float(np.percentile(gaps, 95)) if len(gaps) else 0.0
