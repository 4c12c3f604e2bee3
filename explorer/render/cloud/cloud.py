"""The point cloud: drawn off screen with PyVista, and shaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.render.cloud.blocks import Blocks
from explorer.render.cloud.camera import Camera, core, spatial
from explorer.render.cloud.fineness import resized, spread, zoom_for
from explorer.render.cloud.onscreen import OnScreen
from explorer.render.cloud.shading import shade
from explorer.render.cloud.stage import LARGEST, NEARER, SMALLEST, Sight, Stage
from explorer.render.drawing.colours import Theme

if TYPE_CHECKING:
    from explorer.render.cloud.pixels import Pixels

MOST_WHILE_MOVING = 60_000
MANY, MOST = 50_000, 2_000_000  # points that are sorted by pixel for picks: fewer need it not, more take long
SIZES = (
    0.55,
    0.8,
    1.15,
    1.6,
    2.2,
)  # of the usual diameter, for the five steps of a size that means something


@dataclass(frozen=True, eq=False)
class Look:
    """What points look like; a scene hands on the same object until something changes.

    Attributes:
        colours: (n_samples, 3) uint8, one a row of the projection.
        theme: the page around the cloud.
        shown: (n_samples,) rows that are drawn; None for all.
        emphasised: (n_samples,) rows that keep their colour while others fade; None for all.
        sizes: (n_samples,) steps 0 to 4 of `SIZES`; None for one size.
    """

    colours: NDArray[np.uint8]
    theme: Theme
    shown: NDArray[np.bool_] | None = None
    emphasised: NDArray[np.bool_] | None = None
    sizes: NDArray[np.intp] | None = None


class Cloud:
    """Points of a projection, drawn as discs.

    Attributes:
        points: (n, 3) finite coordinates of what can be drawn.
        finite: (n,) which rows of the projection these are.
        core: (n,) the points that views are fitted to; the others lie far off.
        flat: whether the projection has two components.
    """

    def __init__(self, coordinates: NDArray[Any]) -> None:
        points = spatial(coordinates)
        self.flat = coordinates.shape[1] == 2
        self.finite = np.flatnonzero(np.isfinite(points).all(axis=1))
        self.points = points[self.finite]
        self.core = core(self.points) if len(self.points) else np.zeros(0, bool)
        low, high = _ends(self.points)
        self._centre, extent = (low + high) / 2, float(np.linalg.norm(high - low))
        rng = np.random.default_rng(0)
        if self.flat:
            # A little depth in no order: overlapping points get an edge, and no class covers all others.
            order = rng.permutation(len(self.points))
            self.points[:, 2] = order / max(1, len(order)) * 0.05 * extent
        self._radius = extent / 2 or 1.0
        self._spread = spread(self.points[self.core], flat=self.flat)
        # Unit-sized and centred: coordinates far from zero would lose their digits in float32.
        self._unit = ((self.points - self._centre) / self._radius).astype(np.float32)
        low, high = _ends(self._unit[self.core])
        self._middle = (low + high).astype(np.float64) / 2
        self._reach = float(np.linalg.norm(high - low)) / 2 or 1.0
        self._lot = rng.random(len(self.points), np.float32)
        self._stage = Stage(self._unit)
        self._filled: dict[bool, Look] = {}
        self._factors: dict[tuple[bool, str], float] = {}
        self._seen: tuple[object, OnScreen] | None = None
        self._blocks: Blocks | None = None
        self._pixels: tuple[tuple[Camera, tuple[int, int]], Pixels] | None = None
        self._picked: object = None
        self._painted: tuple[object, Look, NDArray[np.uint8]] | None = None
        self._front: tuple[object, Look, NDArray[np.float32]] | None = None

    def point_size(self, size: tuple[int, int]) -> float:
        """The discs' diameter in pixels on a frame of `size`: smaller the more points share a place."""
        share = math.sqrt(size[0] * size[1] * self._spread / max(1, len(self.points)))
        return float(np.clip(0.85 * share, 2.2 * size[1] / 700, 8 * size[1] / 700))

    def paint(
        self, camera: Camera, size: tuple[int, int], *, look: Look, rough: bool = False
    ) -> NDArray[np.uint8]:
        """Draw the cloud.

        Args:
            camera: from where.
            size: (width, height) in pixels.
            look: colours, and which points are drawn how.
            rough: quicker and coarser, for while the camera moves: `drawn_while_moving` points.

        Returns:
            (height, width, 3) uint8.
        """
        theme, key_of = look.theme, (camera, size)
        if not rough and self._painted is not None and self._painted[:2] == (key_of, look):
            return self._painted[2]
        if not len(self.points):
            return np.full((size[1], size[0], 3), theme.page, np.uint8)
        zoom = zoom_for(size, rough)
        inner = max(2, round(size[0] * zoom)), max(2, round(size[1] * zoom))
        diameter = self.point_size(size) * inner[1] / size[1]
        self._fill(look, rough)
        thinner = math.sqrt(len(self.points) / max(1, self.drawn_while_moving())) if rough else 1.0
        grown = diameter * min(thinner, 1.8)
        for key in self._stage.parts:
            self._stage.show(key, grown * self._factors[key] if key[0] == rough else None)
        sight = self._sight(camera)
        picture, apart = self._stage.render(sight, inner, theme.page)
        # Depth from 0 to 1 over the core: one far point must not flatten all the others.
        depth = np.minimum((apart - (sight.middle_of_core - self._reach)) / (2 * self._reach), 1.4)
        depth[np.isinf(apart)] = 2.0
        step = max(1, round(diameter / 5))
        radii, greyed = (step,) if rough else (step, 3 * step), look.emphasised is not None
        lit = shade(picture, depth, theme, radii=radii, hazy=not self.flat, greyed=greyed)
        done = resized(lit, size)
        if not rough:
            self._painted = key_of, look, done
        return done

    def painted(self, camera: Camera, size: tuple[int, int], look: Look) -> bool:
        """Whether the fine picture of this is there already."""
        return self._painted is not None and self._painted[:2] == ((camera, size), look)

    def larger(self, camera: Camera, depth: NDArray[Any]) -> NDArray[np.float64]:
        """How much larger than `point_size` points are drawn at some depths, in radii: near ones are."""
        if camera.parallel_scale is not None:
            return np.ones(len(depth))
        ratio = self._sight(camera).middle / np.maximum(np.asarray(depth, np.float64), 1e-9)
        return np.asarray(np.clip(ratio**NEARER, SMALLEST, LARGEST))

    def drawn_while_moving(self) -> int:
        """How many of the points are drawn while the camera moves."""
        n = len(self.points)
        return n if n <= MOST_WHILE_MOVING else int((self._lot < MOST_WHILE_MOVING / n).sum())

    def _fill(self, look: Look, rough: bool) -> None:
        """Put points and colours into meshes; a look that is there already costs nothing."""
        if self._filled.get(rough) is look:
            return
        colours = look.colours[self.finite]
        own = np.zeros(len(self.points), bool)
        if look.emphasised is not None:
            own = look.emphasised[self.finite]
            colours = np.where(own[:, None], colours, np.array(look.theme.faint, np.uint8))
        drawn = np.ones(len(self.points), bool) if look.shown is None else look.shown[self.finite].copy()
        if rough and len(self.points) > MOST_WHILE_MOVING:
            drawn &= self._lot < MOST_WHILE_MOVING / len(self.points)
        if look.sizes is None:
            few = own.sum() < 0.02 * len(own)
            wanted = {"cloud": (drawn & ~own, 1.0), "emphasised": (drawn & own, 1.9 if few else 1.2)}
        else:
            steps = look.sizes[self.finite]
            wanted = {f"cloud {k}": (drawn & ~own & (steps == k), factor) for k, factor in enumerate(SIZES)}
            wanted |= {
                f"emphasised {k}": (drawn & own & (steps == k), 1.2 * factor)
                for k, factor in enumerate(SIZES)
            }
        for key in [key for key in self._stage.parts if key[0] == rough and key[1] not in wanted]:
            self._stage.drop(key)
        for name, (which, factor) in wanted.items():
            rows = np.flatnonzero(which)
            self._factors[(rough, name)] = factor
            self._stage.put((rough, name), rows, colours[rows])
        self._filled[rough] = look

    def _sight(self, camera: Camera) -> Sight:
        """A camera in radii of the cloud about its centre."""
        basis = camera.basis()
        eye = (np.array(camera.position) - self._centre) / self._radius
        ahead = float(np.dot(eye, basis[2]))
        far = ahead + 1.02
        near = max(ahead - 1.02, 0.002 * max(far, 1e-3))
        middle = float(np.dot(eye - self._middle, basis[2]))
        return Sight(
            eye=eye,
            focus=(np.array(camera.focal_point) - self._centre) / self._radius,
            up=basis[1],
            angle=camera.view_angle,
            scale=None if camera.parallel_scale is None else camera.parallel_scale / self._radius,
            near=near,
            far=max(far, 2 * near),
            middle=1.0 if camera.parallel_scale is not None else max(middle, 0.05 * self._reach),
            middle_of_core=middle,
        )

    def on_screen(self, camera: Camera, size: tuple[int, int]) -> OnScreen:
        """Where every point falls on a frame; kept for the last camera."""
        key = (camera, size)
        if self._seen is None or self._seen[0] != key:
            self._seen = key, OnScreen.of(self._unit, camera, size, (self._centre, self._radius))
        return self._seen[1]

    def rest(self, camera: Camera, size: tuple[int, int]) -> Pixels | None:
        """Sort the points by the pixels of this frame, and picks from this camera are looked up.

        A cloud of few points needs none of it, and one of very many waits too long for it: None.
        """
        if not MANY <= len(self.points) <= MOST:
            return None
        if self._pixels is None or self._pixels[0] != (camera, size):
            from explorer.render.cloud.pixels import Pixels

            pixels, depth = camera.project(self.points, size)
            radii = self.point_size(size) / 2 * self.larger(camera, depth / self._radius)
            self._pixels = (camera, size), Pixels(pixels, depth, radii, size)
        return self._pixels[1]

    def prepare(self) -> Blocks:
        """Sort the points into blocks, by which the first pick of a view is found; done once."""
        if self._blocks is None:
            self._blocks = Blocks(self.points)
        return self._blocks

    def pick(
        self, camera: Camera, size: tuple[int, int], *, at: tuple[float, float], reach: float, look: Look
    ) -> int | None:
        """The row of the projection that is seen at a pixel of a frame of `size`, or None.

        Of the discs under the pixel the frontmost; if none is, the nearest within `reach` pixels.
        """
        if not len(self.points):
            return None
        key = (camera, size)
        again, self._picked = self._picked == key, key
        known = self._pixels is not None and self._pixels[0] == key
        resting = self.rest(camera, size) if known or again else None  # worth it from the second pick on
        if resting is not None:
            found = resting.pick(at, reach, look=look, finite=self.finite)
            return None if found < 0 else int(self.finite[found])
        radius = self.point_size(size) / 2
        rough = self.prepare().near(camera, size, at, max(reach, LARGEST * radius) + 1)
        if look.shown is not None:
            rough = rough[look.shown[self.finite[rough]]]
        if not len(rough):
            return None
        pixels, depth = camera.project(self.points[rough], size)
        distance, away = np.hypot(*(pixels - at).T), depth
        distance[depth <= 0] = np.inf
        if look.emphasised is not None:  # they are drawn before everything else
            depth = depth - np.where(look.emphasised[self.finite[rough]], np.ptp(depth) + 1, 0.0)
        under = np.flatnonzero(distance <= radius * self.larger(camera, away / self._radius))
        if len(under):
            return int(self.finite[rough[under[np.argmin(depth[under])]]])
        nearest = int(np.argmin(distance))
        return int(self.finite[rough[nearest]]) if distance[nearest] <= reach else None

    def visible(self, camera: Camera, size: tuple[int, int], look: Look) -> NDArray[np.bool_]:
        """Which points (n,) are seen: their middle lies in the frame and no other disc lies before it.

        Discs less than a disc's radius apart in depth do not hide each other.
        """
        key = (camera, size)
        if self._front is None or self._front[:2] != (key, look):
            self._fill(Look(look.colours, look.theme, look.shown), rough=False)
            for part in self._stage.parts:
                self._stage.show(part, None if part[0] else self.point_size(size))
            self._front = key, look, self._stage.render(self._sight(camera), size, look.theme.page)[1]
        screen = self.on_screen(camera, size)
        inside = screen.inside()
        x, y = screen.x[inside].astype(np.intp), screen.y[inside].astype(np.intp)
        own, tall = screen.depth[inside], screen.half_height[inside]
        disc = self.point_size(size) * self.larger(camera, own) / size[1] * tall
        front = self._front[2][y, x]
        seen = np.zeros(len(self.points), bool)
        seen[np.flatnonzero(inside)[own <= front + disc]] = True
        return seen if look.shown is None else seen & look.shown[self.finite]

    def close(self) -> None:
        """Give the off-screen window back."""
        self._stage.close()
        self._filled.clear()


def _ends(points: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The corners of the box about points (n, 3); zeros where there are none."""
    if not len(points):
        return np.zeros(3), np.zeros(3)
    return points.min(axis=0), points.max(axis=0)
