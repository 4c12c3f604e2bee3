"""The scenes whose pictures are kept in tests/reference, and how alike two pictures are.

python tests/reference_scenes.py            # draw those that are missing
python tests/reference_scenes.py --renew    # draw all of them anew: look at each before keeping it
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from explorer.reduce.projection import Projection
from explorer.render import scene
from explorer.render.linked.scene import Scene
from explorer.render.window.controls import Controls

FOLDER = Path(__file__).parent / "reference"
SIZE = (800, 500)
NEAR = 24  # of 255: what a pixel may differ by and still count as the same
MOST, MEAN = 0.01, 0.8  # share of other pixels, and mean difference of all, that are still the same picture


class Clumps:
    """Eight inputs of 12 × 12 positions whose channels lie in five clumps, in memory, always the same."""

    name, n_images, layers = "clumps", 8, ("conv", "fine")
    labels = tuple("abcd"[index % 4] for index in range(8))
    image_names = tuple(f"{index}.png" for index in range(8))
    manifest: dict[str, Any] = {"layers": {"conv": {"chunk": 8}, "fine": {"chunk": 8}}}  # noqa: RUF012

    def __init__(self, spatial: tuple[int, ...] = (12, 12)) -> None:
        place = np.indices((8, *spatial)).reshape(1 + len(spatial), -1).T
        rng = np.random.default_rng(7)
        middles = rng.normal(size=(5, 6)) * 4
        which = (place[:, 0] + (place[:, 1:] // 4).sum(axis=1)) % 5
        values = middles[which] + rng.normal(size=(len(place), 6)) * 0.7
        self.values = values.reshape(8, *spatial, 6).astype(np.float32)

    def grid_shape(self, layer: str) -> tuple[int, ...]:
        return self.values.shape[:-1]

    def channels(self, layer: str) -> int:
        return 6

    def read(self, layer: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        return self.values[start:stop]

    def picture(self, image: int) -> NDArray[np.uint8] | None:
        if self.values.ndim != 4:
            return None
        down, across = np.mgrid[:48, :48]
        rings = (np.hypot(down - 24, across - 10 - 4 * image) * 9 % 255).astype(np.uint8)
        return np.stack([rings, 255 - rings, np.full_like(rings, 30 * image)], axis=-1)


def of(spatial: tuple[int, ...] = (12, 12), *, n: int = 3, first: int = 0, **options: Any) -> Scene:
    """A scene of some of the channels as they are: nothing is fitted, so nothing can come out otherwise."""
    run = Clumps(spatial)
    return scene(run, _projection(run, n, first), **options)


def _projection(run: Clumps, n: int, first: int, layer: str = "conv") -> Projection:
    points = run.values.reshape(-1, 6)[:, first : first + n].copy()
    return Projection("precomputed", points, layer, run.grid_shape(layer))


def _labels() -> Image.Image:
    made = of()
    made.select(2, 5, 7)
    return made.frame(SIZE)


def _selection() -> Image.Image:
    made = of(theme="dark", colour="channel", channel=2)
    made.state.map = "channel"
    made.frame(SIZE)
    made.select_cells(1, (2, 3, 8, 9))
    return made.frame(SIZE)


def _flat() -> Image.Image:
    return of(n=2, colour="norm").frame(SIZE)


def _pair() -> Image.Image:
    made = of(colour="row")
    made.beside = _projection(made.state.run, 3, 3)  # type: ignore[arg-type]
    made.select(4, 1, 1)
    return made.frame(SIZE)


def _volume() -> Image.Image:
    at = Controls(of((5, 6, 8), theme="dark"), SIZE)
    at.scene.slice = 3
    at.picture()
    return at.picture()


def _signal() -> Image.Image:
    made = of((40,), colour="component", channel=1)
    made.select(0, 11)
    return made.frame(SIZE)


def _window() -> Image.Image:
    at = Controls(of(colour="image"), SIZE)
    at.picture()
    at.push("colour")
    return at.picture()


def _moving() -> Image.Image:
    return of(theme="dark").frame(SIZE, rough=True)


SCENES: dict[str, Callable[[], Image.Image]] = {
    "labels-light": _labels,
    "selection-dark": _selection,
    "flat-norm": _flat,
    "pair": _pair,
    "volume-window": _volume,
    "signal": _signal,
    "window-list": _window,
    "moving-dark": _moving,
}


def difference(one: Image.Image, other: Image.Image) -> tuple[float, float]:
    """The share of pixels that differ by more than `NEAR`, and the mean difference of all, in 255ths."""
    pair = [np.asarray(picture.convert("RGB"), np.int64) for picture in (one, other)]
    apart = np.abs(pair[0] - pair[1])
    return float((apart.max(axis=2) > NEAR).mean()), float(apart.mean())


def main() -> None:
    """Draw the pictures into tests/reference."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--renew", action="store_true", help="draw also those that are there")
    renew = parser.parse_args().renew
    FOLDER.mkdir(exist_ok=True)
    for name, draw in SCENES.items():
        path = FOLDER / f"{name}.png"
        if renew or not path.is_file():
            draw().save(path, optimize=True)
            print(path)  # noqa: T201


if __name__ == "__main__":
    main()
