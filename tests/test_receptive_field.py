"""The algebra of receptive fields, held against counting pixels one by one."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from explorer.capture.receptive_field import Reach, ReceptiveField, unknown

HALF = Fraction(1, 2)


def counted(reach: Reach, stride: int, taps: list[int], spread: int, index: int) -> set[int]:
    """The pixels that index sees through a window, put together tap by tap."""
    seen: set[int] = set()
    for tap in taps:
        place, rest = divmod(index * stride + tap, spread)
        span = reach.at(place)
        if rest == 0 and span is not None:
            seen |= set(range(*span))
    return seen


@pytest.mark.parametrize("seed", range(30))
def test_windows_are_those_put_together_tap_by_tap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reach = Reach()
    for _ in range(4):
        stride, spread = (int(value) for value in rng.integers(1, 4, 2))
        size, dilation = (int(value) for value in rng.integers(1, 4, 2))
        start = int(rng.integers(-3, 2))
        taps = list(range(start, start + size * dilation, dilation))
        after = reach.window(stride, taps, spread)
        for index in range(-7, 30):
            seen = counted(reach, stride, taps, spread, index)
            assert after.at(index) == ((min(seen), max(seen) + 1) if seen else None)
        reach = after


@pytest.mark.parametrize("seed", range(10))
def test_the_cover_holds_every_run_and_touches_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reach = Reach()
    for _ in range(3):
        stride, spread, size = (int(value) for value in rng.integers(1, 4, 3))
        reach = reach.window(stride, range(-1, size), spread)
    size, stride, offset = reach.covered()
    field = ReceptiveField((size,), (stride,), (offset,))
    first, last = [], []
    for index in range(40, 80):
        span = reach.at(index)
        ((low, high),) = field.box((index,), (10_000, 1))
        if span is not None:
            assert low <= span[0] < span[1] <= high
            first.append(span[0] - low)
            last.append(high - span[1])
    assert min(first) == 0
    assert min(last) == 0


def test_a_union_is_the_hull_and_needs_one_stride() -> None:
    fine, coarse = Reach().window(2, (-1, 0, 1)), Reach().window(2, (0, 3))
    assert fine.union(coarse) == Reach(((-1, 4),), 2)
    assert fine.union(Reach()) is None
    patterned = Reach().window(1, (0,), spread=2)
    joined = patterned.union(Reach(((0, 1), (0, 1)), 1))
    assert joined == Reach(((0, 1), (0, 1)), 1)


def test_reading_behind_another_operator() -> None:
    doubled = Reach().behind(Reach(((0, 1), (0, 1)), 1))
    assert [doubled.at(index) for index in range(4)] == [(0, 1), (0, 1), (1, 2), (1, 2)]
    assert doubled.covered() == (1, HALF, -HALF)
    assert Reach().window(2, range(2)).behind(Reach(((0, 3),), 1)) == Reach(((0, 6),), 2)


def test_all_indices_together_stay_within_the_input() -> None:
    reach = Reach().window(4, range(-2, 5))
    assert reach.over(8, 32) == Reach(((0, 32),), 0)
    assert reach.over(2, 32) == Reach(((0, 9),), 0)


def test_boxes_are_clipped_to_the_input() -> None:
    field = ReceptiveField((7, 5), (Fraction(4), HALF), (Fraction(-2), Fraction(-3)))
    assert field.box((0, 0), (32, 10, 3)) == ((0, 5), (0, 2))
    assert field.box((2, 3), (32, 10, 3)) == ((6, 13), (0, 4))
    assert field.box((9, 40), (32, 10, 3)) == ((32, 32), (10, 10))


def test_an_axis_that_goes_along_with_another_and_one_that_is_seen_whole() -> None:
    field = ReceptiveField((3, 3), (Fraction(1), Fraction(2)), (Fraction(0), Fraction(0)), axes=(1, 0))
    assert field.box((5, 2), (32, 32, 1)) == ((2, 5), (10, 13))
    whole = ReceptiveField((8, 6), (Fraction(0),) * 2, (Fraction(0),) * 2)
    assert whole.is_whole((8, 6, 1))
    assert not whole.is_whole((9, 6, 1))
    assert whole.box((), (8, 6, 1)) == ((0, 8), (0, 6))


def test_of_what_is_not_known_the_box_is_everything() -> None:
    field = unknown("gather")
    assert field.box((3, 3), (5, 6, 1)) == ((0, 5), (0, 6))
    assert not field.is_whole((5, 6, 1))
