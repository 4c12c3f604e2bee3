"""Saliency from derivatives for the inputs: gradient, gradient × input, SmoothGrad, integrated gradients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, check_seed, check_whole
from explorer.explain.question import Question
from explorer.progress import Advance

GREATEST = "greatest absolute value over channels"
TOTAL = "sum over channels"


@dataclass(frozen=True)
class Settings:
    """What the methods can be told.

    Attributes:
        samples: noisy copies of each input (SmoothGrad).
        noise: standard deviation of the noise, as a share of each input's range (SmoothGrad).
        steps: points on the way from the baseline (integrated gradients).
        baseline: what stands for nothing: a number, or "mean" for each input's mean colour.
        window: side of what is covered, in pixels (occlusion); None for an eighth of the shorter side.
        at: the layer whose maps are weighed (Grad-CAM); None for the last grid before the target.
        seed: of all that is drawn.
    """

    samples: int = 25
    noise: float = 0.15
    steps: int = 32
    baseline: float | str = 0.0
    window: int | None = None
    at: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("samples", self.samples), ("steps", self.steps)):
            check_whole(value, name)
            if value < 1:
                raise InputError(f"{name} {value}: expected at least 1")
        if not 0 < self.noise < np.inf:
            raise InputError(f"noise {self.noise}: expected a share of the input's range, such as 0.15")
        if self.window is not None:
            check_whole(self.window, "window")
        if self.window is not None and self.window < 1:
            raise InputError(f"window {self.window}: expected at least 1 pixel")
        check_seed(self.seed)


@dataclass(frozen=True, eq=False)
class Found:
    """What a method found.

    Attributes:
        values: (batch, *spatial) one number a pixel.
        signed: whether its sign says for or against.
        averaged: how it came to one number a pixel.
        facts: numbers that were chosen, by name.
        completeness: (batch, 2): the sum of a map's values, and what it should be; None where it need not.
        coarse: (batch, *grid) what `values` were enlarged from; None where they were not.
    """

    values: NDArray[np.float32]
    signed: bool
    averaged: str
    facts: dict[str, Any] = field(default_factory=dict)
    completeness: NDArray[np.float64] | None = None
    coarse: NDArray[np.float32] | None = None


def gradient(question: Question, settings: Settings, advance: Advance) -> Found:
    """How strongly each pixel moves the target, whichever way (Simonyan et al. 2014)."""
    del settings
    return Found(_greatest(_plain(question, advance)), signed=False, averaged=GREATEST)


def guided(question: Question, settings: Settings, advance: Advance) -> Found:
    """The derivative with ReLUs that pass back only what is positive (Springenberg et al. 2015)."""
    del settings
    found = _plain(question, advance, guided=True)
    return Found(_greatest(found), signed=False, averaged=GREATEST)


def times_input(question: Question, settings: Settings, advance: Advance) -> Found:
    """The derivative times the distance from the baseline."""
    moved = question.inputs - question.baseline(settings.baseline)
    values = (_plain(question, advance) * moved).sum(axis=-1)
    return Found(values, signed=True, averaged=TOTAL, facts={"baseline": settings.baseline})


def smoothgrad(question: Question, settings: Settings, advance: Advance) -> Found:
    """The mean derivative over noisy copies of each input (Smilkov et al. 2017).

    An input's noise is drawn from a source of its own, so that batches change nothing.
    """
    inputs, samples = question.inputs, settings.samples
    axes = tuple(range(1, inputs.ndim))
    spread = settings.noise * (inputs.max(axis=axes) - inputs.min(axis=axes))
    sources = [np.random.default_rng([settings.seed, row]) for row in range(len(inputs))]
    total = np.zeros(inputs.shape, np.float64)
    for points in question.chunks(len(inputs) * samples):
        rows = points // samples
        noisy = np.empty((len(points), *inputs.shape[1:]), np.float32)
        for at, row in enumerate(rows):
            sources[row].standard_normal(dtype=np.float32, out=noisy[at])
            noisy[at] *= spread[row]
            noisy[at] += inputs[row]
        _add(total, rows, question.gradient(noisy, rows))
        advance(len(points))
    facts = {"samples": samples, "noise": settings.noise, "seed": settings.seed}
    return Found(_greatest((total / samples).astype(np.float32)), False, GREATEST, facts)


def integrated(question: Question, settings: Settings, advance: Advance) -> Found:
    """The derivative integrated on the straight way from the baseline (Sundararajan et al. 2017).

    Gauss–Legendre quadrature. A map's values sum up to what the target gains on the way; by how much they
    do not is the completeness error.
    """
    inputs, base = question.inputs, question.baseline(settings.baseline)
    nodes, weights = np.polynomial.legendre.leggauss(settings.steps)
    nodes, weights = (nodes + 1) / 2, weights / 2
    total = np.zeros(inputs.shape, np.float64)
    for points in question.chunks(len(inputs) * settings.steps):
        rows, step = points // settings.steps, points % settings.steps
        along = nodes[step].astype(np.float32).reshape(-1, *(1,) * (inputs.ndim - 1))
        found = question.gradient(base[rows] + along * (inputs[rows] - base[rows]), rows)
        _add(total, rows, found * weights[step].reshape(along.shape))
        advance(len(points))
    values = (total * (inputs - base)).sum(axis=-1)
    gains = _gains(question, base)
    sums = values.reshape(len(values), -1).sum(axis=1)
    facts = {"steps": settings.steps, "baseline": settings.baseline}
    return Found(values.astype(np.float32), True, TOTAL, facts, np.stack([sums, gains], axis=1))


def _plain(question: Question, advance: Advance, *, guided: bool = False) -> NDArray[np.float32]:
    """The derivative for every input."""
    parts = []
    for rows in question.chunks(len(question.inputs)):
        parts.append(question.gradient(question.inputs[rows], rows, guided=guided))
        advance(len(rows))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _gains(question: Question, base: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the target gains from the baseline to each input (n,)."""
    both = np.stack([base, question.inputs], axis=1)
    parts = []
    for pairs in question.chunks(len(both)):
        ends = both[pairs].reshape(-1, *question.inputs.shape[1:])
        parts.append(np.diff(question.scores(ends, np.repeat(pairs, 2)).reshape(-1, 2))[:, 0])
    return np.concatenate(parts)


def _add(total: NDArray[np.float64], rows: NDArray[np.intp], found: NDArray[Any]) -> None:
    """Add each answer to its input's sum, in order: ten times as fast as `numpy.add.at`."""
    for row, one in zip(rows, found, strict=True):
        total[row] += one


def _greatest(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.abs(values).max(axis=-1), np.float32)
