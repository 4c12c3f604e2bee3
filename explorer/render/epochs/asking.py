"""The part of a scene over epochs that asks: each epoch's own weights, and what they have answered before."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from explorer.explain.of_run import AtCheckpoint
from explorer.render.linked.answers import Answer, Grown, Mapped, kept_answer, moment
from explorer.render.linked.scene import Scene

if TYPE_CHECKING:
    from explorer.explain.saliency import Saliency
    from explorer.render.report.explaining import Why

MOST = 256
"""Answers that are held at once, the latest: maps of one picture, and grown pictures."""


class Answered:
    """Answers by run and question.

    Maps of all pictures are not held: they lie in their run.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[int, str], Answer] = {}

    def take(self, answer: Answer) -> None:
        """Hold an answer that is whole, without its model."""
        if isinstance(answer, Mapped):
            if len(answer.images) > 1:
                return
            answer = replace(answer, found=_light(answer.found), asked=replace(answer.asked, model=None))
        elif not answer.found.finished:
            return
        else:
            answer = replace(answer, asked=replace(answer.asked, model=None))
        key = id(answer.asked.run), answer.asked.same
        self._held.pop(key, None)
        self._held[key] = answer
        while len(self._held) > MOST:
            del self._held[next(iter(self._held))]

    def again(self, run: Any, answer: Answer) -> Answer | None:
        """What a run's model has answered to the question of another answer; None where it was not asked."""
        found = self._held.get((id(run), answer.asked.same))
        return found if found is not None and isinstance(found, Grown) == isinstance(answer, Grown) else None


def _light(found: Saliency) -> Saliency:
    """Maps without their model and inputs, and with what is drawn of those."""
    if found.question is None:
        return found
    return replace(found, question=None, pictures=found.shown, known=found.scores)


class AskingEpochs(Scene):
    """A scene whose model is asked with the weights of the run that is shown.

    Going to another run brings back what that one has answered to the question that was answered last; where
    it was not asked, the answer stays, and does not hold of what is shown (`Mapped.holds`).
    """

    _opened: tuple[AtCheckpoint, object] | None = None

    @cached_property
    def _told(self) -> Answered:
        return Answered()

    @property
    def opened(self) -> object | None:
        """The model of the epoch that was asked last, where it is open: it tells what the others can do."""
        if self._opened is not None and self._opened[0].model == self.model:
            return self._opened[1]
        return super().opened

    def _known(self, model: object) -> object:
        """The model to ask: a model file with the weights of the epoch that is shown.

        Raises:
            InputError: there is none.
        """
        asked, run = super()._known(model), cast(Any, self.state.run)
        if not isinstance(asked, str | Path) or not hasattr(run, "manifest"):
            return asked
        if self._opened is not None and self._opened[0].run is run and self._opened[0].model == asked:
            return self._opened[1]
        return AtCheckpoint(asked, run)

    def remember(self, asked: object, opened: object) -> None:
        """Keep the epoch's model open until another epoch is asked."""
        if isinstance(asked, AtCheckpoint):
            self._opened = asked, opened
        super().remember(asked, opened)

    def why(self, *, model: object = None, images: object = None, n: int = 8) -> Why:
        """Explain what the selected positions have in common at the epoch that is shown."""
        asked = model
        if model is not None or self.model is not None:
            asked = self._known(model)
        if isinstance(asked, AtCheckpoint):
            known, asked = asked, asked.open()
            self.remember(known, asked)
        return super().why(model=asked, images=images, n=n)

    def before(self) -> tuple[Answer, bool] | None:
        """The answer before another epoch is shown, and whether it is about what is shown; None for none."""
        answer = self.state.answer
        return None if answer is None else (answer, answer.holds(self.state))

    def recall(self, before: tuple[Answer, bool] | None) -> None:
        """Show what the epoch that is shown now has answered to the same question.

        Args:
            before: what `before` told.
        """
        if before is None:
            return
        (answer, held), run = before, self.state.run
        found = self._told.again(run, answer) or kept_answer(replace(answer.asked, run=run, model=None))
        if found is None:
            return
        if held:  # what is looked at is the same as well
            found = replace(found, since=moment(self.state, channel=found.asked.of_channel))
        self.state.answer = found

    def _answered(self, answer: Answer) -> str:
        """Show an answer, and hold it for when its epoch is shown again."""
        self._told.take(answer)
        return super()._answered(answer)
