"""The maps that a run keeps or could have, and making one while the window stays usable."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ExplorerError
from explorer.reduce.projection import Projection, load_projection
from explorer.render.values import RunLike

METHODS = ("pca", "tsne", "umap")


@dataclass(frozen=True)
class Choice:
    """A map of a layer.

    Attributes:
        layer: the layer.
        method: "pca", "tsne", "umap", or another that the run keeps.
        n_components: 2 or 3.
        folder: where the run keeps it; None where it is yet to be made.
    """

    layer: str
    method: str
    n_components: int
    folder: Path | None = None


def choices(run: RunLike, layer: str) -> list[Choice]:
    """The maps of a layer: each method in 3D and 2D, kept or to be made, then whatever else is kept.

    Of several kept ones that differ in their parameters the newest stands for its method.
    """
    kept = _kept(run, layer)
    usual = [(method, n) for method in METHODS for n in (3, 2)]
    found = [kept.get(key) or Choice(layer, *key) for key in usual if key in kept or _layers(run)]
    return found + [choice for key, choice in kept.items() if key not in usual]


def _layers(run: RunLike) -> tuple[str, ...]:
    """The layers of which maps can be made: none where the run is not a folder."""
    return tuple(getattr(run, "layers", ())) if getattr(run, "path", None) is not None else ()


def layers_of(run: RunLike) -> tuple[str, ...]:
    """The layers that can be shown."""
    return _layers(run)


def _kept(run: RunLike, layer: str) -> dict[tuple[str, int], Choice]:
    """The newest kept map of each method and number of dimensions; damaged ones are passed over."""
    path = getattr(run, "path", None)
    if path is None:
        return {}
    described = sorted(
        (path / "projections").glob("*/projection.json"), key=lambda file: file.stat().st_mtime_ns
    )
    found = {}
    for file in described:
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            n = int(content["parameters"].get("n_components", 3))
            key = (str(content["method"]), n)
            if content["layer"] == layer:
                found[key] = Choice(layer, *key, file.parent)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return found


class Making:
    """A map that is being made on a thread of its own.

    Attributes:
        choice: which one.
        result: the finished map; None until then, and where it failed.
        error: what went wrong, in one line; "" for nothing.
        done: whether it ended.
        beside: whether it is to be shown beside another one, and not in its place.
    """

    def __init__(self, run: RunLike, choice: Choice) -> None:
        self.choice = choice
        self.result: Projection | None = None
        self.error = ""
        self.done = False
        self.beside = False
        self._run: Any = run
        self._began = time.monotonic()
        self._stop = threading.Event()
        self._latest: tuple[int, NDArray[np.float32]] | None = None
        self._rows: NDArray[np.int64] | None = None
        self._thread = threading.Thread(target=self._make, daemon=True)
        self._thread.start()

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self._began

    @property
    def iteration(self) -> int:
        """How many iterations are behind it; 0 before the first."""
        return 0 if self._latest is None else self._latest[0]

    @property
    def where(self) -> str:
        """What of a scene it becomes."""
        return "beside" if self.beside else "projection"

    def stop(self) -> None:
        """End it with what is there: the map so far is its result, and is not kept."""
        self._stop.set()

    def so_far(self) -> Projection | None:
        """The map as it is now, once the layout has begun."""
        latest, choice = self._latest, self.choice
        if latest is None:
            return None
        grid = self._run.grid_shape(choice.layer)
        return Projection(choice.method, latest[1], choice.layer, grid, self._rows)

    def _make(self) -> None:
        from explorer.reduce.project import project

        choice = self.choice
        try:
            if choice.folder is not None:
                self.result = load_projection(choice.folder)
            else:
                self._rows = self._sampled()
                self.result = project(
                    self._run,
                    layer=choice.layer,
                    method=choice.method,
                    n_components=choice.n_components,
                    watch=self._watch,
                )
        except (ExplorerError, OSError, MemoryError) as error:
            self.error = str(error) or type(error).__name__
        finally:
            self.done = True

    def _sampled(self) -> NDArray[np.int64] | None:
        """The rows that `project` will draw: the same rule, the same seed."""
        from explorer.reduce.settings import sample_size
        from explorer.samples import even_rows

        most = sample_size(None, self.choice.method, from_run=True)
        grid: tuple[int, ...] = self._run.grid_shape(self.choice.layer)
        return None if most is None else even_rows(grid, most, 0)

    def _watch(self, iteration: int, coordinates: NDArray[np.float32]) -> bool:
        self._latest = iteration, np.array(coordinates, np.float32)
        return self._stop.is_set()
