"""What is to be explained: a class, a channel, a position, or a selection of positions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.model import Model
from explorer.capture.protocol import LayerInfo
from explorer.errors import InputError, LayerError, check_whole, suggest
from explorer.explain.logits import before_softmax
from explorer.explain.selections import Selected, read_selection


@dataclass(frozen=True)
class Asked:
    """A target as the user names it; what is left out is chosen.

    Attributes:
        target: a class by name or number; None for the one each picture is answered with.
        channel: a channel of the layer.
        position: a position of the layer's grid.
        selection: positions of the layer's grid in some pictures.
        layer: the layer; None for the model's answer, or of positions for its suggestion.
    """

    target: int | str | None = None
    channel: int | None = None
    position: Sequence[int] | None = None
    selection: Selected | None = None
    layer: str | None = None

    def __post_init__(self) -> None:
        numbers = {"class": self.target, "channel": self.channel}
        for name, value in numbers.items():
            if value is not None and not (name == "class" and isinstance(value, str)):
                check_whole(value, name)
        for part in () if self.position is None else self.position:
            check_whole(part, "position")

    def told(self, masks: NDArray[np.bool_] | None = None) -> dict[str, Any]:
        """What is asked as what JSON can hold; of selected positions a digest of the masks.

        Args:
            masks: the selection as masks; left out where `selection` is masks itself.
        """
        chosen = self.selection if masks is None else masks
        digest = None
        if self.selection is not None:
            if not isinstance(chosen, np.ndarray):
                raise InputError("a selection: expected masks (batch, *spatial)")
            packed = np.packbits(chosen).tobytes()
            digest = hashlib.sha256(repr(chosen.shape).encode() + packed).hexdigest()
        place = None if self.position is None else [int(at) for at in self.position]
        return {
            "target": None if self.target is None else str(self.target),
            "channel": self.channel,
            "position": place,
            "selection": digest,
            "layer": self.layer,
        }


@dataclass(frozen=True, eq=False)
class Target:
    """What each value of a layer counts in the number that is explained.

    Attributes:
        layer: the layer.
        shape: (*spatial, channels) of it.
        kind: "class", "channel", "position" or "selection".
        words: what it is, one line an input.
        channels: (batch,) the channel of each input; None for all channels, which then count in `direction`.
        masks: (batch, *spatial) the positions that count; None for all of them.
        direction: (channels,) what all channels count; None for the direction of the values themselves: what
            is explained is then how far a position goes in its own direction.
    """

    layer: str
    shape: tuple[int, ...]
    kind: str
    words: tuple[str, ...]
    channels: NDArray[np.intp] | None
    masks: NDArray[np.bool_] | None
    direction: NDArray[np.floating] | None = None

    @property
    def needs_values(self) -> bool:
        """Whether what counts depends on the values themselves."""
        return self.channels is None and self.direction is None

    def counts(self, rows: NDArray[np.intp], values: NDArray[Any] | None) -> NDArray[np.float32]:
        """What each value counts, (n, *spatial, channels); all positions of an input together count one.

        Args:
            rows: which inputs.
            values: the layer's values for them, where `needs_values`.
        """
        counted = np.zeros((len(rows), *self.shape), np.float32)
        if self.channels is not None:
            np.put_along_axis(counted, self._places(self.channels[rows], counted), 1.0, axis=-1)
        elif self.direction is not None:
            counted[:] = self.direction
        else:
            assert values is not None  # the caller has looked
            sizes = np.linalg.norm(values.astype(np.float64), axis=-1, keepdims=True)
            counted[:] = np.divide(values, sizes, where=sizes > 0, out=np.zeros(values.shape, np.float64))
        spatial = counted.shape[1:-1]
        if self.masks is not None:
            inside = self.masks[rows]
            counted *= inside[..., None]
            n = np.maximum(inside.reshape(len(rows), -1).sum(axis=1), 1)
        else:
            n = np.full(len(rows), max(1, int(np.prod(spatial))))
        return np.asarray(counted / n.reshape(-1, *(1,) * (counted.ndim - 1)), np.float32)

    @staticmethod
    def _places(channels: NDArray[np.intp], counted: NDArray[np.float32]) -> NDArray[np.intp]:
        shape = (*counted.shape[:-1], 1)
        return np.broadcast_to(channels.reshape(-1, *(1,) * (counted.ndim - 1)), shape)


def find_target(
    model: Model,
    inputs: NDArray[Any],
    names: Sequence[str],
    *,
    infos: Mapping[str, LayerInfo],
    asked: Asked,
    batch: int,
) -> Target:
    """The target that is meant, checked.

    Raises:
        InputError: a class, channel, position or selection that there is not.
        LayerError: a layer that there is not.
    """
    given = [asked.target is not None, asked.channel is not None]
    if all(given):
        raise InputError("a class and a channel: name one of them")
    if asked.position is not None and asked.selection is not None:
        raise InputError("a position and a selection: name one of them")
    of_positions = asked.position is not None or asked.selection is not None
    of_class = asked.channel is None and not of_positions
    info = _layer(model, tuple(inputs.shape[1:]), infos, asked, of_class=of_class or asked.target is not None)
    shape = info.shape
    if shape is None or np.dtype(info.dtype).kind != "f":
        raise LayerError(f"{info.name}: is of {info.dtype}, and only layers of real numbers are explained")
    masks = _masks(asked, shape, names)
    channels, said = _channels(model, info, asked, n=len(inputs))
    if of_class and asked.target is None:
        channels, said = _answered(model, inputs, info, batch)
    where = _where(asked, masks)
    words = tuple(" ".join(part for part in (one, where) if part) for one in said)
    kind = "class" if of_class or asked.target is not None else "channel"
    kind = "selection" if asked.selection is not None else "position" if asked.position is not None else kind
    return Target(info.name, shape, kind, words, channels, masks)


def _layer(
    model: Model, shape: tuple[int, ...], infos: Mapping[str, LayerInfo], asked: Asked, *, of_class: bool
) -> LayerInfo:
    """The layer named; else for a class the model's answer before its softmax, else its suggestion."""
    if asked.layer is not None:
        return model.find_layers([asked.layer], shape)[0]
    if not of_class:
        return model.find_layers(None, shape)[0]
    answers = [info for info in infos.values() if np.dtype(info.dtype).kind == "f"]
    if not answers:
        raise LayerError(f"{model.name}: has no layer of real numbers")
    answer = infos.get("output") or answers[-1]
    before = before_softmax(model, infos, answer.name, shape)
    return answer if before is None else infos[before]


def _channels(
    model: Model, info: LayerInfo, asked: Asked, *, n: int
) -> tuple[NDArray[np.intp] | None, list[str]]:
    """The channel of every input, None for all of them, and what is said of each input."""
    count = (info.shape or (0,))[-1]
    if asked.target is not None:
        named = _names(model, count)
        number = _class_number(asked.target, named, count, info.name)
        return np.full(n, number, np.intp), [f"class {named[number] if named else number}"] * n
    if asked.channel is not None:
        if not 0 <= asked.channel < count:
            raise InputError(f"channel {asked.channel}: layer {info.name} has channels 0 to {count - 1}")
        return np.full(n, asked.channel, np.intp), [f"{info.name} · channel {asked.channel}"] * n
    return None, [info.name] * n


def _answered(
    model: Model, inputs: NDArray[Any], info: LayerInfo, batch: int
) -> tuple[NDArray[np.intp], list[str]]:
    """The class that the model answers each input with."""
    count = (info.shape or (0,))[-1]
    named, best = _names(model, count), []
    for start in range(0, len(inputs), batch):
        values = model.adapter.capture(inputs[start : start + batch], [info.name])[info.name].values
        best.append(values.reshape(len(values), -1, count).mean(axis=1).argmax(axis=1))
    found = np.concatenate(best).astype(np.intp)
    return found, [f"class {named[k] if named else k} (answered)" for k in found]


def _names(model: Model, count: int) -> Sequence[str] | None:
    """The classes' names, where there are as many as channels."""
    return model.class_names if model.class_names and len(model.class_names) == count else None


def _class_number(target: int | str, named: Sequence[str] | None, count: int, layer: str) -> int:
    """A class by its name, or by its number."""
    if isinstance(target, str) and named and target in named:
        return list(named).index(target)
    if isinstance(target, str) and not target.isdecimal():
        known = suggest(target, named) if named else f"classes have numbers from 0 to {count - 1}"
        raise InputError(f"class {target!r}: {known}")
    if not 0 <= int(target) < count:
        raise InputError(f"class {target}: layer {layer} has classes 0 to {count - 1}")
    return int(target)


def _masks(asked: Asked, shape: tuple[int, ...], names: Sequence[str]) -> NDArray[np.bool_] | None:
    """The positions that count, (batch, *spatial)."""
    spatial = shape[:-1]
    if asked.position is not None:
        position = tuple(int(part) for part in asked.position)
        if len(position) != len(spatial) or any(
            not 0 <= at < size for at, size in zip(position, spatial, strict=True)
        ):
            raise InputError(f"position {position}: the layer's grid is {spatial}, counted from 0")
        mask = np.zeros(spatial, np.bool_)
        mask[position] = True
        return np.broadcast_to(mask, (len(names), *spatial))
    if asked.selection is None:
        return None
    return read_selection(asked.selection, spatial, names)


def _where(asked: Asked, masks: NDArray[np.bool_] | None) -> str:
    if asked.position is not None:
        return f"at {', '.join(str(int(part)) for part in asked.position)}" if len(asked.position) else ""
    if masks is None:
        return ""
    return f"at the {int(masks.sum())} selected positions"
