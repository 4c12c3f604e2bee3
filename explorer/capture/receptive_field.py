"""Which pixels of the input a position of a layer depends on.

Along one axis a position looks at a run of consecutive pixels. From position to position the run moves
by a constant stride, or after a transposed convolution or an upsampling by a pattern that repeats; `Reach`
holds that exactly. `ReceptiveField` is what is told of a layer: for each axis one size, stride and offset.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

How = Literal["computed", "measured", "unknown"]
Span = tuple[int, int]
"""First pixel, and the one behind the last."""


@dataclass(frozen=True)
class ReceptiveField:
    """The box of input pixels outside of which nothing influences a position of a layer.

    Along input axis i a position p sees the pixels from ceil(p * stride[i] + offset[i]), `size[i]` of
    them. What lies outside the input is padding. An axis of stride 0 is seen alike from everywhere.
    Behind an upsampling the runs of pixels follow a pattern; the box then holds all of it, and a
    position may see fewer pixels.

    Attributes:
        size: number of pixels for each spatial axis of the input, padding included.
        stride: pixels from one position to the next; a fraction behind an upsampling.
        offset: pixel that position 0 begins with; negative in the padding.
        how: "computed" from the graph; "measured", where it is what answered to changes of the
            input and may miss what never did; "unknown", and then the tuples are empty.
        why: which part of the graph was not followed, "" when all was.
        axes: which axis of the layer each axis of the input goes along with; () for its own.
    """

    size: tuple[int, ...]
    stride: tuple[Fraction, ...]
    offset: tuple[Fraction, ...]
    how: How = "computed"
    why: str = ""
    axes: tuple[int, ...] = ()

    def box(self, position: Sequence[int], input_shape: Sequence[int]) -> tuple[Span, ...]:
        """The pixels that a position sees, for each spatial axis first and one behind the last.

        Args:
            position: index on the layer's grid, () for a vector.
            input_shape: (*spatial, channels) of one input; the box is clipped to it. Of an unknown
                field it is all of it. A position that sees nothing but padding has an empty box.

        >>> field = ReceptiveField((3, 3), (Fraction(2), Fraction(2)), (Fraction(-1), Fraction(-1)))
        >>> field.box((0, 5), (32, 32, 1))
        ((0, 2), (9, 12))
        """
        sizes = tuple(input_shape[:-1])
        if self.how == "unknown":
            return tuple((0, size) for size in sizes)
        spans = []
        for axis, (whole, size) in enumerate(zip(sizes, self.size, strict=True)):
            place = self.axes[axis] if self.axes else axis
            index = position[place] if self.stride[axis] else 0
            first = math.ceil(index * self.stride[axis] + self.offset[axis])
            low = min(max(first, 0), whole)
            spans.append((low, max(low, min(first + size, whole))))
        return tuple(spans)

    def as_table(self) -> dict[str, Any]:
        """The field as plain values, for a run's manifest; fractions as texts such as "1/2"."""
        return {
            "size": list(self.size),
            "stride": [str(part) for part in self.stride],
            "offset": [str(part) for part in self.offset],
            "how": self.how,
            "why": self.why,
            "axes": list(self.axes),
        }

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> ReceptiveField:
        """The field that `as_table` wrote.

        >>> field = ReceptiveField((5,), (Fraction(1, 2),), (Fraction(-2),))
        >>> ReceptiveField.from_table(field.as_table()) == field
        True
        """
        stride, offset = (tuple(map(Fraction, table[key])) for key in ("stride", "offset"))
        return cls(tuple(table["size"]), stride, offset, table["how"], table["why"], tuple(table["axes"]))

    def is_whole(self, input_shape: Sequence[int]) -> bool:
        """Whether every position sees all of such an input."""
        known = zip(self.size, self.stride, self.offset, input_shape[:-1], strict=False)
        return self.how != "unknown" and all(
            stride == 0 and offset <= 0 and offset + size >= whole for size, stride, offset, whole in known
        )


def unknown(why: str) -> ReceptiveField:
    """The field of a layer that the graph does not tell; `why` is what was not followed."""
    return ReceptiveField((), (), (), "unknown", why)


@dataclass(frozen=True)
class Reach:
    """The run of pixels along one axis of the input that each index along an axis of a tensor sees.

    Index p sees what `spans[p % period]` says, moved by `step` pixels for each whole period. It goes on
    beyond the tensor's own indices, so that padding has its place.

    Attributes:
        spans: for each index of one period, the pixels; None where it sees none.
        step: pixels from one period to the next.
    """

    spans: tuple[Span | None, ...] = ((0, 1),)
    step: int = 1

    @property
    def stride(self) -> Fraction:
        """Pixels from one index to the next."""
        return Fraction(self.step, len(self.spans))

    def at(self, index: int) -> Span | None:
        """The pixels that an index sees."""
        turns, place = divmod(index, len(self.spans))
        span = self.spans[place]
        return None if span is None else (span[0] + turns * self.step, span[1] + turns * self.step)

    def window(self, stride: int, taps: Sequence[int], spread: int = 1) -> Reach:
        """Behind an operator whose index p reads the indices p * stride + tap.

        With `spread` the operator reads what was pulled apart before, with spread - 1 nothings
        between neighbours, as a transposed convolution does.

        >>> Reach().window(2, (-1, 0, 1)).window(1, (-1, 0, 1))
        Reach(spans=((-3, 4),), step=2)
        >>> Reach().window(1, (-1, 0), spread=2)
        Reach(spans=((0, 1), (0, 1)), step=1)
        """
        whole = len(self.spans) * spread
        period = whole // math.gcd(whole, stride)
        step = period * stride // whole * self.step
        spans = tuple(
            hull(
                self.at((index * stride + tap) // spread)
                for tap in taps
                if (index * stride + tap) % spread == 0
            )
            for index in range(period)
        )
        return Reach(spans, step).shortest()

    def behind(self, read: Reach) -> Reach:
        """Behind an operator whose index p reads the run of indices that `read` tells."""
        period = len(read.spans) * len(self.spans) // math.gcd(read.step, len(self.spans))
        spans = []
        for index in range(period):
            span = read.at(index)
            spans.append(None if span is None else hull(self.at(place) for place in range(*span)))
        return Reach(tuple(spans), int(self.stride * read.stride * period)).shortest()

    def union(self, other: Reach) -> Reach | None:
        """What a sum or concatenation of both sees; None when they move at different strides."""
        if self.stride != other.stride:
            return None
        period = math.lcm(len(self.spans), len(other.spans))
        spans = tuple(hull((self.at(index), other.at(index))) for index in range(period))
        return Reach(spans, int(self.stride * period)).shortest()

    def over(self, count: int, whole: int) -> Reach:
        """What all of the first `count` indices see together, within an input of `whole` pixels."""
        span = hull(self.at(index) for index in range(count))
        if span is None:
            return Reach((None,), 0)
        low = min(max(span[0], 0), whole)
        return Reach(((low, max(low, min(span[1], whole))),), 0)

    def shortest(self) -> Reach:
        """The same with the shortest period."""
        for period in range(1, len(self.spans)):
            turns, rest = divmod(len(self.spans), period)
            if rest or self.step % turns:
                continue
            short = Reach(self.spans[:period], self.step // turns)
            if all(short.at(index) == self.at(index) for index in range(len(self.spans))):
                return short
        return self

    def covered(self) -> tuple[int, Fraction, Fraction]:
        """Size, stride and offset of runs that hold these, as `ReceptiveField` has them."""
        stride = self.stride
        seen = [(index, span) for index, span in enumerate(self.spans) if span is not None]
        if not seen:
            return 0, Fraction(0), Fraction(0)
        offset = min(span[0] - index * stride for index, span in seen)
        size = max(span[1] - math.ceil(index * stride + offset) for index, span in seen)
        return size, stride, offset


def hull(spans: Iterable[Span | None]) -> Span | None:
    """The shortest run of pixels that holds all of these."""
    seen = [span for span in spans if span is not None]
    return (min(low for low, _ in seen), max(high for _, high in seen)) if seen else None
