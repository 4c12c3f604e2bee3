"""Maps of the same positions laid over each other, and how far each position has moved.

A map by t-SNE or UMAP can be turned, mirrored and scaled without meaning anything else, so maps are
compared only after Procrustes has taken that out (Schönemann 1966), and a movement counts only where
it is larger than what another seed alone produces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.reduce.projection import Projection
from explorer.reduce.quality import squared_distances

NEIGHBOURS = 15
BLOCK = 2048


def align(projections: Sequence[Projection], *, to: int = 0) -> tuple[Projection, ...]:
    """Turn, mirror, shift and scale maps of the same positions onto one of them.

    Args:
        projections: maps with the same positions and number of components: of several layers of one
            grid, seeds, or checkpoints.
        to: which of them stays as it is.

    Raises:
        InputError: no maps, no such one, or maps that share no positions.
    """
    if not projections or not -len(projections) <= to < len(projections):
        raise InputError(f"align: {len(projections)} maps, and none numbered {to}")
    anchor = projections[to]
    return tuple(one if one is anchor else _onto(one, anchor) for one in projections)


def _onto(one: Projection, anchor: Projection) -> Projection:
    """One map laid over another by the positions that both have."""
    if one.n_components != anchor.n_components or one.n_positions != anchor.n_positions:
        raise InputError(
            f"align: a map of {one.n_positions} positions in {one.n_components}D and one of "
            f"{anchor.n_positions} in {anchor.n_components}D; expected the same positions"
        )
    _, here, there = np.intersect1d(one.samples.grid_rows(), anchor.samples.grid_rows(), return_indices=True)
    if len(here) <= one.n_components:
        raise InputError(f"align: the maps share {len(here)} positions, expected more than their components")
    moved = procrustes(one.coordinates, (here, anchor.coordinates[there]))
    return replace(
        one, coordinates=moved.astype(np.float32), arrays={}, provenance={**one.provenance, "aligned": True}
    )


def procrustes(
    rows: NDArray[np.floating], onto: tuple[NDArray[np.intp], NDArray[np.floating]]
) -> NDArray[np.float64]:
    """All rows (n, k), turned, mirrored, scaled and shifted so that some of them lie nearest a target.

    Args:
        rows: (n, k).
        onto: which rows (m,), and where they should come to lie (m, k).
    """
    which, target = onto
    wide, goal = np.asarray(rows, np.float64), np.asarray(target, np.float64)
    middle, centre = wide[which].mean(axis=0), goal.mean(axis=0)
    own, other = wide[which] - middle, goal - centre
    left, strengths, right = np.linalg.svd(own.T @ other)
    scale = strengths.sum() / (float((own**2).sum()) or 1.0)
    return np.asarray((wide - middle) @ (left @ right) * scale + centre)


def movement(before: Projection, after: Projection) -> NDArray[np.float64]:
    """How far every position has moved against its neighbours from one map to another.

    Both maps must be aligned. A position's 15 neighbours on the first map carry it along: what counts
    is how much its place among most of them has changed (the median over them), in units of its mean
    distance to them. Where the whole neighbourhood moves together, nothing has.

    Returns:
        (n_samples,); 0 for no movement. Compare it with `movement` between two seeds of one map.

    Raises:
        InputError: maps of other positions.
    """
    rows = before.samples.grid_rows()
    if not np.array_equal(rows, after.samples.grid_rows()) or before.n_components != after.n_components:
        raise InputError("movement: the two maps are of different positions; project the same sample")
    old, new = before.coordinates.astype(np.float64), after.coordinates.astype(np.float64)
    k = min(NEIGHBOURS, len(old) - 1)
    moved = np.zeros(len(old))
    if k < 1:
        return moved
    for start in range(0, len(old), BLOCK):
        part = np.arange(start, min(start + BLOCK, len(old)))
        apart = squared_distances(old[part], old)
        apart[np.arange(len(part)), part] = np.inf
        near = np.argpartition(apart, k - 1, axis=1)[:, :k]
        was, now = old[part][:, None] - old[near], new[part][:, None] - new[near]
        size = np.linalg.norm(was, axis=2).mean(axis=1)
        moved[part] = np.linalg.norm(np.median(now - was, axis=1), axis=1) / np.maximum(size, 1e-12)
    return moved


@dataclass(frozen=True)
class Comparison:
    """How far positions have moved between two maps, beside what another seed alone moves them.

    Attributes:
        moved: (n_samples,) movement against the neighbours, as `movement` gives it.
        by_seed: (n_samples,) the same between two seeds of the first map.
        beyond: (n_samples,) whether a position has moved farther than it does by another seed, and than 95 %
            of all positions do.
    """

    moved: NDArray[np.float64]
    by_seed: NDArray[np.float64]

    @property
    def beyond(self) -> NDArray[np.bool_]:
        """Where the movement is more than jitter."""
        floor = float(np.quantile(self.by_seed, 0.95)) if len(self.by_seed) else 0.0
        return np.asarray((self.moved > self.by_seed) & (self.moved > floor))


def compare(before: Projection, after: Projection, reseeded: Projection) -> Comparison:
    """Tell movement from jitter: two maps of the same positions, and the first one under another seed.

    Args:
        before: the first map.
        after: the second, of another checkpoint, layer or network.
        reseeded: the first again with another `random_state`.

    Raises:
        InputError: maps of different positions.
    """
    aligned = align([before, after, reseeded])
    return Comparison(movement(before, aligned[1]), movement(before, aligned[2]))
