"""The window's long questions to a model, and how it looks after the one that is under way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from explorer.errors import InputError
from explorer.render.drawing.text import count, plural
from explorer.render.linked.answers import completeness, kept_answer
from explorer.render.linked.panels import channel_in_view
from explorer.render.linked.questions import Climbing, Salient, said
from explorer.render.linked.task import Task
from explorer.render.window.widgets import Item

if TYPE_CHECKING:
    from explorer.render.window.actions import Actions


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
    asked: Salient = controls.scene.asks(method, every=every)
    controls.asks_by = method
    if not again(controls, asked):
        explain(controls, asked)


def again(controls: Actions, asked: Salient | Climbing) -> bool:
    """Show an answer that the run keeps; says whether it does.

    Raises:
        InputError: something else is under way.
    """
    _check_free(controls)
    found = kept_answer(asked)
    if found is not None:
        controls.message = controls.scene.take_kept(found)
    return found is not None


def anew(controls: Actions) -> None:
    """Find the answer that is shown once more, which was read from the run."""
    asked = controls.scene.asks_again()
    if isinstance(asked, Salient):
        explain(controls, asked)
    else:
        climb(controls, asked)


def explain(controls: Actions, asked: Salient) -> None:
    """Begin to make maps."""
    scene, every = controls.scene, len(asked.images) > 1

    def then(found: Any) -> str:
        words = scene.take_saliency(asked, found)
        missed = "" if every else completeness(found, 0)
        return f"{words}; the sum misses what the target gains by {missed}" if missed else words

    where = plural(len(asked.images), "picture") if every else scene.state.run.image_names[asked.images[0]]
    start(controls, Task, f"{asked.method} of {where}", lambda task: asked.answer(task.step), then)


def maximise(controls: Actions, *, selection: bool = False) -> None:
    """Grow the picture that the shown channel, or the selection's direction, answers to most."""
    scene = controls.scene
    if not selection:
        scene.state.channel = channel_in_view(scene.state)
    asked: Climbing = scene.climbs(selection=selection)
    if not selection and scene.state.map != "channel":
        scene.state.map = "channel"  # what is climbed for is seen beside it
    if not again(controls, asked):
        climb(controls, asked)


def climb(controls: Actions, asked: Climbing) -> None:
    """Begin to grow a picture."""
    scene = controls.scene

    def does(task: Task) -> Any:
        return asked.answer(task.show, task.counted(asked.settings["steps"]))

    def then(result: Any) -> str:
        found, opened = result
        scene.remember(asked.model, opened)
        words, why = scene.take_maximised(asked, found), scene.keep_maximised(asked, found)
        words += f" (not kept in the run: {why})" if why else ""
        return words if found.finished else f"{words} · stopped before the end, and not kept"

    def grows(found: Any) -> None:
        scene.take_maximised(asked, found)

    what = "the selection's direction" if asked.channel is None else f"channel {asked.channel}"
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
    _check_free(controls)
    controls.task = make(words, does, then)
    controls.message = controls.task.line()


def _check_free(controls: Actions) -> None:
    if controls.task is not None or controls.making is not None:
        raise InputError("something else is being made: Esc stops it")


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
    answer = state.answer
    if answer is not None and answer.again and answer.holds(state):
        found.append(Item("the shown answer, computed anew", partial(anew, controls)))
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
