"""What can be done in a window, by whichever button or key."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from explorer.errors import ExplorerError
from explorer.render.drawing.layout import Layout, slice_at
from explorer.render.drawing.text import count
from explorer.render.linked.paper import Paper
from explorer.render.linked.quantities import Clustering
from explorer.render.linked.scene import Scene
from explorer.render.linked.task import Task
from explorer.render.linked.words import method_name
from explorer.render.window import exports_menu
from explorer.render.window.atlas_view import AtlasView
from explorer.render.window.flying import Flying
from explorer.render.window.maps import Choice, Making
from explorer.render.window.maps_view import MapsView
from explorer.render.window.overlay import Overlay
from explorer.render.window.tasks import attend
from explorer.render.window.tools import SAYS

FEWER = 4  # a picture with so many times less of a selection than another gives way to that
PAUSE = 1.0  # seconds between two looks at a map that is still unfolding


class Actions(Flying):
    """What a window does to its scene.

    Attributes:
        size: (width, height) of the window in pixels.
        helping: whether the list of keys is shown.
        done: whether the window should close.
        tool: what a drag over the cloud does: "turn", "box", "lasso", "sphere" or "brush".
        how: what becomes of what was selected before: "replace", "add", "remove" or "keep".
        visible: whether a selection takes only points that are seen.
        making: a map that is being made, or None.
        task: a question to the model that is being answered, or None.
        asks_by: the method of saliency that was asked for last, which the key asks for again.
        waiting: what takes long and is done once the window has said so, or None.
        maps: all maps of the picture, or an atlas, over the window; or None.
        atlases: those that were made, by the line of the list of maps that they are.
        tell: shows the message at once, while something long is being done; a window sets it.
    """

    def __init__(self, scene: Scene, size: tuple[int, int]) -> None:
        super().__init__(scene)
        self.size = size
        self.helping = False
        self.done = False
        self.tool = "turn"
        self.how = "replace"
        self.visible = False
        self.making: Making | None = None
        self.task: Task | None = None
        self.asks_by = "gradient"
        self.waiting: Callable[[], None] | None = None
        self.tell: Callable[[], None] = lambda: None
        self.maps: Overlay | None = None
        self.atlases: dict[str, AtlasView] = {}
        self._announced = False
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

    def selected(self, words: str) -> None:
        """Say what was selected, and show a picture that holds some of it."""
        self.message, shares = words, self.scene.selection.shares()
        if shares.max() > FEWER * shares[self.scene.image]:
            # Where do they come from? The picture that holds most of them says so.
            self.scene.image = int(shares.argmax())

    def _told(self, n: int) -> None:
        self.message = f"{count(n)} positions selected"

    def step_slice(self, step: int) -> None:
        """Show another slice of a volume."""
        self.scene.state.next_slice(step)
        if len(self.scene.state.values.spatial) != 3:
            self.message = "this layer is no volume: it has no slices"

    def slide(self, x: float) -> bool:
        """The slider's knob is dragged to a pixel; says whether another slice is shown."""
        before = self.scene.slice
        self.scene.slice = slice_at(self.layout, x, self.scene.state.values.spatial[0])
        return self.scene.slice != before

    def leaf(self, steps: float, x: float, y: float) -> bool:
        """The wheel over a volume's heatmaps or its slider goes through its slices."""
        slider, state = self.layout.slider, self.scene.state
        shown = self.scene.page(self.size, interactive=True).shown
        over = slider is not None and (
            slider.contains(x, y) or any(one.place.contains(x, y) for one in shown if one.cells is not None)
        )
        if over:
            state.next_slice(-1 if steps > 0 else 1)
        return over

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

    def push(self, name: str) -> None:
        """Push a button by its name."""
        raise NotImplementedError

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
        if self.task is not None:
            self.task.stop()
        self.done = True

    def show_map(self, choice: Choice, *, beside: bool = False) -> None:
        """Show another map, in place of the shown one or beside it; what the run lacks is made meanwhile."""
        if self.making is not None or self.task is not None:
            taken = "another map is being made: Esc takes it as it is"
            self.message = taken if self.task is None else "the model is being asked: Esc stops it"
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
        flown, making = attend(self) | self.flown() or self._announced, self.making
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
