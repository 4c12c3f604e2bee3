"""Receptive fields that the graph does not tell, measured: which pixels answer at some positions.

Of an adapter with derivatives, the gradient of a position's values is taken, and its support is what the
position sees. Of any other, rows and columns of the input are changed one after the other, and the
positions that change with each are noted. Both miss pixels that never had an influence on the random
inputs that were tried, and say "measured". What takes too long is left unknown, and said.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.protocol import Adapter, Differentiable, LayerInfo
from explorer.capture.receptive_field import ReceptiveField, Span
from explorer.progress import progress, say

TRIES = 3
"""Random inputs: a unit that is silent for one may answer for another."""
AT_ONCE = 16
"""Inputs in one batch, of those that are small."""
NUMBERS = 2**22
"""A batch of large inputs has about so many numbers: the layers of a volume fill the memory soon."""
PATIENCE = 60.0
"""Seconds that measuring may take."""
SLOPES = 16
"""About so many positions are compared with each other to find the stride."""
DENOMINATORS = 8
"""Strides of so many positions to a whole number of pixels are told apart."""


@dataclass(frozen=True)
class Seen:
    """What one position was seen to depend on: its index on the layer's grid, and a run for each axis."""

    position: tuple[int, ...]
    spans: tuple[Span, ...]


def with_measured(
    adapter: Adapter,
    infos: Sequence[LayerInfo],
    input_shape: Sequence[int] | None,
    *,
    seconds: float = PATIENCE,
) -> tuple[LayerInfo, ...]:
    """The layers, with the receptive fields measured that are not known.

    Args:
        adapter: the layers' adapter; one that brings its own inputs has none that could be changed.
        infos: the layers.
        input_shape: (*spatial, channels) of one input; None leaves the layers as they are.
        seconds: after so long, layers not yet measured stay as they are; how many is said.
    """
    if input_shape is None or hasattr(adapter, "n_inputs") or len(input_shape) < 2:
        return tuple(infos)
    shape = tuple(input_shape)
    open_ones = [info for info in infos if _is_open(info, len(shape) - 1)]
    if not open_ones:
        return tuple(infos)
    smooth = [info for info in open_ones if np.dtype(info.dtype).kind == "f"]
    if not isinstance(adapter, Differentiable):
        smooth = []
    rough = [info for info in open_ones if info not in smooth]
    end = time.monotonic() + seconds
    try:
        seen = _by_changes(adapter, rough, shape, end=end) if rough else {}
    except TimeoutError:
        seen = {}
    with progress("receptive fields", len(smooth), "layers") as advance, contextlib.suppress(TimeoutError):
        for info in smooth:
            seen[info.name] = _by_gradient(adapter, info, shape, end=end)
            advance(1)
    if left := len(open_ones) - len(seen):
        say(f"receptive fields of {left} layers not measured: it would take longer than {seconds:.0f} s")
    return tuple(
        replace(info, receptive_field=_told(info, seen[info.name], shape)) if info.name in seen else info
        for info in infos
    )


def _is_open(info: LayerInfo, rank: int) -> bool:
    """Whether a layer's field is not known, and its positions are those of a grid over the input."""
    field = info.receptive_field
    fits = info.shape is not None and len(info.shape) - 1 in (0, rank) and 0 not in info.shape
    return fits and (field is None or field.how == "unknown")


def _told(info: LayerInfo, seen: Sequence[Seen], shape: tuple[int, ...]) -> ReceptiveField:
    """The field of a layer from what positions were seen to depend on."""
    assert info.shape is not None
    before = info.receptive_field
    why = "" if before is None else before.why
    if not seen:
        return ReceptiveField((), (), (), "unknown", why or "answered to no change of the input")
    is_grid = len(info.shape) > 1
    fitted = [
        _fitted(
            [(one.position[axis] if is_grid else 0, *one.spans[axis]) for one in seen],
            Fraction(whole, info.shape[axis]) if is_grid and info.shape[axis] > 1 else Fraction(0),
        )
        for axis, whole in enumerate(shape[:-1])
    ]
    size, stride, offset = (tuple(part) for part in zip(*fitted, strict=True))
    return ReceptiveField(size, stride, offset, "measured", why)


def _fitted(seen: Iterable[tuple[int, int, int]], likely: Fraction) -> tuple[int, Fraction, Fraction]:
    """Size, stride and offset of the shortest runs that hold all those seen.

    Args:
        seen: (position, first pixel, one behind the last); at the ends of the input, runs are cut off.
        likely: pixels of the input for each position.
    """
    runs = sorted(set(seen))
    some = runs[:: max(1, len(runs) // SLOPES)]
    ends = [[(place, run[side]) for place, *run in some] for side in (0, 1)]
    slopes = {
        Fraction(there - here, behind - before).limit_denominator(DENOMINATORS)
        for side in ends
        for (before, here), (behind, there) in itertools.combinations(side, 2)
        if behind > before and there >= here
    }
    best: tuple[int, int, Fraction, Fraction] | None = None
    for stride in {Fraction(0), likely.limit_denominator(DENOMINATORS), *slopes}:
        offset = min(low - place * stride for place, low, _ in runs)
        size = max(high - math.ceil(place * stride + offset) for place, _, high in runs)
        if best is None or (size, stride.denominator, abs(stride - likely)) < (
            best[0], best[1], abs(best[2] - likely)
        ):  # fmt: skip
            best = size, stride.denominator, stride, offset
    assert best is not None  # there is at least one run
    return best[0], best[2], best[3]


def _by_gradient(adapter: Any, info: LayerInfo, shape: tuple[int, ...], *, end: float) -> list[Seen]:
    """What some positions depend on, from the support of their gradients.

    Where the first, the middle and the last position see the whole input, so do all.
    """
    assert info.shape is not None
    rng = np.random.default_rng(0)
    *grid, channels = info.shape
    ends = [tuple(0 for _ in grid), tuple(size // 2 for size in grid), tuple(size - 1 for size in grid)]
    found: dict[tuple[int, ...], NDArray[np.bool_]] = {}
    at_once = max(1, min(AT_ONCE, NUMBERS // math.prod(shape)))

    def look(positions: Sequence[tuple[int, ...]]) -> None:
        for start in range(0, len(positions), at_once):
            _in_time(end)
            batch = positions[start : start + at_once]
            inputs = rng.normal(size=(at_once, *shape)).astype(np.float32)
            cotangent = np.zeros((at_once, *grid, channels), np.float32)
            for row, position in enumerate(batch):
                cotangent[(row, *position)] = rng.normal(size=channels)
            gradient = adapter.gradient(inputs, info.name, cotangent)
            for row, position in enumerate(batch):
                support = (gradient[row] != 0).any(axis=-1)
                found[position] = found[position] | support if position in found else support

    look(ends)
    if not all(support.any() and _is_whole(support) for support in found.values()):
        look(list(_positions(grid, rng)) * TRIES)
    return [Seen(position, _spans(support)) for position, support in found.items() if support.any()]


def _positions(grid: Sequence[int], rng: np.random.Generator) -> Iterable[tuple[int, ...]]:
    """Positions along the middle of each axis, close together and far apart, and some anywhere."""
    middle = tuple(size // 2 for size in grid)
    chosen = {middle}
    for axis, size in enumerate(grid):
        near = range(middle[axis] - 2, middle[axis] + 3)
        for place in {0, size // 4, (3 * size) // 4, size - 1, *near}:
            if 0 <= place < size:
                chosen.add((*middle[:axis], place, *middle[axis + 1 :]))
    for _ in range(4 if grid else 0):
        chosen.add(tuple(int(rng.integers(size)) for size in grid))
    return sorted(chosen)


def _is_whole(support: NDArray[np.bool_]) -> bool:
    """Whether a position's pixels reach from one end of the input to the other along every axis."""
    return _spans(support) == tuple((0, size) for size in support.shape)


def _in_time(end: float) -> None:
    """Go on, unless it has taken too long.

    Raises:
        TimeoutError: it has.
    """
    if time.monotonic() > end:
        raise TimeoutError


def _spans(support: NDArray[np.bool_]) -> tuple[Span, ...]:
    places = np.argwhere(support)
    return tuple((int(low), int(high) + 1) for low, high in zip(places.min(0), places.max(0), strict=True))


def _by_changes(
    adapter: Adapter, infos: Sequence[LayerInfo], shape: tuple[int, ...], *, end: float
) -> dict[str, list[Seen]]:
    """What each position depends on, from what changes with each row, column, … of the input."""
    names = [info.name for info in infos]
    grids = {info.name: (info.shape or ())[:-1] for info in infos}
    moved = {name: [np.zeros((whole, *grid), bool) for whole in shape[:-1]] for name, grid in grids.items()}
    rng = np.random.default_rng(0)
    tries = TRIES - 1  # each of them changes many pixels at once
    with progress("receptive fields", tries * sum(shape[:-1]), "changes") as advance:
        for _ in range(tries):
            base = rng.random((1, *shape), dtype=np.float32)
            change = rng.normal(size=shape).astype(np.float32)
            for axis, whole in enumerate(shape[:-1]):
                for start in range(0, whole, AT_ONCE - 1):
                    _in_time(end)
                    slabs = range(start, min(start + AT_ONCE - 1, whole))
                    inputs = _changed(base, change, axis, slabs=slabs)
                    for name, activations in adapter.capture(inputs, names).items():
                        values: NDArray[Any] = activations.values
                        differs = (values[:-1] != values[-1:]).any(axis=-1)
                        moved[name][axis][slabs.start : slabs.stop] |= differs
                    advance(len(slabs))
    return {name: _seen_by(moved[name], grid) for name, grid in grids.items()}


def _changed(
    base: NDArray[np.float32], change: NDArray[np.float32], axis: int, *, slabs: range
) -> NDArray[np.float32]:
    """The input once with each slab changed, and once as it is."""
    inputs = np.repeat(base, len(slabs) + 1, axis=0)
    for row, slab in enumerate(slabs):
        where = (slice(None),) * axis + (slab,)
        inputs[row][where] += change[where]
    return inputs


def _seen_by(moved: Sequence[NDArray[np.bool_]], grid: Sequence[int]) -> list[Seen]:
    """Each position that changed at all, with the first and last slab of each axis that changed it."""
    seen = []
    for position in np.ndindex(*grid):
        runs = [np.flatnonzero(slabs[(slice(None), *position)]) for slabs in moved]
        if all(len(run) for run in runs):
            seen.append(Seen(position, tuple((int(run[0]), int(run[-1]) + 1) for run in runs)))
    return seen
