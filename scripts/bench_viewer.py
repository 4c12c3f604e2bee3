"""Measure the viewer against plain PyVista, side by side in one process, without a screen.

    python scripts/bench_viewer.py                    # 1,000,000 positions
    python scripts/bench_viewer.py --positions 5000000 --size 1920 1080 --frames 20
    python scripts/bench_viewer.py --out viewer.md

Turning: frames of the whole page (cloud, heatmaps, legend) while the camera moves, against frames of
`Plotter.add_points` of the same points in a window of the same size, taken in turn. Resting: the
picture before and after turning must be the same to the pixel. Picking: the time from a pixel to a
row of the projection, with a camera that has just moved, and with one at rest, for which the window sorts
the points by pixel while nothing else is to be done. A bare k-d tree query beside it: the nearest of the
points' pixels to the same pixel, by `scipy.spatial.cKDTree` built before for the same camera; it knows
neither discs nor depth. Selecting: a lasso over a third of the cloud. Memory: the most this process held.
"""

import argparse
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

os.environ.pop("DISPLAY", None)

CLUMPS = 60
PICKS = 300
ROWS, COLUMNS = 100, 100


class Clumps:
    """A run in memory: pictures of 100 × 100 positions, whose features are their place on the map."""

    name, labels, layers = "clumps", None, ("layer",)

    def __init__(self, points: np.ndarray) -> None:
        self.values = points.reshape(-1, ROWS, COLUMNS, 3)
        self.n_images = len(self.values)
        self.image_names = tuple(f"{index:05d}.png" for index in range(self.n_images))
        self.manifest = {"layers": {"layer": {"chunk": 8}}}

    def grid_shape(self, layer: str) -> tuple[int, ...]:
        """(images, rows, columns)."""
        return self.values.shape[:-1]

    def channels(self, layer: str) -> int:
        """Three."""
        return 3

    def read(self, layer: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """The values of some pictures."""
        return self.values[start:stop]

    def picture(self, image: int) -> None:
        """None: these are no pictures."""
        return


def clumps(n: int) -> np.ndarray:
    """Points (n, 3) in clumps of several sizes, as maps of activations have them."""
    rng = np.random.default_rng(0)
    middles = rng.normal(size=(CLUMPS, 3)) * 6
    which = rng.integers(0, CLUMPS, n)
    spread = rng.uniform(0.2, 1.5, CLUMPS)[which, None]
    return (middles[which] + rng.normal(size=(n, 3)) * spread).astype(np.float32)


def seconds(does: Callable[[], Any]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    does()
    return time.perf_counter() - start


def plain_plotter(points: np.ndarray, colours: np.ndarray, size: tuple[int, int]) -> Any:
    """What a PyVista user would write."""
    import pyvista

    plotter = pyvista.Plotter(off_screen=True, window_size=size)
    plotter.add_points(points, scalars=colours, rgb=True)
    plotter.screenshot(return_img=True)
    return plotter


def turn_plain(plotter: Any) -> None:
    """One frame of plain PyVista, as far as the pixels."""
    plotter.camera.azimuth += 3
    plotter.render()
    plotter.screenshot(return_img=True)


def measure(n: int, size: tuple[int, int], frames: int) -> dict[str, float]:
    """All figures, in seconds."""
    from explorer.reduce.projection import Projection
    from explorer.render import scene

    n = max(1, n // (ROWS * COLUMNS)) * ROWS * COLUMNS
    points = clumps(n)
    run = Clumps(points)
    opened = time.perf_counter()
    made = scene(run, Projection("umap", points, "layer", run.grid_shape("layer")), colour="image")
    made.frame(size)
    found = {"positions": float(n), "opening": time.perf_counter() - opened}
    found |= turning(made, plain_plotter(points, made.colouring().colours, size), size, frames)
    found |= picking(made, size, frames)
    found |= selecting(made, size)
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return found


def turning(made: Any, plotter: Any, size: tuple[int, int], frames: int) -> dict[str, float]:
    """A frame of ours and one of plain PyVista while the camera moves, and whether ours rests as it was."""
    from explorer.render.cloud import motion

    def turn() -> None:
        made.view = motion.orbit(made.view, 0.01, 0.0)
        made.frame(size, rough=True, interactive=True)

    home, resting = made.view, np.asarray(made.frame(size))
    turn()
    ours, theirs = [], []
    for _ in range(frames):
        ours.append(seconds(turn))
        theirs.append(seconds(lambda: turn_plain(plotter)))
    plotter.close()
    made.view = home
    return {
        "turning": statistics.median(ours),
        "plain": statistics.median(theirs),
        "drawn": float(made.cloud.drawn_while_moving()),
        "same": float((np.asarray(made.frame(size)) == resting).all()),
    }


def picking(made: Any, size: tuple[int, int], frames: int) -> dict[str, float]:
    """From a pixel to a row: the camera just moved, the sorting while it rests, at rest, and a k-d tree."""
    from scipy.spatial import cKDTree

    from explorer.render.cloud import motion

    n = made.state.projection.n_samples
    picks = []
    for index in range(frames):
        made.view = motion.orbit(made.view, 0.002, 0.0)
        at = made.pixel(index * (n // frames)) or (size[0] / 3, size[1] / 2)
        picks.append(seconds(lambda at=at: made.pick(*at)))
    place = made.layout.cloud
    made.cloud.rest(made.view, (place.width, place.height))  # compiles, or reads what was compiled
    made.view = motion.orbit(made.view, 0.002, 0.0)
    sorting = seconds(lambda: made.cloud.rest(made.view, (place.width, place.height)))
    screen = made.cloud.on_screen(made.view, (place.width, place.height))
    tree = cKDTree(np.stack([screen.x, screen.y], axis=1))
    rests, queries, true = [], [], []
    for row in np.random.default_rng(1).integers(0, n, PICKS).tolist():
        at = made.pixel(row) or (size[0] / 3, size[1] / 2)
        rests.append(seconds(lambda at=at: made.pick(*at)))
        queries.append(seconds(lambda at=at: tree.query((at[0] - place.left, at[1] - place.top))))
        true.append(made.pick(*at) is not None)
    return {
        "pick": statistics.median(picks),
        "sorting": sorting,
        "rest": statistics.median(rests),
        "tree": statistics.median(queries),
        "hit": float(np.mean(true)),
    }


def selecting(made: Any, size: tuple[int, int]) -> dict[str, float]:
    """A lasso over a third of the cloud, and the picture with what it selected."""
    place = made.layout.cloud
    left, top, third = place.left + place.width // 4, place.top + place.height // 4, place.width // 3
    lasso = [(left, top), (left + third, top), (left + third, top + third), (left, top + third)]
    select = seconds(lambda: made.select_lasso(lasso))
    selected = float(len(made.selection))
    return {"select": select, "selected": selected, "marked": seconds(lambda: made.frame(size))}


def table(found: dict[str, float], size: tuple[int, int]) -> list[str]:
    """The figures as Markdown."""
    n, ratio = int(found["positions"]), found["plain"] / found["turning"]
    drawn, same = int(found["drawn"]), "the same" if found["same"] else "DIFFERENT"
    return [
        f"{os.cpu_count()} cores ({platform.machine()}), {n:,} positions, {size[0]} × {size[1]}",
        "",
        "| what | ours | against | theirs | ratio | wanted |",
        "|---|---|---|---|---|---|",
        f"| a frame while turning ({drawn:,} points drawn) | {found['turning'] * 1e3:.0f} ms "
        f"| add_points | {found['plain'] * 1e3:.0f} ms | {ratio:.1f} times | 10 |",
        f"| the resting picture after turning | {same} | before | | | same |",
        f"| a pick, camera just moved | {found['pick'] * 1e3:.1f} ms | | | | 100 ms |",
        f"| a pick, camera at rest | {found['rest'] * 1e3:.3f} ms | k-d tree query, built before "
        f"| {found['tree'] * 1e3:.3f} ms | {found['rest'] / found['tree']:.1f} times its time | 2 |",
        f"| sorting points for it | {found['sorting'] * 1e3:.0f} ms | | | | |",
        f"| opening, first picture | {found['opening']:.1f} s | | | | |",
        f"| lasso of {int(found['selected']):,} | {found['select'] * 1e3:.0f} ms | | | | |",
        f"| picture with that selection | {found['marked']:.1f} s | | | | |",
        f"| most memory | {found['memory']:.1f} GB | | | | |",
    ]


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--positions", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, nargs=2, default=[1600, 900], metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--frames", type=int, default=12, help="measured frames and picks of each")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    arguments = parser.parse_args()
    size = (arguments.size[0], arguments.size[1])
    lines = table(measure(arguments.positions, size, arguments.frames), size)
    print("\n".join(lines))
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
