"""What a scene asks its model, each question whole in itself, so that another thread can answer it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from explorer.errors import InputError
from explorer.explain.targets import Asked
from explorer.render.drawing.text import plural
from explorer.render.linked.state import State

if TYPE_CHECKING:
    from explorer.explain.maximised import Maximised, Real
    from explorer.explain.saliency import Saliency
    from explorer.reduce.projection import Projection
    from explorer.render.sheets.atlas import Atlas

Of = Literal["class", "position", "selection", "channel"]
"""What can be explained: the class that is answered, or what is looked at, selected or shown."""


@dataclass(frozen=True, eq=False)
class Salient:
    """A question about pixels, whole in itself, so that it can be answered on another thread.

    Attributes:
        run: the run.
        model: its model, or what `load_model` opens.
        layer: the shown layer.
        images: which pictures.
        asked: what is to be explained.
        method: how.
        since: what was shown and selected when it was asked.
        source: where the run's inputs are; None where model or run tell.
        whole: what is to be explained in all of the run's pictures; None for the same.
    """

    run: Any
    model: object
    layer: str
    images: tuple[int, ...]
    asked: Asked
    method: str
    since: tuple[Any, ...]
    source: object = None
    whole: Asked | None = None

    @property
    def of_channel(self) -> bool:
        """Whether it is about the shown channel."""
        return self.asked.channel is not None

    @property
    def same(self) -> str:
        """What is asked, and not of whom: it is the same of two epochs of a training."""
        return json.dumps([self.method, self.layer, self.images, self.asked.told()])

    def kept(self) -> tuple[str, Saliency] | None:
        """The maps, where the run keeps them, and their name there; None where it does not."""
        from explorer.render.linked.kept_answers import kept_maps

        return kept_maps(self.run, self.whole or self.asked, self.method, self.images)

    def answer(self, watch: Callable[[int, int], None] | None = None) -> Saliency:
        """The maps."""
        from explorer.explain.gradient_maps import Settings
        from explorer.explain.of_run import given_of_run
        from explorer.explain.saliency import explain, pose

        given = given_of_run(self.model, self.run, self.images, layer=self.layer, source=self.source)
        question = pose(given, self.asked)
        found = explain(given, question, method=self.method, settings=Settings(), watch=watch)
        if len(self.images) == 1:
            found.scores  # noqa: B018  computed here, on the thread, so that the model can be let go of
        return found


@dataclass(frozen=True, eq=False)
class Climbing:
    """A question about the picture that is answered most, whole in itself.

    Attributes:
        run: the run.
        model: its model, or what `load_model` opens.
        layer: the shown layer.
        image: the shown picture, in which the model is held against the run.
        channel: what is climbed for; None for the selection's direction.
        places: the selection, where that is what is climbed for.
        settings: steps, variants, seed.
        since: what was shown and selected when it was asked.
        source: where the run's inputs are; None where model or run tell.
    """

    run: Any
    model: object
    layer: str
    image: int
    channel: int | None
    places: Any
    settings: dict[str, int]
    since: tuple[Any, ...]
    source: object = None

    @property
    def of_channel(self) -> bool:
        """Whether it is about the shown channel."""
        return self.channel is not None

    @property
    def same(self) -> str:
        """What is asked, and not of whom: it is the same of two epochs of a training."""
        places = None if self.places is None else Asked(selection=self.places.masks()).told()
        return json.dumps([self.layer, self.channel, places, self.settings])

    def kept(self) -> Maximised | None:
        """A channel's picture, where the run keeps it; None where it does not."""
        from explorer.render.linked.kept_answers import kept_picture

        return None if self.channel is None else kept_picture(self.run, self.layer, self.channel)

    def answer(
        self, watch: Callable[[Maximised], None] | None = None, stop: Callable[[], bool] | None = None
    ) -> tuple[Maximised, object]:
        """The picture, and the model opened."""
        from explorer.explain.of_run import given_of_run
        from explorer.maximize import maximize, smaller

        given = given_of_run(self.model, self.run, [self.image], layer=self.layer, source=self.source)
        size = smaller(given.model, self.layer)
        directions = None if self.channel is not None else {"the selection's direction": self._direction()}
        found = maximize(
            given.model,
            layer=self.layer,
            channels=None if self.channel is None else [self.channel],
            directions=directions,
            images=self.run if size is None and given.pictures is not None else None,
            size=size,
            variants=self.settings["variants"],
            steps=self.settings["steps"],
            seed=self.settings["seed"],
            watch=watch,
            stop=stop,
        )
        if found.real is None and given.pictures is not None:  # grown smaller than the pictures are
            found = replace(found, real=self._strongest(directions))
        return found, given.model

    def _strongest(self, directions: dict[str, Any] | None) -> Real:
        """The run's pictures that are answered most."""
        from explorer.explain.real import strongest_of
        from explorer.maximize import STRONGEST

        along = next(iter((directions or {}).items()), None)
        return strongest_of(self.run, self.layer, STRONGEST, channel=self.channel, along=along)

    def _direction(self) -> Any:
        """From the mean of all positions to that of the selected ones."""
        from explorer.explain.contrast import direction_of
        from explorer.explain.selected import choose

        return direction_of(self.run, choose(self.run, self.places, self.layer))


@dataclass(frozen=True, eq=False)
class Charting:
    """A question about every part of a map, whole in itself.

    Attributes:
        run: the run.
        projection: a 2D map of one of its layers.
        model: the run's model, or what `load_model` opens, for what each part grows into; None for what is
            typical of it.
        rows: of parts that there is room for.
    """

    run: Any
    projection: Projection
    model: object
    rows: int

    def answer(
        self,
        watch: Callable[[Atlas], None] | None = None,
        step: Callable[[int, int], bool] | None = None,
    ) -> tuple[Atlas, object]:
        """The atlas, and the model opened."""
        from explorer.render.sheets.atlas import make_atlas
        from explorer.render.sheets.atlas_growing import grow
        from explorer.render.sheets.atlas_sheet import arranged

        made = make_atlas(self.run, self.projection)
        rows = arranged(made, gaps=False)[1][0]
        if rows > self.rows:
            cells = max(2, max(made.shape) * self.rows // rows)
            made = make_atlas(self.run, self.projection, cells=cells)
        if self.model is None:
            return made, None
        return grow(made, self.run, self.model, watch=watch, step=step)


def what_is_asked(
    state: State, images: tuple[int, ...], target: int | str | None = None, *, of: Of | None = None
) -> Asked:
    """What of some pictures is to be explained: what is named, or else what was chosen last.

    Raises:
        InputError: something is selected, but nothing in these pictures; or nothing is there to explain.
    """
    layer, at, chosen = state.values.layer, state.focus, state.selection
    if target is not None:
        return Asked(target=target)
    if of is None:
        looked = at is not None and at.image == state.image and (state.looking or not len(chosen))
        of = "position" if looked else "selection" if len(chosen) else "class"
    if of == "class":
        return Asked()
    if of == "channel":
        return Asked(channel=state.channel, layer=layer)
    if of == "position":
        if at is None:
            raise InputError("no position is looked at: click one first")
        return Asked(position=at.position, layer=layer)
    if not len(chosen):
        raise InputError("nothing is selected: circle some points first")
    masks = chosen.masks()[list(images)]
    if not masks.any():
        where = state.run.image_names[images[0]]
        raise InputError(
            f"no selected position lies in {where}: show a picture that holds some, or select nothing (x)"
        )
    return Asked(selection=masks, layer=layer)


def said(state: State) -> str:
    """What would be explained, in words."""
    layer, at, chosen = state.values.layer, state.focus, state.selection
    if at is not None and at.image == state.image and (state.looking or not len(chosen)):
        where = ", ".join(map(str, at.position))
        return f"{layer} at {where}" if where else layer
    if len(chosen):
        return f"the {plural(len(chosen), 'selected position')}"
    return "the class it is answered with"
