"""Maps of the same positions made together: one map a frame, each tied to the frames beside it.

A frame is the same positions at another checkpoint, in another layer of the same grid, or under another
seed of training. Maps made one by one turn, and place their clusters, as chance has it; made together,
every position is also pulled to where the frames beside it have it, less and less as the maps take shape
(after Rauber, Falcão & Telea 2016 for t-SNE, and umap-learn's AlignedUMAP), so what still moves has a
reason in the activations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, ReductionError
from explorer.progress import progress
from explorer.reduce.align import procrustes
from explorer.reduce.pca import fit_pca
from explorer.reduce.projection import Projection
from explorer.reduce.rows import Unit, check_spread, rows_of
from explorer.reduce.settings import Settings, sample_size

if TYPE_CHECKING:
    from explorer.activations import Activations
    from explorer.capture.store import Run
    from explorer.reduce.fit import Fitted, Job
    from explorer.samples import Samples

TIE = 0.1
"""How strongly a position is pulled to its places beside, as a share of its neighbours' pull."""
TOGETHER = 10
"""Epochs of UMAP between two pulls towards the frames beside."""
UMAP_TIE = 4.0
"""Share of the way that a row of UMAP goes at once, of the tie: both methods then keep frames as near."""
Wide = NDArray[np.float64]


def project_frames(
    sources: Sequence[Run | Samples | Activations | NDArray[Any]],
    *,
    layers: str | Sequence[str] | None = None,
    method: str = "tsne",
    n_components: int = 3,
    tie: float = TIE,
    random_state: int = 0,
    standardise: bool = False,
    sample: int | str | None = None,
    perplexity: float = 30.0,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    metric: str = "euclidean",
) -> tuple[Projection, ...]:
    """Project the same positions in several frames together, in the order of the frames.

    Args:
        sources: runs, activations, samples or arrays (n_samples, n_features), one a frame, or a single run
            whose layers are the frames; all of the same positions, each with any number of features.
        layers: which layer of the runs: one for all, or one a frame.
        method: "tsne" or "umap".
        n_components: 2 or 3.
        tie: how strongly a position is pulled to its places in the frames beside, as a share of its
            neighbours' pull; 0 for maps that share only their first places.
        random_state: seed of the maps.
        standardise: divide each channel by its standard deviation first.
        sample: most positions to project, drawn evenly over the images, the same in every frame.
        perplexity: t-SNE's effective number of neighbours.
        n_neighbors: UMAP's number of neighbours.
        min_dist: UMAP's smallest distance between points of the map.
        metric: "euclidean" or "cosine".

    Returns:
        One projection a frame, of the same positions.

    Raises:
        InputError: fewer than two frames, or frames of different positions.
        ReductionError: another method, a value out of range, or rows that cannot be projected.
    """
    from explorer.reduce.fit import Job, describe

    if method not in ("tsne", "umap"):
        raise ReductionError(f"no joint projection by {method!r}; expected 'tsne' or 'umap'")
    if not 0 <= tie <= 1:
        raise ReductionError(f"tie = {tie}, expected 0 to 1")
    from_run = any(hasattr(source, "grid_shape") and hasattr(source, "manifest") for source in sources)
    most = sample_size(sample, method, from_run=from_run)
    settings = Settings(
        method, n_components, random_state, standardise, most, float(perplexity), n_neighbors,
        float(min_dist), metric=metric,
    )  # fmt: skip
    frames = [rows_of(source, layer, most) for source, layer in _named(sources, layers)]
    _check(frames)
    jobs = [Job.of(samples, settings) for samples in frames]
    made = (_tsne if method == "tsne" else _umap)(jobs, tie)
    projections = []
    for number, (job, fitted) in enumerate(zip(jobs, made, strict=True)):
        one, place = describe(job, fitted), {"tie": tie, "frame": number, "frames": len(jobs)}
        projections.append(replace(one, parameters={**one.parameters, **place}))
    return tuple(projections)


def _named(sources: Sequence[Any], layers: str | Sequence[str] | None) -> list[tuple[Any, str | None]]:
    """Each frame's source with its layer."""
    names = [layers] * len(sources) if layers is None or isinstance(layers, str) else list(layers)
    given = list(sources) * len(names) if len(sources) == 1 else list(sources)
    if len(given) < 2 or len(names) != len(given):
        raise InputError(
            f"{len(sources)} sources and {len(names)} layers: expected at least two frames, a layer each"
        )
    return list(zip(given, names, strict=True))


def _check(frames: Sequence[Samples]) -> None:
    first = frames[0]
    for other in frames[1:]:
        same = first.grid_shape == other.grid_shape and np.array_equal(first.grid_rows(), other.grid_rows())
        if not same:
            raise InputError(
                f"frames of different positions: {first.grid_shape} of layer {first.layer}, "
                f"{other.grid_shape} of layer {other.layer}; expected the same grid"
            )


def _first_places(units: Sequence[Unit], n_components: int) -> Wide:
    """Where every frame starts: the mean of all frames' principal components, laid over the last's."""
    each = [fit_pca([unit.rows], n_components).transform(unit.rows) for unit in units]
    every = np.arange(len(each[-1]))
    places = np.mean([procrustes(scores, (every, each[-1])) for scores in each], axis=0)
    return np.asarray(places - places.mean(axis=0))


def beside(maps: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """For each of two or more frames the mean of the frames beside it: two, or one at either end."""
    if len(maps) == 2:
        return [maps[1], maps[0]]
    inner = [
        np.asarray((one + other) / 2, np.float32) for one, other in zip(maps[:-2], maps[2:], strict=True)
    ]
    return [maps[1], *inner, maps[-2]]


def _tsne(jobs: Sequence[Job], tie: float) -> list[Fitted]:
    from explorer.reduce import tsne
    from explorer.reduce.fast_tsne import EVERY, fit_tied_tsne
    from explorer.reduce.fit import Fitted

    settings = jobs[0].settings
    perplexity = min(settings.perplexity, (jobs[0].samples.n_samples - 1) / 3)
    count = tsne.n_neighbours(perplexity, jobs[0].samples.n_samples)
    units = [check_spread(job.samples, job.unit, tsne.LEAST) for job in jobs]
    places = _first_places(units, settings.n_components)
    start = places / (places[:, 0].std() or 1.0) * 1e-4
    near = [job.neighbours(unit)(count) for job, unit in zip(jobs, units, strict=True)]
    graphs = [(one.indices, one.distances) for one in near]
    total = tsne.EXAGGERATED + tsne.PLAIN
    with progress(f"t-SNE of {len(jobs)} frames", total, "iterations") as advance:
        maps = fit_tied_tsne(
            graphs, start, perplexity=perplexity, random_state=settings.random_state, tie=tie,
            beside=beside, advance=lambda: advance(EVERY),
        )  # fmt: skip
    return [
        Fitted(
            one.coordinates,
            {"kl_divergence": round(one.kl_divergence, 4), "force_error": round(one.force_error, 4)},
            {"perplexity": perplexity},
            unit._asdict(),
        )
        for one, unit in zip(maps, units, strict=True)
    ]


def _umap(jobs: Sequence[Job], tie: float) -> list[Fitted]:
    from explorer.reduce import umap
    from explorer.reduce.fast_umap import fit_tied_umap
    from explorer.reduce.fit import Fitted

    settings = jobs[0].settings
    count = int(min(settings.n_neighbors, jobs[0].samples.n_samples - 1))
    units = [check_spread(job.samples, job.unit, umap.LEAST) for job in jobs]
    near = [job.neighbours(unit)(max(1, count - 1)) for job, unit in zip(jobs, units, strict=True)]
    places = _first_places(units, settings.n_components)
    start = places / (float(np.abs(places).max()) or 1.0) * 5
    epochs = umap.n_epochs(jobs[0].samples.n_samples)
    with progress(f"UMAP of {len(jobs)} frames", epochs, "epochs") as advance:
        maps = fit_tied_umap(
            [(one.indices, one.distances) for one in near],
            start,
            min_dist=settings.min_dist,
            random_state=settings.random_state or 0,
            epochs=epochs,
            tie=min(1.0, UMAP_TIE * tie),
            every=TOGETHER,
            beside=beside,
            advance=lambda: advance(TOGETHER),
        )
    used = {"n_neighbors": count}
    return [Fitted(one, {}, used, unit._asdict()) for one, unit in zip(maps, units, strict=True)]
