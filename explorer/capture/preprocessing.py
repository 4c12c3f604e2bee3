"""From a picture to what the model is given, by a declared and recorded rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, ModelError, suggest

if TYPE_CHECKING:
    from PIL.Image import Image

CHANNELS = {"gray": 1, "rgb": 3, "bgr": 3}
RESIZE = ("stretch", "crop")
SLICES = ("axial", "coronal", "sagittal")
FRAMES = ("each", "first", "volume")
LUMA = (0.299, 0.587, 0.114)
"""ITU-R 601: what red, green and blue weigh in gray."""
MAX_PIXELS = 80_000_000
"""Largest picture that is decoded or made, in pixels: below the limit at which Pillow itself objects."""
MAX_VOXELS = 200_000_000
"""Largest volume that is decoded or made."""


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes an input (height, width, channels) of float32.

    In this order: `window`, gray or colour, resize (Pillow's bilinear filter, antialiased when
    shrinking), black and white mapped to `range`, `mean` subtracted, divided by `std`. A volume
    becomes (depth, height, width, channels) in the same way, resized along each of its axes.

    Attributes:
        size: (height, width), or (depth, height, width) for volumes; None to keep each input's own.
        channels: "gray" (ITU-R 601 luma), "rgb" or "bgr".
        range: what black and white become.
        mean: per channel or one for all, in units of `range`.
        std: per channel or one for all, in units of `range`.
        resize: "stretch" to the size, or "crop" the middle to its aspect first.
        window: (centre, width) of the values that go from black to white, for DICOM, NIfTI, and TIFF of
            more than 8 bits; None for each format's own rule (`explorer.capture.formats`).
        slices: "axial", "coronal" or "sagittal" to read NIfTI volumes as pictures; None as volumes.
        frames: of multi-page TIFF and multi-frame DICOM, "each" is an input, only the "first", or all are one
            "volume".
    """

    size: tuple[int, ...] | None = None
    channels: str = "rgb"
    range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    resize: str = "stretch"
    window: tuple[float, float] | None = None
    slices: str | None = None
    frames: str = "each"

    @property
    def input_shape(self) -> tuple[int, ...] | None:
        """(*spatial, channels) of every input, None when it depends on the picture."""
        return None if self.size is None else (*self.size, CHANNELS[self.channels])

    def apply(self, picture: Image | NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Turn a picture into what the model and a person see.

        Args:
            picture: a Pillow image of mode L, RGB, or F with values 0 to 1; or an array (height,
                width) or (height, width, 3) of uint8, or of floats 0 to 1.

        Returns:
            The input (height, width, channels) float32, and the picture (height, width, 3) uint8,
            in colour where the file has colour, at the same size.

        Raises:
            InputError: the size declared is one of volumes.
        """
        from PIL import Image

        if self.size is not None and len(self.size) != 2:
            raise InputError(f"a picture, but size = {list(self.size)} is not [height, width]")
        if isinstance(picture, np.ndarray) and picture.dtype == np.uint8:
            picture = Image.fromarray(picture)
        if isinstance(picture, np.ndarray):
            shown = self._resized_floats(picture)
            values = shown @ np.array(LUMA) if self.channels == "gray" and shown.ndim == 3 else shown
            return self._scaled(np.atleast_3d(values)), as_shown(shown)
        resized = self._resized(picture)
        values = shown = np.asarray(resized)
        if self.channels == "gray" and picture.mode == "RGB":
            values = np.asarray(self._resized(picture.convert("L")))
        if picture.mode == "F":
            return self._scaled(np.atleast_3d(values)), as_shown(shown)
        return self._looked_up(np.atleast_3d(values)), as_shown(shown)

    def apply_volume(self, volume: NDArray[Any]) -> NDArray[np.float32]:
        """Turn a volume (depth, height, width, 1 or 3) of 0 to 1 into an input of float32.

        Raises:
            InputError: the size declared is one of pictures, or the volume would be too large.
        """
        if self.size is not None and len(self.size) != 3:
            raise InputError(f"a volume, but size = {list(self.size)} is not [depth, height, width]")
        values = volume
        if self.channels == "gray" and values.shape[-1] == 3:
            values = (values @ np.array(LUMA, np.float32))[..., None]
        for axis, ends in enumerate(self.kept(values.shape[:3]) if self.size else ()):
            values = _resized_axis(values, axis, size=(self.size or ())[axis], ends=ends)
        return self._scaled(values)

    def kept(self, shape: tuple[int, ...]) -> tuple[tuple[float, float], ...]:
        """What is kept of an input of this shape, (start, stop) along each axis.

        >>> Preprocessing(size=(10, 10), resize="crop").kept((10, 20))
        ((0.0, 10.0), (5.0, 15.0))
        """
        if self.size is None or self.resize == "stretch" or len(self.size) != len(shape):
            return tuple((0.0, float(whole)) for whole in shape)
        scale = min(have / want for have, want in zip(shape, self.size, strict=True))
        margins = [(have - want * scale) / 2 for have, want in zip(shape, self.size, strict=True)]
        return tuple(
            (margin, min(margin + want * scale, float(have)))
            for margin, want, have in zip(margins, self.size, shape, strict=True)
        )

    def _resized(self, picture: Image) -> Image:
        if self.size is None:
            return picture
        from PIL.Image import Resampling

        height, width = self.size
        if self.resize == "stretch":
            return picture.resize((width, height), Resampling.BILINEAR)
        (top, bottom), (left, right) = self.kept((picture.height, picture.width))
        return picture.resize((width, height), Resampling.BILINEAR, box=(left, top, right, bottom))

    def _resized_floats(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Resize a float picture, plane by plane: Pillow has no float colour."""
        from PIL import Image

        planes = [values] if values.ndim == 2 else list(np.moveaxis(values, -1, 0))
        resized = [np.asarray(self._resized(Image.fromarray(np.asarray(p, np.float32)))) for p in planes]
        return resized[0] if values.ndim == 2 else np.stack(resized, axis=-1)

    def _in_order(self, values: NDArray[Any]) -> NDArray[Any]:
        """As many channels as declared, in their order."""
        if values.shape[-1] < CHANNELS[self.channels]:
            values = np.repeat(values, 3, axis=-1)
        return values[..., ::-1] if self.channels == "bgr" else values

    def _scaled(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Numbers 0 to 1 (…, channels) to `range`, `mean` and `std`."""
        low, high = self.range
        spread = self._in_order(values).astype(np.float64) * (high - low) + low
        return np.ascontiguousarray((spread - np.array(self.mean)) / np.array(self.std), np.float32)

    @cached_property
    def _table(self) -> NDArray[np.float32]:
        """What each of 256 steps becomes, (256, channels): one look-up in place of five passes."""
        steps = np.repeat((np.arange(256) / 255)[:, None], CHANNELS[self.channels], axis=1)
        low, high = self.range
        scaled = (steps * (high - low) + low - np.array(self.mean)) / np.array(self.std)
        return np.ascontiguousarray(scaled.T, np.float32)

    def _looked_up(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """The same as `_scaled` for 0..255."""
        values = self._in_order(values)
        result = np.empty(values.shape, np.float32)
        for channel, table in enumerate(self._table):
            result[..., channel] = table.take(values[..., channel], mode="clip")
        return result

    def as_table(self) -> dict[str, Any]:
        """The rule as plain values, for the manifest; what reads special files only where declared."""
        plain = ("size", "channels", "range", "mean", "std", "resize")
        return {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name in plain or getattr(self, f.name) != f.default
        }

    def describe(self) -> str:
        """The rule in one line, in the order it is applied.

        >>> Preprocessing(size=(32, 32), channels="gray", mean=(0.5,), std=(0.25,)).describe()
        'gray, 32 × 32 (stretch), range 0 to 1, minus mean 0.5, divided by std 0.25'
        """
        size = "own size"
        if self.size is not None:
            size = f"{' × '.join(map(str, self.size))} ({self.resize})"
        words = [self.channels, size, f"range {self.range[0]:g} to {self.range[1]:g}"]
        if self.window is not None:
            words.insert(0, f"window {self.window[0]:g} ± {self.window[1] / 2:g}")
        words += [f"{self.slices} slices"] if self.slices else []
        words += [f"frames: {self.frames}"] if self.frames != "each" else []
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
        values = np.rint(values)
    values = np.asarray(values, np.uint8)
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
    channels = _choice(table, "channels", tuple(CHANNELS), where) or "rgb"
    limits = table.get("range", (0.0, 1.0))
    if not _numbers(limits, (2,)) or limits[0] >= limits[1]:
        raise ModelError(f"{where}: range = {limits!r}, expected [low, high]")
    window = table.get("window")
    if window is not None and (not _numbers(window, (2,)) or window[1] <= 0):
        raise ModelError(f"{where}: window = {window!r}, expected [centre, width], the width above 0")
    counts = (1, CHANNELS[channels])
    mean, std = table.get("mean", (0.0,)), table.get("std", (1.0,))
    if not _numbers(mean, counts):
        raise ModelError(f"{where}: mean = {mean!r}, expected 1 or {counts[1]} numbers")
    if not _numbers(std, counts) or any(value <= 0 for value in std):
        raise ModelError(f"{where}: std = {std!r}, expected 1 or {counts[1]} positive numbers")
    return Preprocessing(
        _size(table, where),
        channels,
        (float(limits[0]), float(limits[1])),
        tuple(map(float, mean)),
        tuple(map(float, std)),
        _choice(table, "resize", RESIZE, where) or "stretch",
        None if window is None else (float(window[0]), float(window[1])),
        _choice(table, "slices", SLICES, where),
        _choice(table, "frames", FRAMES, where) or "each",
    )


def _choice(table: Mapping[str, Any], key: str, choices: tuple[str, ...], where: str) -> str | None:
    value = table.get(key)
    if value is not None and (not isinstance(value, str) or value not in choices):
        raise ModelError(f"{where}: {key} = {value!r}, expected one of {', '.join(choices)}")
    return value


def _size(table: Mapping[str, Any], where: str) -> tuple[int, ...] | None:
    size = table.get("size")
    if size is None:
        return None
    if not (_numbers(size, (2, 3)) and all(isinstance(v, int) and v > 0 for v in size)):
        raise ModelError(
            f"{where}: size = {size!r}, expected [height, width] in pixels, "
            "or [depth, height, width] for volumes"
        )
    most = MAX_PIXELS if len(size) == 2 else MAX_VOXELS
    if math.prod(size) > most:
        raise ModelError(f"{where}: size = {list(size)}, expected at most {most:,} pixels")
    return tuple(size)


def _numbers(value: object, counts: tuple[int, ...]) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) in counts
        and all(isinstance(v, int | float) and not isinstance(v, bool) and np.isfinite(v) for v in value)
    )


def _resized_axis(values: NDArray[Any], axis: int, *, size: int, ends: tuple[float, float]) -> NDArray[Any]:
    """Resize one axis, from start to stop, with Pillow's bilinear filter, antialiased when shrinking."""
    whole = values.shape[axis]
    if size == whole and ends == (0.0, whole):
        return values
    from PIL import Image

    moved = np.moveaxis(values, axis, -1)
    rows = np.ascontiguousarray(moved.reshape(-1, whole), np.float32)
    box = (ends[0], 0.0, ends[1], float(len(rows)))
    resized = Image.fromarray(rows).resize((size, len(rows)), Image.Resampling.BILINEAR, box=box)
    return np.moveaxis(np.asarray(resized).reshape(*moved.shape[:-1], size), -1, axis)
