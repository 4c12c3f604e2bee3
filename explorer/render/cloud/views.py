"""From where a scene is seen: the opening view, the flat one, and the views that were set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.render.cloud.camera import Camera, face_on, frame, opening, principal
from explorer.render.cloud.cloud import Cloud


class Views:
    """The cameras of one cloud.

    Attributes:
        cloud: the points.
        flat: whether the cloud is seen flat: parallel, along the direction in which it spreads least.
        kept: views that were kept, in their order; those of parallel frames are flat ones.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.flat: bool = cloud.flat
        self.kept: list[Camera] = []
        self._set: dict[bool, Camera | None] = {}
        self._turn: NDArray[np.float64] | None = None
        self._kept: dict[tuple[bool, float], Camera] = {}
        self._core: NDArray[np.float64] | None = None

    @property
    def fitted(self) -> NDArray[np.float64]:
        """The points (m, 3) that a view is fitted to: the cloud's core."""
        if self._core is None:
            points = self.cloud.points
            self._core = points[self.cloud.core] if len(points) else np.zeros((1, 3))
        return self._core

    @property
    def turn(self) -> NDArray[np.float64] | None:
        """Right, up and back of the opening view as rows (3, 3); None until it is chosen.

        Set it to open with another one.
        """
        return self._turn

    @turn.setter
    def turn(self, basis: NDArray[Any] | Sequence[Sequence[float]] | None) -> None:
        rows = None if basis is None else np.asarray(basis, np.float64)
        if rows is not None and (
            rows.shape != (3, 3) or not np.allclose(rows @ rows.T, np.eye(3), atol=1e-6)
        ):
            raise InputError(
                "opening view: expected three rows of three numbers, at right angles, of length 1"
            )
        self._turn, self._kept = rows, {}

    @property
    def chosen(self) -> Camera | None:
        """The camera that was set for this way of looking; None while it is the opening one."""
        return self._set.get(self.flat)

    @chosen.setter
    def chosen(self, camera: Camera | None) -> None:
        self._set[self.flat] = camera

    def at(self, aspect: float, groups: Callable[[], NDArray[Any]]) -> Camera:
        """The camera; until one is set the one that shows most.

        Its direction is chosen once, so that new colours do not turn the cloud.

        Args:
            aspect: the frame's width over its height.
            groups: gives (n,) integers, what the colours of the cloud's points tell apart.
        """
        chosen = self.chosen
        return self.home(aspect, groups) if chosen is None else chosen

    def home(self, aspect: float, groups: Callable[[], NDArray[Any]]) -> Camera:
        """The camera that shows most, whichever is set; `at` explains the arguments."""
        key = (self.flat, aspect)
        if key not in self._kept:
            self._kept = {key: self._opening(aspect, groups)}
        return self._kept[key]

    def _opening(self, aspect: float, groups: Callable[[], NDArray[Any]]) -> Camera:
        if self.cloud.flat or len(self.fitted) < 2:
            return face_on(self.fitted, aspect)
        if self.flat:
            return face_on(self.fitted, aspect, principal(self.fitted))
        if self._turn is None:
            self._turn = opening(self.fitted, groups()[self.cloud.core], aspect)
        return frame(self.fitted, self._turn, aspect)

    def follow(self, other: Views) -> None:
        """Look from the direction from which another cloud of the same kind was seen."""
        if self.cloud.flat == other.cloud.flat:
            self.flat, self._turn = other.flat, other.turn

    def along(self, basis: NDArray[Any], aspect: float) -> Camera:
        """The view of this orientation (rows right, up, back) that the cloud fills."""
        if self.flat:
            return face_on(self.fitted, aspect, basis)
        return frame(self.fitted, basis, aspect)


class Viewed:
    """What a scene lets one do with its camera.

    Attributes:
        views: the cameras of the projection that is shown.
    """

    views: Views

    @property
    def view(self) -> Camera:
        """The camera; until it is set, the one that shows most, fitted to the last picture's size."""
        raise NotImplementedError

    @property
    def flat(self) -> bool:
        """Whether the same map is seen flat: parallel, along the direction in which it spreads least."""
        return self.views.flat

    @flat.setter
    def flat(self, flat: bool) -> None:
        self.views.flat = bool(flat) or self.views.cloud.flat

    @property
    def camera(self) -> dict[str, Any]:
        """Where the cloud is seen from: lists and numbers, in the projection's coordinates."""
        return self.view.to_dict()

    @camera.setter
    def camera(self, content: Mapping[str, Any]) -> None:
        self.views.chosen = Camera.from_dict(content)

    @property
    def kept_views(self) -> tuple[Camera, ...]:
        """The views of the shown map that were kept, in their order."""
        return tuple(self.views.kept)

    def keep_view(self) -> int:
        """Keep the view as it is now; returns its number, from 0."""
        self.views.kept.append(self.view)
        return len(self.views.kept) - 1

    def go_to_view(self, index: int) -> None:
        """Look from where a kept view did.

        Raises:
            InputError: there is no such view.
        """
        kept = self.views.kept
        if not 0 <= index < len(kept):
            raise InputError(f"view {index}: {len(kept)} were kept; keep_view() keeps one")
        self.flat = kept[index].parallel_scale is not None
        self.views.chosen = kept[index]

    def save_camera(self, path: str | Path) -> Path:
        """Write the camera as JSON."""
        return self.view.save(path)

    def load_camera(self, path: str | Path) -> None:
        """Read a camera that `save_camera` wrote.

        Raises:
            InputError: there is no such file, or it holds no camera.
        """
        self.views.chosen = Camera.load(path)
