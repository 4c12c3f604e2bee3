"""What a traced tensor sees of the input: for each axis of the input, terms over the tensor's own axes.

A term says that the indices along one axis of the tensor see runs of pixels (`Reach`). A tensor that was
made of several others has the terms of all of them; where they move alike they are one. What an operator
does to axes is a map from the axes before to the axes after; an operator that is not known leaves a term
that covers everything, and says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from explorer.capture.receptive_field import Reach, ReceptiveField, unknown

MOST_SPANS = 1024
"""Longest pattern that is followed; unrelated rates of resampling make longer ones."""


LOST = -1
"""No axis: what a term has pending for good."""


@dataclass(frozen=True)
class Term:
    """What is seen along one axis of the input.

    Attributes:
        axis: the axis of the tensor whose indices see different runs; None where all see the same.
        reach: the runs.
        pending: axes of the tensor along which the runs differ too, in a way that is not told; the
            reach holds all of them. Summed over, or being the channels, they make it exact. With
            `LOST` among them it stays larger than what is seen.
        why: what has made it so, "" when nothing is pending.
    """

    axis: int | None
    reach: Reach
    pending: frozenset[int] = frozenset()
    why: str = ""

    def waiting(self, pending: frozenset[int]) -> Term:
        """The same with other axes pending."""
        return replace(self, pending=pending, why=self.why if pending else "")


Field = tuple[tuple[Term, ...], ...]
"""For each spatial axis of the input the terms of one tensor."""


@dataclass(frozen=True)
class Sizes:
    """The sizes that fields are told with: the input's pixels, and the tensor's own shape."""

    pixels: tuple[int, ...]
    shape: tuple[int, ...]


def of_input(rank: int, axes: Sequence[int]) -> Field:
    """The field of the input itself, whose spatial axes are these of its `rank`."""
    assert all(axis < rank for axis in axes)
    return tuple((Term(axis, Reach()),) for axis in axes)


def union(fields: Iterable[Field], pixels: Sequence[int]) -> Field:
    """What an operator sees that combines tensors index by index."""
    gathered = list(fields)
    return tuple(
        _simplified([term for field in gathered for term in field[axis]], whole)
        for axis, whole in enumerate(pixels)
    )


def _simplified(terms: Sequence[Term], whole: int) -> tuple[Term, ...]:
    """As few terms as say the same: one where they move alike, or where one sees everything anyway."""
    kept: list[Term] = []
    for term in terms:
        if term.axis is None and not term.pending and term.reach.spans == ((0, whole),):
            return (term,)
        for place, other in enumerate(kept):
            joined = _joined(term, other)
            if joined is not None:
                kept[place] = joined
                break
        else:
            kept.append(term)
    return tuple(kept)


def _joined(one: Term, other: Term) -> Term | None:
    if one == other:
        return one
    if one.axis != other.axis or one.pending != other.pending or one.why != other.why:
        return None
    reach = one.reach.union(other.reach)
    return None if reach is None or len(reach.spans) > MOST_SPANS else replace(one, reach=reach)


def moved(field: Field, axes: Mapping[int, int], sizes: Sizes) -> Field:
    """Behind an operator that keeps axes, from where they were to where they are.

    The axes that are not named are summed over, or otherwise seen whole by every index.

    Args:
        field: before.
        axes: axis before to axis after.
        sizes: the pixels, and the shape before.
    """

    def term_moved(term: Term, whole: int) -> Term:
        kept = {**axes, LOST: LOST}
        term = term.waiting(frozenset(kept[axis] for axis in term.pending if axis in kept))
        if term.axis is None:
            return term
        if term.axis in axes and sizes.shape[term.axis] > 1:
            return replace(term, axis=axes[term.axis])
        return replace(term, axis=None, reach=term.reach.over(sizes.shape[term.axis], whole))

    return _each(field, sizes.pixels, term_moved)


def reached(field: Field, changes: Mapping[int, Callable[[Reach], Reach]], pixels: Sequence[int]) -> Field:
    """Behind an operator that reads other indices along some axes, and keeps the axes' places."""

    def term_reached(term: Term, whole: int) -> Term:
        if term.axis is None or term.axis not in changes:
            return term
        reach = changes[term.axis](term.reach)
        if len(reach.spans) > MOST_SPANS:
            return _lost(term, whole, "resampling at unrelated rates")
        return replace(term, reach=reach)

    return _each(field, pixels, term_reached)


def mixed(field: Field, axes: Iterable[int], *, sizes: Sizes, why: str) -> Field:
    """Behind an operator that puts all indices along these axes elsewhere, in a way that is not followed."""
    mixing = frozenset(axes)

    def term_mixed(term: Term, whole: int) -> Term:
        if term.axis not in mixing:
            return term
        reach = term.reach.over(sizes.shape[term.axis or 0], whole)
        return Term(None, reach, term.pending | {term.axis or 0}, term.why or why)

    return _each(field, sizes.pixels, term_mixed)


def chosen(field: Field, axes: Iterable[int], *, sizes: Sizes, why: str) -> Field:
    """Behind an operator that chooses some indices along these axes, in a way that is not followed."""
    choosing = frozenset(axes)
    return _each(
        field,
        sizes.pixels,
        lambda term, whole: _lost(term, whole, why) if choosing & {term.axis, *term.pending} else term,
    )


def lost(field: Field, pixels: Sequence[int], why: str) -> Field:
    """Behind an operator that is not known: only what every index sees alike is kept."""
    return _each(
        field,
        pixels,
        lambda term, whole: term if term.axis is None and not term.pending else _lost(term, whole, why),
    )


def _lost(term: Term, whole: int, why: str) -> Term:
    return Term(None, Reach(((0, whole),), 0), frozenset({LOST}), term.why or why)


def _each(field: Field, pixels: Sequence[int], change: Callable[[Term, int], Term]) -> Field:
    return tuple(
        _simplified([change(term, whole) for term in terms], whole)
        for terms, whole in zip(field, pixels, strict=True)
    )


def reshaped(field: Field, after: Sequence[int], sizes: Sizes) -> Field:
    """Behind a reshape: axes that stay whole are followed, and those that are split or merged pend.

    Args:
        field: before.
        after: the new shape.
        sizes: the pixels, and the shape before.
    """
    blocks = _blocks(sizes.shape, after)

    def term_reshaped(term: Term, whole: int) -> Term:
        pending = frozenset(
            new for old, new_axes in blocks if not term.pending.isdisjoint(old) for new in new_axes
        ) | (term.pending & {LOST})
        term = term.waiting(pending)
        if term.axis is None or sizes.shape[term.axis] == 1:
            return term if term.axis is None else replace(term, axis=None, reach=term.reach.over(1, whole))
        old, new = next(block for block in blocks if term.axis in block[0])
        if len(old) == 1:  # one axis becomes several: the first moves over all that the others see
            inner = math.prod(after[axis] for axis in new[1:])
            reach = term.reach.window(inner, range(inner))
            return _pending(Term(new[0], reach, pending, term.why), new[1:])
        if term.axis == old[0] and len(new) == 1:  # each index is repeated, as many times as there are
            times = math.prod(sizes.shape[axis] for axis in old[1:])
            if len(term.reach.spans) * times <= MOST_SPANS:
                return Term(new[0], term.reach.behind(Reach(((0, 1),) * times)), pending, term.why)
        reach = term.reach.over(sizes.shape[term.axis], whole)
        return _pending(Term(None, reach, pending, term.why), new)

    return _each(field, sizes.pixels, term_reshaped)


def _pending(term: Term, axes: Sequence[int]) -> Term:
    """A term with these axes pending too."""
    if not axes:
        return term
    return replace(term, pending=term.pending | set(axes), why=term.why or "a reshape of positions")


def _blocks(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """The smallest groups of axes before and after that hold the same items; axes of size 1 left out."""
    blocks, old, new = [], [], []
    left = [axis for axis, size in enumerate(before) if size != 1]
    right = [axis for axis, size in enumerate(after) if size != 1]
    have = made = 1
    while left or right:
        if have <= made and left:
            old.append(left.pop(0))
            have *= before[old[-1]]
        else:
            new.append(right.pop(0))
            made *= after[new[-1]]
        if have == made and old and new:
            blocks.append((old, new))
            old, new, have, made = [], [], 1, 1
    return blocks


def as_receptive_field(field: Field | None, spatial: Sequence[int], sizes: Sizes) -> ReceptiveField:
    """What is told of a layer.

    Args:
        field: that of its tensor; None when it does not depend on the input.
        spatial: the tensor's axes that are the layer's positions, in order. All others but these
            are the batch and the channels.
        sizes: the pixels, and the tensor's shape.
    """
    if field is None:
        return unknown("does not depend on the input")
    size, stride, offset, axes = [], [], [], []
    for place, terms in enumerate(field):
        why = next((term.why for term in terms if term.pending & {LOST, *spatial}), "")
        if not why and len(terms) > 1:
            why = "a sum of parts that move at different strides"
        if why:
            return unknown(why)
        reach, follows = terms[0].reach, terms[0].axis
        if follows is not None and follows not in spatial:  # the channels see different pixels
            reach, follows = reach.over(sizes.shape[follows], sizes.pixels[place]), None
        covered = reach.covered()
        size.append(covered[0])
        stride.append(covered[1])
        offset.append(covered[2])
        axes.append(place if follows is None else list(spatial).index(follows))
    own = tuple(axes) == tuple(range(len(field)))
    return ReceptiveField(tuple(size), tuple(stride), tuple(offset), axes=() if own else tuple(axes))
