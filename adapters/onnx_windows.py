"""What the operators of ONNX over space read: windows, padding, slices, resizing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from explorer.capture.receptive_field import Reach

from .onnx_nodes import attribute, title

Changes = Mapping[int, Callable[[Reach], Reach]]
Constant = Callable[[Any, int], list[int] | None]
"""(node, which input) to its whole numbers, where the file holds them."""


@dataclass(frozen=True)
class Windows:
    """The windows of a convolution or pooling over the axes 2, 3, …, for each of them.

    Attributes:
        size: taps.
        stride: from one window to the next.
        dilation: from one tap to the next.
        before: padding in front.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]

    @classmethod
    def of(
        cls, node: Any, size: tuple[int, ...], shapes: tuple[tuple[int, ...], tuple[int, ...]]
    ) -> Windows | None:
        """The windows of a node over what it reads, of these shapes before and after.

        None where the padding of a transposed convolution is left to whoever runs it.
        """
        n_axes = len(size)
        stride = tuple(attribute(node, "strides") or (1,) * n_axes)
        dilation = tuple(attribute(node, "dilations") or (1,) * n_axes)
        pads = tuple(attribute(node, "pads") or (0,) * 2 * n_axes)
        how = attribute(node, "auto_pad", b"NOTSET").decode()
        chosen = how.startswith("SAME") or bool(attribute(node, "output_shape"))
        if node.op_type == "ConvTranspose" and chosen:
            return None
        before = pads[:n_axes] if how == "NOTSET" else (0,) * n_axes
        if chosen:
            totals = [
                max(0, (after - 1) * stride[axis] + (size[axis] - 1) * dilation[axis] + 1 - whole)
                for axis, (whole, after) in enumerate(zip(shapes[0][2:], shapes[1][2:], strict=True))
            ]
            before = tuple(total // 2 if how == "SAME_UPPER" else total - total // 2 for total in totals)
        return cls(size, stride, dilation, before)

    def direct(self) -> Changes:
        """What is read by axis."""
        return {
            2 + axis: _window(
                self.stride[axis],
                range(
                    -self.before[axis], size * self.dilation[axis] - self.before[axis], self.dilation[axis]
                ),
            )
            for axis, size in enumerate(self.size)
        }

    def transposed(self) -> Changes:
        """What is read by axis, where the windows are those of what is made."""
        return {
            2 + axis: _window(
                1, [self.before[axis] - tap * self.dilation[axis] for tap in range(size)], self.stride[axis]
            )
            for axis, size in enumerate(self.size)
        }


def _window(stride: int, taps: Sequence[int], spread: int = 1) -> Callable[[Reach], Reach]:
    return lambda reach: reach.window(stride, taps, spread)


def pads_of(node: Any, constant: Constant, rank: int) -> Changes | str | None:
    """What a Pad reads, or why it is not followed; None where the file does not hold the numbers."""
    mode = attribute(node, "mode", b"constant").decode()
    pads = attribute(node, "pads") or attribute(node, "paddings") or constant(node, 1)
    computed = len(node.input) > 3 and bool(node.input[3])
    axes = constant(node, 3) if computed else list(range(rank))
    if not pads or axes is None:
        return None
    if mode != "constant":
        return f"{mode} padding"
    return {axis % rank: _window(1, (-pads[place],)) for place, axis in enumerate(axes)}


def cuts(node: Any, constant: Constant, before: Sequence[int]) -> Changes | str | None:
    """What a Slice reads, or why it is not followed; None where the file does not hold the numbers."""
    rank = len(before)
    starts, axes, steps = attribute(node, "starts"), attribute(node, "axes"), None
    if len(node.input) > 1:
        starts, axes, steps = constant(node, 1), constant(node, 3), constant(node, 4)
        held = ((1, starts), (3, axes), (4, steps))
        if any("".join(node.input[place : place + 1]) and not numbers for place, numbers in held):
            return None
    if not starts:
        return None
    axes = axes or list(range(len(starts)))
    steps = steps or [1] * len(starts)
    if min(steps) < 1:
        return "reversed positions"
    changes = {}
    for start, axis, step in zip(starts, axes, steps, strict=True):
        whole = before[axis % rank]
        first = min(max(start + whole if start < 0 else start, 0), whole)
        changes[axis % rank] = _window(step, (first,))
    return changes


def resized(
    node: Any, scales: Sequence[float] | None, shapes: tuple[Sequence[int], Sequence[int]]
) -> Changes | str | None:
    """What a Resize by whole numbers upwards reads, or why it is not followed; None for a crop.

    Args:
        node: a Resize or Upsample.
        scales: what it enlarges by, None where it is told the sizes.
        shapes: before and after.
    """
    before, after = shapes
    mode = attribute(node, "mode", b"nearest").decode()
    where = attribute(node, "coordinate_transformation_mode", b"half_pixel").decode()
    rounding = attribute(node, "nearest_mode", b"round_prefer_floor").decode()
    if node.op_type == "Upsample" or len(node.input) < 3:  # before opset 11
        where, rounding = "asymmetric", "floor"
    if where == "tf_crop_and_resize" or attribute(node, "axes"):
        return None
    changes = {}
    for axis, (old, new) in enumerate(zip(before, after, strict=True)):
        if old == new:
            continue
        times, rest = divmod(new, old)
        if rest or (scales is not None and scales[axis] != times):
            return f"{title(node)}, not by a whole number"
        read = _resized(mode, (where, rounding), times)
        if read is None:
            return f"{title(node)}, {mode} {where}"
        changes[axis] = _behind(read)
    return changes


def _behind(read: Reach) -> Callable[[Reach], Reach]:
    return lambda reach: reach.behind(read)


def _resized(mode: str, how: tuple[str, str], times: int) -> Reach | None:
    """Which indices each index of an enlargement by `times` reads, None where it is not known."""
    where, rounding = how
    shift = {"asymmetric": Fraction(0), "half_pixel": Fraction(1, 2), "pytorch_half_pixel": Fraction(1, 2)}
    if where not in shift:
        return None
    places = [(index + shift[where]) / times - shift[where] for index in range(times)]
    half = Fraction(1, 2)
    if mode == "linear":
        return Reach(tuple((math.floor(place), math.ceil(place) + 1) for place in places))
    if mode == "cubic":
        return Reach(tuple((math.floor(place) - 1, math.floor(place) + 3) for place in places))
    rounded = {
        "floor": math.floor,
        "round_prefer_floor": lambda place: math.ceil(place - half),
        "round_prefer_ceil": lambda place: math.floor(place + half),
    }
    if mode != "nearest" or rounding not in rounded:
        return None
    nearest = [rounded[rounding](place) for place in places]
    if min(nearest) < 0 or max(nearest) > 0:
        return None  # the ends repeat the first or last index there
    return Reach(tuple((index, index + 1) for index in nearest))
