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
    reader = _Reader(traces, layout)
    layers: dict[str, Layer] = {}
    left_out = []
    for key, seen in traces.one.items():
        reading = reader.read(key, seen)
        if reading is None:
            left_out.append(names[key])
            continue
        for layer in _layers((names[key], key), seen, reading):
            layers[layer.info.name] = layer
    return layers, left_out


class _Reader:
    """Reads the answers in their order, and remembers what the later ones are told from."""

    def __init__(self, traces: Traces, layout: str | None) -> None:
        self._traces, self._layout = traces, layout
        self._anchors: list[_Anchor] = []
        self._grids: list[tuple[Shape, Shape | None]] = []

    def read(self, key: Key, seen: Seen) -> Reading | None:
        """How an answer is read; None for what is no layer."""
        if not 2 <= len(seen.shape) <= 2 + MAX_SPATIAL_RANK or 0 in seen.shape or not _is_real(seen.dtype):
            return None
        batch = self._batch_axis(key, seen.shape)
        if batch is None:
            return None
        grown = self._traces.grown.get(key) if self._traces.grown is not None else None
        grown_shape = grown.shape if grown is not None and len(grown.shape) == len(seen.shape) else None
        rest = [axis for axis in range(len(seen.shape)) if axis != batch]
        channel = self._channel_axis(seen, rest, grown_shape)
        order = (batch, *(axis for axis in rest if axis != channel), channel)
        shape = _picked(seen.shape, order)
        bigger = _picked(grown_shape, order) if grown_shape else None
        if seen.part.order and len(shape) > 2:
            self._anchors.append(_Anchor(len(shape), seen.part.order, shape[-1]))
        if len(shape) == 3 and shape[1] > 1:
            if not self._grids and seen.part.order == "channels_last":
                self._grids += _patches(shape[1], self._traces.spatial)
            return self._as_tokens(Reading(order), shape, bigger)
        if len(shape) >= 4 and seen.part.has_grid:
            self._grids.append((shape[1:-1], bigger[1:-1] if bigger else None))
        return Reading(order)

    def _batch_axis(self, key: Key, shape: Shape) -> int | None:
        """The axis that follows the batch, when all others stay as they are."""
        if self._traces.other is None:
            return next((axis for axis in (0, 1) if shape[axis] == self._traces.batch), None)
        other = self._traces.other.get(key)
        if other is None or len(other.shape) != len(shape):
            return None
        pairs = list(zip(shape, other.shape, strict=True))
        moved = [axis for axis, (here, there) in enumerate(pairs) if here != there]
        return moved[0] if len(moved) == 1 and pairs[moved[0]] == (2, 3) else None

    def _channel_axis(self, seen: Seen, rest: list[int], grown: Shape | None) -> int:
        """The axis of the channels, by the rules 2 to 4."""
        shape, side = seen.shape, seen.part.order or self._layout
        if len(rest) == 1 or side:
            return rest[0] if side == "channels_first" else rest[-1]
        if grown is not None:
            still = [axis for axis in rest if grown[axis] == shape[axis]]
            if len(still) == 1:
                return still[0]
            if not still:  # as in attention between all positions
                return rest[-1]
        moves = seen.part.kind.lower() in ("permute", "transpose")
        for anchor in reversed(self._anchors):
            sides = (rest[0], rest[-1]) if anchor.order == "channels_first" else (rest[-1], rest[0])
            for axis in sides if moves else sides[:1]:
                if anchor.rank == len(shape) and anchor.channels == shape[axis]:
                    return axis
        return rest[0] if len(rest) > 2 else rest[-1]

    def _as_tokens(self, reading: Reading, shape: Shape, bigger: Shape | None) -> Reading:
        """A sequence as the grid that it is, when one was seen that fits."""
        best: tuple[int, int, Shape] | None = None
        for age, (grid, grown) in enumerate(reversed(self._grids)):
            for halving, (part, grown_part) in enumerate(_halved(grid, grown)):
                prefix = shape[1] - math.prod(part)
                if not 0 <= prefix <= (0 if halving else min(MOST_PREFIX, math.prod(part) - 1)):
                    continue
                if bigger and grown_part and bigger[1] - math.prod(grown_part) != prefix:
                    continue
                if best is None or (prefix, age) < best[:2]:
                    best = (prefix, age, part)
        return reading if best is None else Reading(reading.order, best[2], best[0])


def _picked(shape: Shape, order: tuple[int, ...]) -> Shape:
    return tuple(shape[axis] for axis in order)


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


def _is_real(dtype: Any) -> bool:
    return not (dtype.is_complex or str(dtype).startswith(("torch.q", "torch.bits")))


def _halved(grid: Shape, grown: Shape | None) -> Iterator[tuple[Shape, Shape | None]]:
    """A grid, its half, its quarter …, rounded up, together with what it grows to."""
    for halving in range(HALVINGS):
        step = 2**halving
        yield tuple(-(-size // step) for size in grid), grown and tuple(-(-size // step) for size in grown)
        if max(grid) <= step:
            return


def _layers(place: tuple[str, Key], seen: Seen, reading: Reading) -> Iterator[Layer]:
    """The layer of an answer, its (name, key) given, and one for each of the tokens that are set apart."""
    name, key = place
    shape = _picked(seen.shape, reading.order)[1:]
    dtype = captured_type(seen.dtype).name
    kind, count = seen.part.kind, seen.part.parameters
    if reading.grid is not None:
        shape = (*reading.grid, shape[-1])
        for token, token_name in enumerate(token_names(name, reading.n_prefix) if reading.n_prefix else ()):
            apart = Reading(reading.order, reading.grid, reading.n_prefix, token)
            yield Layer(key, LayerInfo(token_name, f"{kind} token", shape[-1:], count, dtype), apart)
    yield Layer(key, LayerInfo(name, kind, shape, count, dtype), reading)
