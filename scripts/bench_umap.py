"""UMAP against umap-learn: whole processes from cold and calls when warm, in turn, with the maps' quality.

    python scripts/bench_umap.py digits block5 --sizes 2000 10000 --components 3 --rounds 2 --warm 2

Cold is the time from starting the interpreter to the first map: imports, compilation, neighbours, layout.
"ours, first ever" has an empty cache of compiled code, "ours" one that is filled, umap-learn always its
own. Warm is the median of further calls in the same process, neighbours included. Both sides get the
same rows and `n_neighbors` 15 (the row itself counted, as umap-learn does). "seeded" umap-learn uses one
thread, its "unseeded" maps differ from call to call; ours is seeded and uses all threads.

Quality is computed here by brute force in double precision on 1,000 of the rows against all rows:
trustworthiness (Venna & Kaski 2001) and the share of the 15 true neighbours that the map keeps, ties in
favour of the map.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
DEMOS = HERE.parent / "explorer" / "demo"
NEIGHBOURS = 15

COMMON = """
import json, os, sys, time
start = float(os.environ["BEGUN"])
import numpy as np
rows, dim, warm, out = np.load(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
"""
OURS = """
def fit(seed):
    from explorer.reduce.fast_umap import fit_fast_umap
    from explorer.reduce.neighbours import find_neighbours
    near = find_neighbours(rows, 14)
    return fit_fast_umap(
        near.indices, near.distances, n_components=dim, random_state=seed, features=rows
    ).coordinates
"""
THEIRS = """
def fit(seed):
    import warnings
    warnings.simplefilter("ignore")
    from umap import UMAP
    seeded = os.environ["SEEDED"] == "1"
    options = {"random_state": seed, "n_jobs": 1} if seeded else {"n_jobs": -1}
    return UMAP(n_components=dim, **options).fit_transform(rows)
"""
TIMED = """
coordinates = fit(0)
cold = time.time() - start
np.save(out, coordinates)
taken = []
for seed in range(1, warm + 1):
    before = time.perf_counter()
    fit(seed)
    taken.append(time.perf_counter() - before)
print(json.dumps({"cold": cold, "warm": taken}))
"""


def main() -> None:
    """Read the arguments, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("demo", choices=["digits", "photos"])
    parser.add_argument("layer")
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000, 10_000])
    parser.add_argument("--components", type=int, nargs="+", default=[3])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--warm", type=int, default=2)
    asked = parser.parse_args()
    print(
        "| rows | dims | method | cold s | × ours | warm s | × ours | trustworthiness | 15 neighbours kept |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        rows = _rows(asked.demo, asked.layer, Path(folder))
        for size in asked.sizes:
            drawn = np.sort(np.random.default_rng(0).permutation(len(rows))[:size])
            np.save(Path(folder) / "rows.npy", rows[drawn])
            for dim in asked.components:
                _compare(rows[drawn], dim, asked, folder=Path(folder))


def _rows(demo: str, layer: str, folder: Path) -> np.ndarray:
    import explorer

    run = explorer.capture(DEMOS / demo, layers=[layer], out=folder / "run")
    values = np.asarray(run[layer].values, np.float32)
    rows = values.reshape(-1, values.shape[-1])
    rows = rows - rows.mean(axis=0)
    return np.ascontiguousarray(rows / rows.std())


def _compare(rows: np.ndarray, dim: int, asked: argparse.Namespace, *, folder: Path) -> None:
    cache = {"NUMBA_CACHE_DIR": str(folder / "cache")}
    methods = {
        "ours": (OURS, cache),
        "ours, first ever": (OURS, {}),
        "umap-learn seeded": (THEIRS, {"SEEDED": "1"}),
        "umap-learn unseeded": (THEIRS, {"SEEDED": "0"}),
    }
    _run(OURS, dim, warm=0, folder=folder, extra=cache)  # fills the cache
    found: dict[str, list[dict[str, list[float]]]] = {name: [] for name in methods}
    quality: dict[str, list[tuple[float, float]]] = {name: [] for name in methods}
    for _ in range(asked.rounds):
        for name, (code, extra) in methods.items():
            warm = 0 if "first" in name else asked.warm
            with tempfile.TemporaryDirectory() as empty:
                given = extra or {"NUMBA_CACHE_DIR": empty}
                found[name].append(_run(code, dim, warm=warm, folder=folder, extra=given))
            quality[name].append(_quality(rows, np.load(folder / "map.npy")))
    ours = found["ours"]
    for name, times in found.items():
        cold, warm = (_cells(times, ours, key) for key in ("cold", "warm"))
        trust, kept = np.median(quality[name], axis=0)
        print(f"| {len(rows)} | {dim} | {name} | {cold} | {warm} | {trust:.4f} | {kept:.4f} |", flush=True)


def _cells(times: list[dict[str, list[float]]], ours: list[dict[str, list[float]]], key: str) -> str:
    if not times[0][key]:
        return " | "
    return f"{_median(times, key):.2f} | {_median(times, key) / _median(ours, key):.1f}"


def _median(times: list[dict[str, list[float]]], key: str) -> float:
    return statistics.median(value for each in times for value in np.atleast_1d(each[key]))


def _run(code: str, dim: int, *, warm: int, folder: Path, extra: dict[str, str]) -> dict[str, list[float]]:
    arguments = [str(folder / "rows.npy"), str(dim), str(warm), str(folder / "map.npy")]
    # The package from this tree, and the interpreter's start counted.
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), **extra, "BEGUN": repr(time.time())}
    done = subprocess.run(
        [sys.executable, "-c", COMMON + code + TIMED, *arguments],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def _quality(rows: np.ndarray, coordinates: np.ndarray) -> tuple[float, float]:
    n, k = len(rows), NEIGHBOURS
    drawn = np.random.default_rng(1).choice(n, min(n, 1000), replace=False)
    excess = kept = 0.0
    for part in np.array_split(drawn, max(1, len(drawn) * n // 20_000_000)):
        true, shown = _squares(rows, part), _squares(coordinates, part)
        near = np.argpartition(shown, k, axis=1)[:, :k]
        gaps = np.take_along_axis(true, near, axis=1)
        true.sort(axis=1)
        kept += float((gaps <= true[:, k - 1 : k] + 1e-9).sum())
        ranks = np.stack(
            [np.searchsorted(line, wanted - 1e-9) for line, wanted in zip(true, gaps, strict=True)]
        )
        excess += float(np.maximum(ranks - (k - 1), 0).sum())
    m = len(drawn)
    return 1 - 2 * excess / (m * k * (2 * n - 3 * k - 1)), kept / (m * k)


def _squares(rows: np.ndarray, part: np.ndarray) -> np.ndarray:
    wide = rows.astype(np.float64)
    norms = (wide**2).sum(axis=1)
    squares = norms[part, None] + norms[None] - 2 * wide[part] @ wide.T
    squares[np.arange(len(part)), part] = np.inf
    return squares


if __name__ == "__main__":
    main()
