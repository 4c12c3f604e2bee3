"""A contest's result, and results as a table, a file and a picture."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TypeVar

T = TypeVar("T")
SETTLE = 0.2
"""Seconds of rest before a turn in which threads count: the other side's pool spins for a while."""


@dataclass(frozen=True)
class Result:
    """Two times of the same work in one run on one machine, and how good each outcome was.

    Attributes:
        what: the work, such as "3D t-SNE, 10,000 positions".
        against: whose time ours is held against.
        ours: seconds.
        theirs: seconds.
        target: how many times faster ours must be at least.
        quality: what the outcomes are measured by, "" for nothing.
        scores: ours and theirs.
        good: whether our outcome is as good as it has to be.
    """

    what: str
    against: str
    ours: float
    theirs: float
    target: float
    quality: str = ""
    scores: tuple[float, float] = (0.0, 0.0)
    good: bool = True

    @property
    def faster(self) -> float:
        """How many times faster ours is."""
        return self.theirs / self.ours

    @property
    def met(self) -> bool:
        """Whether it is as fast and as good as it has to be."""
        return self.good and self.faster >= self.target


def race(
    ours: Callable[[], T], theirs: Callable[[], T], *, rounds: int, rest: float = 0.0
) -> tuple[float, float, T, T]:
    """Both sides in turn: the median seconds of each, and what each found last.

    Args:
        ours: one side's work.
        theirs: the other's.
        rounds: turns of each.
        rest: seconds before each turn.
    """
    taken: tuple[list[float], list[float]] = ([], [])
    found: list[T] = []
    for _ in range(rounds):
        found = []
        for times, side in zip(taken, (ours, theirs), strict=True):
            time.sleep(rest)
            begun = time.perf_counter()
            found.append(side())
            times.append(time.perf_counter() - begun)
    return median(taken[0]), median(taken[1]), found[0], found[1]


def machine() -> str:
    """The machine in words."""
    name = platform.machine()
    cpus = Path("/proc/cpuinfo")
    if cpus.is_file():
        lines = [line for line in cpus.read_text(encoding="utf-8").splitlines() if "model name" in line]
        name = lines[0].partition(":")[2].strip() if lines else name
    return f"{os.cpu_count()} cores ({name}), Python {platform.python_version()}"


def keep(results: dict[str, list[Result]], path: Path) -> None:
    """Write results by contest into a JSON file, leaving what other contests wrote there."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for name, found in results.items():
        measured = {"machine": machine(), "date": datetime.now(UTC).date().isoformat()}
        kept[name] = {**measured, "results": [asdict(result) for result in found]}
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def kept(path: Path) -> dict[str, list[Result]]:
    """Results by contest from such a file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: [Result(**{**entry, "scores": tuple(entry["scores"])}) for entry in found["results"]]
        for name, found in content.items()
    }


def table(results: list[Result]) -> str:
    """A Markdown table."""
    lines = [
        "| what | ours | against | theirs | times faster | it should be | quality: ours, theirs |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        mark = "" if result.met else " ✗"
        scores = ", ".join(f"{score:.4g}" for score in result.scores)
        quality = f"{result.quality} {scores}" if result.quality else ""
        lines.append(
            f"| {result.what} | {seconds(result.ours)} | {result.against} | {seconds(result.theirs)} "
            f"| {ratio(result.faster)}{mark} | {ratio(result.target)} | {quality} |"
        )
    return "\n".join(lines)


def seconds(value: float) -> str:
    """Seconds with two or three digits, microseconds where there are few."""
    if value < 0.002:
        return f"{value * 1e6:.0f} µs"
    return f"{value:.0f} s" if value >= 100 else f"{value:.1f} s" if value >= 10 else f"{value:.2f} s"


def ratio(faster: float) -> str:
    """How many times faster; where that is less than once by design, how many times the other's time."""
    return times(faster) if faster >= 0.85 else f"{times(1 / faster)} × its time"


def times(value: float) -> str:
    """A ratio with two digits or so."""
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}" if value >= 2 else f"{value:.2f}"


def draw(results: list[Result], path: Path) -> None:
    """Bars of how many times faster each is, with the floor of each as a line."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    shown = [result for result in results if result.target >= 1]
    size = 9, 0.9 + 0.42 * len(shown)
    with plt.rc_context({"font.family": "DejaVu Sans", "font.size": 9}):
        figure, axes = plt.subplots(figsize=size, layout="constrained")
        for place, result in enumerate(reversed(shown)):
            colour = "#2a7f8e" if result.met else "#b5483a"
            axes.barh(place, result.faster - 0.5, height=0.56, color=colour, left=0.5)
            axes.plot([result.target] * 2, [place - 0.36, place + 0.36], color="#16161d", linewidth=1.8)
            far = max(result.faster, result.target)
            axes.text(far, place, f"  {times(result.faster)} ×", va="center", weight="bold")
            axes.annotate(result.what, (0, place), (-8, 1), **_beside, va="bottom", color="#16161d")
            against = f"against {result.against}"
            axes.annotate(against, (0, place), (-8, -1), **_beside, va="top", color="#6b6b76", size=7.5)
        axes.set_yticks(range(len(shown)), ["\u2003" * 34] * len(shown))
        axes.set_xscale("log")
        axes.set_xlim(0.5, 100)
        ticks = (0.5, 1, 2, 5, 10, 20, 50, 100)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_ylim(-0.7, len(shown) - 0.3)
        axes.set_title("times faster; the line is the least it should be", loc="left", size=9, pad=10)
        axes.spines[["right", "left", "top"]].set_visible(False)
        axes.tick_params(axis="y", left=False)
        figure.savefig(path, dpi=130)


_beside = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right"}
