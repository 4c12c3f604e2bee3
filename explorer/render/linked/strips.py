"""The strip of small pictures: neighbours of a position side by side, or pictures by what is selected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.render.drawing.colours import scale_of
from explorer.render.drawing.text import count, number
from explorer.render.linked.near import Near, neighbourhood
from explorer.render.linked.state import State
from explorer.render.values import length


@dataclass(frozen=True)
class Thumb:
    """One small picture.

    Attributes:
        at: what a click leads to: (image, *position), or (image,).
        caption: a word below it.
        picture: (height, width, 3); None where there is neither a picture nor a map.
        box: what of it is marked: left, top, right and bottom from 0 to 1; None for nothing.
    """

    at: tuple[int, ...]
    caption: str
    picture: NDArray[np.uint8] | None
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Strip:
    """Some small pictures under one title."""

    title: str
    thumbs: tuple[Thumb, ...]


def strips(state: State, *, most: int, half: int) -> tuple[Strip, ...]:
    """Neighbours by features and on the map for the focus; pictures ranked by share for a wide selection.

    What was asked for last is shown; nothing while there is neither.

    Args:
        state: what is selected and looked at.
        most: how many small pictures there is room for.
        half: how many in each of two strips.
    """
    if not half:
        return ()
    if state.wide and not state.looking:
        return (_ranked(state, most),)
    if state.focus is None:
        return ()
    near = neighbourhood(state, half)
    metric = "" if near.metric == "euclidean" else f", {near.metric}"
    about = "" if near.truth.recall == 1.0 else f", recall {number(near.truth.recall, 2)}"
    return (
        Strip(f"nearest in {count(state.values.channels)} channels{metric}{about}", _near(state, near.truth)),
        Strip(f"nearest on the map, {near.shared} the same", _near(state, near.shown)),
    )


def _near(state: State, near: Near) -> tuple[Thumb, ...]:
    return tuple(
        about(state, at, state.label(at[0]) or number(float(apart), 2))
        for at, apart in zip(near.positions, near.distances, strict=True)
    )


def about(state: State, at: tuple[int, ...], caption: str) -> Thumb:
    """What surrounds a position in its picture, and the position in it; (image,) gives the whole."""
    spatial = state.values.spatial
    picture = picture_of(state, at[0], at[1] if len(spatial) == 3 and len(at) == 4 else None)
    if picture is None or len(spatial) < 2 or len(at) != 1 + len(spatial):
        return Thumb(at, caption, picture)
    tall, wide = picture.shape[:2]
    cell, (row, column) = (tall / spatial[-2], wide / spatial[-1]), at[-2:]
    side = max(2, round(min(min(tall, wide), max(min(tall, wide) / 2, 5 * max(cell)))))
    top = int(np.clip(round((row + 0.5) * cell[0] - side / 2), 0, tall - side))
    left = int(np.clip(round((column + 0.5) * cell[1] - side / 2), 0, wide - side))
    box = (
        (column * cell[1] - left) / side,
        (row * cell[0] - top) / side,
        ((column + 1) * cell[1] - left) / side,
        ((row + 1) * cell[0] - top) / side,
    )
    return Thumb(at, caption, picture[top : top + side, left : left + side], box)


def _ranked(state: State, most: int) -> Strip:
    """Pictures by how much of them is selected, most first; the place in the middle of what is selected."""
    between = state.between()
    shares = between.shares()
    ranked = [
        (int(image), float(shares[image])) for image in np.argsort(-shares, kind="stable") if shares[image]
    ]
    thumbs = [Thumb((image,), share_words(share), picture_of(state, image)) for image, share in ranked[:most]]
    images = f"{count(len(ranked))} of {count(state.run.n_images)} pictures hold any"
    of = ", of what is on the map" if between.sampled else ""
    return Strip(f"most selected first{of} · {images}", tuple(thumbs))


def picture_of(state: State, image: int, deep: int | None = None) -> NDArray[np.uint8] | None:
    """An input as a person sees it; where none was kept, the norm of its positions as a map.

    Of a volume it is the slice `deep`, or the one that is shown.
    """
    picture, rank = state.run.picture(image), len(state.values.spatial)
    if picture is not None or not rank:
        return picture
    norms = length(state.values.image(image))
    if rank == 1:
        norms = np.repeat(norms[None], max(1, norms.size // 3), axis=0)
    elif rank == 3:
        norms = norms[state.cut if deep is None else deep]
    return scale_of(norms, state.theme).colours(norms, (128, 128, 128))


def share_words(share: float) -> str:
    """A share in per cent, never 0 or 100 where it is not."""
    percent = 100 * share
    if 0 < percent < 1:
        return "< 1 %"
    return f"{min(round(percent), 99 if percent < 100 else 100)} %"
