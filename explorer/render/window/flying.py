"""Going from view to view in a window, smoothly: the opening one, along the axes, and kept ones."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from explorer.render.cloud import motion
from explorer.render.cloud.camera import Camera
from explorer.render.drawing.layout import Layout
from explorer.render.linked.scene import Scene

FLIGHT = 0.35  # seconds from one view to another


@dataclass(frozen=True)
class Flight:
    """On the way from one view to another; `ends_open` where the last is the opening one."""

    before: Camera
    after: Camera
    began: float
    ends_open: bool


class Flying:
    """The part of a window's actions that moves the camera.

    Attributes:
        scene: what is acted on.
        message: what was last said in passing.
        flight: the way from one view to another, or None at rest.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.message = ""
        self.flight: Flight | None = None
        self._viewed = -1
        self._preset = 0

    @property
    def layout(self) -> Layout:
        """Where everything lies in the window."""
        raise NotImplementedError

    def switch_flat(self) -> None:
        """See the same map flat, or in space again."""
        self.scene.flat = not self.scene.flat
        self._preset = 0

    def reset(self) -> None:
        """Back to the opening view."""
        self._preset = 0
        before = self.scene.view
        self.scene.view = None
        self.fly(before, self.scene.view, ends_open=True)

    def fly(self, before: Camera, after: Camera, *, ends_open: bool = False) -> None:
        """Go from one view to another in a moment, where frames are asked for meanwhile."""
        self.flight = Flight(before, after, time.monotonic(), ends_open)

    def flown(self) -> bool:
        """Go on with a flight; says whether there is one."""
        flight = self.flight
        if flight is None:
            return False
        part = (time.monotonic() - flight.began) / FLIGHT
        if part >= 1:
            self.scene.view = None if flight.ends_open else flight.after
            self.flight = None
        else:
            eased = part * part * (3 - 2 * part)
            self.scene.view = motion.between(flight.before, flight.after, eased)
        return True

    def preset(self) -> None:
        """Look along the projection's axes in turn."""
        place = self.layout.cloud
        if self.scene.cloud.flat or not len(self.scene.cloud.points):
            self.reset()
            return
        basis = np.array(motion.PRESETS[self._preset % 3], float)
        before, after = self.scene.view, self.scene.views.along(basis, place.width / place.height)
        self.scene.view = after
        self.fly(before, after)
        self.message = ("axes 1 and 2", "axes 1 and 3", "axes 2 and 3")[self._preset % 3]
        self._preset += 1

    def keep_view(self) -> None:
        """Keep the view as it is."""
        self._viewed = self.scene.keep_view()
        self.message = f"view {self._viewed + 1} kept: , and . go through those that were"

    def go_to_view(self, index: int) -> None:
        """Fly to a kept view."""
        before = self.scene.view
        self.scene.go_to_view(index)
        self._viewed = index
        self.fly(before, self.scene.view)
        self.message = f"view {index + 1} of {len(self.scene.kept_views)}"

    def step_view(self, step: int) -> None:
        """Fly to the next kept view, or the one before; after the last comes the first."""
        n = len(self.scene.kept_views)
        if not n:
            self.message = "no view was kept yet: a keeps this one"
            return
        first = 0 if step > 0 else n - 1
        self.go_to_view(first if self._viewed < 0 else (self._viewed + step) % n)

    def forget_view(self, index: int) -> None:
        """Drop a kept view."""
        del self.scene.views.kept[index]
        self._viewed = -1
