"""What is to be maximised: a channel, a neuron, a class, a direction, a whole layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, LayerError, check_whole, suggest

if TYPE_CHECKING:
    from explorer.capture.model import Model
    from explorer.capture.protocol import LayerInfo

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Objective:
    """A number that a layer's values (*spatial, channels) of one input make.

    Attributes:
        name: for titles.
        weights: (*spatial, channels), what each value counts; None for the mean of all squares.
    """

    name: str
    weights: Floats | None

    def value(self, activations: NDArray[np.generic]) -> NDArray[np.float64]:
        """The objective of each input (batch, *spatial, channels)."""
        values = np.asarray(activations, np.float32).reshape(len(activations), -1)
        if self.weights is None:
            return np.asarray(np.square(values.astype(np.float64)).mean(axis=1))
        return np.asarray(values @ self.weights.reshape(-1), np.float64)

    def places(self, activations: NDArray[np.generic]) -> NDArray[np.intp]:
        """The position that adds most to it, for each input: (batch, spatial axes)."""
        values = np.asarray(activations, np.float32)
        parts = np.square(values) if self.weights is None else values * self.weights
        spatial = parts.shape[1:-1]
        best = parts.sum(axis=-1).reshape(len(parts), -1).argmax(axis=1)
        return (
            np.stack(np.unravel_index(best, spatial), axis=1) if spatial else np.zeros((len(parts), 0), int)
        )

    def cotangent(self, activations: Floats | None, count: int) -> Floats:
        """The slope of the objective for each value, for so many inputs."""
        if self.weights is not None:
            return np.broadcast_to(self.weights, (count, *self.weights.shape))
        assert activations is not None
        return np.asarray(2 * activations / activations[0].size, np.float32)


def channels(info: LayerInfo, numbers: Sequence[int]) -> list[Objective]:
    """The mean of each of these channels over all positions.

    Raises:
        InputError: a channel that the layer has not.
    """
    shape = _shape(info)
    made = []
    for number in numbers:
        _check_channel(info, number)
        weights = np.zeros(shape, np.float32)
        weights[..., number] = 1 / max(1, int(np.prod(shape[:-1])))
        made.append(Objective(f"channel {number}", weights))
    return made


def neuron(info: LayerInfo, channel: int, position: Sequence[int]) -> Objective:
    """One value: a channel at a position.

    Raises:
        InputError: no such channel or position.
    """
    shape = _shape(info)
    _check_channel(info, channel)
    place = tuple(int(index) for index in position)
    if len(place) != len(shape) - 1 or any(
        not 0 <= at < size for at, size in zip(place, shape, strict=False)
    ):
        grid = " × ".join(map(str, shape[:-1])) or "of one value"
        raise InputError(f"position {list(place)}: {info.name} has a grid {grid}")
    weights = np.zeros(shape, np.float32)
    weights[(*place, channel)] = 1
    return Objective(f"channel {channel} at {', '.join(map(str, place)) or 'its value'}", weights)


def direction(info: LayerInfo, vector: NDArray[np.generic], name: str) -> Objective:
    """How far the positions lie along a direction of the layer's channels, on average.

    Args:
        info: the layer.
        vector: (channels,), of any length; its unit vector counts.
        name: for titles.

    Raises:
        InputError: another number of channels, or no direction.
    """
    shape, given = _shape(info), np.asarray(vector, np.float64)
    if given.shape != shape[-1:]:
        raise InputError(f"{name}: has shape {given.shape}, but {info.name} has {shape[-1]} channels")
    length = float(np.linalg.norm(given))
    if not (np.isfinite(length) and length > 0):
        raise InputError(f"{name}: is no direction, its length is {length:g}")
    weights = np.broadcast_to(given / length, shape) / max(1, int(np.prod(shape[:-1])))
    return Objective(name, np.asarray(weights, np.float32))


def whole(info: LayerInfo) -> Objective:
    """The mean of the squares of all values of a layer, as in DeepDream."""
    _shape(info)
    return Objective("the whole layer", None)


def classes(model: Model, info: LayerInfo, names: Sequence[str | int]) -> list[Objective]:
    """The score of each of these classes, by name or number.

    Raises:
        InputError: no such class.
        LayerError: the layer has other classes than the model names.
    """
    known, shape = model.class_names, _shape(info)
    if known is not None and len(known) != shape[-1]:
        raise LayerError(f"{info.name} has {shape[-1]} channels, but the model names {len(known)} classes")
    made = []
    for name in names:
        if known is not None and name in known:
            number = known.index(str(name))
        elif str(name).isdecimal() and int(name) < shape[-1]:
            number = int(name)
        else:
            listed = known or tuple(str(number) for number in range(shape[-1]))
            raise InputError(f"no class {name!r}; {suggest(str(name), listed)}")
        title = f"class {known[number]}" if known else f"class {number}"
        made.append(Objective(title, channels(info, [number])[0].weights))
    return made


def _shape(info: LayerInfo) -> tuple[int, ...]:
    if info.shape is None:
        raise LayerError(f"{info.name}: its shape is not known for inputs of this size")
    return info.shape


def _check_channel(info: LayerInfo, number: int) -> None:
    count = _shape(info)[-1]
    check_whole(number, "channel")
    if not 0 <= number < count:
        raise InputError(f"channel {number}: {info.name} has channels 0 to {count - 1}")
