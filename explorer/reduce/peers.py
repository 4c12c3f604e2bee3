"""Other libraries' t-SNE and UMAP, as engines to choose and to be compared with."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from explorer.progress import progress, working
from explorer.reduce.tsne import EXAGGERATED, PLAIN, first_places

SPECTRAL_LEAST = 50
"""Fewer rows than this umap-learn starts at random: its spectral solver fails on tiny graphs."""


def opentsne(
    features: NDArray[np.float32], n_components: int, *, perplexity: float, random_state: int | None
) -> tuple[NDArray[np.float32], float]:
    """Map by openTSNE (n, n_components) of rows of order 1, and its Kullback–Leibler divergence.

    Barnes–Hut in 3D, and in 2D up to 10,000 rows; beyond, interpolation by FFT. Neighbours are
    approximate (Annoy) beyond 1,000 rows.
    """
    from openTSNE import TSNE

    n_samples = len(features)
    fft = n_components == 2 and n_samples > 10_000
    with progress("t-SNE by openTSNE", EXAGGERATED + PLAIN, "iterations") as advance:
        model = TSNE(
            n_components=n_components,
            perplexity=perplexity,
            initialization=first_places(features, n_components, random_state),
            early_exaggeration_iter=EXAGGERATED,
            n_iter=PLAIN,
            negative_gradient_method="fft" if fft else "bh",
            neighbors="exact" if n_samples <= 1000 else "annoy",
            n_jobs=-1,
            random_state=random_state,
            callbacks=lambda *_: advance(50),
            callbacks_every_iters=50,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            embedding = model.fit(features)
    return np.asarray(embedding, np.float32), float(embedding.kl_divergence)


def sklearn_tsne(
    features: NDArray[np.float32], n_components: int, *, perplexity: float, random_state: int | None
) -> tuple[NDArray[np.float32], float]:
    """scikit-learn's Barnes–Hut map (n, n_components) of rows of order 1, and its divergence."""
    from sklearn.manifold import TSNE

    model = TSNE(
        n_components,
        perplexity=perplexity,
        init=first_places(features, n_components, random_state).astype(np.float32),
        random_state=random_state,
        n_jobs=-1,
    )
    with working(f"t-SNE of {len(features):,} positions by scikit-learn"):
        coordinates = np.asarray(model.fit_transform(features), np.float32)
    return coordinates, float(model.kl_divergence_)


def umap_learn(
    features: NDArray[np.float32],
    n_components: int,
    *,
    n_neighbors: int,
    min_dist: float,
    random_state: int | None,
) -> NDArray[np.float32]:
    """umap-learn's map (n, n_components) of rows of order 1."""
    n_samples = len(features)
    small = n_samples < SPECTRAL_LEAST or features.shape[1] <= n_components
    what = f"UMAP of {n_samples:,} positions by umap-learn, which first compiles for half a minute"
    with working(what), warnings.catch_warnings():
        # It warns of TensorFlow, of its single thread under a seed, and of graph components.
        warnings.simplefilter("ignore")
        from umap import UMAP

        model = UMAP(
            n_components=n_components,
            n_neighbors=n_neighbors,
            min_dist=min_dist,
            random_state=random_state,
            n_jobs=-1 if random_state is None else 1,
            init="random" if small else "spectral",
        )
        return np.asarray(model.fit_transform(features), np.float32)
