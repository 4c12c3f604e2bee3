"""Occlusion: what the target loses when a part of the picture is covered. Needs no derivative."""

from __future__ import annotations

import itertools

import numpy as np

from explorer.errors import InputError
from explorer.explain.gradient_maps import Found, Settings
from explorer.explain.question import Question
from explorer.progress import Advance


def windows_of(spatial: tuple[int, ...], window: int | None) -> tuple[int, list[tuple[slice, ...]]]:
    """The side of a window, and all of them: half a side apart, the last ones at the rim.

    Raises:
        InputError: the window is larger than the picture.
    """
    side = max(1, min(spatial) // 8) if window is None else window
    if side > min(spatial):
        raise InputError(f"window {side}: the picture is {' × '.join(map(str, spatial))} pixels")
    step = max(1, side // 2)
    starts = [sorted({*range(0, size - side, step), size - side}) for size in spatial]
    return side, [tuple(slice(at, at + side) for at in place) for place in itertools.product(*starts)]


def occlusion(question: Question, settings: Settings, advance: Advance) -> Found:
    """The target's loss, averaged over the windows that cover a pixel (Zeiler and Fergus 2014)."""
    inputs, base = question.inputs, question.baseline(settings.baseline)
    side, windows = windows_of(question.spatial, settings.window)
    whole = question.own_scores()
    total = np.zeros(inputs.shape[:-1], np.float64)
    covered = np.zeros(question.spatial, np.int64)
    for window in windows:
        covered[window] += 1
    for points in question.chunks(len(inputs) * len(windows)):
        rows = points // len(windows)
        changed = inputs[rows].copy()
        for at, point in enumerate(points):
            window = windows[point % len(windows)]
            changed[(at, *window)] = base[(rows[at], *window)]
        lost = whole[rows] - question.scores(changed, rows)
        for at, point in enumerate(points):
            total[(rows[at], *windows[point % len(windows)])] += lost[at]
        advance(len(points))
    averaged = f"mean loss over windows of {side} pixels"
    facts = {"window": side, "windows": len(windows), "baseline": settings.baseline}
    return Found((total / covered).astype(np.float32), True, averaged, facts)
