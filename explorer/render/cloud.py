"""The point cloud: drawn off screen with PyVista, and shaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import RenderError
from explorer.render.camera import Camera, spatial
from explorer.render.colours import Theme
from explorer.render.offscreen import NEEDS, quiet_display
from explorer.render.onscreen import OnScreen
from explorer.render.shading import shade

MOST_WHILE_MOVING = 60_000
FINE_PIXELS = 14_000_000
ROUGH_PIXELS = 640_000
OFFSET = 40_000.0
FEW = 1000  # points that never crowd
PROGRAM_POINT_SIZE = 0x8642  # OpenGL's switch that lets a shader set the size of each point
NEARER, SMALLEST, LARGEST = 1.5, 0.55, 1.9
"""How sizes follow depth: (distance of the middle / own distance) to this power, within these limits."""
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


@dataclass
class Part:
    """Points that are drawn in one go: of one size, before the others or not."""

    rows: NDArray[np.intp]
    mesh: Any
    actor: Any
    factor: float


class Cloud:
    """Points of a projection, drawn as discs.

    Attributes:
        points: (n, 3) finite coordinates of what can be drawn.
        finite: (n,) which rows of the projection these are.
        flat: whether the projection has two components.
    """

    def __init__(self, coordinates: NDArray[Any]) -> None:
        points = spatial(coordinates)
        self.flat = coordinates.shape[1] == 2
        self.finite = np.flatnonzero(np.isfinite(points).all(axis=1))
        self.points = points[self.finite]
        ends = self.points if len(self.points) else np.zeros((1, 3))
        low, high = ends.min(axis=0), ends.max(axis=0)
        self._centre = (low + high) / 2
        extent = float(np.linalg.norm(high - low))
        rng = np.random.default_rng(0)
        if self.flat:
            # A little depth in no order: overlapping points get an edge, and no class covers all others.
            order = rng.permutation(len(self.points))
            self.points[:, 2] = order / max(1, len(order)) * 0.05 * extent
        self._radius = extent / 2 or 1.0
        self._spread = spread(self.points, flat=self.flat)
        # Unit-sized and centred: coordinates far from zero would lose their digits in float32.
        self._unit = ((self.points - self._centre) / self._radius).astype(np.float32)
        self._lot = rng.random(len(self.points), np.float32)
        self._plotter: Any = None
        self._parts: dict[tuple[bool, str], Part] = {}
        self._filled: dict[bool, Look] = {}
        self._seen: tuple[object, OnScreen] | None = None
        self._depth: tuple[object, NDArray[np.float32]] | None = None

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
        theme = look.theme
        if not len(self.points):
            return np.full((size[1], size[0], 3), theme.page, np.uint8)
        zoom = zoom_for(size, rough)
        inner = max(2, round(size[0] * zoom)), max(2, round(size[1] * zoom))
        diameter = self.point_size(size) * inner[1] / size[1]
        self._fill(look, rough)
        thinner = math.sqrt(len(self.points) / max(1, self.drawn_while_moving())) if rough else 1.0
        grown = diameter * min(thinner, 1.8)
        for (kind, _), part in self._parts.items():
            self._show(part, camera, grown if kind == rough else None)
        picture, depth = self._render(camera, inner, theme)
        step = max(1, round(diameter / 5))
        lit = shade(picture, depth, theme, radii=(step,) if rough else (step, 3 * step), hazy=not self.flat)
        return resized(lit, size)

    def _show(self, part: Part, camera: Camera, diameter: float | None) -> None:
        """Draw a part with discs of so many pixels at the middle's distance, or not at all."""
        part.actor.SetVisibility(diameter is not None)
        if diameter is None:
            return
        uniforms = part.actor.GetShaderProperty().GetVertexCustomUniforms()
        uniforms.SetUniformf("discs", diameter * part.factor)
        uniforms.SetUniformf("middle", self._middle(camera))

    def _middle(self, camera: Camera) -> float:
        """How far the cloud's middle lies before a camera, in radii; 1 where nearer is not larger."""
        if camera.parallel_scale is not None:
            return 1.0
        eye = (np.array(camera.position) - self._centre) / self._radius
        return max(float(np.dot(eye, camera.basis()[2])), 0.05)

    def larger(self, camera: Camera, depth: NDArray[Any]) -> NDArray[np.float64]:
        """How much larger than `point_size` points are drawn at some depths, in radii: near ones are."""
        if camera.parallel_scale is not None:
            return np.ones(len(depth))
        ratio = self._middle(camera) / np.maximum(np.asarray(depth, np.float64), 1e-9)
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
        for kind, name in list(self._parts):
            if kind == rough and name not in wanted:
                self._drop((kind, name))
        for name, (which, factor) in wanted.items():
            self._part((rough, name), np.flatnonzero(which), colours, factor)
        self._filled[rough] = look

    def _drop(self, key: tuple[bool, str]) -> None:
        self._window().remove_actor(self._parts.pop(key).actor, render=False)

    def _part(
        self, key: tuple[bool, str], rows: NDArray[np.intp], colours: NDArray[np.uint8], factor: float
    ) -> None:
        """Make or refill one mesh; the same rows only change their colours."""
        import pyvista

        held = self._parts.get(key)
        if held is not None and np.array_equal(held.rows, rows):
            held.factor = factor
            held.mesh["colours"] = colours[rows]
            return
        if held is not None:
            self._drop(key)
        if not len(rows):
            return
        mesh = pyvista.PolyData(self._unit[rows])
        mesh["colours"] = colours[rows]
        actor = self._window().add_mesh(
            mesh,
            scalars="colours",
            rgb=True,
            style="points",
            lighting=False,
            render_points_as_spheres=True,
            reset_camera=False,
            render=False,
        )
        shader = actor.GetShaderProperty()
        shader.AddVertexShaderReplacement(
            "//VTK::PositionVC::Impl",
            True,
            "//VTK::PositionVC::Impl\n"
            f"  gl_PointSize = discs * clamp(pow(middle / max(gl_Position.w, 1e-9), {NEARER}), "
            f"{SMALLEST}, {LARGEST});\n",
            False,
        )
        if key[1].startswith("emphasised"):
            # Drawn before everything else: what is asked for must not be hidden inside the cloud.
            actor.mapper.SetResolveCoincidentTopologyToPolygonOffset()
            actor.mapper.SetRelativeCoincidentTopologyPointOffsetParameter(-OFFSET)
        self._parts[key] = Part(rows, mesh, actor, factor)

    def _window(self) -> Any:
        """The off-screen window, made when it is first needed."""
        if self._plotter is None:
            quiet_display()
            import pyvista

            self._plotter = pyvista.Plotter(off_screen=True, window_size=(64, 64))
            self._plotter.render_window.SetMultiSamples(0)
            self._plotter.render_window.Render()
            self._plotter.render_window.GetState().vtkglEnable(PROGRAM_POINT_SIZE)
        return self._plotter

    def _render(
        self, camera: Camera, size: tuple[int, int], theme: Theme
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Colours (height, width, 3) and depth (height, width), 0 near to 1 far, 2 where nothing is."""
        from vtkmodules.util.numpy_support import vtk_to_numpy
        from vtkmodules.vtkCommonCore import vtkFloatArray, vtkUnsignedCharArray

        plotter = self._window()
        window, renderer = plotter.render_window, plotter.renderer
        if tuple(window.GetSize()) != size:
            window.SetSize(*size)
        renderer.SetBackground(*(part / 255 for part in theme.page))
        near, far = self._aim(renderer.GetActiveCamera(), camera)
        window.Render()
        pixels, distances = vtkUnsignedCharArray(), vtkFloatArray()
        window.GetPixelData(0, 0, size[0] - 1, size[1] - 1, 0, pixels, 0)
        window.GetZbufferData(0, 0, size[0] - 1, size[1] - 1, distances)
        shape = (size[1], size[0])
        if pixels.GetNumberOfValues() != 3 * math.prod(shape):
            raise RenderError(f"the graphics driver gave no picture of {size[0]} × {size[1]}; {NEEDS}")
        picture = vtk_to_numpy(pixels).reshape(*shape, 3)[::-1]
        raw = vtk_to_numpy(distances).reshape(shape)[::-1]
        depth = raw if camera.parallel_scale is not None else near * raw / (far - raw * (far - near))
        return picture, np.where(raw >= 1.0, np.float32(2.0), depth).astype(np.float32)

    def _aim(self, active: Any, camera: Camera) -> tuple[float, float]:
        """Set VTK's camera; return the distances of the nearest and farthest point, in its units."""
        eye = (np.array(camera.position) - self._centre) / self._radius
        focus = (np.array(camera.focal_point) - self._centre) / self._radius
        active.SetPosition(*eye)
        active.SetFocalPoint(*focus)
        active.SetViewUp(*camera.basis()[1])
        active.SetViewAngle(camera.view_angle)
        active.SetParallelProjection(camera.parallel_scale is not None)
        if camera.parallel_scale is not None:
            active.SetParallelScale(camera.parallel_scale / self._radius)
        near, far = self._range(camera)
        active.SetClippingRange(near, far)
        return near, far

    def _range(self, camera: Camera) -> tuple[float, float]:
        """Distances of the nearest and farthest point before a camera, in radii of the cloud."""
        eye = (np.array(camera.position) - self._centre) / self._radius
        middle = float(np.dot(eye, camera.basis()[2]))
        far = middle + 1.02
        near = max(middle - 1.02, 0.002 * max(far, 1e-3))
        return near, max(far, 2 * near)

    def on_screen(self, camera: Camera, size: tuple[int, int]) -> OnScreen:
        """Where every point falls on a frame; kept for the last camera."""
        key = (camera, size)
        if self._seen is None or self._seen[0] != key:
            self._seen = key, OnScreen.of(self._unit, camera, size, (self._centre, self._radius))
        return self._seen[1]

    def pick(
        self, camera: Camera, size: tuple[int, int], *, at: tuple[float, float], reach: float, look: Look
    ) -> int | None:
        """The row of the projection that is seen at a pixel of a frame of `size`, or None.

        Of the discs under the pixel the frontmost; if none is, the nearest within `reach` pixels.
        """
        if not len(self.points):
            return None
        screen, radius = self.on_screen(camera, size), self.point_size(size) / 2
        rough = screen.near(at, max(reach, LARGEST * radius) + 1)
        if look.shown is not None:
            rough = rough[look.shown[self.finite[rough]]]
        if not len(rough):
            return None
        pixels, depth = camera.project(self.points[rough], size)
        distance = np.hypot(*(pixels - at).T)
        distance[depth <= 0] = np.inf
        if look.emphasised is not None:  # they are drawn before everything else
            depth = depth - np.where(look.emphasised[self.finite[rough]], np.ptp(depth) + 1, 0.0)
        under = np.flatnonzero(distance <= radius * self.larger(camera, screen.depth[rough]))
        if len(under):
            return int(self.finite[rough[under[np.argmin(depth[under])]]])
        nearest = int(np.argmin(distance))
        return int(self.finite[rough[nearest]]) if distance[nearest] <= reach else None

    def visible(self, camera: Camera, size: tuple[int, int], look: Look) -> NDArray[np.bool_]:
        """Which points (n,) are seen: their middle lies in the frame and no other disc lies before it.

        Discs less than a disc's radius apart in depth do not hide each other.
        """
        key = (camera, size, id(look))
        if self._depth is None or self._depth[0] != key:
            plain = Look(look.colours, look.theme, look.shown)
            self._fill(plain, rough=False)
            for (kind, _), part in self._parts.items():
                self._show(part, camera, None if kind else self.point_size(size))
            self._depth = key, self._render(camera, size, look.theme)[1]
        screen = self.on_screen(camera, size)
        inside = screen.inside()
        x, y = screen.x[inside].astype(np.intp), screen.y[inside].astype(np.intp)
        near, far = self._range(camera)
        own = (screen.depth[inside] - near) / (far - near)
        front = self._depth[1][np.clip(y, 0, size[1] - 1), np.clip(x, 0, size[0] - 1)]
        tall = screen.half_height[inside]
        disc = (
            self.point_size(size) * self.larger(camera, screen.depth[inside]) / size[1] * tall / (far - near)
        )
        seen = np.zeros(len(self.points), bool)
        seen[np.flatnonzero(inside)[own <= front + disc]] = True
        return seen if look.shown is None else seen & look.shown[self.finite]

    def close(self) -> None:
        """Give the off-screen window back."""
        if self._plotter is not None:
            self._plotter.close()
        self._plotter = None
        self._parts.clear()
        self._filled.clear()


def spread(points: NDArray[np.float64], *, flat: bool) -> float:
    """How evenly points (n, 3) fill a frame: 1 for one round cloud, less for small tight clusters."""
    if len(points) < FEW:
        return 1.0
    some = points[:: -(-len(points) // 50_000)]
    low, span = some.min(axis=0), np.ptp(some, axis=0)
    cells = ((some - low) / np.where(span > 0, span, 1.0) * 47.999).astype(np.intp)
    pairs = ((0, 1),) if flat else ((0, 1), (0, 2), (1, 2))
    used = np.mean([len(np.unique(cells[:, a] * 48 + cells[:, b])) / 48**2 for a, b in pairs])
    return float(np.clip(used / 0.3, 0.25, 1.0))


def zoom_for(size: tuple[int, int], rough: bool) -> float:
    """How much finer than the frame the cloud is rendered: twice for smooth edges, less when moving."""
    pixels = size[0] * size[1]
    if rough:
        return min(1.0, math.sqrt(ROUGH_PIXELS / pixels))
    return 2.0 if 4 * pixels <= FINE_PIXELS else 1.0


def resized(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Bring a rendered picture to its size in the page."""
    from PIL import Image

    if picture.shape[:2] == (size[1], size[0]):
        return picture
    image = Image.fromarray(np.ascontiguousarray(picture))
    if picture.shape[1] == 2 * size[0] and picture.shape[0] == 2 * size[1]:
        return np.asarray(image.reduce(2), np.uint8)
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR), np.uint8)
