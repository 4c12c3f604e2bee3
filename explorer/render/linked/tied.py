"""Cameras of two maps that move together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from explorer.render.cloud.camera import Camera, vector
from explorer.render.cloud.motion import half_height


def follow(camera: Camera, home: Camera, other: Camera, *, turning: bool) -> Camera:
    """The camera of another map that has moved away from its own home as one has from its home.

    Both are as near as the other, compared with their homes, and have moved aside by the same part of
    the frame. With `turning` both homes have the same orientation, and the maps turn together; without it
    the other keeps its own: a map of two components has no other side.

    Args:
        camera: where the one is.
        home: from where the one fills the frame.
        other: from where the other one fills it.
        turning: whether the other turns too.
    """
    times = half_height(other) / half_height(home)
    if turning:
        moved = np.subtract(camera.focal_point, home.focal_point) * times
        back = np.subtract(camera.position, camera.focal_point) * times
        up = camera.view_up
    else:
        near = half_height(camera) / half_height(home)
        aside = camera.basis() @ np.subtract(camera.focal_point, home.focal_point) * times
        moved = aside[:2] @ other.basis()[:2]
        back = np.subtract(other.position, other.focal_point)
        back = back if other.parallel_scale is not None else back * near
        up = other.view_up
        scale = None if other.parallel_scale is None else other.parallel_scale * near
        focus = np.add(other.focal_point, moved)
        return replace(
            other, position=vector(focus + back), focal_point=vector(focus), view_up=up, parallel_scale=scale
        )
    focus = np.add(other.focal_point, moved)
    scale = None if camera.parallel_scale is None else camera.parallel_scale * times
    return Camera(vector(focus + back), vector(focus), up, camera.view_angle, scale)
