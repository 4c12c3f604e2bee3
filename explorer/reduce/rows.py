"""Rows for a reducer: from a run, activations or an array, whole or sampled, checked."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations, as_numbers
from explorer.errors import InputError, ReductionError, suggest
from explorer.samples import Samples, even_rows, flatten

if TYPE_CHECKING:
    from explorer.capture.store import Run


def chunk_rows(run: Run, layer: str) -> Iterator[NDArray[Any]]:
    """A layer's positions as rows (n, channels), some whole images at a time, in grid order."""
    step = int(run.manifest["layers"][layer]["chunk"]) if layer in run.layers else 1
    for start in range(0, run.grid_shape(layer)[0], step):
        values = run.read(layer, start, start + step)
        yield values.reshape(-1, values.shape[-1])


def read_samples(run: Run, layer: str, rows: NDArray[np.int64] | None = None) -> Samples:
    """Rows of a layer at these places of the grid, all by default, reading one chunk at a time."""
    grid_shape = run.grid_shape(layer)
    parts, start = [], 0
    for chunk in chunk_rows(run, layer):
        stop = start + len(chunk)
        if rows is not None:
            first, last = np.searchsorted(rows, (start, stop))
            chunk = chunk[rows[first:last] - start]
        parts.append(chunk)
        start = stop
    return Samples(layer, np.concatenate(parts), grid_shape, rows)


def rows_of(source: Any, layer: str | None, most: int | None) -> Samples:
    """At most so many rows of a run's layer, activations, samples or an array, drawn evenly over the inputs.

    Raises:
        InputError: the run has several layers and none is named.
    """
    if not is_run(source):
        samples = as_samples(source)
        return samples if most is None else thin(samples, most)
    name = layer_of(source, layer)
    rows = None if most is None else even_rows(source.grid_shape(name), most)
    return read_samples(source, name, rows)


def is_run(source: Any) -> bool:
    """Whether a source is a run, and not rows in one form or another."""
    return hasattr(source, "manifest") and hasattr(source, "grid_shape")


def layer_of(run: Run, layer: str | None) -> str:
    """The layer that is named, or the only one.

    Raises:
        InputError: none is named and the run has several.
    """
    if layer is None:
        if len(run.layers) != 1:
            raise InputError(f"{run.path}: name the layer; {suggest('', run.layers)}")
        return run.layers[0]
    return layer


def as_samples(source: Samples | Activations | NDArray[Any]) -> Samples:
    """Samples as they are, activations flattened, an array (n_samples, n_features) as rows of its own.

    Anything that numpy reads is an array: lists, JAX's arrays, PyTorch's tensors on the CPU.

    Raises:
        ReductionError: no array of numbers with two axes.
    """
    if isinstance(source, Activations):
        source = flatten(source)
    rows = as_numbers(source.features if isinstance(source, Samples) else source)
    if isinstance(source, Samples):
        return replace(source, features=rows)
    if rows.ndim != 2 or rows.dtype.kind not in "fiub":
        raise ReductionError(
            f"rows of type {rows.dtype} and shape {rows.shape}, expected numbers (n_samples, n_features)"
        )
    return Samples("rows", rows, (len(rows),))


def thin(samples: Samples, most: int) -> Samples:
    """At most so many of the samples, drawn evenly over the inputs."""
    if samples.rows is not None or samples.n_samples <= most:
        return samples
    rows = even_rows(samples.grid_shape, most)
    return samples if rows is None else samples.take(rows)


class Unit(NamedTuple):
    """Rows brought to order 1, and how: row = (features - offset) / scale.

    Attributes:
        rows: (n, n_features) float32.
        offset: (n_features,) float64.
        scale: (n_features,) float64.
    """

    rows: NDArray[np.float32]
    offset: NDArray[np.float64]
    scale: NDArray[np.float64]


def to_unit(features: NDArray[Any], *, standardise: bool = False) -> Unit | None:
    """Rows (n, n_features) as float32 of order 1 about their mean; None when all are the same.

    All values are divided by one number, their root mean square about the mean: maps depend on
    ratios of distances alone, so values of 1e30 or 1e-30 give the same map as values of 1.
    """
    wide = np.asarray(features).astype(np.float64)
    if not wide.size:
        return None
    largest = float(np.abs(wide).max()) or 1.0
    wide /= largest
    offset = wide.mean(axis=0)
    wide -= offset
    scale = np.ones(wide.shape[1])
    if standardise:
        deviation = wide.std(axis=0)
        scale = np.where(deviation > 0, deviation, 1.0)
        wide /= scale
    spread = math.sqrt(float(np.mean(wide**2)))
    if spread <= 1e-12:
        return None
    return Unit(np.asarray(wide / spread, np.float32), offset * largest, scale * spread * largest)


def check_spread(samples: Samples, unit: Unit | None, least: int) -> Unit:
    """The rows that `to_unit` gave, when there are enough of them and they differ.

    Raises:
        ReductionError: too few rows, or rows that are all the same.
    """
    if samples.n_samples < least or not samples.n_features:
        raise ReductionError(
            f"layer {samples.layer}: {samples.n_samples} positions of {samples.n_features} channels, "
            f"at least {least} positions are needed"
        )
    if unit is None:
        raise ReductionError(
            f"layer {samples.layer}: all {samples.n_samples} positions have the same values; "
            "nothing to tell apart"
        )
    return unit


def check_finite(samples: Samples) -> None:
    """Raise `ReductionError` naming how many positions and channels hold NaN or infinity."""
    bad = ~np.isfinite(samples.features)
    if bad.any():
        raise ReductionError(
            f"layer {samples.layer}: NaN or infinity at {int(bad.any(axis=1).sum())} of "
            f"{samples.n_samples} positions, in {int(bad.any(axis=0).sum())} of {samples.n_features} "
            "channels; leave them out or mend the model"
        )


def digest_rows(features: NDArray[Any]) -> str:
    """Digest of shape, type and values."""
    import hashlib

    digest = hashlib.blake2b(f"{features.shape}{features.dtype}".encode(), digest_size=16)
    for start in range(0, len(features), 65536):
        digest.update(np.ascontiguousarray(features[start : start + 65536]).data)
    return digest.hexdigest()


def fingerprint(settings: Any) -> str:
    """Eight letters that tell settings apart in the name of what a run keeps; any JSON value."""
    import hashlib

    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
