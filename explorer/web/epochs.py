"""Answers about a training: the questions of a run, asked of the epoch that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from explorer.errors import InputError
from explorer.web.answers import Answers
from explorer.web.exports import endings
from explorer.web.material import Material, Told, plain, principal
from explorer.web.packing import wire

if TYPE_CHECKING:
    from explorer.capture import Run
    from explorer.reduce import Projection
    from explorer.render.epochs.curves import Curve
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
        self._known |= {
            "epoch": self.epoch,
            "way": self.way,
            "beyond": self.beyond,
            "only_moved": self.only_moved,
            "endings": self.endings,
        }

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
        """What is told of a run, with the epochs' names, maps and figures."""
        training = self.training
        names = training.evolution.epochs
        return {
            **super().meta(),
            "title": training.evolution.path.resolve().name,
            "run": training.state.run.name,
            # One way of pressing flat for all epochs: a point that did not move stays where it is.
            "flat": principal(training.evolution.projections[-1].coordinates).tolist(),
            "epochs": {
                "names": list(names),
                "at": training.epoch,
                "figures": [drawn(one) for one in training.curves],
                "maps": [{"id": self._id_of(k), "epoch": name} for k, name in enumerate(names)],
                "seeded": training.seeded,
                "ours": self._ours,
            },
        }

    @property
    def _ours(self) -> bool:
        """Whether the map that goes through all epochs is shown, and not another of the epoch's run."""
        return self.material.projection is self.training.evolution.projections[self.training.epoch]

    def _id_of(self, epoch: int) -> str:
        """What `identify` calls an epoch's own map once that epoch is shown."""
        return f"{epoch}.{super().identify(self.training.evolution.projections[epoch])}"

    def beside(self, name: str) -> Told:
        """Another map of the epoch that is shown, or the map of another epoch."""
        evolution = self.training.evolution
        for epoch, own in enumerate(evolution.projections):
            if name == self._id_of(epoch):
                told = self.about_beside(name, own)
                told["meta"]["epoch"] = told["named"]["epoch"] = evolution.epochs[epoch]
                return told
        return super().beside(name)

    def epoch_of(self, run: object) -> Told:
        """Of which epoch an answer is, by its name and its number."""
        evolution = self.training.evolution
        at = next(k for k, one in enumerate(evolution.runs) if one is run)
        return {"epoch": {"name": evolution.epochs[at], "at": at}}

    def way(self, row: int) -> Told:
        """The way of a projected position through all epochs.

        Returns:
            `places`, where it is on each epoch's map; and of each step how far it moves, `movement`, and
            whether that is `beyond` what another seed of the map moves it.
        """
        evolution, row = self.training.evolution, int(row)
        if not 0 <= row < evolution.projections[0].n_samples:
            raise InputError(f"row {row}: the maps have {evolution.projections[0].n_samples:,} positions")
        return {
            "places": [one.coordinates[row].astype(float).tolist() for one in evolution.projections],
            "movement": evolution.movement[:, row].tolist(),
            "beyond": evolution.beyond[:, row].tolist(),
        }

    def beyond(self) -> Told:
        """Which positions have moved since the epoch before beyond what another seed moves, as 0 and 1."""
        if not self.training.epoch:
            raise InputError("nothing comes before the first epoch")
        return wire(self.training.evolution.beyond[self.training.epoch - 1].astype(np.uint8))

    def only_moved(self, on: bool) -> None:
        """Grey what has not moved, in what is written too."""
        self.training.only_moved = bool(on)

    @staticmethod
    def endings() -> list[Told]:
        """What the view is written as; pages hold all epochs, films go through them instead of turning."""
        told = endings()
        for one in told:
            if one["ending"] == "html":
                one["words"] = f"all epochs; {one['words']}"
            if one["ending"] in ("mp4", "gif"):
                one |= {"title": "Film", "words": "all epochs, each position on its way to the next"}
        return told

    def writing(self) -> Scene:
        """A scene of its own at the same epoch and map."""
        from explorer.render.epochs.scene import EpochScene

        made = EpochScene(self.training.evolution, epoch=self.training.epoch)
        made.projection = self.material.projection
        return made


def drawn(curve: Curve) -> Told:
    """A figure over the epochs as the page draws it."""
    low, high = curve.span()
    return {
        "titles": list(curve.titles),
        "values": plain(list(curve.values)),
        "words": [None if value is None else curve.words(value) for value in curve.values],
        "low": low,
        "high": high,
        "says": curve.says,
    }
