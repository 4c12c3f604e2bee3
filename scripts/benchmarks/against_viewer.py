"""The viewer against plain PyVista and a bare k-d tree, at a million positions, drawn in software."""

from __future__ import annotations

from pathlib import Path

import bench_viewer

from benchmarks.results import Result

N, SIZE, FRAMES = 1_000_000, (1600, 900), 12


def at_a_million(_: Path, *, n: int = N, size: tuple[int, int] = SIZE, frames: int = FRAMES) -> list[Result]:
    """Frames while turning, and picks at a resting camera.

    A frame of ours is the whole page: cloud, heatmaps and legend; theirs is the cloud alone, of the same
    points in a window of the same size. The resting picture before and after turning must be the same to
    the pixel. A k-d tree query is the nearest pixel of a point, by a tree built before for that camera; a
    pick also tells which disc lies in front. One just after the camera moved must take less than 100 ms.
    """
    found = bench_viewer.measure(n, size, frames)
    same, many = found["same"], f"{int(found['positions']):,}"
    turning = Result(
        f"frame while turning {many} positions",
        "PyVista's add_points",
        found["turning"],
        found["plain"],
        10,
        "resting picture the same",
        (same, 1.0),
        same == 1,
    )
    soon = found["pick"] < 0.1
    pick = Result(
        f"pick among {many} points at rest",
        "a k-d tree query",
        found["rest"],
        found["tree"],
        0.5,
        "picks that meet a point",
        (found["hit"], 1.0),
        soon and found["hit"] > 0.99,
    )
    return [turning, pick]
