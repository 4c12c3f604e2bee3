"""Fitting samples that are in memory: one function a method, all of one shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ReductionError
from explorer.progress import say
from explorer.reduce import peers, tsne, umap
from explorer.reduce.graph import NeighbourStore
from explorer.reduce.pca import fit_pca
from explorer.reduce.projection import Projection
from explorer.reduce.quality import measure, reference_rows, size_of, trustworthiness
from explorer.reduce.rows import Unit, check_finite, check_spread, digest_rows, to_unit
from explorer.reduce.settings import Settings
from explorer.reduce.tsne import Watch
from explorer.samples import Samples


@dataclass(frozen=True)
class Fitted:
    """What a method made of the rows.

    Attributes:
        coordinates: (n_samples, n_components).
        quality: figures of the method's own.
        used: parameters that had to differ from those asked for.
        arrays: what the method needs to place new rows.
    """

    coordinates: NDArray[np.float32]
    quality: Mapping[str, float] = field(default_factory=dict)
    used: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """What a method is given.

    Attributes:
        samples: the rows as they are.
        unit: the same brought to order 1; None when all are the same.
        settings: what is asked for.
        keep: file to keep their neighbours in, or None.
        watch: called with iteration and coordinates while a map unfolds; True ends it.
    """

    samples: Samples
    unit: Unit | None
    settings: Settings
    keep: Path | None = None
    watch: Watch | None = None

    @staticmethod
    def of(
        samples: Samples, settings: Settings, *, keep: Path | None = None, watch: Watch | None = None
    ) -> Job:
        """The job of projecting some samples.

        Raises:
            ReductionError: NaN or infinity among them.
        """
        check_finite(samples)
        unit = to_unit(samples.features, standardise=settings.standardise)
        return Job(samples, unit, settings, keep, watch)

    def neighbours(self, unit: Unit) -> NeighbourStore:
        """The rows' neighbours, found when they are asked for."""
        metric: Any = self.settings.metric
        return NeighbourStore(unit.rows, metric=metric, path=self.keep)


def fit(
    samples: Samples, settings: Settings, *, keep: Path | None = None, watch: Watch | None = None
) -> Projection:
    """Project samples, measure the map, and record what was done."""
    job = Job.of(samples, settings, keep=keep, watch=watch)
    return describe(job, METHODS[settings.method](job))


def describe(job: Job, fitted: Fitted) -> Projection:
    """What a method made of a job, measured and with its provenance.

    Raises:
        ReductionError: coordinates that are not finite.
    """
    samples, settings = job.samples, job.settings
    if not np.isfinite(fitted.coordinates).all():
        raise ReductionError(
            f"{settings.method} of {samples.n_samples} positions of layer {samples.layer} did not end in "
            "finite coordinates; scale the values, or try standardise"
        )
    quality, trust = assess(job.unit, fitted.coordinates, beside_pca=settings.method != "pca")
    provenance = {
        "data": digest_rows(samples.features),
        "n_samples": samples.n_samples,
        "n_positions": samples.n_positions,
        "versions": versions(settings.engine),
    }
    return Projection(
        settings.method,
        fitted.coordinates,
        samples.layer,
        samples.grid_shape,
        samples.rows,
        settings.recorded() | dict(fitted.used),
        {**fitted.quality, **quality},
        provenance,
        fitted.arrays,
        trust,
    )


def assess(
    unit: Unit | None, coordinates: NDArray[np.float32], *, beside_pca: bool = True
) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
    """The map's figures, and every position's trust (n_samples,); nothing where there is nothing to tell."""
    reference = None if unit is None else reference_rows(len(unit.rows))
    if unit is None or reference is None:
        return {}, None
    shown = coordinates / size_of(coordinates)
    return measure(unit.rows, shown, beside_pca=beside_pca), trustworthiness(unit.rows, shown, reference)


def _pca(job: Job) -> Fitted:
    features, settings = job.samples.features, job.settings
    basis = fit_pca(
        [features], settings.n_components, standardise=settings.standardise, whiten=settings.whiten
    )
    with np.errstate(over="ignore"):  # found, and said, by the caller
        coordinates = np.asarray(basis.transform(features), np.float32)
    return Fitted(coordinates, basis.quality(), arrays=vars(basis))


def _tsne(job: Job) -> Fitted:
    settings, unit = job.settings, check_spread(job.samples, job.unit, tsne.LEAST)
    perplexity = _at_most("perplexity", settings.perplexity, (job.samples.n_samples - 1) / 3)
    used = {"perplexity": perplexity}
    if settings.engine not in ("explorer", "jax"):
        engine = peers.opentsne if settings.engine == "openTSNE" else peers.sklearn_tsne
        coordinates, divergence = engine(
            unit.rows, settings.n_components, perplexity=perplexity, random_state=settings.random_state
        )
        return Fitted(coordinates, {"kl_divergence": round(divergence, 4)}, used)
    neighbours = job.neighbours(unit)
    fitted = tsne.fit_tsne(
        neighbours,
        settings.n_components,
        perplexity=perplexity,
        random_state=settings.random_state,
        engine=settings.engine,
        watch=job.watch,
    )
    figures = {"kl_divergence": fitted.kl_divergence, "force_error": fitted.force_error}
    return Fitted(fitted.coordinates, _rounded(figures, neighbours), used, unit._asdict())


def _umap(job: Job) -> Fitted:
    settings, unit = job.settings, check_spread(job.samples, job.unit, umap.LEAST)
    count = int(_at_most("n_neighbors", settings.n_neighbors, job.samples.n_samples - 1))
    options: dict[str, Any] = {
        "n_neighbors": count,
        "min_dist": settings.min_dist,
        "random_state": settings.random_state,
    }
    used = {"n_neighbors": count}
    if settings.engine != "explorer":
        return Fitted(peers.umap_learn(unit.rows, settings.n_components, **options), used=used)
    neighbours = job.neighbours(unit)
    fitted = umap.fit_umap(neighbours, settings.n_components, watch=job.watch, **options)
    return Fitted(fitted.coordinates, _rounded({}, neighbours), used, unit._asdict())


def _rounded(figures: Mapping[str, float], neighbours: NeighbourStore) -> dict[str, float]:
    """A method's own figures, with the recall of the neighbours it was given."""
    recall = neighbours.recall
    known = dict(figures) if recall is None else {**figures, "neighbour_recall": recall}
    return {name: round(value, 4) for name, value in known.items()}


Method = Callable[[Job], Fitted]
METHODS: dict[str, Method] = {
    "pca": _pca,
    "tsne": _tsne,
    "umap": _umap,
}


def _at_most(name: str, asked: float, limit: float) -> float:
    """What was asked for, lowered aloud to what so few rows allow."""
    if asked <= limit:
        return asked
    say(f"{name} lowered from {asked:g} to {limit:g}: there are too few positions for more")
    return limit


def versions(engine: str) -> dict[str, str]:
    """Versions of what made a map with this engine."""
    from importlib.metadata import version

    packages = [] if engine == "explorer" else [engine]
    return {package: version(package) for package in ["activation-explorer", "numpy", *packages]}
