"""Moving the camera: turn, shift, zoom, and the preset views. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.render.cloud.camera import Camera, vector

TURN = math.pi  # radians for a drag over the frame's whole height


def orbit(camera: Camera, dx: float, dy: float) -> Camera:
    """Turn about what the camera looks at, by a drag of (dx, dy) frame heights."""
    right, up, back = camera.basis()
    turned = rotated(back, up, -dx * TURN)
    side = rotated(right, up, -dx * TURN)
    turned, lifted = rotated(turned, side, -dy * TURN), rotated(up, side, -dy * TURN)
    distance = float(np.linalg.norm(np.subtract(camera.position, camera.focal_point)))
    eye = np.array(camera.focal_point) + distance * turned
    return replace(camera, position=vector(eye), view_up=vector(lifted))


def rotated(of: NDArray[Any], about: NDArray[Any], angle: float) -> NDArray[Any]:
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


def between(one: Camera, other: Camera, part: float) -> Camera:
    """The camera on its way from one to another, `part` from 0 to 1; both of the same kind of frame.

    It turns about what it looks at, along the shortest way, and its distance grows in equal ratios.
    """
    if part >= 1 or (one.parallel_scale is None) != (other.parallel_scale is None):
        return other
    start, end = one.basis(), other.basis()
    axis, angle = _turn_between(start, end)
    rows = np.stack([rotated(row, axis, angle * part) for row in start])
    focus = (1 - part) * np.array(one.focal_point) + part * np.array(other.focal_point)
    away = [float(np.linalg.norm(np.subtract(view.position, view.focal_point))) for view in (one, other)]
    distance = away[0] ** (1 - part) * away[1] ** part
    scale = None
    if one.parallel_scale is not None and other.parallel_scale is not None:
        scale = one.parallel_scale ** (1 - part) * other.parallel_scale**part
    return replace(
        other,
        position=vector(focus + distance * rows[2]),
        focal_point=vector(focus),
        view_up=vector(rows[1]),
        view_angle=(1 - part) * one.view_angle + part * other.view_angle,
        parallel_scale=scale,
    )


def _turn_between(start: NDArray[Any], end: NDArray[Any]) -> tuple[NDArray[np.float64], float]:
    """Axis and angle of the turn that brings one orientation (rows right, up, back) to another."""
    turn = end.T @ start
    angle = math.acos(min(1.0, max(-1.0, (float(np.trace(turn)) - 1) / 2)))
    # The axis is what the turn leaves alone: also where the angle is half a turn.
    axis = np.linalg.svd(turn - np.eye(3))[2][2]
    sense = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    return np.asarray(axis if np.dot(axis, sense) >= 0 else -axis), angle


# Rows right, up and back of the views along the third, second and first axis.
PRESETS = (
    ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
)
