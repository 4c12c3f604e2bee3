"""Pictures as numbers to be climbed on: Fourier or pixel parametrisation, colours decorrelated.

A canvas turns free numbers into inputs of a network that lie in the range of its pictures, and a slope for
the inputs back into one for the numbers. Every step is linear but the sigmoid that keeps the values between
black and white, and the way back is its exact adjoint.

Source: Olah, Mordvintsev, Schubert, "Feature Visualization", Distill 2017 (preconditioning by decorrelated
colours and equalised frequencies).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from explorer.capture.preprocessing import Preprocessing

Floats = NDArray[np.float32]
Kind = Literal["fourier", "pixels"]
NATURAL = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]], np.float32)
"""A root of the covariance of red, green and blue in photographs: columns are gray, blue to yellow, green to
magenta, each as wide as photographs vary along it (Distill 2017)."""
CONTRAST = 4.0
"""How far a sigmoid is from a step: standard deviations of a picture to the middle of its slope."""
NOISE = 0.05
"""Standard deviation of what a picture starts from."""


@dataclass(frozen=True)
class Canvas:
    """Pictures of one size and range.

    Attributes:
        shape: (height, width, channels) of an input.
        low: what black is for each channel of an input, (channels,).
        high: what white is.
        kind: "fourier" climbs on a spectrum in which all frequencies weigh the same as in photographs;
            "pixels" on the pixels themselves.
        colours: (channels, channels), from decorrelated to the input's channels.
    """

    shape: tuple[int, int, int]
    low: Floats
    high: Floats
    kind: Kind
    colours: Floats

    @cached_property
    def _weights(self) -> Floats:
        """What each frequency is multiplied by, (height, width // 2 + 1, 1)."""
        tall, wide, _ = self.shape
        across, down = np.fft.rfftfreq(wide), np.fft.fftfreq(tall)
        frequency = np.hypot(down[:, None], across[None])
        weights = 1 / np.maximum(frequency, 1 / max(tall, wide))
        scale = np.sqrt(tall * wide) / np.sqrt((weights**2).mean())
        return np.asarray(weights * scale, np.float32)[..., None]

    @cached_property
    def _twice(self) -> Floats:
        """How often each frequency is in the whole spectrum, over the number of pixels."""
        tall, wide, _ = self.shape
        counts = np.full(wide // 2 + 1, 2.0)
        counts[0] = 1
        if wide % 2 == 0:
            counts[-1] = 1
        return np.asarray(counts / (tall * wide), np.float32)[:, None]

    @property
    def gray(self) -> Floats:
        """The middle between black and white, (channels,)."""
        return np.asarray((self.low + self.high) / 2, np.float32)

    @property
    def free(self) -> tuple[int, ...]:
        """The shape of the numbers of one picture."""
        tall, wide, channels = self.shape
        return (2, tall, wide // 2 + 1, channels) if self.kind == "fourier" else self.shape

    def start(self, seed: int | list[int]) -> Floats:
        """Small noise for one picture, always the same for a seed."""
        noise = np.random.default_rng(seed).normal(scale=NOISE, size=self.free)
        return np.asarray(noise, np.float32)

    def unit(self, numbers: Floats) -> Floats:
        """Pictures (batch, height, width, channels) between 0, black, and 1, white."""
        return _sigmoid(CONTRAST * (self._flat(numbers) @ self.colours.T))

    def inputs(self, numbers: Floats) -> Floats:
        """The pictures as the network is given them."""
        return self.unit(numbers) * (self.high - self.low) + self.low

    def slope(self, numbers: Floats, gradient: Floats) -> Floats:
        """The derivative for the numbers, from that for the inputs."""
        unit = self.unit(numbers)
        inner = gradient * (self.high - self.low) * unit * (1 - unit) * CONTRAST
        return self._back(np.asarray(inner @ self.colours, np.float32))

    def _flat(self, numbers: Floats) -> Floats:
        """From the numbers to pixels with decorrelated colours."""
        if self.kind == "pixels":
            return numbers
        from scipy import fft

        spectrum = (numbers[:, 0] + 1j * numbers[:, 1]) * self._weights
        pixels = fft.irfft2(spectrum, s=self.shape[:2], axes=(1, 2), workers=-1)
        return np.asarray(pixels, np.float32)

    def _back(self, pixels: Floats) -> Floats:
        """The adjoint of `_flat`."""
        if self.kind == "pixels":
            return pixels
        from scipy import fft

        spectrum = fft.rfft2(pixels, axes=(1, 2), workers=-1) * self._weights * self._twice
        return np.stack([spectrum.real, spectrum.imag], axis=1).astype(np.float32)


def canvas_of(
    shape: tuple[int, int, int],
    rule: Preprocessing | None,
    *,
    bounds: tuple[float, float] | None,
    kind: Kind,
) -> Canvas:
    """The canvas for inputs of a shape, in the range that their preprocessing gives pictures.

    Args:
        shape: (height, width, channels).
        rule: how pictures become inputs.
        bounds: what black and white are, in place of the rule.
        kind: the parametrisation.
    """
    channels = shape[2]
    if bounds is not None or rule is None:
        black, white = bounds or (0.0, 1.0)
        low, high = np.full(channels, black), np.full(channels, white)
    else:
        mean, std = np.array(rule.mean), np.array(rule.std)
        low, high = ((np.full(channels, end) - mean) / std for end in rule.range)
    colours = np.eye(channels, dtype=np.float32)
    if channels == 3:
        colours = NATURAL / np.linalg.norm(NATURAL, axis=0).max() * np.float32(np.sqrt(3))
        if rule is not None and rule.channels == "bgr":
            colours = np.ascontiguousarray(colours[::-1])
    return Canvas(shape, low.astype(np.float32), high.astype(np.float32), kind, colours)


def _sigmoid(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -60, 60))), np.float32)
