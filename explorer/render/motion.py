"""Moving the camera: turn, shift, zoom, and the preset views. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.render.camera import Camera, vector

TURN = math.pi  # radians for a drag over the frame's whole height


def orbit(camera: Camera, dx: float, dy: float) -> Camera:
    """Turn about what the camera looks at, by a drag of (dx, dy) frame heights."""
    right, up, back = camera.basis()
    turned = _rotated(back, up, -dx * TURN)
    side = _rotated(right, up, -dx * TURN)
    turned, lifted = _rotated(turned, side, -dy * TURN), _rotated(up, side, -dy * TURN)
    distance = float(np.linalg.norm(np.subtract(camera.position, camera.focal_point)))
    eye = np.array(camera.focal_point) + distance * turned
    return replace(camera, position=vector(eye), view_up=vector(lifted))


def _rotated(of: NDArray[Any], about: NDArray[Any], angle: float) -> NDArray[Any]:
    """A vector turned about a unit axis."""
    along = about * np.dot(about, of)
    turned = along + (of - along) * math.cos(angle) + np.cross(about, of) * math.sin(angle)
    return np.asarray(turned)


def pan(camera: Camera, dx: float, dy: float) -> Camera:
    """Shift the cloud with a drag of (dx, dy) frame heights to the right and down."""
    right, up, _ = camera.basis()
    tall = 2 * half_height(camera)
    shift = (-dx * right + dy * up) * tall
    return replace(
        camera,
        position=vector(np.array(camera.position) + shift),
        focal_point=vector(np.array(camera.focal_point) + shift),
    )


def half_height(camera: Camera) -> float:
    """Half the frame's height where the camera looks, in the projection's units."""
    if camera.parallel_scale is not None:
        return camera.parallel_scale
    distance = float(np.linalg.norm(np.subtract(camera.position, camera.focal_point)))
    return distance * math.tan(math.radians(camera.view_angle / 2))


def zoom(camera: Camera, factor: float, at: tuple[float, float] = (0.0, 0.0)) -> Camera:
    """Come nearer by a factor; what lies at (x, y) frame heights from the middle stays there."""
    held = 1 - 1 / factor
    camera = pan(camera, -at[0] * held, -at[1] * held)
    if camera.parallel_scale is not None:
        return replace(camera, parallel_scale=camera.parallel_scale / factor)
    back = np.subtract(camera.position, camera.focal_point) / factor
    return replace(camera, position=vector(np.array(camera.focal_point) + back))


# Rows right, up and back of the views along the third, second and first axis.
PRESETS = (
    ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
)
