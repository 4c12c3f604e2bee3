"""`saliency`: which pixels of each picture drive a class, a channel, a position or a selection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ExplorerError, InputError, suggest
from explorer.explain import cam, gradient_maps, occlusion, rollout
from explorer.explain.given import Given, gather
from explorer.explain.gradient_maps import Found, Settings
from explorer.explain.question import MEMORY, Question, batch_of
from explorer.explain.selections import Selected
from explorer.explain.targets import Asked, find_target
from explorer.progress import Advance, progress

if TYPE_CHECKING:
    from explorer.capture.store import Run
    from explorer.explain.fidelity import Fidelity
    from explorer.explain.sanity import Sanity

METHODS: Mapping[str, Callable[[Question, Settings, Advance], Found]] = {
    "gradient": gradient_maps.gradient,
    "gradient-x-input": gradient_maps.times_input,
    "smoothgrad": gradient_maps.smoothgrad,
    "integrated-gradients": gradient_maps.integrated,
    "grad-cam": cam.gradcam,
    "grad-cam++": cam.gradcam_plus,
    "guided-backprop": gradient_maps.guided,
    "occlusion": occlusion.occlusion,
    "rollout": rollout.rollout,
}


@dataclass(frozen=True, eq=False)
class Saliency:
    """What each pixel has to do with a target.

    Attributes:
        values: (batch, height, width), or as many axes as an input has, float32.
        method: one of `METHODS`.
        layer: the layer of the target.
        target: what is explained, in words, one an input.
        signed: whether a value's sign says for (+) or against (−) the target.
        averaged: how values came to one number a pixel.
        names: of the inputs.
        labels: of the inputs; None where there are none.
        completeness: (batch,) how far a map's sum is from what the target gains over the baseline, as a share
            of that gain; None for methods that do not promise it.
        facts: numbers that were chosen or used, by name.
        model: the model's name.
        pictures: (batch, height, width, 3) uint8, as they were read; None where inputs were given as numbers.
        coarse: (batch, *grid) what `values` were enlarged from; None where they were not.
        question: the model, the inputs and the target, for `fidelity` and `sanity`.
        settings: what the method was told.
        known: `scores`, where they are known without the question.
    """

    values: NDArray[np.float32]
    method: str
    layer: str
    target: tuple[str, ...]
    signed: bool
    averaged: str
    names: tuple[str, ...]
    labels: tuple[str, ...] | None
    completeness: NDArray[np.float64] | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    pictures: NDArray[np.uint8] | None = None
    coarse: NDArray[np.float32] | None = None
    question: Question | None = field(default=None, repr=False)
    settings: Settings = field(default_factory=Settings)
    known: NDArray[np.float64] | None = field(default=None, repr=False)

    @cached_property
    def shown(self) -> NDArray[np.uint8] | None:
        """(batch, height, width, 3) the pictures, or inputs drawn as some; None where they cannot be."""
        if self.pictures is not None or self.question is None:
            return self.pictures
        from explorer.capture.formats import stretched

        made = [stretched(one) for one in self.question.inputs]
        return np.stack([one for one in made if one is not None]) if made[0] is not None else None

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """(batch,) the number that is explained: the target's value on each input; computed when asked for.

        Raises:
            InputError: maps without their model and inputs.
        """
        if self.known is not None:
            return self.known
        if self.question is None:
            raise InputError("scores: maps without their model and inputs; make them with saliency()")
        return self.question.own_scores()

    def save(self, path: str | Path) -> Path:
        """Write an .npz of `values`, `scores`, `names` and a description in JSON.

        Raises:
            InputError: another suffix.
            OSError: the file cannot be written.
        """
        from explorer.explain.keeping import save_saliency

        return save_saliency(self, path)

    def keep(self, run: Run, name: str | None = None) -> Path:
        """Put the maps into a run of the same inputs, RUN/saliency/NAME.npz, as a colour for its clouds.

        Args:
            run: an opened run.
            name: method and target when left out; a file of the same name is replaced.

        Raises:
            InputError: the run is of other inputs.
            OSError: the file cannot be written.
        """
        from explorer.explain.keeping import keep_saliency

        return keep_saliency(self, run, name)

    def fidelity(
        self, *, steps: int = 16, orders: int = 3, baseline: float | str = "mean", seed: int = 0
    ) -> Fidelity:
        """Whether the pixels that a map points at are those that matter: deletion and insertion curves.

        Args:
            steps: into how many equal parts the pixels are divided.
            orders: random orders of pixels to compare with.
            baseline: what deleted pixels become: a number, or "mean" for each picture's mean colour.
            seed: of the random orders.

        Raises:
            InputError: no steps or orders.
        """
        from explorer.explain.fidelity import measure

        return measure(self, steps=steps, orders=orders, baseline=baseline, seed=seed)

    def sanity(self, *, most: int = 12, seed: int = 0) -> Sanity:
        """Whether a map depends on what the model has learned: the model-randomisation check.

        Weights are drawn anew part by part, from the target's layer down to the inputs, and the map is made
        again each time (Adebayo et al. 2018).

        Args:
            most: how many stages, evenly over the parts, where there are more parts than that.
            seed: of the weights.

        Raises:
            ModelError: weights that cannot be drawn anew, as those of ONNX files.
        """
        from explorer.explain.sanity import check

        return check(self, most=most, seed=seed)


def saliency(
    model: object,
    images: object = None,
    *,
    method: str = "gradient",
    target: int | str | None = None,
    channel: int | None = None,
    position: Sequence[int] | None = None,
    selection: Selected | None = None,
    layer: str | None = None,
    at: str | None = None,
    samples: int = 25,
    noise: float = 0.15,
    steps: int = 32,
    baseline: float | str = 0.0,
    window: int | None = None,
    seed: int = 0,
    memory: int = MEMORY,
) -> Saliency:
    """Find which pixels of each picture drive the model's answer, or any part of a layer.

    Args:
        model: a `Model`, or anything `load_model` opens.
        images: anything `capture` takes.
        method: "gradient", "gradient-x-input", "smoothgrad", "integrated-gradients", "grad-cam",
            "grad-cam++", "guided-backprop", "occlusion" (the one that works in every framework), or "rollout"
            (attention of transformers).
        target: a class by name or number; None, with nothing else named, for the class each picture is
            answered with.
        channel: a channel of the layer.
        position: a position of the layer's grid, counted from 0; without a channel, all channels count in
            the direction of that position's own values.
        selection: several positions, as masks (batch, *spatial) of the layer's grid, as a scene's
            `selection`, or as the file (.csv, .npz) that the viewer writes.
        layer: the layer that is explained; None for the model's answer, or its suggested layer for
            channels, positions and selections.
        at: the layer whose maps Grad-CAM weighs; None for the last grid before the target.
        samples: noisy copies of each picture for SmoothGrad.
        noise: standard deviation of its noise, as a share of the input's range.
        steps: points on the way for integrated gradients.
        baseline: what stands for nothing in the model's own units: a number, or "mean" for each
            picture's mean colour.
        window: side of what occlusion covers, in pixels; None for an eighth of the shorter side.
        seed: of the noise; the same seed gives the same map, whatever the batches.
        memory: bytes that a model's values may take; sets how many inputs are computed together.

    Raises:
        InputError, LayerError, ModelError: one line saying what is wrong.
    """
    if method not in METHODS:
        raise InputError(f"method {method!r}: {suggest(str(method), METHODS)}")
    settings = Settings(samples, noise, steps, baseline, window, at, seed)
    asked = Asked(target, channel, position, selection, layer)
    given = gather(model, images)
    return explain(given, pose(given, asked, memory=memory), method=method, settings=settings)


def pose(given: Given, asked: Asked, *, memory: int = MEMORY) -> Question:
    """What is asked, checked against the model and its inputs."""
    model, inputs = given.model, given.inputs
    infos = {info.name: info for info in model.layers(inputs.shape[1:])}
    batch = batch_of(infos, memory)
    target = find_target(model, inputs, given.names, infos=infos, asked=asked, batch=batch)
    return Question(model, inputs, infos, target, batch, asked)


def explain(
    given: Given,
    question: Question,
    *,
    method: str,
    settings: Settings,
    watch: Callable[[int, int], None] | None = None,
) -> Saliency:
    """One method's answer to a question; `watch` is told how many passes of how many are done.

    Raises:
        ExplorerError: values that are not finite.
    """
    found = find(question, method, settings, watch)
    if not np.isfinite(found.values).all():
        raise ExplorerError(
            f"{given.model.name}: {method} gave values that are not finite; is the model whole?"
        )
    return Saliency(
        *(found.values, method, question.target.layer, question.target.words, found.signed, found.averaged),
        *(given.names, given.labels, _errors(found.completeness), found.facts, given.model.name),
        *(given.pictures, found.coarse, question, settings),
    )


def find(
    question: Question, method: str, settings: Settings, watch: Callable[[int, int], None] | None = None
) -> Found:
    """A method's maps, with a bar that shows how far it is; what `watch` raises ends it."""
    total, done = len(question.inputs) * _each(question, method, settings), 0
    with progress(method, total, "passes") as advance:

        def told(count: int) -> None:
            nonlocal done
            done += count
            advance(count)
            if watch is not None:
                watch(done, total)

        return METHODS[method](question, settings, told)


def _each(question: Question, method: str, settings: Settings) -> int:
    """How many passes an input takes."""
    if method == "occlusion":
        return len(occlusion.windows_of(question.spatial, settings.window)[1])
    return {"smoothgrad": settings.samples, "integrated-gradients": settings.steps}.get(method, 1)


def _errors(completeness: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """How far sums are from what they should be, as shares of that."""
    if completeness is None:
        return None
    sums, gains = completeness.T
    return np.asarray(np.abs(sums - gains) / np.maximum(np.abs(gains), 1e-12))
