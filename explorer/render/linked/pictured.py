"""What the parts of a scene that work on its last picture have in common."""

from __future__ import annotations

from explorer.render.cloud.camera import Camera
from explorer.render.cloud.cloud import Cloud, Look
from explorer.render.drawing.layout import Layout
from explorer.render.linked.state import State


class Pictured:
    """A scene as it stands on its last picture; `Scene` brings all of it.

    Attributes:
        state: what is shown, without any drawing.
        cloud: the points.
    """

    state: State
    cloud: Cloud

    @property
    def view(self) -> Camera:
        """The camera."""
        raise NotImplementedError

    @property
    def layout(self) -> Layout:
        """Where everything lies on the last picture."""
        raise NotImplementedError

    def look(self) -> Look:
        """What the points look like."""
        raise NotImplementedError
