"""VTK's off-screen window: points go in, colours and distances come out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import RenderError
from explorer.render.cloud.offscreen import NEEDS, quiet_display
from explorer.render.drawing.colours import Colour

OFFSET = 40_000.0
PROGRAM_POINT_SIZE = 0x8642  # OpenGL's switch that lets a shader set the size of each point
NEARER, SMALLEST, LARGEST = 1.5, 0.55, 1.9
"""How sizes follow depth: (distance of the middle / own distance) to this power, within these limits."""
SHADER = (
    "//VTK::PositionVC::Impl\n"
    f"  float nearer = pow(middle / max(gl_Position.w, 1e-9), {NEARER});\n"
    f"  gl_PointSize = discs * clamp(nearer, {SMALLEST}, {LARGEST});\n"
)


@dataclass(frozen=True)
class Sight:
    """From where the stage is seen, in the stage's own unit.

    Attributes:
        eye: where the eye is, (3,).
        focus: what it looks at, (3,).
        up: what is up, (3,).
        angle: the frame's vertical angle in degrees.
        scale: half the frame's height; None for perspective.
        near: distance before which nothing is drawn.
        far: distance beyond which nothing is drawn.
        middle: distance at which discs have the size that is asked for.
        middle_of_core: distance of the middle of the points that views are fitted to.
    """

    eye: NDArray[np.float64]
    focus: NDArray[np.float64]
    up: NDArray[np.float64]
    angle: float
    scale: float | None
    near: float
    far: float
    middle: float
    middle_of_core: float


@dataclass
class Part:
    """Points that are drawn in one go."""

    rows: NDArray[np.intp]
    mesh: Any
    actor: Any


class Stage:
    """An off-screen window with some parts, each shown or not.

    Attributes:
        parts: what is in it, by name.
    """

    def __init__(self, points: NDArray[np.float32]) -> None:
        self._points = points
        self._plotter: Any = None
        self.parts: dict[tuple[bool, str], Part] = {}

    def put(self, key: tuple[bool, str], rows: NDArray[np.intp], colours: NDArray[np.uint8]) -> None:
        """Make or refill one part of these points; the same rows only change their colours.

        Parts whose name begins with "emphasised" are drawn before everything else.
        """
        import pyvista

        held = self.parts.get(key)
        if held is not None and np.array_equal(held.rows, rows):
            held.mesh["colours"] = colours
            return
        if held is not None:
            self.drop(key)
        if not len(rows):
            return
        mesh = pyvista.PolyData(self._points[rows])
        mesh["colours"] = colours
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
        shader.AddVertexShaderReplacement("//VTK::PositionVC::Impl", True, SHADER, False)
        if key[1].startswith("emphasised"):
            # What is asked for must not be hidden inside the cloud.
            actor.mapper.SetResolveCoincidentTopologyToPolygonOffset()
            actor.mapper.SetRelativeCoincidentTopologyPointOffsetParameter(-OFFSET)
        self.parts[key] = Part(rows, mesh, actor)

    def move(self, points: NDArray[np.float32]) -> None:
        """Put all points elsewhere; parts, colours and sizes stay."""
        self._points = points
        for part in self.parts.values():
            part.mesh.points = points[part.rows]

    def drop(self, key: tuple[bool, str]) -> None:
        """Take a part out."""
        self._window().remove_actor(self.parts.pop(key).actor, render=False)

    def show(self, key: tuple[bool, str], diameter: float | None) -> None:
        """Show a part with discs of so many pixels, or hide it."""
        part = self.parts[key]
        part.actor.SetVisibility(diameter is not None)
        if diameter is not None:
            part.actor.GetShaderProperty().GetVertexCustomUniforms().SetUniformf("discs", diameter)

    def render(
        self, sight: Sight, size: tuple[int, int], background: Colour
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Draw what is shown.

        Returns:
            Colours (height, width, 3), and distances before the eye (height, width), infinite where
            nothing is.
        """
        from vtkmodules.util.numpy_support import vtk_to_numpy
        from vtkmodules.vtkCommonCore import vtkFloatArray, vtkUnsignedCharArray

        plotter = self._window()
        window, renderer = plotter.render_window, plotter.renderer
        if tuple(window.GetSize()) != size:
            window.SetSize(*size)
        renderer.SetBackground(*(part / 255 for part in background))
        self._aim(renderer.GetActiveCamera(), sight)
        window.Render()
        pixels, distances = vtkUnsignedCharArray(), vtkFloatArray()
        window.GetPixelData(0, 0, size[0] - 1, size[1] - 1, 0, pixels, 0)
        window.GetZbufferData(0, 0, size[0] - 1, size[1] - 1, distances)
        shape = (size[1], size[0])
        if pixels.GetNumberOfValues() != 3 * math.prod(shape):
            raise RenderError(f"the graphics driver gave no picture of {size[0]} × {size[1]}; {NEEDS}")
        picture = vtk_to_numpy(pixels).reshape(*shape, 3)[::-1]
        raw = vtk_to_numpy(distances).reshape(shape)[::-1]
        near, far = np.float32(sight.near), np.float32(sight.far)
        span = raw * (far - near)
        apart = near + span if sight.scale is not None else near * far / (far - span)
        return picture, np.where(raw >= 1.0, np.float32(np.inf), apart).astype(np.float32, copy=False)

    def _aim(self, active: Any, sight: Sight) -> None:
        """Set VTK's camera, and what discs' sizes are measured by."""
        active.SetPosition(*sight.eye)
        active.SetFocalPoint(*sight.focus)
        active.SetViewUp(*sight.up)
        active.SetViewAngle(sight.angle)
        active.SetParallelProjection(sight.scale is not None)
        if sight.scale is not None:
            active.SetParallelScale(sight.scale)
        active.SetClippingRange(sight.near, sight.far)
        for part in self.parts.values():
            part.actor.GetShaderProperty().GetVertexCustomUniforms().SetUniformf("middle", sight.middle)

    def _window(self) -> Any:
        """The off-screen window, made when it is first needed."""
        if self._plotter is None:
            quiet_display()
            import pyvista

            self._plotter = pyvista.Plotter(off_screen=True, window_size=(64, 64))
            self._plotter.render_window.SetMultiSamples(0)
            self._plotter.render_window.Render()  # OpenGL is there only from now on
            self._plotter.render_window.GetState().vtkglEnable(PROGRAM_POINT_SIZE)
        return self._plotter

    def close(self) -> None:
        """Give the off-screen window back."""
        if self._plotter is not None:
            self._plotter.close()
        self._plotter = None
        self.parts.clear()
