"""project(): positions to 2D or 3D by a method, kept in the run folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.errors import InputError, RunError
from explorer.progress import say, working
from explorer.reduce.projection import Projection, load_projection
from explorer.reduce.rows import fingerprint, is_run, layer_of, rows_of
from explorer.reduce.settings import Settings, sample_size
from explorer.reduce.tsne import Watch
from explorer.samples import Samples, even_rows

if TYPE_CHECKING:
    from explorer.capture.store import Run


class Reducer(Protocol):
    """Anything that reduces as scikit-learn's estimators do."""

    def fit_transform(self, X: Any) -> Any:  # noqa: N803  scikit-learn's own name
        """Rows (n_samples, n_features) to coordinates (n_samples, 2 or 3)."""


def project(
    source: Run | Samples | Activations | NDArray[Any],
    *,
    layer: str | None = None,
    method: str | Reducer = "umap",
    n_components: int = 3,
    random_state: int | None = 0,
    standardise: bool = False,
    whiten: bool = False,
    sample: int | str | None = None,
    perplexity: float = 30.0,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    engine: str = "explorer",
    metric: str = "euclidean",
    watch: Watch | None = None,
    coordinates: NDArray[Any] | None = None,
) -> Projection:
    """Project positions to 2D or 3D.

    A run's projection is kept in the run folder and opened again when the same is asked for.

    Args:
        source: a run, activations, samples, or an array (n_samples, n_features).
        layer: which layer of a run; may be left out when it has one.
        method: "pca", "tsne", "umap", "precomputed" for coordinates of your own, or a reducer of your
            own: any object with scikit-learn's `fit_transform`.
        n_components: 2 or 3.
        random_state: seed of the method; None for another result each time, which is not kept.
        standardise: divide each channel by its standard deviation first.
        whiten: of PCA, divide each component by its standard deviation.
        sample: most positions to project, drawn evenly over the images, the same ones whatever the
            seed, so that maps under several seeds can be compared; "all" for every one; None for the
            method's default (PCA all, t-SNE 25,000, UMAP 50,000). Arrays are never sampled unless a
            number is given.
        perplexity: t-SNE's effective number of neighbours; lowered to (n_samples - 1) / 3 where it is larger.
        n_neighbors: UMAP's number of neighbours; lowered to n_samples - 1 where it is larger.
        min_dist: UMAP's smallest distance between points of the map, 0 to 1.
        engine: whose implementation: "explorer"; "jax" for t-SNE with every pair summed exactly on JAX's
            device, which pays on an accelerator; to compare, "openTSNE" or "scikit-learn" for t-SNE and
            "umap-learn" for UMAP.
        metric: what tells neighbours apart in t-SNE and UMAP: "euclidean" or "cosine".
        watch: called with the iteration and the coordinates so far while t-SNE or UMAP unfolds; when it
            returns True the map is taken as it is then, and is not kept.
        coordinates: (n_samples, 2 or 3) for "precomputed", taken as they are.

    Raises:
        ReductionError: an unknown method or a value out of range, or rows that cannot be projected.
        LayerError: the run has no such layer.
    """
    run: Any = source if is_run(source) else None
    if run is not None:
        layer = layer_of(run, layer)
    if coordinates is not None:
        method = "precomputed"
    if not isinstance(method, str):
        most = sample_size(sample, "", from_run=False)
        return _project_own(source if run is None else (run, str(layer)), method, most)
    most = sample_size(sample, method, from_run=run is not None)
    settings = Settings(
        method,
        n_components,
        random_state,
        standardise,
        most,
        float(perplexity),
        n_neighbors,
        float(min_dist),
        engine,
        metric,
        whiten,
    )
    if run is not None and layer is not None:
        return _project_run(run, layer, settings, coordinates=coordinates, watch=watch)
    from explorer.reduce.fit import fit

    samples = rows_of(source, None, most if coordinates is None else None)
    if coordinates is not None:
        return _precomputed(samples.layer, samples.grid_shape, samples.rows, coordinates)
    return fit(samples, settings, watch=watch)


def _project_run(
    run: Run,
    layer: str,
    settings: Settings,
    *,
    coordinates: NDArray[Any] | None,
    watch: Watch | None,
) -> Projection:
    """Open the projection if the run has it, else make and keep it."""
    grid_shape = run.grid_shape(layer)
    if coordinates is not None:
        projection = _precomputed(layer, grid_shape, None, coordinates)
        projection.save(_folder(run, layer, projection.parameters))
        return projection
    folder = _folder(run, layer, settings.recorded())
    if settings.random_state is not None and folder.is_dir():
        try:
            return load_projection(folder)
        except RunError as error:
            say(f"{error}: projecting again")
    rows = None
    if settings.sample is not None:
        rows = even_rows(grid_shape, settings.sample)
    n_positions = math.prod(grid_shape)
    if rows is not None:
        say(
            f"{settings.method} of {len(rows):,} of {n_positions:,} positions, "
            f"drawn evenly over {grid_shape[0]:,} images (sample all for every one)"
        )
    if settings.method == "pca" and rows is None:
        projection = _stream_pca(run, layer, settings)
    else:
        from explorer.reduce.fit import fit
        from explorer.reduce.rows import read_samples

        keep = neighbours_file(run, layer, settings)
        ended = _Ended(watch)
        projection = fit(read_samples(run, layer, rows), settings, keep=keep, watch=ended)
        if ended.early:
            return projection
    if settings.random_state is not None:
        try:
            projection.save(folder)
        except OSError as error:  # a run that may only be read is still there to be looked at
            say(f"{folder}: not kept ({error.strerror or error})")
    return projection


class _Ended:
    """Watches on somebody's behalf, and remembers whether they ended the work."""

    def __init__(self, watch: Watch | None) -> None:
        self._watch = watch
        self.early = False

    def __call__(self, iteration: int, coordinates: NDArray[np.float32]) -> bool | None:
        if self._watch is not None and self._watch(iteration, coordinates):
            self.early = True
        return self.early


def neighbours_file(run: Run, layer: str, settings: Settings) -> Path:
    """Where a run keeps the neighbours of these rows, for every method to share."""
    rows = (settings.sample, settings.standardise, settings.metric)
    return run.path / "neighbours" / f"{quote(layer, safe=' ')} {fingerprint(rows)}.npz"


def _folder(run: Run, layer: str, parameters: Mapping[str, Any]) -> Path:
    """Where a run keeps the projection of these parameters."""
    method, components = parameters["method"], parameters["n_components"]
    return (
        run.path
        / "projections"
        / f"{quote(layer, safe=' ')} {method} {components}d {fingerprint(parameters)}"
    )


def saved_projections(run: Run) -> dict[str, Projection]:
    """Every projection that a run keeps, by the name of its folder, oldest first."""
    folders = [path.parent for path in (run.path / "projections").glob("*/projection.json")]
    folders.sort(key=lambda folder: (folder / "projection.json").stat().st_mtime_ns)
    found = {}
    for folder in folders:
        try:
            found[folder.name] = load_projection(folder)
        except RunError as error:  # the others are as good as ever
            say(str(error))
    return found


def _project_own(source: Any, reducer: Reducer, most: int | None) -> Projection:
    """Project with a reducer of the user's, and keep the result in the run folder."""
    from explorer.reduce.fit import assess
    from explorer.reduce.rows import check_finite, to_unit

    run, layer = source if isinstance(source, tuple) else (None, "")
    samples = rows_of(source if run is None else run, layer, most)
    check_finite(samples)
    made = reducer.fit_transform(samples.features)
    own = _precomputed(samples.layer, samples.grid_shape, samples.rows, made)
    quality, trust = assess(to_unit(samples.features), own.coordinates)
    parameters = {**own.parameters, "method": type(reducer).__name__, "reducer": repr(reducer)}
    projection = replace(
        own, method=type(reducer).__name__, parameters=parameters, quality=quality, trust=trust
    )
    if run is not None:
        projection.save(_folder(run, layer, parameters))
    return projection


def _precomputed(
    layer: str,
    grid_shape: tuple[int, ...],
    rows: NDArray[np.int64] | None,
    coordinates: NDArray[Any],
) -> Projection:
    given = np.asarray(coordinates)
    expected = math.prod(grid_shape) if rows is None else len(rows)
    if given.ndim != 2 or given.shape[1] not in (2, 3) or len(given) != expected:
        raise InputError(
            f"coordinates of shape {given.shape}, expected ({expected}, 2 or 3): one row a position"
        )
    if given.dtype.kind not in "fiu" or not np.isfinite(given).all():
        raise InputError("coordinates hold something else than finite numbers")
    from explorer.reduce.rows import digest_rows

    parameters = {
        "method": "precomputed",
        "n_components": given.shape[1],
        "digest": digest_rows(given),
    }
    return Projection("precomputed", given.astype(np.float32), layer, grid_shape, rows, parameters)


def _stream_pca(run: Run, layer: str, settings: Settings) -> Projection:
    """PCA of every position of a layer, holding one chunk at a time."""
    from explorer.reduce.fit import versions
    from explorer.reduce.streaming import assess_run, fit_run

    n_positions = math.prod(run.grid_shape(layer))
    options = {"standardise": settings.standardise, "whiten": settings.whiten}
    with working(f"PCA of {n_positions:,} positions"):
        pca, sample = fit_run(run, layer, settings.n_components, **options)
        scores, quality, trust = assess_run(pca, run, layer, sample)
    provenance = {
        "run": run.manifest.get("identity"),
        "n_samples": n_positions,
        "n_positions": n_positions,
        "versions": versions(settings.engine),
    }
    quality = {**pca.quality(), **quality}
    return Projection(
        "pca",
        scores,
        layer,
        run.grid_shape(layer),
        None,
        settings.recorded(),
        quality,
        provenance,
        vars(pca),
        trust,
    )
