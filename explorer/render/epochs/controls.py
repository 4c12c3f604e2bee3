"""Mouse and keys over the epochs: the slider, playing, and the smooth way from one epoch to another."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.render.epochs.timeline import Timeline, timeline
from explorer.render.window.controls import Controls
from explorer.render.window.menus import buttons
from explorer.render.window.widgets import Button, Placed, place_buttons

if TYPE_CHECKING:
    from explorer.render.epochs.scene import EpochScene

STEP = 0.7
"""Seconds from one epoch to the next."""
LONGEST = 1.4
"""Seconds from any epoch to any other that was clicked on."""
REST = 0.6
"""Seconds that playing rests at each epoch."""


@dataclass(frozen=True)
class Way:
    """On the way from one place among the epochs to an epoch."""

    start: float
    end: int
    began: float
    seconds: float


class EpochControls(Controls):
    """Controls with a slider below the cloud.

    Attributes:
        scene: the scene over epochs.
        way: the way to another epoch, or None at rest.
    """

    scene: EpochScene

    def __init__(self, scene: EpochScene, size: tuple[int, int]) -> None:
        super().__init__(scene, size)
        self.way: Way | None = None
        self._sliding = False
        self._rests_until = 0.0

    @property
    def moving(self) -> bool:
        """Whether the camera or the points are on their way."""
        return super().moving or self._sliding or self.way is not None

    def help_lines(self) -> list[tuple[str, str]]:
        """The usual list, and the epochs' keys."""
        own = [(",  .", "epoch before or after"), ("a", "play the epochs")]
        own += [("e", "grey what has not moved")] if self.scene.seeded else []
        usual = [line for line in super().help_lines() if line[0] not in ("a", ".", ",")]
        return [*usual, *own]

    def placed(self) -> tuple[Placed, ...]:
        """The usual buttons, and the one that greys what has not moved beyond another seed's doing."""
        own, found = Button("moved", "Only moved", lit=self.scene.only_moved), list(buttons(self))
        if self.scene.seeded:
            names = [button.name for button in found]
            found.insert(names.index("visible") + 1, own)
        return place_buttons(tuple(found), self.layout)

    def push(self, name: str) -> None:
        """Push a button by its name."""
        if name == "moved":
            self.switch_moved()
        else:
            super().push(name)

    def switch_moved(self) -> None:
        """Grey what has not moved since the epoch before beyond what another seed does, or nothing."""
        scene = self.scene
        scene.only_moved = not scene.only_moved
        if not scene.only_moved:
            self.message = ""
            return
        share = scene.evolution.figures[scene.epoch].moved
        since = "" if share is None else f" since epoch {scene.evolution.epochs[scene.epoch - 1]}"
        self.message = f"in colour: what has moved{since} beyond another seed" + (
            "" if share is not None else "; nothing comes before the first epoch"
        )

    def go(self, epoch: int, seconds: float | None = None) -> None:
        """Set out for an epoch; the picture goes there while `poll` is called."""
        end = min(max(epoch, 0), len(self.scene.evolution.epochs) - 1)
        far = abs(end - self.scene.at)
        if far > 1e-9:
            took = min(LONGEST, max(0.25, STEP * far)) if seconds is None else seconds
            self.way = Way(self.scene.at, end, time.monotonic(), took)
        self.hover = None

    def play(self) -> None:
        """Play the epochs from here, from the first when the last is shown; or stop."""
        scene = self.scene
        scene.playing = not scene.playing
        if not scene.playing:
            self.go(round(scene.at))
            return
        if scene.epoch == len(scene.evolution.epochs) - 1:
            scene.at = 0.0
        self.way, self._rests_until = None, time.monotonic() + REST

    def poll(self) -> bool:
        """Go on with the way, and with playing; says whether the picture changes."""
        changed, scene, now = super().poll(), self.scene, time.monotonic()
        if self.way is not None:
            part = min(1.0, (now - self.way.began) / self.way.seconds)
            at = self.way.start + (self.way.end - self.way.start) * part
            scene.at = float(self.way.end) if part >= 1 else at
            if part >= 1:
                self.way, self._rests_until = None, now + REST
            return True
        if scene.playing and now >= self._rests_until:
            if scene.epoch >= len(scene.evolution.epochs) - 1:
                scene.playing = False
                return True
            self.go(scene.epoch + 1)
        return changed

    def _line(self) -> Timeline:
        return timeline(self.layout, len(self.scene.curves))

    def press(self, button: str, x: float, y: float, *, shift: bool = False, control: bool = False) -> None:
        """A mouse button went down: the slider and the button that plays take it first."""
        line = self._line()
        free = button == "left" and self.popup is None and not self.helping
        if free and line.play is not None and line.play.contains(x, y):
            self.play()
            self._drag = "none"
            self._moved = True  # so that letting go is no click
        elif free and line.slider.contains(x, y):
            self._slide(x)
            self._sliding = True
        elif free and (chosen := self._plotted(line, x, y)) is not None:
            self.go(chosen)
            self._drag, self._moved = "none", True
        else:
            super().press(button, x, y, shift=shift, control=control)

    def _plotted(self, line: Timeline, x: float, y: float) -> int | None:
        """The epoch under a pixel of a plot."""
        plot = next((one for one in line.plots if one.contains(x, y)), None)
        if plot is None:
            return None
        return round((x - plot.left) / max(1, plot.width) * (len(self.scene.evolution.epochs) - 1))

    def _slide(self, x: float) -> None:
        scene = self.scene
        self.way, scene.playing, self.hover = None, False, None
        scene.at = self._line().at(x, len(scene.evolution.epochs))

    def move(self, x: float, y: float) -> bool:
        """The mouse is at a pixel; says whether the picture changes."""
        if self._sliding:
            self._slide(x)
            return True
        return super().move(x, y)

    def release(self, button: str, x: float, y: float, *, shift: bool = False) -> None:
        """A mouse button went up: the slider goes on to the nearest epoch."""
        if self._sliding:
            self._sliding = False
            self.go(round(self.scene.at))
        else:
            super().release(button, x, y, shift=shift)

    def key(self, name: str, text: str = "") -> bool:
        """A key went down; says whether it means something."""
        does = {
            "comma": lambda: self._go_by(-1),
            "period": lambda: self._go_by(1),
            "a": self.play,
            "e": self.switch_moved,
        }.get(name)
        if self.popup is not None or does is None:
            return super().key(name, text)
        self.message = ""
        does()
        return True

    def _go_by(self, step: int) -> None:
        """One epoch on or back from where the way leads."""
        self.scene.playing = False
        self.go((self.scene.epoch if self.way is None else self.way.end) + step)
