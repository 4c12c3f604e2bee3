"""What can be done in a window, by whichever button or key."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from explorer.errors import ExplorerError
from explorer.render import exports_menu, motion
from explorer.render.camera import Camera
from explorer.render.layout import Layout
from explorer.render.linked_scene import Scene
from explorer.render.maps import Choice, Making
from explorer.render.maps_view import MapsView
from explorer.render.paper import Paper
from explorer.render.quantities import Clustering
from explorer.render.text import count
from explorer.render.tools import SAYS
from explorer.render.words import method_name

PAUSE = 1.0  # seconds between two looks at a map that is still unfolding
FLIGHT = 0.35  # seconds from one view to another


@dataclass(frozen=True)
class Flight:
    """On the way from one view to another; `ends_open` where the last is the opening one."""

    before: Camera
    after: Camera
    began: float
    ends_open: bool


class Actions:
    """What a window does to its scene.

    Attributes:
        scene: what is acted on.
        size: (width, height) of the window in pixels.
        message: what was last said in passing.
        helping: whether the list of keys is shown.
        done: whether the window should close.
        tool: what a drag over the cloud does: "turn", "box", "lasso", "sphere" or "brush".
        how: what becomes of what was selected before: "replace", "add", "remove" or "keep".
        visible: whether a selection takes only points that are seen.
        making: a map that is being made, or None.
        flight: the way from one view to another, or None at rest.
        waiting: what takes long and is done once the window has said so, or None.
        maps: all maps of the picture over the window, or None.
        tell: shows the message at once, while something long is being done; a window sets it.
    """

    def __init__(self, scene: Scene, size: tuple[int, int]) -> None:
        self.scene = scene
        self.size = size
        self.message = ""
        self.helping = False
        self.done = False
        self.tool = "turn"
        self.how = "replace"
        self.visible = False
        self.making: Making | None = None
        self.flight: Flight | None = None
        self.waiting: Callable[[], None] | None = None
        self.tell: Callable[[], None] = lambda: None
        self.maps: MapsView | None = None
        self._announced = False
        self._viewed = -1
        self._preset = 0
        self._unfolded = (0, 0.0)

    @property
    def layout(self) -> Layout:
        """Where everything lies in the window."""
        return self.scene.laid_out(self.scene.part_of(Paper(self.size, interactive=True)))

    def use(self, tool: str) -> None:
        """Choose what a drag does."""
        self.tool, self.message = tool, SAYS[tool]

    def colour(self, colour: str) -> None:
        """Colour the points so, and let the heatmap show the same numbers where it can."""
        state = self.scene.state
        state.colour = colour
        if colour in ("norm", "channel", "component"):
            state.map = colour

    def cluster(self, how: Clustering) -> None:
        """Colour by clusters found so."""
        self.scene.state.clustering = how
        self.scene.state.colour = "cluster"

    def show_all_classes(self) -> None:
        """Hide no class of the current colouring."""
        state = self.scene.state
        state.hidden = {mode: names for mode, names in state.hidden.items() if mode != state.colour}

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

    def switch_flat(self) -> None:
        """See the same map flat, or in space again."""
        self.scene.flat = not self.scene.flat
        self._preset = 0

    def switch_names(self) -> None:
        """Name classes at their centres, or not."""
        self.scene.named = not self.scene.named

    def switch_visible(self) -> None:
        """Select only what is seen, or all within."""
        self.visible = not self.visible
        self.message = "only points that are seen" if self.visible else "all points within, hidden or not"

    def clear(self) -> None:
        """Select nothing, look at nothing, hide nothing."""
        self.scene.clear_selection()
        self.scene.state.hidden = {}

    def select_shown(self, *, whole: bool) -> None:
        """Select every point that no filter hides, or those of the current image."""
        state = self.scene.state
        found = state.shown if whole else state.shown & (state.image_of_row == state.image)
        self._told(len(state.choose(found, self.how)))

    def invert(self) -> None:
        """Select what was not selected, and nothing else."""
        self.scene.selection = ~self.scene.selection
        self._told(len(self.scene.selection))

    def select_similar(self, least: float) -> None:
        """Select every position whose cosine similarity to the focus is at least so much."""
        self._told(len(self.scene.select_similar(least, how=self.how)))

    def _told(self, n: int) -> None:
        self.message = f"{count(n)} positions selected"

    def reset(self) -> None:
        """Back to the opening view."""
        self._preset = 0
        before = self.scene.view
        self.scene.view = None
        self.fly(before, self.scene.view, ends_open=True)

    def fly(self, before: Camera, after: Camera, *, ends_open: bool = False) -> None:
        """Go from one view to another in a moment, where frames are asked for meanwhile."""
        self.flight = Flight(before, after, time.monotonic(), ends_open)

    def _flown(self) -> bool:
        """Go on with a flight; says whether there is one."""
        flight = self.flight
        if flight is None:
            return False
        part = (time.monotonic() - flight.began) / FLIGHT
        if part >= 1:
            self.scene.view = None if flight.ends_open else flight.after
            self.flight = None
        else:
            eased = part * part * (3 - 2 * part)
            self.scene.view = motion.between(flight.before, flight.after, eased)
        return True

    def preset(self) -> None:
        """Look along the projection's axes in turn."""
        place = self.layout.cloud
        if self.scene.cloud.flat or not len(self.scene.cloud.points):
            self.reset()
            return
        basis = np.array(motion.PRESETS[self._preset % 3], float)
        before, after = self.scene.view, self.scene.views.along(basis, place.width / place.height)
        self.scene.view = after
        self.fly(before, after)
        self.message = ("axes 1 and 2", "axes 1 and 3", "axes 2 and 3")[self._preset % 3]
        self._preset += 1

    def keep_view(self) -> None:
        """Keep the view as it is."""
        self._viewed = self.scene.keep_view()
        self.message = f"view {self._viewed + 1} kept: , and . go through those that were"

    def go_to_view(self, index: int) -> None:
        """Fly to a kept view."""
        before = self.scene.view
        self.scene.go_to_view(index)
        self._viewed = index
        self.fly(before, self.scene.view)
        self.message = f"view {index + 1} of {len(self.scene.kept_views)}"

    def step_view(self, step: int) -> None:
        """Fly to the next kept view, or the one before; after the last comes the first."""
        n = len(self.scene.kept_views)
        if not n:
            self.message = "no view was kept yet: a keeps this one"
            return
        first = 0 if step > 0 else n - 1
        self.go_to_view(first if self._viewed < 0 else (self._viewed + step) % n)

    def forget_view(self, index: int) -> None:
        """Drop a kept view."""
        del self.scene.views.kept[index]
        self._viewed = -1

    def step_slice(self, step: int) -> None:
        """Show another slice of a volume."""
        self.scene.state.next_slice(step)
        if len(self.scene.state.values.spatial) != 3:
            self.message = "this layer is no volume: it has no slices"

    def stand_alone(self) -> None:
        """Show no second map."""
        self.scene.beside = None

    def show_maps(self, order: str = "index") -> None:
        """Lay all maps of the picture over the window in this order, or take them away again."""
        if self.maps is not None and self.maps.order == order:
            self.maps = None
            return
        view = MapsView(self.scene, order)

        def does() -> None:
            view.channels()
            self.maps, self.message = view, ""

        # All but the plain order look through the whole data set, the first time.
        (does if order == "index" else partial(self.begin, "looking through the data set", does))()

    def explain(self, suffix: str = ".html") -> None:
        """Write why the selection lies together into the current folder."""
        exports_menu.why(self, suffix)

    def begin(self, words: str, does: Callable[[], None]) -> None:
        """Do something that takes long, once the window has said so."""
        self.message, self.waiting, self._announced = f"{words} …", does, False

    def told(self, words: str) -> None:
        """Say how far something long has come, while it is being done."""
        self.message = words
        self.tell()

    def toggle_help(self) -> None:
        """Show or hide the list of keys."""
        self.helping = not self.helping

    def save_picture(self) -> None:
        """Write what is seen into the current folder."""
        exports_menu.picture(self)

    def save_view(self) -> None:
        """Write the camera into the current folder."""
        exports_menu.camera(self)

    def quit(self) -> None:
        """Close the window."""
        self.done = True

    def show_map(self, choice: Choice, *, beside: bool = False) -> None:
        """Show another map, in place of the shown one or beside it; what the run lacks is made meanwhile."""
        if self.making is not None:
            self.message = "another map is being made: Esc takes it as it is"
            return
        self.making, self._unfolded = Making(self.scene.state.run, choice), (0, 0.0)
        self.making.beside = beside

    def poll(self) -> bool:
        """Look after what goes on: a flight, a map, a long task; says whether the picture changes."""
        if self.waiting is not None and self._announced:
            does, self.waiting = self.waiting, None
            self.guarded(does)
            return True
        self._announced = self.waiting is not None
        flown, making = self._flown() or self._announced, self.making
        if making is None:
            return flown
        if not making.done:
            choice = making.choice
            steps = f", iteration {count(making.iteration)}" if making.iteration else ""
            name = f"{method_name(choice.method)} {choice.n_components}D of {choice.layer}"
            words = f"making {name}: {making.seconds:.0f} s{steps} · Esc takes it as it is"
            changed = making.seconds > 0.5 and words != self.message
            self.message = words if changed else self.message
            return self._unfold(making) or changed or flown
        self.making, self.message = None, making.error
        result = making.result
        if result is not None:
            self.guarded(lambda: setattr(self.scene, making.where, result))
        return True

    def _unfold(self, making: Making) -> bool:
        """Show the map as it is by now, now and then; says whether there was a newer one."""
        if making.iteration == self._unfolded[0] or making.seconds < self._unfolded[1] + PAUSE:
            return False
        now, views = making.so_far(), self.scene.views
        if now is None:
            return False
        self.guarded(lambda: setattr(self.scene, making.where, now))
        if not making.beside:
            self.scene.views.follow(views)
        self._unfolded = making.iteration, making.seconds
        return True

    def guarded(self, does: Callable[[], None]) -> None:
        """Do something; say what went wrong where something did."""
        try:
            does()
        except (ExplorerError, OSError, MemoryError) as error:
            self.message = str(error) or type(error).__name__
