"""The table of keys: what each is called, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from explorer.render.linked.state import COLOURS
from explorer.render.window.controls import Controls
from explorer.render.window.tasks import saliency


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


DIGITS = 9
COLOUR_KEYS = {mode: str(index + 1) for index, mode in enumerate(COLOURS[:DIGITS])}


def _colour(mode: str) -> Callable[[Controls], None]:
    """The key that colours by one mode."""
    return lambda controls: controls.colour(mode)


def _tool(name: str) -> Callable[[Controls], None]:
    """The key that takes a tool."""
    return lambda controls: controls.use(name)


KEYS = (
    Key(("n", "Right"), "n  →", "next image", lambda c: c.scene.state.next_image()),
    Key(("p", "Left"), "p  ←", "previous image", lambda c: c.scene.state.next_image(-1)),
    Key(("bracketright", "Up"), "]  ↑", "next channel", lambda c: c.scene.state.next_channel()),
    Key(("bracketleft", "Down"), "[  ↓", "previous channel", lambda c: c.scene.state.next_channel(-1)),
    Key(("Prior",), "page up", "previous slice of a volume", lambda c: c.step_slice(-1)),
    Key(("Next",), "page down", "next slice", lambda c: c.step_slice(1)),
    Key(("m",), "m", "map: norm, channel or component", lambda c: c.scene.state.next_map()),
    Key(("f",), "f", "all maps of this image", Controls.show_maps),
    Key(("o",), "o", "map over the picture or alone", Controls.overlay),
    Key(("c",), "c", "next colours of the points", lambda c: c.step_colour(1)),
    Key(("C",), "shift c", "previous colours", lambda c: c.step_colour(-1)),
    *(Key((digit,), digit, f"colour by {mode}", _colour(mode)) for mode, digit in COLOUR_KEYS.items()),
    Key(("i",), "i", "only this image in colour", Controls.isolate),
    Key(("d",), "d", "the same map flat or in space", Controls.switch_flat),
    Key(("j",), "j", "class names in the cloud", Controls.switch_names),
    Key(("t",), "t", "light or dark", Controls.switch_theme),
    Key(("r",), "r", "opening view", Controls.reset),
    Key(("v",), "v", "views along the axes", Controls.preset),
    Key(("a",), "a", "keep this view", Controls.keep_view),
    Key(("period",), ".", "next kept view", lambda c: c.step_view(1)),
    Key(("comma",), ",", "previous kept view", lambda c: c.step_view(-1)),
    Key(("z",), "z", "a second map beside this one", lambda c: c.push("beside")),
    Key(("space",), "space", "drag turns", _tool("turn")),
    Key(("b",), "b", "drag selects a box", _tool("box")),
    Key(("l",), "l", "drag selects with a lasso", _tool("lasso")),
    Key(("g",), "g", "drag selects a sphere", _tool("sphere")),
    Key(("u",), "u", "drag paints on a heatmap", _tool("brush")),
    Key(("y",), "y", "select only what is seen", Controls.switch_visible),
    Key(("A",), "shift a", "ask the model what drives it", lambda c: saliency(c, c.asks_by)),
    Key(("w",), "w", "why it lies together: a page", Controls.explain),
    Key(("x", "Delete"), "x", "clear selection and filters", Controls.clear),
    Key(("slash",), "/", "find a picture", lambda c: c.push("find")),
    Key(("s",), "s", "save a picture", Controls.save_picture),
    Key(("k",), "k", "save the camera", Controls.save_view),
    Key(("O",), "shift o", "open a state or camera", lambda c: c.push("views")),
    Key(("h", "question"), "h", "this list", Controls.toggle_help),
    Key(("Escape",), "esc", "back: what is laid over, then the selection", Controls.clear),
    Key(("q",), "q", "quit", Controls.quit),
)
MOUSE = (
    ("click", "look at a point, or at a position on a map"),
    ("click name", "select all of a class"),
    ("click legend", "hide a class; right click: it alone"),
    ("drag", "turn (flat: move); on a heatmap: select"),
    ("shift drag", "move"),
    ("wheel", "nearer or farther"),
)


def help_lines() -> list[tuple[str, str]]:
    """What the help lists: the mouse, then every key of the table; colours in one line."""
    digits = set(COLOUR_KEYS.values())
    lines = [(key.shown, key.says) for key in KEYS if key.shown not in digits]
    place = next(i for i, (shown, _) in enumerate(lines) if shown == "shift c") + 1
    lines.insert(place, (f"1 – {DIGITS}", "colour by " + ", ".join(COLOURS[:4]) + " …"))
    return [*MOUSE, *lines]
