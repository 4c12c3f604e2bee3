"""Maps made together, gone on with: a new frame beside maps that stay as they are.

A frame that comes later (another epoch, a checkpoint that was mended) need not move the maps that are there.
It starts where the frames beside it have its positions, and is pulled there less and less as it takes shape,
as frames made together are; the others are not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.progress import progress
from explorer.reduce.frames import TIE, TOGETHER, UMAP_TIE, project_frames
from explorer.reduce.projection import Projection
from explorer.reduce.rows import check_spread

if TYPE_CHECKING:
    from explorer.reduce.fit import Fitted, Job
    from explorer.reduce.settings import Settings
    from explorer.samples import Samples

Places = NDArray[np.float32]


def continue_frame(
    samples: Samples, beside: Sequence[Projection], settings: Settings, *, tie: float = TIE
) -> Projection:
    """Project one more frame beside one or two that stay as they are.

    Args:
        samples: the frame's rows, of the same positions as the maps beside.
        beside: the maps of the frames before and after it, in the same method and number of components.
        settings: how those were made: "tsne" or "umap".
        tie: how strongly a position is pulled to its places beside at first, as in `project_frames`.

    Returns:
        The frame's map, in the coordinates of those beside.

    Raises:
        InputError: no map beside, or maps of other positions.
        ReductionError: rows that cannot be projected.
    """
    from explorer.reduce.fit import Job, describe

    target = _between(samples, beside, settings.n_components)
    job = Job.of(samples, settings)
    fitted = (_tsne if settings.method == "tsne" else _umap)(job, target, tie)
    # Once the tie has faded a map may drift and turn as a whole, which means nothing; its size is its own.
    made = describe(job, replace(fitted, coordinates=_laid_on(fitted.coordinates, target)))
    return replace(made, parameters={**made.parameters, "tie": tie, "continued": True})


def _laid_on(places: Places, target: Places) -> Places:
    """Places (n, k), turned and shifted as a whole so that they lie nearest a target (n, k)."""
    own, other = places.astype(np.float64), target.astype(np.float64)
    middle, centre = own.mean(axis=0), other.mean(axis=0)
    left, _, right = np.linalg.svd((own - middle).T @ (other - centre))
    return np.asarray((own - middle) @ (left @ right) + centre, np.float32)


def _between(samples: Samples, beside: Sequence[Projection], n_components: int) -> Places:
    """Where the maps beside have a frame's positions: their mean."""
    if not beside:
        raise InputError("a frame is continued beside at least one map")
    for one in beside:
        same = one.grid_shape == samples.grid_shape and one.n_components == n_components
        if not same or not np.array_equal(one.samples.grid_rows(), samples.grid_rows()):
            raise InputError(
                f"a frame of {samples.n_samples} positions of {samples.grid_shape} beside a map of "
                f"{one.n_samples} of {one.grid_shape} in {one.n_components}D; expected the same positions"
            )
    return np.asarray(np.mean([one.coordinates for one in beside], axis=0), np.float32)


def map_frames(
    read: Callable[[int], Samples],
    kept: Sequence[Projection | None],
    settings: Settings,
    *,
    tie: float = TIE,
) -> tuple[Projection, ...]:
    """Maps of the same positions in several frames, those that are kept as they are.

    Where none is kept all are made together (`project_frames`), else each missing one is continued beside
    the nearest maps before and after it. PCA has neither seed nor tie: each frame's own scores are brought
    to the size of the frame before it, and turned onto that.

    Args:
        read: gives a frame's rows by its number, all of the same positions; asked only for what is made.
        kept: each frame's map, or None where it is to be made.
        settings: method and all it takes.
        tie: how strongly a position is pulled to its places beside.
    """
    from explorer.reduce.fit import fit

    placed = list(kept)
    if settings.method != "pca" and not any(placed):
        return project_frames(
            [read(number) for number in range(len(kept))],
            method=settings.method,
            n_components=settings.n_components,
            tie=tie,
            random_state=settings.random_state or 0,
            standardise=settings.standardise,
            perplexity=settings.perplexity,
            n_neighbors=settings.n_neighbors,
            min_dist=settings.min_dist,
            metric=settings.metric,
        )
    for number in range(len(placed)):
        if placed[number] is None:
            before = next((one for one in placed[:number][::-1] if one is not None), None)
            after = next((one for one in placed[number + 1 :] if one is not None), None)
            beside = [one for one in (before, after) if one is not None]
            if settings.method == "pca":
                own = fit(read(number), settings)
                placed[number] = _alike(own, beside[0]) if beside else own
            else:
                placed[number] = continue_frame(read(number), beside, settings, tie=tie)
    return tuple(one for one in placed if one is not None)


def _alike(one: Projection, beside: Projection) -> Projection:
    """A map brought to the size of another of the same positions, and turned and shifted onto it.

    Not scaled to lie nearest, as `align` does: where two maps have little in common that shrinks the one to
    a dot, and the one after it to less.
    """
    own, other = (np.asarray(each.coordinates, np.float64) for each in (one, beside))
    sizes = [float(np.sqrt(((each - each.mean(axis=0)) ** 2).mean())) for each in (own, other)]
    places = _laid_on((own * (sizes[1] / (sizes[0] or 1.0))).astype(np.float32), beside.coordinates)
    told = {**one.provenance, "aligned": True}
    return replace(one, coordinates=places, arrays={}, provenance=told)


def _tsne(job: Job, target: Places, tie: float) -> Fitted:
    from explorer.reduce import tsne
    from explorer.reduce.fast_tsne import EVERY, fit_tied_tsne, near_together, padded
    from explorer.reduce.fit import Fitted

    settings = job.settings
    unit = check_spread(job.samples, job.unit, tsne.LEAST)
    perplexity = min(settings.perplexity, (job.samples.n_samples - 1) / 3)
    near = job.neighbours(unit)(tsne.n_neighbours(perplexity, job.samples.n_samples))
    middle = target.mean(axis=0)
    held = np.zeros((len(target), 4), np.float32)
    held[:, : target.shape[1]] = target - middle
    start = (target - middle).astype(np.float64)
    start = start / (float(start[:, 0].std()) or 1.0) * 1e-4
    order, _ = near_together(padded(start, settings.random_state))
    there, size = held[order], float(np.sqrt(np.mean(held**2))) or 1.0

    def grown(maps: Sequence[Places]) -> list[Places]:
        # A map starts small and grows, as the maps beside did: what it is pulled to grows with it.
        return [there * np.float32(np.sqrt(np.mean(maps[0] ** 2)) / size)]

    total = tsne.EXAGGERATED + tsne.PLAIN
    with progress("t-SNE of one more frame", total, "iterations") as advance:
        (one,) = fit_tied_tsne(
            [(near.indices, near.distances)], start, perplexity=perplexity,
            random_state=settings.random_state, tie=tie, beside=grown,
            advance=lambda: advance(EVERY),
        )  # fmt: skip
    return Fitted(
        one.coordinates + middle,
        {"kl_divergence": round(one.kl_divergence, 4), "force_error": round(one.force_error, 4)},
        {"perplexity": perplexity},
        unit._asdict(),
    )


def _umap(job: Job, target: Places, tie: float) -> Fitted:
    from explorer.reduce import umap
    from explorer.reduce.fast_umap import fit_tied_umap
    from explorer.reduce.fit import Fitted

    settings = job.settings
    unit = check_spread(job.samples, job.unit, umap.LEAST)
    count = int(min(settings.n_neighbors, job.samples.n_samples - 1))
    near = job.neighbours(unit)(max(1, count - 1))
    epochs = umap.n_epochs(job.samples.n_samples)
    with progress("UMAP of one more frame", epochs, "epochs") as advance:
        (one,) = fit_tied_umap(
            [(near.indices, near.distances)],
            target.astype(np.float64),
            min_dist=settings.min_dist,
            random_state=settings.random_state or 0,
            epochs=epochs,
            tie=min(1.0, UMAP_TIE * tie),
            every=TOGETHER,
            beside=lambda _: [target],
            advance=lambda: advance(TOGETHER),
        )
    return Fitted(one, {}, {"n_neighbors": count}, unit._asdict())
