"""What the page asks the model: one question at a time, answered on a thread while the page goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from explorer.errors import ExplorerError, InputError
from explorer.render.linked.answers import Mapped, kept_answer
from explorer.render.linked.questions import Salient
from explorer.render.linked.task import Task
from explorer.web.answered import growing, grown, mapped, sheet
from explorer.web.material import Told
from explorer.web.model import model_of

if TYPE_CHECKING:
    from explorer.explain.maximised import Maximised
    from explorer.explain.saliency import Saliency
    from explorer.render.linked.answers import Answer
    from explorer.render.linked.questions import Climbing, Of
    from explorer.render.linked.scene import Scene
    from explorer.web.answers import Answers

QUESTIONS = frozenset(
    ("ask_saliency", "ask_maximise", "ask_again", "asking", "ask_stop", "ask_close", "answer", "answer_file")
)


class Asking:
    """Asks the scene's model for the page.

    Attributes:
        answers: what is known of the run; its scene is asked and takes the answers.
        task: what is being found, or was found last.
    """

    def __init__(self, answers: Answers, turns: ThreadPoolExecutor) -> None:
        self.answers = answers
        self.task: Task | None = None
        self._turns = turns
        self._taken = True
        self._answered = 0
        self._began = 0.0
        self._said: Told = {}
        self._of: Told = {}

    async def __call__(self, question: str, arguments: list[Any], shown: str | None) -> Any:
        """Answer a question of the page about the model.

        Raises:
            InputError: a question that makes no sense now, or about another map than is shown by now.
            ModelError: what the model does not give.
        """
        if question == "ask_stop":
            return self.stop()
        if question == "asking" and (self.task is None or not self.task.done or self._taken):
            return self.told()  # does not wait for its turn
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._turns, self._answer, question, arguments, shown)

    def _answer(self, question: str, arguments: list[Any], shown: str | None) -> Any:
        """Whatever touches the scene, in its turn."""
        if shown is not None and shown != self.answers.shown:
            raise InputError(f"question {question!r}: of a map that is no longer shown")
        try:
            return self._known(question, arguments)
        except (TypeError, ValueError, IndexError, KeyError) as error:
            raise InputError(f"question {question!r} with {len(arguments)} arguments: {error}") from None

    def _known(self, question: str, arguments: list[Any]) -> Any:
        scene = self.answers.scene
        if question == "asking":
            self._take()
            return self.told()
        if question == "ask_saliency":
            return self.saliency(*arguments)
        if question == "ask_maximise":
            return self.maximise(*arguments)
        if question == "ask_again":
            return self.again(*arguments)
        if question == "ask_close":
            scene.state.answer = None
            return None
        if question == "answer_file":
            return self._sheet(scene.state.answer, *arguments)
        answer = scene.state.answer
        if answer is None:
            return None
        told = mapped(answer, scene.state, *arguments) if isinstance(answer, Mapped) else grown(answer)
        return {**told, "number": self._answered, **self.answers.epoch_of(answer.asked.run)}

    def _sheet(self, answer: Answer | None, image: int, theme: str) -> Told:
        """The answer as a sheet, which names its epoch where it has one."""
        if answer is None:
            raise InputError("the model has not answered yet")
        run = answer.asked.run
        return sheet(answer, f"{run.name}{self._when(run)}", image=image, theme=theme)

    def _when(self, run: object) -> str:
        """At which epoch that is, in words; "" for a run that is of no training."""
        told = self.answers.epoch_of(run)
        return f" at epoch {told['epoch']['name']}" if told else ""

    def saliency(self, seen: Told, wish: Told) -> Told:
        """Begin to find which pixels drive something.

        Args:
            seen: what the page shows and has chosen, as `look` takes it.
            wish: "method", one of `explorer.saliency`'s; "of", what is explained: class, position, selection
                or channel; "target", a class by name or number in place of these, or None; and "every", in
                all pictures, kept with the run as a colour.

        Raises:
            InputError: something is being found already, or nothing is there to explain.
        """
        method, of, target, every = wish["method"], wish["of"], wish["target"], bool(wish["every"])
        if of not in ("class", "position", "selection", "channel"):
            raise InputError(f"{of!r}: expected class, position, selection or channel")
        asked = self._ready(seen).asks(method, target=target, of=cast("Of", of), every=every)
        return self._kept(asked) or self._explain(asked)

    def _explain(self, asked: Salient) -> Told:
        """Begin to make maps."""
        scene, n = self.answers.scene, len(asked.images)
        where = f"{n:,} pictures" if n > 1 else asked.run.image_names[asked.images[0]]

        def then(found: Saliency) -> str:
            scene.take_saliency(asked, found)
            shown = n > 1 and asked.run is scene.state.run
            self._said = {"colour": scene.state.colour} if shown else {}
            return ""

        return self._start(f"{asked.method} of {where}", asked, lambda task: asked.answer(task.step), then)

    def maximise(self, seen: Told, of: str) -> Told:
        """Begin to grow the picture that the shown channel, or the selection's direction, answers to most.

        Args:
            seen: what the page shows and has chosen, as `look` takes it.
            of: "channel" or "selection".

        Raises:
            InputError: something is being found already, or nothing is selected.
        """
        if of not in ("channel", "selection"):
            raise InputError(f"{of!r}: expected channel or selection")
        asked = self._ready(seen).climbs(selection=of == "selection")
        return self._kept(asked) or self._grow(asked)

    def again(self, seen: Told, anew: bool) -> Told:
        """Begin to ask what was answered last once more, of the epoch that is shown.

        Args:
            seen: what the page shows and has chosen, as `look` takes it.
            anew: compute also what the run keeps.

        Raises:
            InputError: something is being found already, or nothing was asked.
        """
        asked = self._ready(seen).asks_again()
        if not anew and (told := self._kept(asked)):
            return told
        return self._explain(asked) if isinstance(asked, Salient) else self._grow(asked)

    def _grow(self, asked: Climbing) -> Told:
        """Begin to grow a picture."""
        scene = self.answers.scene

        def does(task: Task) -> Any:
            return asked.answer(task.show, task.counted(asked.settings["steps"]))

        def then(result: tuple[Maximised, object]) -> str:
            found, opened = result
            scene.remember(asked.model, opened)
            said, why = scene.take_maximised(asked, found), scene.keep_maximised(asked, found)
            self._said = {"note": f"not kept in the run: {why}" if why else ""}
            if not found.finished:
                self._said = {"note": "stopped before the end, and not kept"}
            return said

        what = "the selection's direction" if asked.channel is None else f"channel {asked.channel}"
        return self._start(f"growing a picture for {what}", asked, does, then)

    def _kept(self, asked: Salient | Climbing) -> Told | None:
        """Show an answer that the run keeps already; None where it has to be found."""
        found = kept_answer(asked)
        if found is None:
            return None
        self.answers.scene.take_kept(found)
        self.task, self._said = None, {"model": model_of(self.answers.scene)}
        if isinstance(found, Mapped) and len(found.images) > 1:
            self._said["colour"] = self.answers.scene.state.colour
        self._answered += 1
        return self.told()

    def stop(self) -> None:
        """End what is being found at its next step."""
        if self.task is not None:
            self.task.stop()

    def told(self) -> Told:
        """How far it is; of a picture that grows, how it looks by now."""
        task = self.task
        if task is None:
            return {"running": False, "number": self._answered, **self._said}
        done, total = task.steps
        told: Told = {
            "running": not task.done,
            "number": self._answered,
            "words": task.words,
            "done": done,
            "total": total,
            "seconds": round(time.monotonic() - self._began, 1),
            "stopping": task.stopped(),
        }
        if not task.done:
            latest = task.latest()
            return told if latest is None else {**told, "growing": {**growing(latest), **self._of}}
        return {**told, "error": task.error, "model": model_of(self.answers.scene), **self._said}

    def look(self, seen: Told) -> Scene:
        """Let the scene look at what the page looks at.

        Args:
            seen: "image", "slice" and "channel", "focus" (a place of the layer's grid, or None) and "places",
                the selected ones.
        """
        scene, state = self.answers.scene, self.answers.scene.state
        places = np.asarray(seen["places"], np.int64).reshape(-1)
        if not np.array_equal(places, state.selection.places):
            self.answers.select(places.tolist())
        at = state.focus
        if seen["focus"] is not None:
            shape = state.values.grid_shape
            place = tuple(int(k) for k in np.unravel_index(int(seen["focus"]), shape))
            if at is None or (at.image, *at.position) != place:
                scene.inspect(place[0], *place[1:])
        state.image, state.channel = int(seen["image"]), int(seen["channel"])
        if len(state.values.spatial) == 3:
            state.cut = int(seen["slice"])
        return scene

    def _ready(self, seen: Told) -> Scene:
        """The scene, where nothing else is being found.

        Raises:
            InputError: something is.
        """
        if self.task is not None and not self.task.done:
            raise InputError(f"{self.task.words}: is not done yet; stop it first")
        self._take()
        return self.look(seen)

    def _start(
        self,
        words: str,
        asked: Salient | Climbing,
        does: Callable[[Task], Any],
        then: Callable[[Any], str],
    ) -> Told:
        self._said, self._taken, self._began = {}, False, time.monotonic()
        self._of = self.answers.epoch_of(asked.run)
        self.task = Task(words + self._when(asked.run), does, then)
        return self.told()

    def _take(self) -> None:
        """Show what was found, and keep what is to be kept, once."""
        task = self.task
        if self._taken or task is None or not task.done:
            return
        self._taken = True
        if task.result is None:
            return
        try:
            task.then(task.result)
            self._answered += 1
        except (ExplorerError, OSError) as error:
            task.error = str(error)
