"""Answers about a training: the questions of a run, asked of the epoch that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from explorer.errors import InputError
from explorer.web.answers import Answers
from explorer.web.material import Material, Told, principal

if TYPE_CHECKING:
    from explorer.capture import Run
    from explorer.reduce import Projection
    from explorer.render.epochs.scene import EpochScene
    from explorer.render.linked.scene import Scene


class EpochAnswers(Answers):
    """Answers about one epoch at a time; going to another leaves selection, focus and colours alone.

    Attributes:
        training: the scene, which knows all epochs.
    """

    def __init__(self, scene: EpochScene) -> None:
        self.training = scene
        super().__init__(scene, cast("Run", scene.state.run))
        self._known["epoch"] = self.epoch

    def identify(self, projection: Projection) -> str:
        """Maps of all epochs were asked for alike: a name tells the epoch too."""
        return f"{self.training.epoch}.{super().identify(projection)}"

    def epoch(self, number: int) -> None:
        """Show another epoch, by its number from 0."""
        if not isinstance(number, int):
            raise InputError(f"epoch {number!r}: expected a whole number")
        self.training.epoch = number
        self.run = cast("Run", self.training.state.run)
        self.material = Material(self.training)
        self.shown = self.identify(self.material.projection)

    def projections(self) -> list[Told]:
        """The maps that were made of the epoch's run, and the one that goes through all epochs."""
        own = self.training.evolution.projections[self.training.epoch]
        told = super().projections()
        if self.keep(own) not in {one["id"] for one in told}:
            told.append(self.about(self.identify(own), own))
        return told

    def meta(self) -> Told:
        """What is told of a run, with the epochs' names and what was measured of the one that is shown."""
        training = self.training
        at, figures = training.epoch, training.curves
        values = [(one, one.values[at]) for one in figures]
        return {
            **super().meta(),
            "title": training.evolution.path.resolve().name,
            "run": training.state.run.name,
            # One way of pressing flat for all epochs: a point that did not move stays where it is.
            "flat": principal(training.evolution.projections[-1].coordinates).tolist(),
            "epochs": {
                "names": list(training.evolution.epochs),
                "at": at,
                "figures": [
                    {"title": one.titles[0], "value": one.words(value), "says": one.says}
                    for one, value in values
                    if value is not None
                ],
            },
        }

    def writing(self) -> Scene:
        """A scene of its own at the same epoch and map."""
        from explorer.render.epochs.scene import EpochScene

        made = EpochScene(self.training.evolution, epoch=self.training.epoch)
        made.projection = self.material.projection
        return made
