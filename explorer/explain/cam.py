"""Grad-CAM and Grad-CAM++: the maps of an inner layer, weighed by what they mean to the target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.explain.gradient_maps import Found, Settings
from explorer.explain.question import Question, layer_before
from explorer.progress import Advance


def gradcam(question: Question, settings: Settings, advance: Advance) -> Found:
    """Each map times the mean of its derivative, summed, what is positive (Selvaraju et al. 2017)."""
    return _weighed(question, settings, advance, plus=False)


def gradcam_plus(question: Question, settings: Settings, advance: Advance) -> Found:
    """As Grad-CAM, with weights that do not depend on how much of the picture a thing covers.

    Chattopadhay et al. 2018, for the exponential of the target's value.
    """
    return _weighed(question, settings, advance, plus=True)


def _weighed(question: Question, settings: Settings, advance: Advance, *, plus: bool) -> Found:
    at = layer_before(question, settings.at)
    parts = []
    for rows in question.chunks(len(question.inputs)):
        inputs = question.inputs[rows]
        slopes = question.gradient(inputs, rows, at=at)
        maps = question.capture(inputs, at).astype(np.float32)
        weights = weights_plus(maps, slopes) if plus else slopes
        axes = tuple(range(1, maps.ndim - 1))
        weights = weights.sum(axis=axes, keepdims=True) if plus else weights.mean(axis=axes, keepdims=True)
        parts.append(np.maximum((maps * weights).sum(axis=-1), 0))
        advance(len(rows))
    coarse = np.concatenate(parts)
    averaged = f"maps of {at} weighed, positive part, enlarged bilinearly from {_times(coarse.shape[1:])}"
    return Found(enlarged(coarse, question.spatial), False, averaged, {"at": at}, coarse=coarse)


def weights_plus(maps: NDArray[Any], slopes: NDArray[Any]) -> NDArray[np.float32]:
    """What each position of each map adds to the map's weight, (batch, *spatial, channels)."""
    axes = tuple(range(1, maps.ndim - 1))
    sums = maps.astype(np.float64).sum(axis=axes, keepdims=True)
    slopes = slopes.astype(np.float64)
    below = 2 * slopes**2 + sums * slopes**3
    alpha = np.divide(slopes**2, below, where=np.abs(below) > 1e-30, out=np.zeros_like(below))
    return np.asarray(alpha * np.maximum(slopes, 0), np.float32)


def enlarged(maps: NDArray[Any], spatial: tuple[int, ...]) -> NDArray[np.float32]:
    """Maps (batch, *grid) at the size of the pictures, bilinearly; cells beyond the outermost centres hold.

    >>> enlarged(np.array([[0.0, 1.0]]), (4,))
    array([[0.  , 0.25, 0.75, 1.  ]], dtype=float32)
    """
    found = maps.astype(np.float64)
    for axis, size in enumerate(spatial, start=1):
        have = maps.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * have / size - 0.5, 0, have - 1)
        low = np.floor(at).astype(int)
        high, part = np.minimum(low + 1, have - 1), at - low
        shape = [1] * found.ndim
        shape[axis] = size
        part = part.reshape(shape)
        found = np.take(found, low, axis=axis) * (1 - part) + np.take(found, high, axis=axis) * part
    return found.astype(np.float32)


def _times(sizes: tuple[int, ...]) -> str:
    return " × ".join(map(str, sizes))
