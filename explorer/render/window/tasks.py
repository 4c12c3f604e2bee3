"""Long questions to a model, answered on a thread of their own while the window goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from explorer.errors import ExplorerError, InputError
from explorer.render.drawing.text import count, plural
from explorer.render.linked.answers import completeness
from explorer.render.linked.panels import channel_in_view
from explorer.render.linked.questions import Climbing, Salient, said
from explorer.render.window.widgets import Item

if TYPE_CHECKING:
    from explorer.render.window.actions import Actions

SHOWN = 0.5  # seconds until it is said how far it is


class Stopped(Exception):  # noqa: N818  no error: the user asked for it
    """The user has stopped it."""


class Task:
    """Something long that goes on beside the window.

    Attributes:
        words: what it is.
        does: does it, on the thread.
        then: takes what came of it, on the window's side; gives the line that says so.
        grows: takes what there is meanwhile, on the window's side.
        result: what came of it; None until then, and where nothing did.
        error: what went wrong, in one line; "" for nothing.
        done: whether it ended.
        steps: how many of how many steps are behind it.
    """

    def __init__(
        self,
        words: str,
        does: Callable[[Task], Any],
        then: Callable[[Any], str],
        *,
        grows: Callable[[Any], None] | None = None,
    ) -> None:
        self.words, self.then, self.grows = words, then, grows
        self.result: Any = None
        self.error = ""
        self.done = False
        self.steps = (0, 0)
        self._does = does
        self._stop = threading.Event()
        self._latest: Any = None
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it at its next step."""
        self._stop.set()

    def stopped(self) -> bool:
        """Whether it is to end."""
        return self._stop.is_set()

    def step(self, done: int, total: int) -> None:
        """So many steps are done.

        Raises:
            Stopped: it is to end.
        """
        self.steps = done, total
        if self.stopped():
            raise Stopped

    def show(self, latest: Any) -> None:
        """There is something to show meanwhile."""
        self._latest = latest

    def latest(self) -> Any:
        """What there is to show and was not shown yet; None for nothing."""
        found, self._latest = self._latest, None
        return found

    def line(self) -> str:
        """What goes on, how far it is, and how to stop it."""
        seconds, (done, total) = time.monotonic() - self._began, self.steps
        far = f", {count(done)} of {count(total)}" if done else ""
        long = f": {seconds:.0f} s" if seconds > SHOWN else " …"
        return f"{self.words}{long}{far} · Esc stops it"

    def _run(self) -> None:
        try:
            self.result = self._does(self)
        except Stopped:
            self.error = f"{self.words}: stopped, nothing was kept"
        except (ExplorerError, OSError, MemoryError) as error:
            self.error = str(error) or type(error).__name__
        except Exception as error:  # the user's own network may fail in any way
            self.error = f"{self.words}: {type(error).__name__}: {error}".splitlines()[0]
        finally:
            self.done = True


def attend(controls: Actions) -> bool:
    """Look after the window's task; says whether the picture changes."""
    task = controls.task
    if task is None:
        return False
    if task.done:
        controls.task, controls.message = None, task.error
        if task.result is not None:

            def take() -> None:
                controls.message = task.then(task.result)

            controls.guarded(take)
        return True
    latest, words = task.latest(), task.line()
    if latest is not None and task.grows is not None:
        controls.guarded(partial(task.grows, latest))
    changed, controls.message = words != controls.message, words
    return changed or latest is not None


def saliency(controls: Actions, method: str, *, every: bool = False) -> None:
    """Ask which pixels drive what is selected, in the shown picture or in all of them."""
    scene = controls.scene
    asked: Salient = scene.asks(method, every=every)

    def then(found: Any) -> str:
        words = scene.take_saliency(asked, found)
        missed = "" if every else completeness(found, 0)
        return f"{words}; the sum misses what the target gains by {missed}" if missed else words

    where = plural(len(asked.images), "picture") if every else scene.state.run.image_names[asked.images[0]]
    start(controls, Task, f"{method} of {where}", lambda task: asked.answer(task.step), then)


def maximise(controls: Actions, *, selection: bool = False) -> None:
    """Grow the picture that the shown channel, or the selection's direction, answers to most."""
    scene = controls.scene
    if not selection:
        scene.state.channel = channel_in_view(scene.state)
    asked: Climbing = scene.climbs(selection=selection)
    steps, taken = asked.settings["steps"], iter(range(1, asked.settings["steps"] + 1))

    def does(task: Task) -> Any:
        def stop() -> bool:
            task.steps = next(taken, steps), steps
            return task.stopped()

        return asked.answer(task.show, stop)

    def then(result: Any) -> str:
        found, opened = result
        scene.remember(asked.model, opened)
        words = scene.take_maximised(asked, found, keep=True)
        return words if found.finished else f"{words} · stopped before the end, and not kept"

    def grows(found: Any) -> None:
        scene.take_maximised(asked, found, keep=False)

    if not selection and scene.state.map != "channel":
        scene.state.map = "channel"  # what is climbed for is seen beside it
    what = "the selection's direction" if selection else f"channel {asked.channel}"
    start(controls, partial(Task, grows=grows), f"maximising {what}", does, then)


def start(
    controls: Actions,
    make: Callable[[str, Callable[[Task], Any], Callable[[Any], str]], Task],
    words: str,
    does: Callable[[Task], Any],
    then: Callable[[Any], str],
) -> None:
    """Begin a task, when none is under way.

    Raises:
        InputError: something is.
    """
    if controls.task is not None or controls.making is not None:
        raise InputError("something else is being made: Esc stops it")
    controls.task = make(words, does, then)
    controls.message = controls.task.line()


def asking_items(controls: Actions) -> list[Item]:
    """What can be asked of the model, for the list of maps."""
    state = controls.scene.state
    push = controls.push
    found = [
        Item("Ask the model", None),
        Item("saliency, this picture …", partial(push, "saliency"), detail="list"),
        Item("saliency, all pictures …", partial(push, "saliency-all"), detail="list"),
        Item(f"maximise channel {channel_in_view(state)}", partial(maximise, controls)),
    ]
    if len(state.selection):
        words = f"maximise the selection ({count(len(state.selection))})"
        found.append(Item(words, partial(maximise, controls, selection=True)))
    return found


def saliency_items(controls: Actions, *, every: bool = False) -> list[Item]:
    """The methods of saliency, for the shown picture or for all."""
    from explorer.explain.saliency import METHODS

    notes = {"occlusion": "any framework", "rollout": "transformers"}
    return [
        Item(f"What drives {said(controls.scene.state)}{', in all pictures' if every else ''}", None),
        *(
            Item(method, partial(saliency, controls, method, every=every), detail=notes.get(method, ""))
            for method in METHODS
        ),
    ]
