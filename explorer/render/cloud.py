"""The point cloud: drawn off screen with PyVista, shaded, and looked up by pixel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import RenderError
from explorer.render.camera import Camera, spatial
from explorer.render.colours import Theme
from explorer.render.offscreen import NEEDS, quiet_display
from explorer.render.shading import shade

MOST_WHILE_MOVING = 120_000
FINE_PIXELS = 14_000_000
ROUGH_PIXELS = 900_000
OFFSET = 40_000.0
FEW = 1000  # points that never crowd


class Cloud:
    """Points of a projection, drawn as discs.

    Attributes:
        points: (n, 3) finite coordinates of what is drawn.
        shown: (n,) which rows of the projection these are.
        flat: whether the projection has two components.
    """

    def __init__(self, coordinates: NDArray[Any]) -> None:
        points = spatial(coordinates)
        self.flat = coordinates.shape[1] == 2
        self.shown = np.flatnonzero(np.isfinite(points).all(axis=1))
        self.points = points[self.shown]
        ends = self.points if len(self.points) else np.zeros((1, 3))
        low, high = ends.min(axis=0), ends.max(axis=0)
        self._centre = (low + high) / 2
        extent = float(np.linalg.norm(high - low))
        if self.flat:
            # A little depth in no order: overlapping points get an edge, and no class covers all others.
            order = np.random.default_rng(0).permutation(len(self.points))
            self.points[:, 2] = order / max(1, len(order)) * 0.05 * extent
        self._radius = extent / 2 or 1.0
        self._spread = spread(self.points, flat=self.flat)
        self._plotter: Any = None
        self._meshes: dict[str, Any] = {}
        self._actors: dict[str, Any] = {}

    def point_size(self, size: tuple[int, int]) -> float:
        """The discs' diameter in pixels on a frame of `size`: smaller the more points share a place."""
        share = math.sqrt(size[0] * size[1] * self._spread / max(1, len(self.points)))
        return float(np.clip(0.85 * share, 2.2 * size[1] / 700, 8 * size[1] / 700))

    def paint(
        self,
        camera: Camera,
        size: tuple[int, int],
        *,
        colours: NDArray[np.uint8],
        theme: Theme,
        emphasised: NDArray[np.bool_] | None = None,
        rough: bool = False,
    ) -> NDArray[np.uint8]:
        """Draw the cloud.

        Args:
            camera: from where.
            size: (width, height) in pixels.
            colours: (n_samples, 3) one a row of the projection.
            theme: the page around it.
            emphasised: (n_samples,) rows that keep their colour while others fade; None for all.
            rough: quicker and coarser, for while the camera moves.

        Returns:
            (height, width, 3) uint8.
        """
        if not len(self.points):
            return np.full((size[1], size[0], 3), theme.page, np.uint8)
        zoom = zoom_for(size, rough)
        inner = max(2, round(size[0] * zoom)), max(2, round(size[1] * zoom))
        diameter = self.point_size(size) * inner[1] / size[1]
        self._fill(colours, theme, emphasised=emphasised, rough=rough)
        for name, actor in self._actors.items():
            actor.prop.point_size = diameter * (1.9 if name == "emphasised" else 1.0)
        picture, depth = self._render(camera, inner, theme)
        step = max(1, round(diameter / 5))
        lit = shade(picture, depth, theme, radii=(step,) if rough else (step, 3 * step), hazy=not self.flat)
        return resized(lit, size)

    def _fill(
        self, colours: NDArray[np.uint8], theme: Theme, *, emphasised: NDArray[np.bool_] | None, rough: bool
    ) -> None:
        """Put points and colours into the two meshes."""
        drawn, own = colours[self.shown], np.zeros(len(self.points), bool)
        if emphasised is not None:
            own = emphasised[self.shown]
            drawn = np.where(own[:, None], drawn, np.array(theme.faint, np.uint8))
        rest = np.flatnonzero(~own)
        if rough and len(rest) > MOST_WHILE_MOVING:
            rest = rest[:: -(-len(rest) // MOST_WHILE_MOVING)]
        self._mesh("cloud", rest, drawn)
        self._mesh("emphasised", np.flatnonzero(own), drawn)

    def _mesh(self, name: str, rows: NDArray[Any], colours: NDArray[np.uint8]) -> None:
        """Make or refill one mesh; the same rows only change their colours."""
        import pyvista

        plotter = self._window()
        held = self._meshes.get(name)
        if held is not None and np.array_equal(held[0], rows):
            if not np.array_equal(held[1]["colours"], colours[rows]):
                held[1]["colours"] = colours[rows]
            return
        if name in self._actors:
            plotter.remove_actor(self._actors.pop(name), render=False)
            self._meshes.pop(name)
        if not len(rows):
            return
        # Unit-sized and centred: coordinates far from zero would lose their digits in float32.
        mesh = pyvista.PolyData(((self.points[rows] - self._centre) / self._radius).astype(np.float32))
        mesh["colours"] = colours[rows]
        self._meshes[name] = (rows, mesh)
        self._actors[name] = actor = plotter.add_mesh(
            mesh,
            scalars="colours",
            rgb=True,
            style="points",
            lighting=False,
            render_points_as_spheres=True,
            reset_camera=False,
            render=False,
        )
        if name == "emphasised":
            # Drawn before everything else: what is asked for must not be hidden inside the cloud.
            actor.mapper.SetResolveCoincidentTopologyToPolygonOffset()
            actor.mapper.SetRelativeCoincidentTopologyPointOffsetParameter(-OFFSET)

    def _window(self) -> Any:
        """The off-screen window, made when it is first needed."""
        if self._plotter is None:
            quiet_display()
            import pyvista

            self._plotter = pyvista.Plotter(off_screen=True, window_size=(64, 64))
            self._plotter.render_window.SetMultiSamples(0)
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
        middle = float(np.dot(eye, camera.basis()[2]))
        far = middle + 1.02
        near = max(middle - 1.02, 0.002 * max(far, 1e-3))
        active.SetClippingRange(near, max(far, 2 * near))
        return near, max(far, 2 * near)

    def pick(
        self, camera: Camera, size: tuple[int, int], *, at: tuple[float, float], reach: float
    ) -> int | None:
        """The row of the projection that is seen at a pixel of a frame of `size`, or None.

        Of the discs under the pixel the frontmost; if none is, the nearest within `reach` pixels.
        """
        if not len(self.points):
            return None
        pixels, depth = camera.project(self.points, size)
        distance = np.hypot(*(pixels - at).T)
        distance[depth <= 0] = np.inf
        under = np.flatnonzero(distance <= self.point_size(size) / 2)
        if len(under):
            return int(self.shown[under[np.argmin(depth[under])]])
        nearest = int(np.argmin(distance))
        return int(self.shown[nearest]) if distance[nearest] <= reach else None

    def close(self) -> None:
        """Give the off-screen window back."""
        if self._plotter is not None:
            self._plotter.close()
        self._plotter = None
        self._meshes.clear()
        self._actors.clear()


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
