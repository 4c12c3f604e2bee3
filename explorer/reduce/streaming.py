"""Work over more rows than are held: a run's chunks read and worked on side by side, PCA among it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from explorer.reduce.pca import NARROW, PCA, Moments, fit_pca, of_many
from explorer.reduce.quality import MOST, measure, reference_rows, size_of, trust_against
from explorer.reduce.threads import in_order

if TYPE_CHECKING:
    from explorer.capture.store import Run

T = TypeVar("T")
TRUSTED = 1024
"""Rows whose trust is measured at once: their distances stay in a core's own cache."""


def over_chunks(run: Run, layer: str, work: Callable[[int, NDArray[Any]], T]) -> Iterator[T]:
    """What some work makes of each chunk of a layer, in order, by as many threads as there are processors.

    Each thread reads its own chunks, so reading waits for no sum.

    Args:
        run: an opened run folder.
        layer: one of its layers.
        work: given the number of a chunk's first row and its rows (n, channels).
    """
    batch, *spatial = run.grid_shape(layer)
    step, each = int(run.manifest["layers"][layer]["chunk"]), math.prod(spatial)

    def task(start: int) -> T:
        values = run.read(layer, start, start + step)
        return work(start * each, values.reshape(-1, values.shape[-1]))

    return in_order(task, range(0, batch, step))


class Sample(NamedTuple):
    """Some rows of a layer, to measure on.

    Attributes:
        rows: (m,) which, increasing.
        features: (m, n_features).
    """

    rows: NDArray[np.int64]
    features: NDArray[Any]


def fit_run(
    run: Run, layer: str, n_components: int, *, standardise: bool = False, whiten: bool = False
) -> tuple[PCA, Sample]:
    """Fit PCA to every position of a layer in one pass; and rows drawn on the way to measure it on."""
    n, channels = math.prod(run.grid_shape(layer)), run.channels(layer)
    chosen = np.sort(np.random.default_rng(0).choice(n, min(n, MOST), replace=False)).astype(np.int64)
    parts: list[NDArray[Any]] = []
    moments: Moments | None = None
    if n > channels:
        moments = Moments(run.read(layer, 0, 1).reshape(-1, channels))

    def work(first: int, rows: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        low, high = np.searchsorted(chosen, (first, first + len(rows)))
        some = np.array(rows[chosen[low:high] - first])
        return (rows if moments is None else moments.sums(rows)), some

    found = over_chunks(run, layer, work)
    if moments is None:  # so few rows are held whole
        few = list(found)
        pca = fit_pca([rows for rows, _ in few], n_components, standardise=standardise, whiten=whiten)
        return pca, Sample(chosen, np.concatenate([some for _, some in few]))
    for sums, some in found:
        moments.add(sums)
        parts.append(some)
    pca = of_many(moments, n_components, standardise=standardise, whiten=whiten)
    return pca, Sample(chosen, np.concatenate(parts))


def scores_of_run(pca: PCA, run: Run, layer: str) -> NDArray[np.float32]:
    """Scores (n, n_components) of every position of a layer."""
    parts = over_chunks(run, layer, lambda _, rows: np.asarray(pca.transform(rows), np.float32))
    return np.concatenate(list(parts))


def assess_run(
    pca: PCA, run: Run, layer: str, sample: Sample
) -> tuple[NDArray[np.float32], dict[str, Any], NDArray[np.float32] | None]:
    """Scores of every position of a layer, and how good a map they are.

    Returns:
        Coordinates (n, n_components), the figures of `quality.measure`, and each row's trust (n,).
    """
    shown = np.asarray(pca.transform(sample.features), np.float32)
    spread = _spread(pca, sample.features)
    chosen = None if spread is None else reference_rows(len(sample.features))
    if spread is None or chosen is None:
        return scores_of_run(pca, run, layer), {}, None
    unit, size = _unit(pca, sample.features, spread), size_of(shown)
    shown = shown / size
    reference = unit[chosen], shown[chosen]

    def work(first: int, rows: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        scores = np.asarray(pca.transform(rows), np.float32)
        trust = []
        for start in range(0, len(rows), TRUSTED):
            part = slice(start, min(start + TRUSTED, len(rows)))
            own = np.arange(first + part.start, first + part.stop)[:, None] == sample.rows[chosen]
            trust.append(trust_against((_unit(pca, rows[part], spread), scores[part] / size), reference, own))
        return scores, np.concatenate(trust)

    found = list(over_chunks(run, layer, work))
    figures = measure(unit, shown, beside_pca=False)
    return np.concatenate([one for one, _ in found]), figures, np.concatenate([one for _, one in found])


def _unit(pca: PCA, rows: NDArray[Any], spread: NDArray[np.float64]) -> NDArray[np.float32]:
    """Rows about the mean and of order 1; narrow ones are narrow all the way."""
    kind = np.float32 if rows.dtype in NARROW else np.float64
    return np.asarray((rows - pca.mean.astype(kind)) / spread.astype(kind), np.float32)


def _spread(pca: PCA, features: NDArray[Any]) -> NDArray[np.float64] | None:
    """What centred rows are divided by to be of order 1; None when all are the same."""
    scale = float(np.sqrt(np.mean(((features - pca.mean) / pca.scale) ** 2)))
    return None if scale <= 1e-12 * max(1.0, float(np.abs(pca.mean).max())) else pca.scale * scale
