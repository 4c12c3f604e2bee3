"""The interactive window: shows the scene's pictures and hands mouse and keys to the controls."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.errors import RenderError
from explorer.render.cloud.cloud import Cloud
from explorer.render.cloud.offscreen import NEEDS, has_screen
from explorer.render.drawing.colours import theme
from explorer.render.drawing.layout import SMALLEST
from explorer.render.drawing.text import plural
from explorer.render.linked import marks
from explorer.render.linked.paper import SIZE
from explorer.render.linked.scene import Scene

if TYPE_CHECKING:
    from PIL import Image

NO_SCREEN = (
    "no screen (DISPLAY is not set): use scene.screenshot(path) or `activation-explorer "
    "screenshot`, or xvfb-run; over ssh, connect with -X"
)
TICK = 15  # milliseconds between looks at whether to draw
LATE, SETTLED = 0.05, 0.18  # seconds until a busy window draws anyway, and until a fine picture
LONG = 0.5  # seconds from which on a picture is announced, and a coarse one comes before it


class Window:
    """One window over one scene.

    Attributes:
        controls: what mouse and keys do.
    """

    def __init__(self, scene: Scene, size: tuple[int, int] = SIZE) -> None:
        import vtkmodules.vtkRenderingOpenGL2
        import vtkmodules.vtkRenderingUI  # noqa: F401  registers the window systems
        from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow, vtkRenderWindowInteractor

        self._window = vtkRenderWindow()
        self._window.SetWindowName(_title(scene))
        limit = self._window.GetScreenSize()
        fits = [min(want, have) if have > 0 else want for want, have in zip(size, limit, strict=True)]
        self._window.SetSize(*fits)
        self._window.SetMultiSamples(0)
        self._renderer = vtkRenderer()
        self._window.AddRenderer(self._renderer)
        self._interactor = vtkRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        # No style: VTK's own keys (w, s, p, e, f, 3 …) and mouse habits all live there.
        self._interactor.SetInteractorStyle(None)  # type: ignore[arg-type]
        self._picture = _picture_actor(self._renderer)
        self.controls = scene.controls(tuple(self._window.GetSize()))
        self._stale = False
        self._coarse = False
        self._prepared: Cloud | None = None
        self._last: Image.Image | None = None
        self._drawn = 0.0
        self._rough_until = 0.0
        self._took = 0.0  # seconds that the last fine picture of the points took
        self.controls.tell = self._say
        self._listen()

    def _listen(self) -> None:
        """Tie VTK's events to the controls."""
        add = self._interactor.AddObserver
        for name, button in (("Left", "left"), ("Middle", "middle"), ("Right", "right")):
            add(f"{name}ButtonPressEvent", lambda *_, b=button: self._press(b))
            add(f"{name}ButtonReleaseEvent", lambda *_, b=button: self._release(b))
        add("MouseMoveEvent", lambda *_: self._move())
        add("MouseWheelForwardEvent", lambda *_: self._wheel(1))
        add("MouseWheelBackwardEvent", lambda *_: self._wheel(-1))
        add("KeyPressEvent", lambda *_: self._key())
        add("ConfigureEvent", lambda *_: self._resized())
        add("TimerEvent", lambda *_: self._tick())
        self._window.AddObserver("WindowResizeEvent", lambda *_: self._resized())

    def run(self) -> None:
        """Show the window until it is closed.

        Raises:
            RenderError: no OpenGL window can be opened.
        """
        try:
            self._draw(rough=False)
            self._interactor.Initialize()
            self._interactor.CreateRepeatingTimer(TICK)
            self._interactor.Start()
        except RuntimeError as error:
            raise RenderError(f"no window can be opened ({error}); {NEEDS}") from None
        finally:
            self._window.Finalize()

    def _mouse(self) -> tuple[float, float]:
        """The mouse, in pixels from the left and top."""
        x, y = self._interactor.GetEventPosition()
        return float(x), float(self._window.GetSize()[1] - 1 - y)

    def _press(self, button: str) -> None:
        shift, control = bool(self._interactor.GetShiftKey()), bool(self._interactor.GetControlKey())
        self.controls.press(button, *self._mouse(), shift=shift, control=control)

    def _move(self) -> None:
        if self.controls.move(*self._mouse()):
            self._redraw()

    def _release(self, button: str) -> None:
        self.controls.release(button, *self._mouse(), shift=bool(self._interactor.GetShiftKey()))
        self._redraw()

    def _wheel(self, steps: int) -> None:
        if self.controls.wheel(steps, *self._mouse()):
            self._rough_until = time.monotonic() + SETTLED
            self._redraw()

    def _key(self) -> None:
        code = self._interactor.GetKeyCode() or ""
        if self.controls.key(self._interactor.GetKeySym() or "", code.strip("\0")):
            if self.controls.done:
                self._interactor.TerminateApp()
                return
            self._redraw()

    def _resized(self) -> None:
        size = tuple(self._window.GetSize())
        if size != self.controls.size and size[0] >= SMALLEST[0] and size[1] >= SMALLEST[1]:
            self.controls.size = size
            self._redraw()

    def _redraw(self) -> None:
        """Ask for a new picture; events that come before it are taken together."""
        self._stale = True
        # In a flood of events timers may starve: draw from here then.
        if time.monotonic() - self._drawn > LATE:
            self._tick()

    def _tick(self) -> None:
        """Draw what is asked for: coarsely while the camera moves, and finely once it rests."""
        now = time.monotonic()
        if self.controls.poll():
            self._stale = True
        if self._stale:
            rough = self.controls.moving or now < self._rough_until
            # Where all points take long, some of them show at once what was asked for.
            rough = rough or (self._took > LONG and bool(self._unpainted()))
            self._draw(rough=rough)
            self._stale, self._drawn = False, time.monotonic()
            self._coarse = rough
        elif self._coarse and now > self._rough_until and now - self._drawn > SETTLED:
            self._draw(rough=False)
            self._coarse, self._drawn = False, time.monotonic()
        elif self._prepared is not self.controls.scene.cloud:
            # Nothing else to do: what the first click needs is made before it comes.
            self._prepared = self.controls.scene.cloud
            self._prepared.prepare()
        elif now - self._drawn > SETTLED:
            self._rest()

    def _rest(self) -> None:
        """Nothing has moved for a while: what picks from here need is made before they come."""
        scene = self.controls.scene
        for one in (scene, scene.twin):
            if one is not None and len(one.cloud.points):
                place = one.layout.cloud
                one.cloud.rest(one.view, (place.width, place.height))

    def _draw(self, *, rough: bool) -> None:
        """Put the scene's picture on the screen; before what takes long, say so on the last one."""
        words = self.controls.scene.pending()
        points = 0 if rough else self._unpainted()
        if points and self._took > LONG:
            words = words or f"drawing {plural(points, 'point')} …"
        if words:
            self._say(words)
        began = time.monotonic()
        self._last = self.controls.picture(rough=rough)
        if points:
            self._took = time.monotonic() - began
        if self._window.GetWindowName() != (title := _title(self.controls.scene)):
            self._window.SetWindowName(title)
        self._blit(self._last)

    def _unpainted(self) -> int:
        """How many points a fine picture has to draw: none where it is there from the last time."""
        scene, n = self.controls.scene, 0
        if self._last is None or scene.pending():
            return len(scene.cloud.points)
        if scene.twin is not None:
            scene.twin.mirror()
        for one in (scene, scene.twin):
            if one is not None:
                place = one.layout.cloud
                found = one.cloud.painted(one.view, (place.width, place.height), one.look())
                n += 0 if found else len(one.cloud.points)
        return n

    def _say(self, words: str = "") -> None:
        """Show a message, or the one that there is, over the last picture at once."""
        if self._last is None:
            return
        layout, colours = self.controls.layout, theme(self.controls.scene.theme)
        said = self._last.copy()
        low = self.controls.maps is not None
        marks.draw_message(said, layout, colours, words=words or self.controls.message, low=low)
        self._blit(said)

    def _blit(self, picture: Image.Image) -> None:
        """Fill the window with a picture."""
        from vtkmodules.util.numpy_support import numpy_to_vtk
        from vtkmodules.vtkCommonDataModel import vtkImageData

        pixels = np.ascontiguousarray(np.asarray(picture)[::-1])
        image = vtkImageData()
        image.SetDimensions(pixels.shape[1], pixels.shape[0], 1)
        image.GetPointData().SetScalars(numpy_to_vtk(pixels.reshape(-1, 3), deep=True))
        self._picture.SetInputData(image)
        self._window.Render()


def _title(scene: Scene) -> str:
    """What the window is called."""
    return f"{scene.state.run.name} · {scene.state.values.layer}"


def _picture_actor(renderer: Any) -> Any:
    """A mapper that shows an image pixel by pixel from the window's lower left corner."""
    from vtkmodules.vtkRenderingCore import vtkActor2D, vtkImageMapper

    mapper, actor = vtkImageMapper(), vtkActor2D()
    mapper.SetColorWindow(255)
    mapper.SetColorLevel(127.5)
    actor.SetMapper(mapper)
    renderer.AddViewProp(actor)
    return mapper


def show(scene: Scene) -> None:
    """Open a window over a scene and return when it is closed.

    Raises:
        RenderError: there is no screen, or no OpenGL window can be opened on it.
    """
    if not has_screen():
        raise RenderError(NO_SCREEN)
    if os.environ.get("VTK_DEFAULT_OPENGL_WINDOW", "").startswith(("vtkEGL", "vtkOS")):
        raise RenderError("VTK_DEFAULT_OPENGL_WINDOW asks for pictures without a window: unset it")
    Window(scene).run()
