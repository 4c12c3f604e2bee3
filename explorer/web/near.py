"""Who resembles whom in the layer's own space: neighbours of rows, and vectors short enough for a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ReductionError
from explorer.reduce.graph import NeighbourStore
from explorer.reduce.neighbours import Neighbours
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


def neighbour_store(material: Material) -> NeighbourStore:
    """The rows of a projection and their neighbours, kept beside the run as every method shares them."""
    from explorer.reduce.project import neighbours_file
    from explorer.reduce.rows import check_spread, read_samples, to_unit

    run: Any = material.run
    projection, parameters = material.projection, material.projection.parameters
    samples = read_samples(run, projection.layer, projection.rows)
    standardise = bool(parameters.get("standardise", False))
    unit = check_spread(samples, to_unit(samples.features, standardise=standardise), 2)
    metric = parameters.get("metric", "euclidean")
    own = (parameters.get("sample"), parameters.get("random_state", 0), standardise, metric)
    known = projection.rows is None or parameters.get("sample") is not None
    path = neighbours_file(run, projection.layer, own) if hasattr(run, "path") and known else None
    return NeighbourStore(unit.rows, metric=metric, path=path)


def original_neighbours(material: Material, k: int) -> Neighbours:
    """The k nearest rows of every row of the projection, by the layer's own values.

    Raises:
        ReductionError: positions that are all the same.
    """
    return neighbour_store(material)(k)


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
