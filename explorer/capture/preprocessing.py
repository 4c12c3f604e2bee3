"""From a picture to what the model is given, by a declared and recorded rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ModelError, suggest

if TYPE_CHECKING:
    from PIL.Image import Image

CHANNELS = {"gray": 1, "rgb": 3, "bgr": 3}
RESIZE = ("stretch", "crop")
MAX_PIXELS = 80_000_000
"""Largest picture that is decoded or made, in pixels: below the limit at which Pillow itself objects."""


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes an input (height, width, channels) of float32.

    In this order: gray or colour, resize (Pillow's bilinear filter, antialiased when shrinking),
    0..255 (or 0..65535) mapped to `range`, `mean` subtracted, divided by `std`.

    Attributes:
        size: (height, width), None to keep each picture's own.
        channels: "gray" (ITU-R 601 luma), "rgb" or "bgr".
        range: what black and white become.
        mean: per channel or one for all, in units of `range`.
        std: per channel or one for all, in units of `range`.
        resize: "stretch" to the size, or "crop" the middle to its aspect first.
    """

    size: tuple[int, int] | None = None
    channels: str = "rgb"
    range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    resize: str = "stretch"

    @property
    def input_shape(self) -> tuple[int, int, int] | None:
        """(height, width, channels) of every input, None when it depends on the picture."""
        return None if self.size is None else (*self.size, CHANNELS[self.channels])

    def apply(self, picture: Image) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Turn a picture of mode L, RGB, or F with values 0 to 1 into what the model and a person see.

        Returns:
            The input (height, width, channels) float32, and the picture (height, width, 3) uint8,
            in colour where the file has colour, at the same size.
        """
        shown = self._resized(picture)
        if self.channels == "gray" and picture.mode == "RGB":
            values = np.asarray(self._resized(picture.convert("L")), np.float64)
        else:
            values = np.asarray(shown, np.float64)
        if picture.mode != "F":
            values = values / 255
        values = np.atleast_3d(values)
        if values.shape[-1] < CHANNELS[self.channels]:
            values = np.repeat(values, 3, axis=-1)
        if self.channels == "bgr":
            values = values[..., ::-1]
        low, high = self.range
        scaled = (values * (high - low) + low - np.array(self.mean)) / np.array(self.std)
        return np.ascontiguousarray(scaled, np.float32), as_shown(np.asarray(shown))

    def _resized(self, picture: Image) -> Image:
        if self.size is None:
            return picture
        from PIL.Image import Resampling

        height, width = self.size
        if self.resize == "stretch":
            return picture.resize((width, height), Resampling.BILINEAR)
        scale = min(picture.width / width, picture.height / height)
        left = (picture.width - width * scale) / 2
        top = (picture.height - height * scale) / 2
        box = (left, top, left + width * scale, top + height * scale)
        return picture.resize((width, height), Resampling.BILINEAR, box=box)

    def as_table(self) -> dict[str, Any]:
        """The rule as plain values, for the manifest."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def describe(self) -> str:
        """The rule in one line, in the order it is applied.

        >>> Preprocessing(size=(32, 32), channels="gray", mean=(0.5,), std=(0.25,)).describe()
        'gray, 32 × 32 (stretch), range 0 to 1, minus mean 0.5, divided by std 0.25'
        """
        size = "own size" if self.size is None else f"{self.size[0]} × {self.size[1]} ({self.resize})"
        words = [self.channels, size, f"range {self.range[0]:g} to {self.range[1]:g}"]
        if any(self.mean):
            words.append(f"minus mean {', '.join(f'{value:g}' for value in self.mean)}")
        if any(value != 1 for value in self.std):
            words.append(f"divided by std {', '.join(f'{value:g}' for value in self.std)}")
        return ", ".join(words)


def as_shown(values: NDArray[Any]) -> NDArray[np.uint8]:
    """A gray or colour picture, 0..255 or floats 0..1, as (height, width, 3) uint8."""
    values = np.atleast_3d(values)
    if values.dtype.kind == "f":
        values = np.nan_to_num(np.clip(values, 0, 1)) * 255
    values = np.asarray(np.rint(values), np.uint8)
    return np.ascontiguousarray(
        np.broadcast_to(values[..., :3] if values.shape[-1] >= 3 else values[..., :1], (*values.shape[:2], 3))
    )


def read_preprocessing(table: Mapping[str, Any], where: str) -> Preprocessing:
    """Read the [preprocessing] table of a model.toml, or the same as a mapping.

    Raises:
        ModelError: an unknown key, or a value out of its range; names `where` and the key.
    """
    known = [f.name for f in fields(Preprocessing)]
    for key in table:
        if key not in known:
            raise ModelError(f"{where}: unknown key {key!r} in preprocessing; {suggest(key, known)}")
    channels = table.get("channels", "rgb")
    if not isinstance(channels, str) or channels not in CHANNELS:
        raise ModelError(f"{where}: channels = {channels!r}, expected one of {', '.join(CHANNELS)}")
    resize = table.get("resize", "stretch")
    if not isinstance(resize, str) or resize not in RESIZE:
        raise ModelError(f"{where}: resize = {resize!r}, expected one of {', '.join(RESIZE)}")
    size = table.get("size")
    if size is not None and not (_numbers(size, (2,)) and all(isinstance(v, int) and v > 0 for v in size)):
        raise ModelError(f"{where}: size = {size!r}, expected [height, width] in pixels")
    if size is not None and size[0] * size[1] > MAX_PIXELS:
        raise ModelError(f"{where}: size = {list(size)}, expected at most {MAX_PIXELS:,} pixels")
    limits = table.get("range", (0.0, 1.0))
    if not _numbers(limits, (2,)) or limits[0] >= limits[1]:
        raise ModelError(f"{where}: range = {limits!r}, expected [low, high]")
    counts = (1, CHANNELS[channels])
    mean, std = table.get("mean", (0.0,)), table.get("std", (1.0,))
    if not _numbers(mean, counts):
        raise ModelError(f"{where}: mean = {mean!r}, expected 1 or {counts[1]} numbers")
    if not _numbers(std, counts) or any(value <= 0 for value in std):
        raise ModelError(f"{where}: std = {std!r}, expected 1 or {counts[1]} positive numbers")
    return Preprocessing(
        None if size is None else (size[0], size[1]),
        channels,
        (float(limits[0]), float(limits[1])),
        tuple(map(float, mean)),
        tuple(map(float, std)),
        resize,
    )


def _numbers(value: object, counts: tuple[int, ...]) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) in counts
        and all(isinstance(v, int | float) and not isinstance(v, bool) and np.isfinite(v) for v in value)
    )
