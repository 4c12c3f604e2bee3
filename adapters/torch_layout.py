"""Where in a tensor the inputs, the positions and the channels are.

PyTorch names no axes. Four rules, the first that applies:

1. The axis that follows the batch, seen with batches of 2 and 3, is the inputs'. A tensor without
   one is no layer.
2. Answers of PyTorch's own layers have their channels where these put them: second after a
   convolution, a pooling or a batch norm, last after a linear layer, a layer norm or attention.
3. The axis that does not grow when the picture grows is the channels', when there is just one.
4. As in the nearest answer before that rule 2 decides and that has as many channels on that side,
   or on the other after a permutation; else second for images and volumes, last for sequences.

A sequence whose length is that of a grid seen before it in the same pass, with at most 16 tokens in
front, is that grid, and the tokens in front are set apart. The grid is that of the patches'
convolution, or a half, a quarter, … of it where patches were merged; without a convolution, that of
the square patches that the first linear layer is given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from explorer.activations import MAX_SPATIAL_RANK
from explorer.capture.protocol import LayerInfo

from .tokens import token_names
from .torch_forward import Part
from .torch_weights import numpy_type

MOST_PREFIX = 16
HALVINGS = 5

Key = tuple[str, int, tuple[str, ...]]
"""Path of the module, number of the call, place in the answer."""
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Seen:
    """A tensor that was answered: by what, and its shape and type."""

    part: Part
    shape: Shape
    dtype: Any


Trace = Mapping[Key, Seen]
"""Every tensor of one forward pass, in the order of the answers."""


@dataclass(frozen=True)
class Traces:
    """The same pass with inputs of several shapes.

    Attributes:
        one: with a batch of 2, or of the only size that the model takes.
        other: with a batch of 3, None where the model takes only one size.
        grown: as `one`, with every spatial axis doubled, None where the model does not take that.
        batch: the batch of `one`.
        spatial: sizes of the spatial axes of an input of `one`.
    """

    one: Trace
    other: Trace | None
    grown: Trace | None
    batch: int = 2
    spatial: Shape = ()


@dataclass(frozen=True)
class Reading:
    """How values (batch, *spatial, channels) are read from a tensor.

    Attributes:
        order: the tensor's axes in that order.
        grid: the grid that a sequence of tokens is, None for no such sequence.
        n_prefix: tokens in front of the grid.
        token: which token this layer is, None for the grid.
    """

    order: tuple[int, ...]
    grid: Shape | None = None
    n_prefix: int = 0
    token: int | None = None


@dataclass(frozen=True)
class Layer:
    """Where a named layer is found among the answers, and how it is read."""

    key: Key
    info: LayerInfo
    reading: Reading


@dataclass(frozen=True)
class _Anchor:
    """An answer of a known kind: number of axes, which side its channels are on, how many there are."""

    rank: int
    order: str
    channels: int


def plan(traces: Traces, layout: str | None) -> tuple[dict[str, Layer], list[str]]:
    """Every layer by name, in the order they answer, and the names of answers that are none.

    Args:
        traces: the answers seen.
        layout: decides in place of the rules 3 and 4.
    """
    names = _names(traces.one)
    anchors: list[_Anchor] = []
    grids: list[tuple[Shape, Shape | None]] = []
    layers: dict[str, Layer] = {}
    left_out = []
    for key, seen in traces.one.items():
        grown = traces.grown.get(key) if traces.grown is not None else None
        order = _order(key, traces, grown, anchors, layout)
        if order is None:
            left_out.append(names[key])
            continue
        shape = tuple(seen.shape[axis] for axis in order)
        bigger = None if grown is None or len(grown.shape) != len(shape) else _picked(grown.shape, order)
        if seen.part.order and len(shape) > 2:
            anchors.append(_Anchor(len(shape), seen.part.order, shape[-1]))
        reading = Reading(order)
        if len(shape) == 3 and not grids and seen.part.order == "channels_last":
            grids += _patches(shape[1], traces.spatial)
        if len(shape) == 3 and order[-1] == max(order):
            reading = _as_tokens(reading, shape, bigger, grids)
        elif len(shape) >= 4 and seen.part.has_grid:
            grids.append((shape[1:-1], bigger[1:-1] if bigger else None))
        for layer in _layers(names[key], key, seen, reading):
            layers[layer.info.name] = layer
    return layers, left_out


def _patches(tokens: int, spatial: Shape) -> list[tuple[Shape, Shape | None]]:
    """The grid of patches that a linear layer was given without a convolution before, where it is one."""
    if len(spatial) < 2:
        return []
    side = round((math.prod(spatial) / tokens) ** (1 / len(spatial)))
    if (
        side < 1
        or any(size % side for size in spatial)
        or math.prod(spatial) != tokens * side ** len(spatial)
    ):
        return []
    grid = tuple(size // side for size in spatial)
    return [(grid, tuple(2 * size for size in grid))]


def _picked(shape: Shape, order: tuple[int, ...]) -> Shape:
    return tuple(shape[axis] for axis in order)


def captured_type(dtype: Any) -> np.dtype[Any]:
    """The type that values are returned in: what numpy has no word for becomes float32, exactly."""
    found = numpy_type(dtype)
    return found if found.kind in "fiub" else np.dtype(np.float32)


def _names(trace: Trace) -> dict[Key, str]:
    """A name for each answer: path, "#1", "#2" … when called more than once, place in the answer."""
    calls: dict[str, int] = {}
    for path, call, _ in trace:
        calls[path] = max(calls.get(path, 0), call + 1)
    top = "forward" if "output" in calls else "output"
    names: dict[Key, str] = {}
    taken = set(calls)
    for key in trace:
        path, call, place = key
        name = (path or top) + (f"#{call + 1}" if calls[path] > 1 else "")
        dotted = ".".join((name, *place))
        # an answer's place must not be taken for a module's name
        names[key] = dotted if not place or dotted not in taken else name + "".join(f"[{p}]" for p in place)
        taken.add(names[key])
    return names


def _order(
    key: Key, traces: Traces, grown: Seen | None, anchors: list[_Anchor], layout: str | None
) -> tuple[int, ...] | None:
    """The axes as (batch, *spatial, channels); None for what is no layer."""
    seen = traces.one[key]
    if not 2 <= len(seen.shape) <= 2 + MAX_SPATIAL_RANK or 0 in seen.shape or not _is_real(seen.dtype):
        return None
    batch = _batch_axis(seen.shape, key, traces)
    if batch is None:
        return None
    rest = [axis for axis in range(len(seen.shape)) if axis != batch]
    channel = rest[0]
    if len(rest) > 1:
        side = seen.part.order or layout
        if side is not None and side != "":
            channel = rest[0] if side == "channels_first" else rest[-1]
        else:
            channel = _channel_axis(seen, rest, grown, anchors)
    return (batch, *(axis for axis in rest if axis != channel), channel)


def _is_real(dtype: Any) -> bool:
    return not (dtype.is_complex or str(dtype).startswith(("torch.q", "torch.bits")))


def _batch_axis(shape: Shape, key: Key, traces: Traces) -> int | None:
    """The axis that follows the batch, when all others stay as they are."""
    if traces.other is None:
        return next((axis for axis in (0, 1) if shape[axis] == traces.batch and len(shape) > 1), None)
    other = traces.other.get(key)
    if other is None or len(other.shape) != len(shape):
        return None
    moved = [axis for axis, sizes in enumerate(zip(shape, other.shape, strict=True)) if sizes[0] != sizes[1]]
    if len(moved) != 1 or (shape[moved[0]], other.shape[moved[0]]) != (2, 3):
        return None
    return moved[0]


def _channel_axis(seen: Seen, rest: list[int], grown: Seen | None, anchors: list[_Anchor]) -> int:
    """Rules 3 and 4."""
    shape = seen.shape
    if grown is not None and len(grown.shape) == len(shape):
        still = [axis for axis in rest if grown.shape[axis] == shape[axis]]
        if len(still) == 1:
            return still[0]
        if not still:  # as in attention between all positions
            return rest[-1]
    moves = seen.part.kind.lower() in ("permute", "transpose")
    for anchor in reversed(anchors):
        sides = (rest[0], rest[-1]) if anchor.order == "channels_first" else (rest[-1], rest[0])
        for axis in sides if moves else sides[:1]:
            if anchor.rank == len(shape) and anchor.channels == shape[axis]:
                return axis
    return rest[0] if len(rest) > 2 else rest[-1]


def _as_tokens(
    reading: Reading, shape: Shape, bigger: Shape | None, grids: list[tuple[Shape, Shape | None]]
) -> Reading:
    """A sequence as the grid that it is, when one was seen that fits."""
    best: tuple[int, int, Shape] | None = None
    for age, (grid, grown) in enumerate(reversed(grids)):
        for halving, (part, grown_part) in enumerate(_halved(grid, grown)):
            prefix = shape[1] - math.prod(part)
            if not 0 <= prefix <= (0 if halving else min(MOST_PREFIX, math.prod(part) - 1)):
                continue
            if bigger is not None and grown_part is not None and bigger[1] - math.prod(grown_part) != prefix:
                continue
            if best is None or (prefix, age) < best[:2]:
                best = (prefix, age, part)
    return reading if best is None else Reading(reading.order, best[2], best[0])


def _halved(grid: Shape, grown: Shape | None) -> Iterator[tuple[Shape, Shape | None]]:
    """A grid, its half, its quarter …, rounded up, together with what it grows to."""
    for halving in range(HALVINGS):
        step = 2**halving
        yield tuple(-(-size // step) for size in grid), grown and tuple(-(-size // step) for size in grown)
        if max(grid) <= step:
            return


def _layers(name: str, key: Key, seen: Seen, reading: Reading) -> Iterator[Layer]:
    """The layer of an answer, and one for each of the tokens that are set apart."""
    shape = tuple(seen.shape[axis] for axis in reading.order)[1:]
    dtype = captured_type(seen.dtype).name
    kind, count = seen.part.kind, seen.part.parameters
    if reading.grid is not None:
        channels = shape[-1]
        shape = (*reading.grid, channels)
        for token, token_name in enumerate(token_names(name, reading.n_prefix) if reading.n_prefix else ()):
            apart = Reading(reading.order, reading.grid, reading.n_prefix, token)
            yield Layer(key, LayerInfo(token_name, f"{kind} token", (channels,), count, dtype), apart)
    yield Layer(key, LayerInfo(name, kind, shape, count, dtype), reading)
