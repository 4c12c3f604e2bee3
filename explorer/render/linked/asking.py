"""What a scene asks its model: which pixels drive what is shown or selected, and what it would like best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from explorer.errors import InputError, suggest
from explorer.render.drawing.text import plural
from explorer.render.linked.answers import Answer, Grown, Mapped, moment
from explorer.render.linked.questions import Charting, Climbing, Of, Salient, what_is_asked
from explorer.render.linked.saliency_files import SALIENCY
from explorer.render.linked.state import State

if TYPE_CHECKING:
    from explorer.explain.maximised import Maximised
    from explorer.explain.saliency import Saliency
    from explorer.reduce.projection import Projection

KEPT = "kept in the run"
NO_MODEL = "no model to ask: open the run with `view RUN --model model.toml`, or set scene.model"


class Asking:
    """The part of a scene that asks its model.

    Attributes:
        state: what is shown, without any drawing.
        model: the model that the run was captured from; None where it is not known.
    """

    state: State
    model: object

    def saliency(
        self,
        method: str = "gradient",
        *,
        target: int | str | None = None,
        of: Of | None = None,
        every: bool = False,
        model: object = None,
        images: object = None,
    ) -> Saliency:
        """Which pixels drive what is selected; the map of the shown picture is shown in the last panel.

        Explained are the selected positions; of a single one that was clicked in the shown picture, how
        far it goes in its own direction; with neither, the class the picture is answered with. See
        `explorer.saliency`, which has more.

        Args:
            method: one of `explorer.saliency`'s.
            target: a class by name or number, whatever is selected.
            of: "class" for the one that is answered, "position" for the one that is looked at, "selection",
                or "channel" for the shown one; left out, what was chosen last.
            every: explain all pictures, and keep the maps in the run as the colour "saliency".
            model: the model that the run was captured from; `model` of the scene when left out.
            images: where the run's inputs are, where neither the run's pictures nor the model tell.

        Raises:
            InputError: no model, one that answers otherwise than the run holds, or an unknown method.
            ModelError: the method needs what the model does not give.
        """
        asked = self.asks(method, target=target, of=of, every=every, model=model, images=images)
        found = asked.answer()
        self.take_saliency(asked, found)
        return found

    def asks(
        self,
        method: str,
        *,
        target: int | str | None = None,
        of: Of | None = None,
        every: bool = False,
        model: object = None,
        images: object = None,
    ) -> Salient:
        """The question that `saliency` asks, whole in itself."""
        from explorer.explain.saliency import METHODS

        if method not in METHODS:
            raise InputError(f"method {method!r}: {suggest(str(method), METHODS)}")
        state, known = self.state, self._known(model)
        shown = tuple(range(state.run.n_images)) if every else (state.image,)
        asked, whole = what_is_asked(state, shown, target, of=of), None
        if not every:
            whole = what_is_asked(state, tuple(range(state.run.n_images)), target, of=of)
        since = moment(state, channel=asked.channel is not None)
        return Salient(state.run, known, state.values.layer, shown, asked, method, since, images, whole)

    def asks_again(self) -> Salient | Climbing:
        """The question that was answered last, asked of the run that is shown.

        Raises:
            InputError: nothing was answered, or no model.
        """
        state, known = self.state, self._known(None)
        if state.answer is None:
            raise InputError("nothing was asked that could be asked again")
        asked = state.answer.asked
        now = moment(state, channel=asked.of_channel)
        return replace(asked, run=state.run, model=known, since=now)

    def take_saliency(self, asked: Salient, found: Saliency) -> str:
        """Show what was found; of all pictures, keep it as a colour. Says what it is, in one line."""
        name, every = "", len(asked.images) > 1
        if found.question is not None:
            self.remember(asked.model, found.question.model)
        words = f"{found.method}: what drives {found.target[0]}"
        if "blocks" in found.facts:  # it is the same whatever is asked
            words = f"{found.method}: {found.averaged.partition(',')[0]}"
        if every:
            name = found.keep(asked.run).stem
            self._colour_by(asked.run, name)
            words = f"{found.method} of {plural(len(found.names), 'picture')}, kept as {name}"
        return words + self._answered(Mapped(found, asked.images, asked.since, asked, name))

    def _colour_by(self, run: object, name: str) -> None:
        """Colour by maps of all pictures, where they are of the run that is shown."""
        if run is self.state.run:  # and not of the epoch of a training that was shown before
            self.forget(SALIENCY + name)
            self.state.colour = SALIENCY + name

    def take_kept(self, answer: Answer) -> str:
        """Show an answer that the run keeps; maps of all pictures as the colour too. Says what it is."""
        if isinstance(answer, Grown):
            return f"{answer.asked.layer}: {answer.found.title(0)} · {KEPT}" + self._answered(answer)
        if len(answer.images) > 1:
            self._colour_by(answer.asked.run, answer.kept)
        words = f"{answer.found.method}: what drives {answer.found.target[0]}"
        if len(answer.images) > 1:
            words = f"{answer.found.method} of {plural(len(answer.images), 'picture')}"
        return f"{words} · {KEPT} as {answer.kept}" + self._answered(answer)

    def _answered(self, answer: Answer) -> str:
        """Show an answer; says so where something else has been shown or selected meanwhile."""
        self.state.answer = answer
        return "" if answer.holds(self.state) else " · not shown: something else is looked at now"

    def maximize(
        self,
        channel: int | None = None,
        *,
        selection: bool = False,
        variants: int = 1,
        steps: int = 128,
        seed: int = 0,
        keep: bool = True,
        model: object = None,
        images: object = None,
        watch: Callable[[Maximised], None] | None = None,
    ) -> Maximised:
        """Grow the picture that the shown channel answers to most; the last panel shows it.

        See `explorer.maximize`, which has more. Inputs of more than 128 × 128 pixels are grown at that size,
        where the model takes it, since each step takes as long as it has pixels.

        Args:
            channel: another channel, which is shown from then on.
            selection: climb along the direction from the mean of all positions to that of the selected.
            variants: pictures that are pushed apart; the best of them is shown.
            steps: of gradient ascent.
            seed: the same seed gives the same pictures.
            keep: keep a channel's picture in the run, to be shown whenever the channel is.
            model: the model that the run was captured from; `model` of the scene when left out.
            images: where the run's inputs are, where neither the run's pictures nor the model tell.
            watch: called now and then with what there is.

        Raises:
            InputError: no model, one that answers otherwise than the run holds, or nothing selected.
            ModelError: the model gives no gradients, or its inputs are no pictures.
        """
        if channel is not None:
            self.state.channel = channel
        settings = {"variants": variants, "steps": steps, "seed": seed}
        asked = self.climbs(selection=selection, settings=settings, model=model, images=images)
        found, opened = asked.answer(watch)
        self.remember(asked.model, opened)
        self.take_maximised(asked, found)
        if keep:
            self.keep_maximised(asked, found)
        return found

    def climbs(
        self,
        *,
        selection: bool = False,
        settings: dict[str, int] | None = None,
        model: object = None,
        images: object = None,
    ) -> Climbing:
        """The question that `maximize` asks, whole in itself."""
        state, known = self.state, self._known(model)
        if selection and not len(state.selection):
            raise InputError("nothing is selected: draw a lasso (l) or a box (b) first")
        places = state.selection if selection else None
        channel = None if selection else state.channel
        usual = {"variants": 1, "steps": 128, "seed": 0}
        return Climbing(
            *(state.run, known, state.values.layer, state.image, channel, places),
            *({**usual, **(settings or {})}, moment(state, channel=not selection), images),
        )

    def charts(self, projection: Projection, *, grown: bool, rows: int) -> Charting:
        """The question about every part of a 2D map: what is typical of it, or what its mean grows into.

        Args:
            projection: the map.
            grown: what its mean grows into.
            rows: of parts that there is room for.

        Raises:
            InputError: no model, where one is needed.
        """
        return Charting(self.state.run, projection, self._known(None) if grown else None, rows)

    def take_maximised(self, asked: Climbing, found: Maximised) -> str:
        """Show a picture, whole or growing. Says what it is, in one line."""
        return f"{asked.layer}: {found.title(0)}" + self._answered(Grown(found, asked.since, asked))

    def keep_maximised(self, asked: Climbing, found: Maximised) -> str:
        """Keep a channel's whole picture in the run. Says why it is not: the run may only be read."""
        if asked.channel is None or not found.finished:
            return ""
        from explorer.explain.beside_run import keep_maximised

        try:
            keep_maximised(asked.run, found)
        except InputError as error:  # the picture is shown all the same
            return str(error)
        return ""

    def forget(self, name: str) -> None:
        """A colouring has changed in the run: it is read again."""
        raise NotImplementedError

    @property
    def opened(self) -> object | None:
        """The model where it is open already, so that it is known what it can do; None where it is not."""
        return self.model if hasattr(self.model, "adapter") else None

    def model_to_ask(self) -> object | None:
        """The model, of a training what opens it with the shown epoch's weights; None where none is known."""
        return None if self.model is None else self._known(None)

    def _known(self, model: object) -> object:
        """The model to ask.

        Raises:
            InputError: there is none.
        """
        asked = self.model if model is None else model
        if asked is None:
            raise InputError(NO_MODEL)
        return asked

    def remember(self, asked: object, opened: object) -> None:
        """Keep the scene's model open: the next question need not load it again."""
        if self.model is asked:
            self.model = opened
