"""UMAP against umap-learn: whole processes from cold, and calls when warm, in turn.

Cold is the time from starting the interpreter to the first map: imports, compilation, neighbours, layout.
Ours has its compiled code kept from an earlier run, as it is from the first run after installing on; what
that first run takes is printed too. umap-learn compiles anew in every process. Warm is the median of
further calls in the same process. Ours is `explorer.project` with a seed, on all cores, with the quality it
measures; umap-learn is faster without a seed, on all cores, and is measured so.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.activations import activations
from benchmarks.measures import trust_and_kept
from benchmarks.results import Result

CALLS = """
import json, os, sys, time
start = float(os.environ["BEGUN"])
import numpy as np
rows, warm, out = np.load(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
{fit}
coordinates = fit(0)
cold = time.time() - start
np.save(out, coordinates)
taken = []
for seed in range(1, warm + 1):
    before = time.perf_counter()
    fit(seed)
    taken.append(time.perf_counter() - before)
print(json.dumps({{"cold": cold, "warm": taken}}))
"""
OURS = """
def fit(seed):
    import explorer
    return explorer.project(rows, method="umap", n_components=3, random_state=seed).coordinates
"""
THEIRS = """
def fit(seed):
    import warnings
    warnings.simplefilter("ignore")
    from umap import UMAP
    return UMAP(n_components=3, n_jobs=-1).fit_transform(rows)
"""


def in_3d(folder: Path, n: int, rounds: int = 2, warm: int = 2) -> list[Result]:
    """3D, cold and warm."""
    rows = activations(n, folder)
    np.save(folder / "some.npy", rows)
    first = _process(OURS, folder, warm=0, empty_cache=True)["cold"]
    print(f"(3D UMAP, {n:,}: {first[0]:.2f} s in the first process after installing)", flush=True)
    _process(OURS, folder, warm=0)
    times: dict[str, dict[str, list[float]]] = {"ours": {}, "theirs": {}}
    scores: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}
    for _ in range(rounds):
        for who, code in (("ours", OURS), ("theirs", THEIRS)):
            for key, found in _process(code, folder, warm=warm, empty_cache=who == "theirs").items():
                times[who].setdefault(key, []).extend(found)
            scores[who].append(trust_and_kept(rows, np.load(folder / "map.npy")))
    trust, kept = (
        tuple(float(np.mean([score[i] for score in scores[who]])) for who in ("ours", "theirs"))
        for i in (0, 1)
    )
    good = trust[0] >= trust[1] - 0.005 and kept[0] >= kept[1] * 0.95
    results = []
    for key, target, quality, shown in (
        ("cold", 4, "trustworthiness", trust),
        ("warm", 1.5, "15 neighbours kept", kept),
    ):
        ours, theirs = (statistics.median(times[who][key]) for who in ("ours", "theirs"))
        against = "umap-learn, cold process" if key == "cold" else "umap-learn, warm call"
        what = f"3D UMAP, {n:,} positions, {key}"
        results.append(Result(what, against, ours, theirs, target, quality, (shown[0], shown[1]), good))
    return results


def _process(code: str, folder: Path, *, warm: int, empty_cache: bool = False) -> dict[str, list[float]]:
    arguments = [str(folder / "some.npy"), str(warm), str(folder / "map.npy")]
    with tempfile.TemporaryDirectory() as empty:
        cache = {"NUMBA_CACHE_DIR": empty} if empty_cache else {}
        environment = {**os.environ, **cache, "BEGUN": repr(time.time())}
        done = subprocess.run(
            [sys.executable, "-c", CALLS.format(fit=code), *arguments],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    return {"cold": [found["cold"]], **({"warm": found["warm"]} if found["warm"] else {})}
