"""Which pixels drive exactly the selected positions of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.capture import Model, Run, open_inputs
from explorer.capture.protocol import Differentiable
from explorer.errors import InputError
from explorer.explain.gradient_maps import Settings, integrated
from explorer.explain.question import MEMORY, Question, batch_of
from explorer.explain.selected import Chosen
from explorer.explain.targets import Target
from explorer.progress import progress

STEPS = 64
"""Steps of the way along which gradients are integrated."""
ALIKE = 0.02
"""How far a model may answer from what the run holds, as a share of the largest answer, to be its model."""


@dataclass(frozen=True, eq=False)
class Driver:
    """What in one picture drives its selected positions.

    The selected positions' mean projection on the selection's direction, less what it is for a picture
    that has this one's mean colour everywhere, is shared out over the pixels by integrated gradients
    (Sundararajan, Taly and Yan 2017).

    Attributes:
        image: which picture.
        n_selected: selected positions in it.
        values: (height, width) of the input: what each pixel adds, or takes away where it is negative;
            summed over the input's channels.
        projection: what is shared out.
        error: the sum of `values` less `projection`, as a share of the larger magnitude of the two
            projections that `projection` is the difference of.
    """

    image: int
    n_selected: int
    values: NDArray[np.float32]
    projection: float
    error: float


def inputs_of(model: Model, run: Run, images: Sequence[int], source: object = None) -> NDArray[np.float32]:
    """The inputs of some of a run's pictures, (n, *spatial, channels).

    Args:
        model: the model that the run was captured from.
        run: the run.
        images: which pictures.
        source: where the run's inputs are, as `explorer.capture` takes them; left out, they are made anew
            from the pictures that the run keeps, or read where the model says its images are.

    Raises:
        InputError: the run's inputs are not to be had.
    """
    source = model.hints.get("images") if source is None else source
    if source is not None:
        inputs = open_inputs(model, source)
        place = {name: index for index, name in enumerate(inputs.names)}
        missing = [run.image_names[image] for image in images if run.image_names[image] not in place]
        if not missing:
            values = [inputs.load(place[run.image_names[image]]).value for image in images]
            return np.stack(values).astype(np.float32)
        if source is not model.hints.get("images"):
            raise InputError(f"{source}: has no {missing[0]}, which {run.path} was captured from")
    rule, pictures = model.preprocessing, [run.picture(image) for image in images]
    found = [picture for picture in pictures if picture is not None]
    if rule is None or len(found) < len(pictures):
        raise InputError(
            f"{run.path}: name the images that it was captured from, for the model's inputs; "
            "a model.toml does with images under [explore]"
        )
    return np.stack([rule.apply(picture)[0] for picture in found])


def check_same(
    model: Model, run: Run, layer: str, inputs: NDArray[np.float32], images: Sequence[int]
) -> None:
    """Hold a model's answers against what the run keeps.

    Raises:
        InputError: they differ: it is another model, or these are other inputs.
        LayerError: the model has no such layer.
    """
    found = model.find_layers([layer], inputs.shape[1:])[0].name
    answered = np.asarray(model.adapter.capture(inputs, [found])[found].values, np.float64)
    kept = np.concatenate([run.read(layer, image, image + 1) for image in images]).astype(np.float64)
    largest = float(np.abs(kept[np.isfinite(kept)]).max(initial=0.0)) or 1.0
    if answered.shape != kept.shape:
        raise InputError(
            f"{model.name}: layer {layer} answers in shape {answered.shape[1:]}, "
            f"{run.path} holds {kept.shape[1:]}"
        )
    apart = float(np.nanmax(np.abs(answered - kept), initial=0.0)) / largest
    if not apart <= ALIKE:
        raise InputError(
            f"{model.name}: answers otherwise than {run.path} holds in layer {layer} (by {apart:.0%} of its "
            "largest value); give the model and images that it was captured from"
        )


def differentiable(model: Model) -> Differentiable | None:
    """The model's adapter, where it gives gradients."""
    adapter = model.adapter
    return adapter if isinstance(adapter, Differentiable) else None


def drivers(
    model: Model,
    chosen: Chosen,
    direction: NDArray[np.float64],
    *,
    inputs: NDArray[np.float32],
    images: Sequence[int],
) -> tuple[Driver, ...]:
    """What in each of some pictures drives its selected positions.

    Args:
        model: a model whose adapter gives gradients.
        chosen: the selected positions.
        direction: (C,) what they are projected on.
        inputs: (n, height, width, channels) of the pictures.
        images: (n,) which pictures those are; each holds some of the selection.

    Raises:
        InputError: the adapter gives no gradients.
    """
    if differentiable(model) is None:
        raise InputError(f"{model.name}: the adapter {model.adapter_name} gives no gradients")
    infos = {info.name: info for info in model.layers(inputs.shape[1:])}
    name = model.find_layers([chosen.layer], inputs.shape[1:])[0].name
    masks = np.stack([chosen.mask(image) for image in images])
    shape, said = (*masks.shape[1:], len(direction)), ("selection",) * len(images)
    target = Target(name, shape, "selection", said, None, masks, direction.astype(np.float32))
    question = Question(model, inputs, infos, target, batch_of(infos, MEMORY))
    with progress("pixels that drive the selection", len(images) * STEPS, "passes") as advance:
        made = integrated(question, Settings(steps=STEPS, baseline="mean"), advance)
    assert made.completeness is not None  # integrated gradients promise it
    ends, (sums, gains) = question.own_scores(), made.completeness.T
    scales = np.maximum(np.abs(ends), np.abs(ends - gains))
    errors = (sums - gains) / np.where(scales > 0, scales, 1)
    return tuple(
        Driver(int(image), int(mask.sum()), values, float(gain), float(error))
        for image, mask, values, gain, error in zip(images, masks, made.values, gains, errors, strict=True)
    )


def words(found: Sequence[Driver]) -> str:
    """What the maps of `drivers` are, for a caption."""
    error = max((abs(one.error) for one in found), default=0.0)
    missed = "less than 0.1%" if error < 0.001 else f"at most {error:.1%}"
    return (
        "How far each pixel moves the selected positions of its picture, and no others, along the "
        "selection's direction (from the mean of all positions to that of the selected), compared with a "
        f"picture of one colour: integrated gradients in {STEPS} steps, whose sum misses the whole by "
        f"{missed}.".replace("%", " %")
    )
