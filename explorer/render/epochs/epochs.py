"""A cloud whose points move from one epoch's map to the next, seen from one camera."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from explorer.reduce.projection import Projection
from explorer.render.cloud.camera import Camera, core, face_on, frame, opening, principal, spatial
from explorer.render.cloud.cloud import Cloud
from explorer.render.cloud.views import Views
from explorer.render.values import RunLike

WIDE = 16 / 9
"""The frame for which the direction is chosen: window, film and small multiples then look alike."""


class FiguresLike(Protocol):
    """Figures of one epoch; `explorer.EpochFigures` has them."""

    @property
    def separation(self) -> float | None:
        """Share of the variance between classes."""

    @property
    def trust(self) -> float | None:
        """Trustworthiness of the map."""

    @property
    def effective_rank(self) -> float:
        """Directions that the layer uses."""

    @property
    def dead(self) -> int:
        """Channels that hardly vary."""

    @property
    def channels(self) -> int:
        """Of how many."""

    @property
    def cka_last(self) -> float | None:
        """Linear CKA to the last epoch."""

    @property
    def moved(self) -> float | None:
        """Share of positions that moved beyond what another seed moves them."""


@runtime_checkable
class EpochsLike(Protocol):
    """What a scene over epochs asks for; `explorer.Evolution` answers it."""

    @property
    def path(self) -> Path:
        """Where it is kept."""

    @property
    def layer(self) -> str:
        """The layer."""

    @property
    def epochs(self) -> tuple[str, ...]:
        """(E,) names."""

    @property
    def runs(self) -> Sequence[RunLike]:
        """(E,) runs."""

    @property
    def projections(self) -> tuple[Projection, ...]:
        """(E,) maps of the same n positions."""

    @property
    def figures(self) -> Sequence[FiguresLike]:
        """(E,) figures."""

    @property
    def movement(self) -> NDArray[np.float64]:
        """(E - 1, n) how far positions move."""

    @property
    def beyond(self) -> NDArray[np.bool_]:
        """(E - 1, n) whether that is beyond what another seed does."""


def smooth(part: float) -> float:
    """From 0 to 1 with rest at both ends."""
    part = min(1.0, max(0.0, part))
    return part * part * (3 - 2 * part)


def places_at(maps: Sequence[NDArray[np.float32]], at: float) -> NDArray[np.float32]:
    """Coordinates (n, 2 or 3) on the way between two maps: at 1.5 half-way from the second to the third."""
    at = min(max(at, 0.0), len(maps) - 1.0)
    before = min(int(at), len(maps) - 2)
    part = np.float32(smooth(at - before))
    if part in (0, 1):
        return maps[before + int(part)]
    return maps[before] * (1 - part) + maps[before + 1] * part


class MovingCloud(Cloud):
    """Points of several maps of the same positions; one camera and one size of disc for all of them.

    Attributes:
        every: (m, 3) points of all maps that views are fitted to.
    """

    def __init__(self, maps: Sequence[NDArray[np.float32]]) -> None:
        super().__init__(maps[-1])
        each = [spatial(one) for one in maps]
        low = np.min([points.min(axis=0) for points in each], axis=0)
        high = np.max([points.max(axis=0) for points in each], axis=0)
        extent = float(np.linalg.norm(high - low))
        self._centre, self._radius = (low + high) / 2, extent / 2 or 1.0
        # A flat cloud's points keep the depth that gives them edges, whatever map they are on.
        self._depth = self.points[:, 2].copy() if self.flat else None
        self.every = np.concatenate([points[core(points)] for points in each])
        unit = (self.every - self._centre) / self._radius
        self._middle = (unit.min(axis=0) + unit.max(axis=0)) / 2
        self._reach = float(np.linalg.norm(np.ptp(unit, axis=0))) / 2 or 1.0
        self.move(maps[-1])

    def move(self, coordinates: NDArray[np.float32]) -> None:
        """Put the points at other places (n, 2 or 3), within what all maps span."""
        points = spatial(coordinates)
        if self._depth is not None:
            points[:, 2] = self._depth
        self.points = points
        self._unit = ((points - self._centre) / self._radius).astype(np.float32)
        self._stage.move(self._unit)
        self._seen = self._painted = self._front = self._blocks = None


class EpochViews(Views):
    """Views fitted to the clouds of all epochs, so that none leaves the frame and the camera stands still."""

    cloud: MovingCloud

    def __init__(self, cloud: MovingCloud, last: NDArray[np.float32]) -> None:
        super().__init__(cloud)
        self._last = spatial(last)

    @property
    def fitted(self) -> NDArray[np.float64]:
        """The points (m, 3) that a view is fitted to: the cores of all epochs."""
        return self.cloud.every

    def _opening(self, aspect: float, groups: Callable[[], NDArray[Any]]) -> Camera:
        if self.cloud.flat:
            return face_on(self.fitted, aspect)
        if self.flat:
            return face_on(self.fitted, aspect, principal(self.fitted))
        if self._turn is None:
            near = self.cloud.core
            self._turn = opening(self._last[near], groups()[near], WIDE)
        return frame(self.fitted, self._turn, aspect)
