"""t-SNE against openTSNE and scikit-learn: the same neighbours, start and affinities, turn by turn.

    python scripts/bench_tsne.py digits block5 --sizes 10000 --components 3 --rounds 1 --against bh sklearn

Times are of the descents alone (affinities included for ours, which computes them itself; given to
openTSNE; scikit-learn has no way to be given either and searches its own neighbours). Divergences are
computed by one independent sum over the same affinities with exact Z in double precision.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import explorer

DEMOS = Path(explorer.__file__).parent / "demo"


def main() -> None:
    """Read the arguments, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("demo", choices=["digits", "photos"])
    parser.add_argument("layer")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000])
    parser.add_argument("--components", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--perplexity", type=float, default=30)
    parser.add_argument("--against", nargs="*", choices=["bh", "fft", "sklearn"], default=["bh"])
    asked = parser.parse_args()
    rows = _rows(asked.demo, asked.layer)
    print("| rows | dims | method | seconds (ours before and after) | KL | ours is faster by |")
    print("|---|---|---|---|---|---|")
    for size in asked.sizes:
        drawn = np.random.default_rng(0).permutation(len(rows))[:size]
        for n_components in asked.components:
            _compare(rows[drawn], n_components, asked)


def _rows(demo: str, layer: str) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        run = explorer.capture(DEMOS / demo, layers=[layer], out=Path(folder) / "run")
        values = np.asarray(run[layer].values, np.float32)
    rows = values.reshape(-1, values.shape[-1])
    rows = rows - rows.mean(axis=0)
    return np.ascontiguousarray(rows / rows.std())


def _neighbours(rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Exact neighbours (n, k) without the row itself, by blocks."""
    n = len(rows)
    norms = (rows**2).sum(axis=1)
    indices, distances = np.empty((n, k), np.int32), np.empty((n, k), np.float32)
    for start in range(0, n, 1024):
        block = slice(start, min(start + 1024, n))
        squares = np.maximum(norms[block, None] + norms[None] - 2 * rows[block] @ rows.T, 0)
        squares[np.arange(block.stop - start), np.arange(start, block.stop)] = np.inf
        near = np.argpartition(squares, k, axis=1)[:, :k]
        found = np.take_along_axis(squares, near, axis=1)
        order = np.argsort(found, axis=1)
        indices[block] = np.take_along_axis(near, order, axis=1)
        distances[block] = np.sqrt(np.take_along_axis(found, order, axis=1))
    return indices, distances


def _compare(rows: np.ndarray, n_components: int, asked: argparse.Namespace) -> None:
    indices, distances = _neighbours(rows, int(3 * asked.perplexity))
    start = _start(rows, n_components)
    joint, given = _affinities(indices, distances, asked.perplexity)
    ours = partial(_ours, indices, distances, start, asked.perplexity)
    others: dict[str, Callable[[], np.ndarray]] = {}
    for name in asked.against:
        if name == "sklearn":
            others["scikit-learn"] = partial(_sklearn, rows, start, asked.perplexity)
        elif name == "bh" or n_components == 2:
            others[f"openTSNE {name}"] = partial(_open_tsne, given, start, name)
    _ours(indices[:3000] % 3000, distances[:3000], start[:3000], 30)  # compiles
    for _ in range(asked.rounds):
        seconds, map_ = _timed(ours)
        print(
            f"| {len(rows)} | {n_components} | ours | {seconds:.1f} | {_divergence(joint, map_):.4f} | |",
            flush=True,
        )
        for name, run in others.items():
            before, _ = _timed(ours)
            taken, map_ = _timed(run)
            after, _ = _timed(ours)
            times = f"{taken:.1f} (ours {before:.1f}, {after:.1f})"
            ratio = taken / ((before + after) / 2)
            reached = f"{_divergence(joint, map_):.4f}"
            size = f"{len(rows)} | {n_components}"
            print(f"| {size} | {name} | {times} | {reached} | {ratio:.1f} |", flush=True)


def _timed(run: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    begun = time.perf_counter()
    result = run()
    return time.perf_counter() - begun, result


def _start(rows: np.ndarray, n_components: int) -> np.ndarray:
    _, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    scores = rows @ vectors[:, ::-1][:, :n_components]
    return np.asarray(scores / scores[:, 0].std() * 1e-4)


def _ours(indices: np.ndarray, distances: np.ndarray, start: np.ndarray, perplexity: float) -> np.ndarray:
    from explorer.reduce.fast_tsne import fit_fast_tsne

    return fit_fast_tsne(indices, distances, start, perplexity=perplexity).coordinates


def _affinities(indices: np.ndarray, distances: np.ndarray, perplexity: float) -> tuple[Any, Any]:
    """Those of openTSNE from these neighbours: what every divergence here is measured on."""
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    given = PerplexityBasedNN(
        perplexity=perplexity,
        knn_index=PrecomputedNeighbors(indices.astype(np.int64), distances.astype(float)), n_jobs=-1,
    )  # fmt: skip
    return given.P.tocoo(), given


def _open_tsne(given: Any, start: np.ndarray, method: str) -> np.ndarray:
    from openTSNE import TSNE

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.array(
            TSNE(
                n_components=start.shape[1], initialization=start, negative_gradient_method=method, n_jobs=-1,
                early_exaggeration_iter=250, n_iter=500, random_state=0,
            ).fit(affinities=given)
        )  # fmt: skip


def _sklearn(rows: np.ndarray, start: np.ndarray, perplexity: float) -> np.ndarray:
    from sklearn.manifold import TSNE

    model = TSNE(
        start.shape[1], perplexity=perplexity, init=start, max_iter=750, n_jobs=-1, random_state=0,
        n_iter_without_progress=10_000, min_grad_norm=0,
    )  # fmt: skip
    return np.asarray(model.fit_transform(rows))


def _divergence(joint: Any, coordinates: np.ndarray) -> float:
    wide = coordinates.astype(float)
    between = ((wide[joint.row] - wide[joint.col]) ** 2).sum(axis=1)
    total, norms = -float(len(wide)), (wide**2).sum(axis=1)
    for start in range(0, len(wide), 2048):
        part = slice(start, start + 2048)
        squares = norms[part, None] + norms[None] - 2 * wide[part] @ wide.T
        total += float((1 / (1 + np.maximum(squares, 0))).sum())
    p = joint.data
    return float((p * (np.log(np.maximum(p, 1e-300)) + np.log1p(between))).sum() + np.log(total))


if __name__ == "__main__":
    main()
