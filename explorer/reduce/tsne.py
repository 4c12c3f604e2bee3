"""t-SNE (van der Maaten & Hinton 2008) by openTSNE."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ReductionError
from explorer.progress import progress
from explorer.reduce.pca import fit_pca

EXAGGERATED, PLAIN = 250, 500
"""Iterations with early exaggeration 12, and without."""
LEAST = 5


def fit_tsne(
    features: NDArray[np.float32], n_components: int, *, perplexity: float, random_state: int | None
) -> tuple[NDArray[np.float32], float]:
    """Place rows (n, n_features) of order 1 so that neighbours stay neighbours.

    Barnes–Hut in 3D, and in 2D up to 10,000 rows; beyond, interpolation by FFT. Neighbours are
    approximate (Annoy) beyond 1,000 rows. Initialised by PCA (Kobak & Berens 2019).

    Returns:
        Coordinates (n, n_components), and the Kullback–Leibler divergence that was reached.
    """
    from openTSNE import TSNE

    n_samples = len(features)
    start = fit_pca([features], n_components).transform(features)
    rng = np.random.default_rng(random_state)
    start = start / (start[:, 0].std() or 1.0) * 1e-4 + rng.normal(scale=1e-6, size=start.shape)
    fft = n_components == 2 and n_samples > 10_000
    with progress("t-SNE", EXAGGERATED + PLAIN, "iterations") as advance:
        model = TSNE(
            n_components=n_components,
            perplexity=perplexity,
            initialization=start,
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
    coordinates = np.asarray(embedding, np.float32)
    if not np.isfinite(coordinates).all():
        raise ReductionError(
            f"t-SNE of {n_samples} positions did not converge; try standardise, or another perplexity"
        )
    return coordinates, float(embedding.kl_divergence)
