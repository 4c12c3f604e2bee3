"""The camera: where it stands, what it sees in pixels, and the view that shows a cloud best."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.render.files import save_text

ANGLE = 26.0
MARGIN = 0.94
FAR, SHARE = 2.0, 0.95
CANDIDATES = 96
OVERLAP = 12.0  # how many per cent of the used frame one per cent of mixed points weighs
TURNS = 6
GLANCED_AT, LOOKED_AT = 1500, 4000
THREE = "expected position, focal_point and view_up of three numbers each"
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Camera:
    """A view.

    Attributes:
        position: where the eye is, in the projection's coordinates.
        focal_point: what it looks at.
        view_up: what is up.
        view_angle: the frame's vertical angle in degrees.
        parallel_scale: half the frame's height in the projection's units; None for perspective.
    """

    position: Vector
    focal_point: Vector
    view_up: Vector
    view_angle: float = ANGLE
    parallel_scale: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers that JSON can hold."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Camera:
        """Read what `to_dict` gave.

        Raises:
            InputError: a part is missing or is no number.
        """
        if not isinstance(content, Mapping):
            raise InputError(f"camera: expected an object, got {type(content).__name__}")
        scale = content.get("parallel_scale")
        try:
            eye, focus, up = (vector(content[key]) for key in ("position", "focal_point", "view_up"))
            angle = float(content.get("view_angle", ANGLE))
            half = None if scale is None else float(scale)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"camera: {THREE} ({error})") from None
        if not all(map(math.isfinite, (*eye, *focus, *up, angle, half or 0.0))):
            raise InputError(f"camera: {THREE}, all finite")
        if (half is not None and half <= 0) or not 0 < angle < 180 or eye == focus:
            raise InputError(
                "camera: expected scale and angle above 0, and an eye apart from the focal point"
            )
        return cls(eye, focus, up, angle, half)

    def save(self, path: str | Path) -> Path:
        """Write it as JSON.

        Raises:
            RenderError: the file cannot be written.
        """
        return save_text(json.dumps(self.to_dict(), indent=1), path)

    @classmethod
    def load(cls, path: str | Path) -> Camera:
        """Read what `save` wrote.

        Raises:
            InputError: there is no such file, or it holds no camera.
        """
        try:
            return cls.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, InputError) as error:
            raise InputError(f"{path}: not a camera ({error}); `save_camera` writes one") from None

    def basis(self) -> NDArray[np.float64]:
        """Right, up and backwards as rows of a (3, 3) matrix that nobody may change."""
        return _basis(self.position, self.focal_point, self.view_up)

    def project(
        self, points: NDArray[Any], size: tuple[int, int]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where points (n, 3) fall on a frame of `size` (width, height).

        Returns:
            (n, 2) pixels from the frame's left and top, and (n,) distances in front of the eye;
            what is behind the eye has a distance of 0 or less.
        """
        local = (np.asarray(points, np.float64) - self.position) @ self.basis().T
        depth = -local[:, 2]
        if self.parallel_scale is None:
            half = np.maximum(depth, 1e-12) * math.tan(math.radians(self.view_angle / 2))
        else:
            half = np.full(len(local), self.parallel_scale)
        x = size[0] / 2 + local[:, 0] / half * size[1] / 2
        y = size[1] / 2 - local[:, 1] / half * size[1] / 2
        return np.stack([x, y], axis=1), depth


@functools.lru_cache(maxsize=64)
def _basis(position: Vector, focal_point: Vector, view_up: Vector) -> NDArray[np.float64]:
    """What `Camera.basis` gives: asked for at every pick and every point that is drawn."""
    back = unit(np.subtract(position, focal_point))
    right = np.cross(view_up, back)
    if np.linalg.norm(right) < 1e-9:
        right = np.cross(np.eye(3)[int(np.argmin(np.abs(back)))], back)
    right = unit(right)
    found = np.stack([right, np.cross(back, right), back])
    found.setflags(write=False)
    return found


def vector(part: Iterable[float]) -> Vector:
    """Three plain numbers."""
    x, y, z = map(float, part)
    return x, y, z


def unit(of: NDArray[Any]) -> NDArray[np.float64]:
    """The vector at length 1."""
    return np.asarray(of / max(float(np.linalg.norm(of)), 1e-300), np.float64)


def spatial(coordinates: NDArray[Any]) -> NDArray[np.float64]:
    """Coordinates (n, 2 or 3) as points in space (n, 3)."""
    points = np.asarray(coordinates, np.float64)
    return np.pad(points, ((0, 0), (0, 3 - points.shape[1])))


def frame(points: NDArray[Any], basis: NDArray[Any], aspect: float) -> Camera:
    """The perspective camera of this orientation (rows right, up, back) that points (n, 3) just fill."""
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    local = (points - middle) @ basis.T
    some = local[:: -(-len(local) // 50_000)]
    tall = math.tan(math.radians(ANGLE / 2)) * MARGIN
    slopes = np.array([tall * aspect, tall])
    shift = np.zeros(2)
    distance = 0.0
    # How far the eye must be for the outermost points of either side, before the shift: they are
    # looked for once, among all points. The margins are then evened out on some of them.
    out = np.stack([(sign * local[:, :2] / slopes + local[:, 2:]).max(axis=0) for sign in (1, -1)])
    for _ in range(12):
        distance = max(float((out + np.stack([-shift, shift]) / slopes).max()), 1e-9)
        seen = (some[:, :2] - shift) / np.maximum(distance - some[:, 2:], 1e-9)
        # Move towards the middle of what is seen, so that all four margins grow alike.
        shift = shift + (seen.min(axis=0) + seen.max(axis=0)) / 2 * distance
    focus = middle + shift @ basis[:2]
    eye = focus + distance * basis[2]
    return Camera(vector(eye), vector(focus), vector(basis[1]))


def face_on(points: NDArray[Any], aspect: float, basis: NDArray[Any] | None = None) -> Camera:
    """The parallel camera that points (n, 3) just fill: x to the right and y up, or this orientation."""
    basis = np.eye(3) if basis is None else basis
    local = points @ basis.T
    low, high = local.min(axis=0), local.max(axis=0)
    middle, span = (low + high) / 2 @ basis, high - low
    half = max(span[1] / 2, span[0] / 2 / aspect, 1e-9) / MARGIN
    eye = middle + max(4 * half, span[2]) * basis[2]
    return Camera(vector(eye), vector(middle), vector(basis[1]), parallel_scale=float(half))


def principal(points: NDArray[Any]) -> NDArray[np.float64]:
    """Right, up and back along the directions in which points (n, 3) spread most, next and least."""
    centred = points - points.mean(axis=0)
    axes = np.linalg.eigh(centred.T @ centred)[1].T[::-1]
    # Signs that do not depend on the solver: the largest entry is positive.
    axes *= np.sign(axes[np.arange(3), np.abs(axes).argmax(axis=1)])[:, None]
    return np.stack([axes[0], axes[1], np.cross(axes[0], axes[1])])


def core(points: NDArray[Any]) -> NDArray[np.bool_]:
    """Which points (n, 3) a view is fitted to: those within twice the distance that holds 95 % of them.

    The distance is from the median. Some far points, or a small far island, then leave the frame filled.
    """
    apart = np.linalg.norm(points - np.median(points[:: -(-len(points) // 100_000)], axis=0), axis=1)
    within = apart <= FAR * np.quantile(apart, SHARE)
    return within if within.any() else np.ones(len(points), bool)


def opening(points: NDArray[Any], groups: NDArray[Any], aspect: float) -> NDArray[np.float64]:
    """The direction that shows most: from it points spread over the frame and groups come apart.

    Args:
        points: (n, 3), of which a few thousand are looked at.
        groups: (n,) integers, what the colours tell apart.
        aspect: the frame's width over its height.

    Returns:
        Right, up and back as rows, for `frame`.
    """
    step = -(-len(points) // LOOKED_AT)
    points, groups = points[::step], np.unique(groups[::step], return_inverse=True)[1]
    bases = [basis for back in directions() for basis in _turned(back)]
    # A glance at all of them with a few points, and a good look at the best.
    for few, kept, bins in ((GLANCED_AT, 60, 16), (LOOKED_AT, 1, 24)):
        step = -(-len(points) // few)
        seen, kinds = points[::step], groups[::step]
        scores = [_score(seen, kinds, basis, shape=(aspect, bins)) for basis in bases]
        bases = [bases[index] for index in np.argsort(scores)[::-1][:kept]]
    return bases[0]


def directions() -> NDArray[np.float64]:
    """Unit vectors spread evenly over half a sphere, (n, 3): a Fibonacci lattice."""
    index = np.arange(CANDIDATES) + 0.5
    height = index / CANDIDATES
    angle = np.pi * (1 + math.sqrt(5)) * index
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)


def _turned(back: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Right, up and back for some turns of the frame about its own line of sight."""
    right = unit(np.cross(np.eye(3)[int(np.argmin(np.abs(back)))], back))
    up = np.cross(back, right)
    turns = np.arange(TURNS) * np.pi / TURNS
    across = np.cos(turns)[:, None] * right + np.sin(turns)[:, None] * up
    return [np.stack([one, np.cross(back, one), back]) for one in across]


def _score(
    points: NDArray[Any], groups: NDArray[Any], basis: NDArray[Any], *, shape: tuple[float, int]
) -> float:
    """How much of the frame is used, less for every point that lies where another group prevails."""
    aspect, bins = shape
    flat = points @ basis[:2].T
    low, high = flat.min(axis=0), flat.max(axis=0)
    half = max(float(high[1] - low[1]), float(high[0] - low[0]) / aspect, 1e-12) / 2
    place = (flat - (low + high) / 2) / [half * aspect, half]
    cells = np.clip((place + 1) / 2 * bins, 0, bins - 1).astype(np.intp)
    n_groups = int(groups.max()) + 1
    cell = (cells[:, 0] * bins + cells[:, 1]) * n_groups + groups
    table = np.bincount(cell, minlength=bins * bins * n_groups).reshape(bins * bins, n_groups)
    used = table.any(axis=1).sum() / bins**2
    mixed = 1 - table.max(axis=1).sum() / len(points)
    return float(used * math.exp(-OVERLAP * mixed))
