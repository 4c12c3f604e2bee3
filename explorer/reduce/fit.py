"""Fitting samples that are in memory: one function a method, all of one shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.progress import say
from explorer.reduce import tsne, umap
from explorer.reduce.pca import fit_pca
from explorer.reduce.projection import Projection
from explorer.reduce.quality import measure, reference_rows, trustworthiness
from explorer.reduce.rows import check_finite, check_spread, digest_rows, to_unit
from explorer.reduce.settings import Settings
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


def fit(samples: Samples, settings: Settings) -> Projection:
    """Project samples, measure the map, and record what was done."""
    check_finite(samples)
    unit = to_unit(samples.features, standardise=settings.standardise)
    fitted = METHODS[settings.method](samples, settings, unit)
    quality, trust = assess(unit, fitted.coordinates)
    provenance = {
        "data": digest_rows(samples.features),
        "n_samples": samples.n_samples,
        "n_positions": samples.n_positions,
        "versions": _versions(settings.method),
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
    unit: NDArray[np.float32] | None, coordinates: NDArray[np.float32]
) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
    """The map's figures, and every position's trust (n_samples,); nothing where there is nothing to tell."""
    reference = None if unit is None else reference_rows(len(unit))
    if unit is None or reference is None:
        return {}, None
    return measure(unit, coordinates), trustworthiness(unit, coordinates, reference)


def _pca(samples: Samples, settings: Settings, unit: NDArray[np.float32] | None) -> Fitted:
    basis = fit_pca([samples.features], settings.n_components, standardise=settings.standardise)
    coordinates = np.asarray(basis.transform(samples.features), np.float32)
    return Fitted(coordinates, basis.quality(), arrays=vars(basis))


def _tsne(samples: Samples, settings: Settings, unit: NDArray[np.float32] | None) -> Fitted:
    features = check_spread(samples, unit, tsne.LEAST)
    perplexity = _at_most("perplexity", settings.perplexity, (samples.n_samples - 1) / 3)
    coordinates, divergence = tsne.fit_tsne(
        features, settings.n_components, perplexity=perplexity, random_state=settings.random_state
    )
    return Fitted(coordinates, {"kl_divergence": round(divergence, 4)}, {"perplexity": perplexity})


def _umap(samples: Samples, settings: Settings, unit: NDArray[np.float32] | None) -> Fitted:
    features = check_spread(samples, unit, umap.LEAST)
    neighbours = int(_at_most("n_neighbors", settings.n_neighbors, samples.n_samples - 1))
    coordinates = umap.fit_umap(
        features,
        settings.n_components,
        n_neighbors=neighbours,
        min_dist=settings.min_dist,
        random_state=settings.random_state,
    )
    return Fitted(coordinates, used={"n_neighbors": neighbours})


Method = Callable[[Samples, Settings, "NDArray[np.float32] | None"], Fitted]
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


def _versions(method: str) -> dict[str, str]:
    from importlib.metadata import version

    packages = {"tsne": ["openTSNE"], "umap": ["umap-learn"]}.get(method, [])
    return {package: version(package) for package in ["activation-explorer", "numpy", *packages]}
