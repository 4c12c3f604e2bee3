"""Whole processes from a cold start: importing, asking for help, the demo's first picture, three maps."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.activations import DEMO, activations
from benchmarks.measures import trust_and_kept
from benchmarks.results import Result

HERE = Path(__file__).resolve().parent
Command = Callable[[Path], list[str]]


def started() -> list[Result]:
    """Importing and asking for help, against what each cannot do without."""
    bare = python("import numpy")
    return [
        _contest("import explorer", "import numpy", python("import explorer"), bare, 1 / 1.5),
        _contest("activation-explorer --help", "import numpy", command("--help"), bare, 1 / 4),
    ]


def pictured() -> list[Result]:
    """The demo to its first picture, against a script written by hand."""
    ours = command("explore", str(DEMO), "--method", "pca", "--out", "{out}/run")
    script = str(HERE / "picture_by_hand.py")
    what, against = "digits demo to the first picture, PCA 3D", "by hand: flax, scikit-learn, matplotlib"
    return [_contest(what, against, ours, lambda out: by_hand(script, out), 1.0)]


def by_hand(script: str, out: Path) -> list[str]:
    """The hand-written script that makes the same picture."""
    return [sys.executable, script, str(DEMO), f"{out}/picture.png"]


def three_maps(folder: Path, n: int = 10_000) -> list[Result]:
    """A cold process to PCA, t-SNE and UMAP in 3D of the same rows, against the obvious script."""
    rows = activations(n, folder)
    np.save(folder / "three.npy", rows)
    scripts = [str(HERE / name) for name in ("three_maps_ours.py", "three_maps_obvious.py")]
    taken, trusts = [], []
    for script in scripts:
        words = [sys.executable, script, str(folder / "three.npy"), str(folder / "maps.npz")]
        times = [seconds(words, cold_caches=script is scripts[1]) for _ in range(2)]
        taken.append(min(times))
        with np.load(folder / "maps.npz") as maps:
            trusts.append(float(np.mean([trust_and_kept(rows, maps[name])[0] for name in maps.files])))
    what = f"cold process to PCA, t-SNE and UMAP in 3D of {n:,} positions"
    good = trusts[0] >= trusts[1] - 0.005
    scores = trusts[0], trusts[1]
    against = "the obvious script: scikit-learn, umap-learn"
    return [Result(what, against, taken[0], taken[1], 6, "mean trustworthiness", scores, good)]


def python(code: str) -> Command:
    """A bare Python that runs one line."""
    return lambda _: [sys.executable, "-c", code]


def command(*words: str) -> Command:
    """Our command line, as installed beside this Python; {out} becomes an empty folder."""
    program = str(Path(sys.executable).with_name("activation-explorer"))
    return lambda out: [program, *(word.format(out=out) for word in words)]


def _contest(what: str, against: str, ours: Command, theirs: Command, target: float) -> Result:
    """Medians of seven processes each, run in turn after one unmeasured round of each."""
    times: tuple[list[float], list[float]] = ([], [])
    for round_ in range(8):
        for make, taken in zip((ours, theirs), times, strict=True):
            out = Path(tempfile.mkdtemp(prefix="bench-"))
            try:
                found = seconds(make(out), cwd=out)
            finally:
                shutil.rmtree(out)
            if round_:
                taken.append(found)
    return Result(what, against, statistics.median(times[0]), statistics.median(times[1]), target)


def seconds(words: list[str], *, cwd: Path | None = None, cold_caches: bool = False) -> float:
    """How long one process takes.

    Args:
        words: the command.
        cwd: where it runs.
        cold_caches: whether numba starts without kept machine code, as umap-learn always does.
    """
    unwanted = {"DISPLAY", "PYTHONDONTWRITEBYTECODE"}  # a user has no screen here, and compiled files
    environment = {key: value for key, value in os.environ.items() if key not in unwanted}
    with tempfile.TemporaryDirectory() as empty:
        if cold_caches:
            environment["NUMBA_CACHE_DIR"] = empty
        start = time.perf_counter()
        subprocess.run(words, check=True, capture_output=True, env=environment, cwd=cwd)
        return time.perf_counter() - start
