"""What a grid draws from: a layer of a run, or activations in memory; and in which order."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.errors import InputError
from explorer.reduce.channels import ChannelStatistics, channel_statistics
from explorer.render.drawing.text import count, number, plural

if TYPE_CHECKING:
    from explorer.capture.receptive_field import ReceptiveField
    from explorer.capture.store import Run

Order = Literal["index", "variance", "response", "cluster"]
ORDERS: tuple[str, ...] = get_args(Order)
MEASURES = {
    "index": "",
    "variance": "by variance over {n}, largest first",
    "response": "by answer: (mean over the picture − mean over {n}) ÷ standard deviation of pictures' means",
    "cluster": "look-alikes together: average linkage over 1 − correlation in {n}",
}


class Source:
    """One layer, picture by picture, with its statistics when they are asked for.

    Attributes:
        layer: its name.
        shape: (batch, *spatial, channels).
        named: whether the pictures have names.
        cut: the slice of volumes whose maps are drawn; None where there are none.
    """

    def __init__(
        self,
        given: Activations | Run,
        layer: str | None,
        pictures: Sequence[NDArray[np.uint8]] | None,
        *,
        cut: int | None = None,
    ) -> None:
        self._given = given
        self._pictures = pictures
        if isinstance(given, Activations):
            if layer not in (None, given.layer):
                raise InputError(f"layer {layer}: these are activations of {given.layer}")
            self.layer, self.shape = given.layer, tuple(int(size) for size in given.values.shape)
        else:
            from explorer.reduce.rows import layer_of

            self.layer = layer_of(given, layer)
            self.shape = (*given.grid_shape(self.layer), given.channels(self.layer))
        self.named = not isinstance(given, Activations)
        self.cut = _cut(self.layer, self.shape[1:-1], cut)

    @property
    def spatial(self) -> tuple[int, ...]:
        """Sizes of the spatial axes that are drawn: of a volume those of a slice."""
        return self.shape[1:-1] if self.cut is None else self.shape[2:-1]

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.shape[-1]

    def values(self, image: int) -> NDArray[Any]:
        """(*spatial, channels) of one picture."""
        if isinstance(self._given, Activations):
            return np.asarray(self._given.values[image])
        return np.asarray(self._given.read(self.layer, image, image + 1)[0])

    def drawn(self, image: int) -> NDArray[Any]:
        """What of one picture's values is drawn: (*spatial, channels), of a volume one slice."""
        return self.values(image) if self.cut is None else self.values(image)[self.cut]

    @property
    def field(self) -> ReceptiveField | None:
        """What a position sees of the pictures; None where that is not known."""
        find = getattr(self._given, "receptive_field", None)
        found: ReceptiveField | None = None if find is None else find(self.layer)
        return found

    def name(self, image: int) -> str:
        """A picture's name, for titles."""
        return f"image {image}" if isinstance(self._given, Activations) else self._given.image_names[image]

    def picture(self, image: int, place: int | None = None) -> NDArray[np.uint8] | None:
        """A picture as a person sees it, or None; `place` is its place among those shown."""
        if self._pictures is not None:
            at = image if place is None else place
            if len(self._pictures) == self.shape[0]:
                at = image
            return self._pictures[at] if at < len(self._pictures) else None
        return None if isinstance(self._given, Activations) else self._given.picture(image)

    @functools.cached_property
    def statistics(self) -> ChannelStatistics:
        """What each channel does over all pictures."""
        return channel_statistics(self._given, self.layer)

    @property
    def is_data_set(self) -> bool:
        """Whether there is more than one picture to compare with."""
        return self.shape[0] > 1


def _cut(layer: str, spatial: tuple[int, ...], index: int | None) -> int | None:
    """Which slice of a volume is drawn, the middle one where none was asked for; checked."""
    if len(spatial) != 3:
        if index is not None:
            raise InputError(f"slice {index}: layer {layer} is no volume; leave slice out")
        return None
    if index is not None and not 0 <= index < spatial[0]:
        raise InputError(f"slice {index}: layer {layer} has slices 0 to {spatial[0] - 1}")
    return spatial[0] // 2 if index is None else int(index)


def ordered(source: Source, channels: list[int], order: str, image: int) -> list[int]:
    """The channels in the order asked for; `image` is the picture whose answers count."""
    if order == "index":
        return channels
    if order == "cluster":
        return source.statistics.clustered(channels)
    measure = _measure(source, order, image)
    return sorted(channels, key=lambda channel: -float(measure[channel]))  # stable: equal ones as given


def because(source: Source, channels: list[int], order: str, image: int) -> list[str]:
    """What each channel owes its place to, for its title; nothing for orders without a measure."""
    if order not in ("variance", "response"):
        return []
    measure = _measure(source, order, image)
    if order == "variance":
        return [f"var {number(float(measure[channel]))}" for channel in channels]
    return [f"{measure[channel]:+.1f} sd".replace("-", "−").replace("−0.0", "+0.0") for channel in channels]


def _measure(source: Source, order: str, image: int) -> NDArray[np.float64]:
    found = source.statistics
    return found.variance if order == "variance" else found.response(source.values(image))


@dataclass(frozen=True)
class Finding:
    """Channels that a reader should not take for more than they are.

    Attributes:
        what: "dead channels" or "duplicate channels".
        items: the channels, or groups of them.
        definition: how they were told.
    """

    what: str
    items: tuple[str, ...]
    definition: str

    def words(self, most: int | None = None) -> str:
        """One line, with the first `most` of them, and how many more there are."""
        shown = self.items[: len(self.items) if most is None else most]
        rest = len(self.items) - len(shown)
        more = f"{', ' if shown else ''}… and {count(rest)} more" if shown else count(rest)
        listed = (", ".join(shown) + (more if rest else "")) or "none"
        return f"{self.what}: {listed} ({self.definition})"

    def within(self, fits: Callable[[str], bool]) -> str:
        """The longest such line that fits."""
        for most in range(len(self.items), -1, -1):
            if fits(self.words(most)):
                return self.words(most)
        return self.words(0)


def findings(source: Source) -> tuple[Finding, ...]:
    """Dead and duplicate channels; nothing is said where there is but one picture to tell by."""
    if not source.is_data_set:
        return ()
    found = source.statistics
    positions = count(int(np.prod(source.shape[:-1])))
    dead = tuple(map(str, found.dead()))
    groups = tuple(" = ".join(map(str, group)) for group in found.duplicates())
    still = f"constant over all {plural(source.shape[0], 'picture')}, to a millionth of the layer's range"
    alike = f"correlation of 0.999 or more over {positions} positions"
    return Finding("dead channels", dead, still), Finding("duplicate channels", groups, alike)
