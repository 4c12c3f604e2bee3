"""What the model of each epoch has answered, shown again where the same is looked at at that epoch again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from explorer.render.linked.answers import Answer, Grown, Mapped

if TYPE_CHECKING:
    from explorer.explain.saliency import Saliency

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
