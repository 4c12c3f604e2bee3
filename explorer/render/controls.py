"""What mouse and keys do, whatever window they come from."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from explorer.errors import ExplorerError
from explorer.render import marks, motion
from explorer.render.camera import frame
from explorer.render.colours import theme
from explorer.render.layout import lay_out
from explorer.render.linked_scene import Scene
from explorer.render.state import COLOURS

if TYPE_CHECKING:
    from PIL import Image

STILL = 4.0  # pixels at 1600 × 900 that a click may slip


@dataclass(frozen=True)
class Key:
    """One line of the table of keys.

    Attributes:
        names: the keys, as VTK names them.
        shown: how they are written in the help.
        says: what they do.
        does: what is called.
    """

    names: tuple[str, ...]
    shown: str
    says: str
    does: Callable[[Controls], None]


class Controls:
    """Mouse and keys over a scene.

    Attributes:
        scene: what they act on.
        size: (width, height) of the window in pixels.
        message: what was last said in passing.
        helping: whether the list of keys is shown.
        done: whether the window should close.
    """

    def __init__(self, scene: Scene, size: tuple[int, int]) -> None:
        self.scene = scene
        self.size = size
        self.message = ""
        self.helping = False
        self.done = False
        self._preset = 0
        self._drag: str | None = None
        self._from = (0.0, 0.0)
        self._moved = False

    @property
    def moving(self) -> bool:
        """Whether the camera is being dragged."""
        return self._drag is not None and self._moved

    def picture(self, *, rough: bool = False) -> Image.Image:
        """The window's picture."""
        canvas = self.scene.frame(self.size, rough=rough, interactive=True)
        layout, colours = lay_out(self.size), theme(self.scene.theme)
        if self.message:
            marks.draw_message(canvas, layout, colours, words=self.message)
        if self.helping:
            marks.draw_help(canvas, layout, colours, keys=help_lines())
        return canvas

    def press(self, button: str, x: float, y: float, *, shift: bool = False) -> None:
        """A mouse button ("left", "middle" or "right") went down at a pixel from the left and top."""
        flat = self.scene.state.projection.n_components == 2
        inside = lay_out(self.size).cloud.contains(x, y)
        kinds = {"left": "pan" if shift or flat else "orbit", "middle": "pan", "right": "zoom"}
        self._drag = kinds[button] if inside else "none"
        self._from, self._moved = (x, y), False

    def move(self, x: float, y: float) -> bool:
        """The mouse is at a pixel; says whether the picture changes."""
        if self._drag is None:
            return False
        layout = lay_out(self.size)
        if not self._moved and np.hypot(x - self._from[0], y - self._from[1]) < STILL * layout.scale:
            return False
        tall = layout.cloud.height
        dx, dy = (x - self._from[0]) / tall, (y - self._from[1]) / tall
        self._moved, self._from = True, (x, y)
        view = self.scene.view
        if self._drag == "orbit":
            self.scene.view = motion.orbit(view, dx, dy)
        elif self._drag == "pan":
            self.scene.view = motion.pan(view, dx, dy)
        elif self._drag == "zoom":
            self.scene.view = motion.zoom(view, float(np.exp(-2 * dy)))
        return self._drag != "none"

    def release(self, button: str, x: float, y: float) -> None:
        """A mouse button went up; without a movement since it went down, that was a click."""
        clicked = self._drag is not None and not self._moved and button == "left"
        self._drag = None
        if clicked and self.helping:
            self.helping = False
        elif clicked:
            self.message = ""
            self.scene.click(x, y)

    def wheel(self, steps: float, x: float, y: float) -> bool:
        """The wheel turned, forwards is positive; says whether the picture changes."""
        place = lay_out(self.size).cloud
        if not place.contains(x, y):
            return False
        at = (x - place.left - place.width / 2, y - place.top - place.height / 2)
        middle = (at[0] / place.height, at[1] / place.height)
        self.scene.view = motion.zoom(self.scene.view, 1.15**steps, middle)
        return True

    def key(self, name: str) -> bool:
        """A key went down, by VTK's name for it; says whether it means something."""
        found = next((key for key in KEYS if name in key.names), None)
        if found is None:
            return False
        if self.helping and name in ("Escape", "q"):
            self.helping = False
            return True
        self.message = ""
        if found.does is not Controls.toggle_help:
            self.helping = False
        try:
            found.does(self)
        except (ExplorerError, OSError) as error:
            self.message = str(error)
        return True

    def colour(self, colour: str) -> None:
        """Colour the points so, and let the heatmap show the same numbers where it can."""
        state = self.scene.state
        state.colour = colour
        if colour in ("norm", "channel", "component"):
            state.map = colour

    def step_colour(self, step: int) -> None:
        """Colour the points by the next thing."""
        self.scene.state.next_colour(step)
        self.colour(self.scene.state.colour)

    def isolate(self) -> None:
        """Keep only the current image's points in colour, or all."""
        state = self.scene.state
        state.isolated = not state.isolated
        self.message = f"only {state.run.image_names[state.image]} in colour" if state.isolated else ""

    def overlay(self) -> None:
        """Lay the map over the picture, or show it alone."""
        self.scene.state.overlaid = not self.scene.state.overlaid

    def switch_theme(self) -> None:
        """Light or dark."""
        self.scene.theme = "light" if self.scene.theme == "dark" else "dark"

    def reset(self) -> None:
        """Back to the opening view."""
        self.scene.view = None
        self._preset = 0

    def preset(self) -> None:
        """Look along the projection's axes in turn."""
        points, place = self.scene.cloud.points, lay_out(self.size).cloud
        if self.scene.state.projection.n_components == 2 or not len(points):
            self.reset()
            return
        basis = np.array(motion.PRESETS[self._preset % 3], float)
        self.scene.view = frame(points, basis, place.width / place.height)
        self.message = ("axes 1 and 2", "axes 1 and 3", "axes 2 and 3")[self._preset % 3]
        self._preset += 1

    def toggle_help(self) -> None:
        """Show or hide the list of keys."""
        self.helping = not self.helping

    def save_picture(self) -> None:
        """Write what is seen into the current folder."""
        path = self.scene.screenshot(free_name(self._stem(), ".png"), size=self.size)
        self.message = f"saved {path}"

    def save_view(self) -> None:
        """Write the camera into the current folder."""
        self.message = f"saved {self.scene.save_camera(free_name(self._stem() + '-camera', '.json'))}"

    def _stem(self) -> str:
        """A file name for this scene."""
        projection = self.scene.state.projection
        return re.sub(r"[^\w.-]+", "-", f"{projection.layer}-{projection.method}").strip("-.") or "scene"

    def quit(self) -> None:
        """Close the window."""
        self.done = True


def free_name(stem: str, suffix: str) -> Path:
    """A file name in the current folder that nothing has yet."""
    number, path = 1, Path(stem + suffix)
    while path.exists():
        number += 1
        path = Path(f"{stem}-{number}{suffix}")
    return path


def _colour(index: int) -> Callable[[Controls], None]:
    """The key that colours by one mode."""
    return lambda controls: controls.colour(COLOURS[index])


KEYS = (
    Key(("n", "Right"), "n  →", "next image", lambda c: c.scene.state.next_image()),
    Key(("p", "Left"), "p  ←", "previous image", lambda c: c.scene.state.next_image(-1)),
    Key(("bracketright", "Up"), "]  ↑", "next channel", lambda c: c.scene.state.next_channel()),
    Key(("bracketleft", "Down"), "[  ↓", "previous channel", lambda c: c.scene.state.next_channel(-1)),
    Key(("m",), "m", "map: norm, channel or component", lambda c: c.scene.state.next_map()),
    Key(("o",), "o", "map over the picture or alone", Controls.overlay),
    Key(("c",), "c", "next colours of the points", lambda c: c.step_colour(1)),
    Key(("C",), "shift c", "previous colours", lambda c: c.step_colour(-1)),
    *(Key((str(i + 1),), str(i + 1), f"colour by {mode}", _colour(i)) for i, mode in enumerate(COLOURS)),
    Key(("i",), "i", "only this image in colour", Controls.isolate),
    Key(("t",), "t", "light or dark", Controls.switch_theme),
    Key(("r",), "r", "opening view", Controls.reset),
    Key(("v",), "v", "views along the axes", Controls.preset),
    Key(("s",), "s", "save a picture", Controls.save_picture),
    Key(("k",), "k", "save the camera", Controls.save_view),
    Key(("h", "question"), "h", "this list", Controls.toggle_help),
    Key(("q", "Escape"), "q  esc", "quit", Controls.quit),
)
MOUSE = (
    ("click", "select a point, or a position on a map"),
    ("drag", "turn (flat maps: move)"),
    ("shift drag", "move"),
    ("wheel", "nearer or farther"),
)


def help_lines() -> list[tuple[str, str]]:
    """What the help lists: the mouse, then every key of the table; colours in one line."""
    digits = {str(i + 1) for i in range(len(COLOURS))}
    lines = [(key.shown, key.says) for key in KEYS if key.shown not in digits]
    place = next(i for i, (shown, _) in enumerate(lines) if shown == "shift c") + 1
    lines.insert(place, (f"1 – {len(COLOURS)}", "colour by " + ", ".join(COLOURS[:4]) + " …"))
    return [*MOUSE, *lines]
