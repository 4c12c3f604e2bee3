"""PCA against scikit-learn: in memory, and streamed from a run folder with its memory beside it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import explorer
from benchmarks.results import Result, race

CHANNELS = 256


def in_memory(n: int = 1_000_000, channels: int = 256) -> list[Result]:
    """Fit and scores of 1,000,000 rows that are in memory, against scikit-learn's fastest solver."""
    from sklearn.decomposition import PCA

    from explorer.reduce.pca import fit_pca

    rows = _rows(n, channels)

    def ours() -> np.ndarray:
        return np.asarray(fit_pca([rows], 3).transform(rows))

    def theirs() -> np.ndarray:
        return np.asarray(PCA(3, svd_solver="covariance_eigh").fit_transform(rows))

    what = f"PCA, {n:,} × {channels} in memory, with scores"
    return [_compare(what, "scikit-learn covariance_eigh", ours, theirs, 1.0, rounds=5)]


def streamed(folder: Path) -> list[Result]:
    """Fit and scores of a run folder's layer a chunk at a time, against IncrementalPCA on the same chunks."""
    from sklearn.decomposition import IncrementalPCA

    from explorer.reduce.rows import chunk_rows
    from explorer.reduce.streaming import fit_run, scores_of_run

    run = stored(folder, 2000)

    def chunks() -> Iterator[np.ndarray]:
        return chunk_rows(run, "layer")

    def ours() -> np.ndarray:
        return scores_of_run(fit_run(run, "layer", 3)[0], run, "layer")

    def theirs() -> np.ndarray:
        pca = IncrementalPCA(3)
        for rows in chunks():
            pca.partial_fit(rows)
        return np.concatenate([pca.transform(rows) for rows in chunks()])

    n = run.grid_shape("layer")[0] * 256
    what = f"PCA, {n:,} × {CHANNELS} from the run folder, with scores"
    results = [_compare(what, "IncrementalPCA, same chunks", ours, theirs, 15, rounds=3)]
    for images in (500, 2000):
        peak = peak_memory(stored(folder, images).path)
        print(f"(PCA fitted to {images * 256:,} positions from the run folder: peak {peak:.0f} MB)")
    return results


def stored(folder: Path, images: int) -> explorer.Run:
    """A run of so many images of 16 × 16 positions."""
    path = folder / f"stored-{images}"
    if not path.is_dir():
        values = _rows(images * 256, CHANNELS).reshape(images, 16, 16, CHANNELS)
        np.savez(folder / "layer.npz", layer=values)
        explorer.capture(explorer.load_model(folder / "layer.npz"), layers=["layer"], out=path)
    return explorer.open_run(path)


def peak_memory(run: Path) -> float:
    """Megabytes that a process holds at most, all its libraries included, that fits PCA to a run."""
    code = """
import sys
import explorer
from explorer.reduce.streaming import fit_run
fit_run(explorer.open_run(sys.argv[1]), "layer", 3)
peaks = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(int(peaks[0].split()[1]) / 1024)
"""
    done = subprocess.run([sys.executable, "-c", code, str(run)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _rows(n: int, channels: int) -> np.ndarray:
    """Rows with a spectrum that falls off, none below zero, as after a ReLU."""
    rng = np.random.default_rng(0)
    mixing = (rng.normal(size=(channels, channels)) / np.arange(1, channels + 1)[:, None]).astype(np.float32)
    rows = np.empty((n, channels), np.float32)
    for start in range(0, n, 50_000):
        stop = min(start + 50_000, n)
        mixed = rng.normal(size=(stop - start, channels)).astype(np.float32) @ mixing
        rows[start:stop] = np.maximum(mixed, 0)
    return rows


def _compare(
    what: str,
    against: str,
    ours: Callable[[], np.ndarray],
    theirs: Callable[[], np.ndarray],
    target: float,
    *,
    rounds: int,
) -> Result:
    """Medians of some rounds in turn; the scores' correlation with an exact decomposition's stands beside."""
    mine, other, *found = race(ours, theirs, rounds=rounds)
    variances = [float(scores.astype(np.float64).var(axis=0, ddof=1).sum()) for scores in found]
    good = variances[0] >= variances[1] * (1 - 1e-5)
    scores = variances[0], variances[1]
    return Result(what, against, mine, other, target, "variance kept", scores, good)
