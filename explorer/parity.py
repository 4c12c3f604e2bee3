"""Whether two saved forms of one network are one network: their layers compared, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture import Model, load_model, open_inputs
from explorer.capture.images import Inputs
from explorer.capture.protocol import LayerInfo
from explorer.errors import InputError, LayerError, suggest
from explorer.progress import progress

TOLERANCE = 1e-4
AT_ONCE = 16
"""Images in one batch."""


@dataclass(frozen=True)
class Pair:
    """A layer of the one model and the layer of the other that is held against it.

    Attributes:
        a: the layer's name in the first model.
        b: its name in the second.
        how: "name", "order and shape" or "given": why these two.
    """

    a: str
    b: str
    how: str


@dataclass(frozen=True)
class LayerParity:
    """How far two layers are apart over all images.

    Attributes:
        pair: the layers.
        shape: (*spatial, channels) of one image.
        absolute: largest difference of two values.
        relative: that difference divided by the largest value of the layer in the first model.
        correlation: Pearson's, over all values; NaN where a layer is constant.
        equal: whether `relative` is within the tolerance and both have NaN and infinity alike.
    """

    pair: Pair
    shape: tuple[int, ...]
    absolute: float
    relative: float
    correlation: float
    equal: bool


@dataclass(frozen=True)
class Parity:
    """The layers of two models held against each other.

    Attributes:
        layers: each pair, in the order the first model answers.
        only_a: layers of the first model that the second has no counterpart of.
        only_b: layers of the second that the first has none of.
        n_images: number of images that were compared.
        skipped: images that could not be read, each with the reason.
        tolerance: largest relative difference that counts as equal.
    """

    layers: tuple[LayerParity, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    n_images: int
    skipped: tuple[str, ...]
    tolerance: float

    @property
    def equal(self) -> bool:
        """Whether all layers that have a counterpart are equal."""
        return all(layer.equal for layer in self.layers)

    @property
    def first_apart(self) -> LayerParity | None:
        """The first layer where the two part, None when they are equal."""
        return next((layer for layer in self.layers if not layer.equal), None)


def parity(
    a: object,
    b: object,
    images: object = None,
    *,
    matches: Mapping[str, str] | None = None,
    tolerance: float = TOLERANCE,
) -> Parity:
    """Compare two models layer by layer on the same images.

    Layers of the same name and shape are held against each other. If no names agree, those of the
    same shape are, in their order. Each model gets the images by its own preprocessing.

    Args:
        a: a `Model`, or anything `load_model` opens; the reference.
        b: the other one.
        images: as for `capture`; None for those that a model.toml of the first names.
        matches: layers of the first to layers of the second that go by another name there. With it
            alone no order is guessed: what has neither a match nor the name stays without.
        tolerance: largest difference, relative to a layer's largest value, that counts as equal.

    Raises:
        ModelError, LayerError, InputError: one line saying what is wrong.
    """
    if not tolerance >= 0:
        raise InputError(f"tolerance {tolerance}: expected 0 or more")
    models = [model if isinstance(model, Model) else load_model(model) for model in (a, b)]
    given = [open_inputs(model, images) for model in models[:1]]
    given.append(open_inputs(models[1], images if images is not None else models[0].hints.get("images")))
    names, skipped, first = _readable(given)
    infos = [
        model.layers(model.input_shape or one.shape)
        for model, one in zip(models, first, strict=True)
    ]
    pairs = _pairs(infos[0], infos[1], matches or {})
    if not pairs:
        raise LayerError(
            f"{models[0].name} and {models[1].name}: no layers of the same name, or of the same shape; "
            "say which belong together with --map a=b"
        )
    sums = [_Sums() for _ in pairs]
    with progress("compare", len(names), "images") as advance:
        for start in range(0, len(names), AT_ONCE):
            some = names[start : start + AT_ONCE]
            captured = [
                model.adapter.capture(_stack(inputs, some), [getattr(pair, side) for pair in pairs])
                for model, inputs, side in zip(models, given, "ab", strict=True)
            ]
            for pair, total in zip(pairs, sums, strict=True):
                total.add(captured[0][pair.a].values, captured[1][pair.b].values, pair)
            advance(len(some))
    layers = tuple(total.result(pair, tolerance) for pair, total in zip(pairs, sums, strict=True))
    matched = [{getattr(pair, side) for pair in pairs} for side in "ab"]
    left = [
        tuple(info.name for info in side if info.name not in known)
        for side, known in zip(infos, matched, strict=True)
    ]
    return Parity(layers, left[0], left[1], len(names), skipped, tolerance)
