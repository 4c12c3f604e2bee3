"""Whether two saved forms of one network are one network: their layers compared, one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture import Model, load_model, open_inputs
from explorer.capture.differences import Sums, best_in_order
from explorer.capture.protocol import plain_name
from explorer.errors import InputError, LayerError
from explorer.progress import progress

if TYPE_CHECKING:
    from explorer.activations import Activations
    from explorer.capture.images import Inputs
    from explorer.capture.protocol import LayerInfo

TOLERANCE = 1e-4
AT_ONCE = 16
"""Most images in one batch."""
MEMORY = 256 * 2**20
"""Bytes that the layers of both models may take for one batch."""
SAMPLE = 4096
"""Values of a layer that are looked at to tell which layers belong together."""


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
        shapes: (*spatial, channels) of one image, in the first model and in the second.
        absolute: largest difference of two values, infinite where they cannot be compared.
        relative: that difference divided by the largest value of the layer in the first model.
        correlation: Pearson's, over all values; NaN where a layer is constant or none was compared.
        equal: whether `relative` is within the tolerance, and NaN and infinity are in the same places.
    """

    pair: Pair
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    absolute: float
    relative: float
    correlation: float
    equal: bool


@dataclass(frozen=True)
class Parity:
    """The layers of two models held against each other.

    Attributes:
        layers: each pair, in the order the first model answers.
        only_a: layers of the first model that nothing of the second was held against.
        only_b: layers of the second that nothing of the first was held against.
        n_images: number of images that were compared.
        skipped: images that could not be read, a line each.
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
        """Whether all layers that were held against each other are equal."""
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

    Layers of the same name are held against each other. Where fewer than half of the layers find
    one of their name, the others are matched with layers of the same shape, in their order. Each
    model gets the images by its own preprocessing.

    Args:
        a: a `Model`, or anything `load_model` opens; the reference.
        b: the other one.
        images: as for `capture`; None for those that a model.toml of the first names.
        matches: layers of the first to those of the second that go by another name; where any is
            given, order and shape match no others.
        tolerance: largest difference, relative to a layer's largest value, that counts as equal.

    Raises:
        ModelError, LayerError, InputError: one line saying what is wrong.
    """
    if not tolerance >= 0:
        raise InputError(f"tolerance {tolerance}: expected 0 or more")
    one, other = (model if isinstance(model, Model) else load_model(model) for model in (a, b))
    if images is None:
        images = one.hints.get("images")
    sides = _side(one, images), _side(other, images)
    if len(sides[0].inputs.names) != len(sides[1].inputs.names):
        counts = [f"{side.model.name} has {len(side.inputs.names)} inputs" for side in sides]
        raise InputError(f"{' and '.join(counts)}; expected as many for both")
    pairs = _pairs(sides, matches or {})
    sums, count = [Sums() for _ in pairs], 0
    skipped: list[str] = []
    with progress("compare", len(sides[0].inputs.names), "images") as advance:
        for inputs in _batches(sides, skipped):
            a_values = sides[0].capture(inputs[0], [pair.a for pair in pairs])
            b_values = sides[1].capture(inputs[1], [pair.b for pair in pairs])
            for pair, total in zip(pairs, sums, strict=True):
                total.add(a_values[pair.a].values, b_values[pair.b].values)
            advance(len(inputs[0]))
            count += len(inputs[0])
    layers = tuple(_told(pair, total, tolerance) for pair, total in zip(pairs, sums, strict=True))
    taken = {pair.a for pair in pairs}, {pair.b for pair in pairs}
    only_a, only_b = (
        tuple(name for name in side.infos if name not in known)
        for side, known in zip(sides, taken, strict=True)
    )
    return Parity(layers, only_a, only_b, count, tuple(skipped), tolerance)


def _told(pair: Pair, total: Sums, tolerance: float) -> LayerParity:
    relative = total.relative
    return LayerParity(
        pair, total.shapes, total.absolute, relative, total.correlation, total.alike and relative <= tolerance
    )


@dataclass(frozen=True)
class _Side:
    """One of the two models, with its inputs.

    Attributes:
        model: the model.
        inputs: the images by its own preprocessing.
        infos: its layers by name.
        first: the first input that can be read.
    """

    model: Model
    inputs: Inputs
    infos: Mapping[str, LayerInfo]
    first: NDArray[Any]

    def capture(self, inputs: Sequence[NDArray[Any]], names: Sequence[str]) -> dict[str, Activations]:
        """The values of layers for some images.

        Raises:
            InputError: images of different sizes in one batch.
        """
        if len({values.shape for values in inputs}) > 1:
            raise InputError(
                f"{self.model.name}: the images have different sizes; give size under [preprocessing]"
            )
        return self.model.adapter.capture(np.stack(inputs), list(dict.fromkeys(names)))

    @property
    def shape(self) -> tuple[int, ...] | None:
        """(*spatial, channels) of one input, None where the model brings its own."""
        return None if self.model.n_inputs is not None else self.first.shape

    @property
    def nbytes(self) -> int:
        """Bytes of all layers for one image, as far as they are known."""
        return sum(4 * math.prod(info.shape or ()) for info in self.infos.values())


def _side(model: Model, images: object) -> _Side:
    """A model with its inputs.

    Raises:
        InputError: there are none, or none can be read.
    """
    from explorer.capture.images import first_readable

    inputs = open_inputs(model, images)
    first = first_readable(inputs)
    infos = model.layers(None if model.n_inputs is not None else first.shape)
    return _Side(model, inputs, {info.name: info for info in infos}, first)


def _batches(
    sides: tuple[_Side, _Side], skipped: list[str]
) -> Iterator[tuple[list[NDArray[Any]], list[NDArray[Any]]]]:
    """The inputs of both, as many at a time as memory takes; `skipped` gets a line for each left out."""
    size = max(1, min(AT_ONCE, MEMORY // max(1, sum(side.nbytes for side in sides))))
    batch: tuple[list[NDArray[Any]], list[NDArray[Any]]] = ([], [])
    for row in range(len(sides[0].inputs.names)):
        try:
            loaded = [side.inputs.load(row)[0] for side in sides]
        except InputError as error:
            skipped.append(str(error))
            continue
        for inputs, values in zip(batch, loaded, strict=True):
            inputs.append(values)
        if len(batch[0]) == size:
            yield batch
            batch = ([], [])
    if batch[0]:
        yield batch


def _pairs(sides: tuple[_Side, _Side], matches: Mapping[str, str]) -> list[Pair]:
    """The layers that belong together, in the order of the first model.

    Raises:
        LayerError: none do, or `matches` names one that is not there.
    """
    pairs = {}
    for name, counterpart in matches.items():
        found = [
            side.model.find_layers([each], side.shape)[0].name
            for side, each in zip(sides, (name, counterpart), strict=True)
        ]
        pairs[found[0]] = Pair(found[0], found[1], "given")
    taken = {pair.b for pair in pairs.values()}
    plain = {plain_name(name): name for name in sides[1].infos if name not in taken}
    for name in sides[0].infos:
        if name not in pairs and plain_name(name) in plain:
            pairs[name] = Pair(name, plain[plain_name(name)], "name")
    if not matches and 2 * len(pairs) < min(len(side.infos) for side in sides):
        taken = {pair.b for pair in pairs.values()}
        left = [name for name in sides[0].infos if name not in pairs]
        right = [name for name in sides[1].infos if name not in taken]
        for one, other in _in_order(sides, left, right):
            pairs[one] = Pair(one, other, "order and shape")
    if not pairs:
        raise LayerError(
            f"{sides[0].model.name} and {sides[1].model.name}: no layers of the same name or shape; "
            "say which belong together with --map a=b"
        )
    order = {name: place for place, name in enumerate(sides[0].infos)}
    return sorted(pairs.values(), key=lambda pair: order.get(pair.a, len(order)))


def _in_order(sides: tuple[_Side, _Side], left: Sequence[str], right: Sequence[str]) -> list[tuple[str, str]]:
    """As many pairs of the same shape as keep the order of both; of equally many, those most alike.

    One form of a network may show steps that another does not, so shapes alone leave a choice; it
    is made on the values for the first image.
    """
    values = [
        {name: _sampled(layer) for name, layer in side.capture([side.first], names).items()}
        for side, names in zip(sides, (left, right), strict=True)
    ]
    worth = np.zeros((len(left), len(right)))
    for row, column in np.ndindex(worth.shape):
        one, other = values[0][left[row]], values[1][right[column]]
        if one[0] == other[0]:
            worth[row, column] = 1 + max(0.0, _alike(one[1], other[1]))
    return [(left[row], right[column]) for row, column in best_in_order(worth)]


def _sampled(layer: Activations) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """A layer's shape, and some of its values in the order they have."""
    flat = layer.values.reshape(-1)
    return layer.values.shape[1:], flat[:: max(1, flat.size // SAMPLE)].astype(np.float64)


def _alike(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Correlation less the difference, so that a copy is worth more than what only follows it."""
    total = Sums()
    total.add(one[None, :], other[None, :])
    correlation = total.correlation
    return 0.0 if math.isnan(correlation) else correlation - min(0.5, total.relative)
