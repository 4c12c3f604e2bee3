"""What a model was asked last about what is shown, and the panel that shows its answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.render.drawing.colours import SEQUENTIAL, Theme
from explorer.render.drawing.text import number, plural
from explorer.render.linked.plane import cells

if TYPE_CHECKING:
    from explorer.explain.maximised import Maximised
    from explorer.explain.saliency import Saliency
    from explorer.render.linked.panels import Panel
    from explorer.render.linked.questions import Climbing, Salient
    from explorer.render.linked.state import State

ANSWERED = " (answered)"
SHORT = {
    "gradient-x-input": "grad × input",
    "integrated-gradients": "integrated",
    "guided-backprop": "guided",
}
"""Names of methods where there is little room."""


@dataclass(frozen=True, eq=False)
class Mapped:
    """Saliency maps of one picture, or of all.

    Attributes:
        found: the maps.
        images: the pictures that they are of.
        since: what was shown and selected when they were asked for, as `moment` tells.
        asked: the question.
        kept: their name among the maps of all pictures that the run keeps; "" where it does not.
        again: whether they were read from the run, and not computed.
    """

    found: Saliency
    images: tuple[int, ...]
    since: tuple[Any, ...]
    asked: Salient
    kept: str = ""
    again: bool = False

    def holds(self, state: State) -> bool:
        """Whether they are still about what is shown."""
        of_channel = self.since[2] is not None
        return state.image in self.images and _same(self.since, moment(state, channel=of_channel))

    def panel(self, state: State, theme: Theme) -> Panel:
        """The shown picture's map over it, with what it explains and how complete it is."""
        from explorer.render.linked.panels import Panel
        from explorer.render.sheets.saliency_page import scale_of_map

        found, at = self.found, self.images.index(state.image)
        values = _flat(state, found.values[at])
        scale = scale_of_map(values, signed=found.signed)
        scale = replace(scale, colour_map=f"diverging-{theme.name}" if found.signed else SEQUENTIAL)
        missed = completeness(found, at)
        words = _short(self, at)
        detail = f"{words.removesuffix(ANSWERED)} · off {missed}" if missed else words
        under = state.run.picture(state.image) if state.overlaid and values.ndim == 2 else None
        curve = len(values) == 1 < values.shape[1]
        grid = cells(state)
        grid = None if grid is not None and grid[0] == 1 and not curve else grid
        return Panel(
            SHORT.get(found.method, found.method), detail, grid, values, scale=scale, under=under, curve=curve
        )


@dataclass(frozen=True, eq=False)
class Grown:
    """A picture that a channel or the selection's direction answers to most, or is on its way there.

    Attributes:
        found: the picture, the only objective's.
        since: what was shown and selected when it was asked for.
        asked: the question.
        again: whether it was read from the run, and not grown.
    """

    found: Maximised
    since: tuple[Any, ...]
    asked: Climbing
    again: bool = False

    @property
    def direction(self) -> bool:
        """Whether it is of the selection's direction, and not of a channel."""
        return self.asked.channel is None

    def holds(self, state: State) -> bool:
        """Whether it is still about what is shown."""
        return _same(self.since, moment(state, channel=not self.direction))

    def panel(self, state: State, theme: Theme) -> Panel:
        """The best of the pictures, with what it reaches."""
        from explorer.render.linked.panels import Panel

        reached, real = self.found.reached[0], self.found.real
        best = int(np.nanargmax(reached)) if np.isfinite(reached).any() else 0
        detail = f"{reached[best]:.3g}"  # in few words: there is little room
        if not np.isfinite(reached[best]):
            detail = "growing"
        elif self.direction:
            detail = f"selection {detail}"
        elif real is not None:
            detail += f" · real {real.values[0, 0]:.3g}"
        return Panel("maximised", detail, colours=self.found.shown()[0, best])


Answer = Mapped | Grown


def kept_answer(asked: Salient | Climbing) -> Answer | None:
    """What the run keeps of an answer to a question; None where it has to be found."""
    from explorer.render.linked.questions import Salient

    if isinstance(asked, Salient):
        maps = asked.kept()
        return (
            None if maps is None else Mapped(maps[1], asked.images, asked.since, asked, maps[0], again=True)
        )
    picture = asked.kept()
    return None if picture is None else Grown(picture, asked.since, asked, again=True)


def moment(state: State, *, channel: bool = False) -> tuple[Any, ...]:
    """What an answer is about: it gives way once anything of this changes."""
    at = state.focus
    looked = None if at is None else (at.image, *at.position)
    of = state.values.layer, id(state.run)  # another epoch of a training is another run
    return (*of, state.channel if channel else None, looked, state.kept_selection)


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    *first, chosen = one
    *second, now = other
    return first == second and chosen is now


def completeness(found: Saliency, at: int) -> str:
    """By how much a map's sum misses what it should be, in words; empty where none is promised."""
    if found.completeness is None:
        return ""
    missed = float(found.completeness[at])
    return "< 0.1 %" if missed < 0.001 else f"{number(100 * missed, 2)} %"


def _short(answer: Mapped, at: int) -> str:
    """What is explained, in few words."""
    chosen = answer.asked.asked.selection
    if not isinstance(chosen, np.ndarray):
        return answer.found.target[at]
    return plural(int(chosen[at].sum()), "position")


def _flat(state: State, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The plane of a map that is drawn: of a volume the shown slice, of a signal its only row."""
    if values.ndim == 1:
        return values[None]
    if values.ndim == 3:
        deep = state.values.spatial[0] if len(state.values.spatial) == 3 else 1
        return np.asarray(values[min(int((state.cut + 0.5) / deep * len(values)), len(values) - 1)])
    return values
