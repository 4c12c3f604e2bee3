"""Colours: themes, palettes that colour-blind readers can tell apart, and values as colours."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, suggest

Colour = tuple[int, int, int]

# Searched for: the smallest distance (OKLab) between any two of the first ten stays above 0.09
# for normal, protanopic, deuteranopic and tritanopic eyes (tab10 falls to 0.007), and a class has much the
# same hue on a light and on a dark page. A test holds both.
CATEGORIES = {
    "light": (
        "#342bb0 #bf7d19 #ce316f #6fc5ff #9cd11f #a76ff4 #732949"
        " #0f80a7 #fd8eae #476804 #41af74 #6156da #8197d2 #794291"
    ),
    "dark": (
        "#7916ff #ffcc07 #d72d42 #68ccf2 #bdf9be #c275f8 #a21e64"
        " #2084ad #fd909d #6db519 #06dd70 #905ff6 #a2a8f6 #af33b7"
    ),
}
# Blue and red through a grey that is seen on white, and through one that is seen on black.
DIVERGING = {
    "light": ("#16458f", "#4a86c9", "#d3d3d1", "#d9654f", "#8f1324"),
    "dark": ("#8cc4ff", "#3d7fc4", "#3f434a", "#c9573c", "#ffb199"),
}
SEQUENTIAL = "viridis"


@dataclass(frozen=True)
class Theme:
    """The colours of everything that is not data.

    Attributes:
        name: "light" or "dark".
        page: behind everything.
        panel: behind pictures that do not fill their place, and the information box.
        rule: thin lines.
        text: what is read first.
        muted: what is read second.
        faint: points that are not meant (another image's), and hints.
        accent: the selected position.
        halo: drawn around the accent so that it is seen on any colour.
        warning: what a reader should not miss, such as a position outside the sample.
    """

    name: str
    page: Colour
    panel: Colour
    rule: Colour
    text: Colour
    muted: Colour
    faint: Colour
    accent: Colour
    halo: Colour
    warning: Colour


def rgb(text: str) -> Colour:
    """Read "#rrggbb"."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


THEMES = {
    "light": Theme(
        "light",
        *map(rgb, ("#ffffff", "#f4f5f7", "#dfe2e6", "#16191d", "#5b636d")),
        *map(rgb, ("#e3e6ea", "#ff2a55", "#ffffff", "#a8500a")),
    ),
    "dark": Theme(
        "dark",
        *map(rgb, ("#111417", "#1b2025", "#323940", "#f0f2f4", "#a0a9b3")),
        *map(rgb, ("#3a4149", "#ff4d6d", "#ffffff", "#ffb454")),
    ),
}


def theme(name: str) -> Theme:
    """The theme of this name.

    Raises:
        InputError: there is no such theme.
    """
    if name not in THEMES:
        raise InputError(f"theme {name!r}: {suggest(name, THEMES)}")
    return THEMES[name]


QUALITATIVE = ("tab10", "tab20", "Set2", "Set3", "Dark2", "Paired")
"""Matplotlib's palettes for classes; they come round again where there are more classes."""


def check_colour_map(name: str) -> str:
    """The name of a colour map or palette that there is: "diverging", "gray", or any of Matplotlib's.

    Raises:
        InputError: there is no such colour map.
    """
    if name != "diverging":
        table(name)
    return name


def categorical(n: int, theme_name: str = "light", palette: str | None = None) -> NDArray[np.uint8]:
    """One colour a class, (n, 3): the searched palette, and beyond it colours round the wheel.

    Args:
        n: number of classes.
        theme_name: "light" or "dark".
        palette: one of `QUALITATIVE` instead; anything else is no palette for classes and is passed over.
    """
    if palette in QUALITATIVE:
        from matplotlib import colormaps

        listed = np.rint(colormaps[palette](np.arange(colormaps[palette].N))[:, :3] * 255).astype(np.uint8)
        return np.asarray(listed[np.arange(n) % len(listed)], np.uint8).reshape(-1, 3)
    fixed = [rgb(text) for text in CATEGORIES[theme_name].split()[:n]]
    extra = np.arange(max(0, n - len(fixed)))
    golden = (extra * 0.61803398875) % 1.0
    lift = 0.08 if theme_name == "dark" else 0.0
    lightness = np.array([0.72, 0.5, 0.62])[extra % 3] + lift
    angle = 2 * np.pi * golden
    lab = np.stack([lightness, 0.13 * np.cos(angle), 0.13 * np.sin(angle)], axis=1)
    more = np.rint(from_oklab(lab) * 255).astype(np.uint8)
    return np.concatenate([np.array(fixed, np.uint8).reshape(-1, 3), more])


def from_oklab(lab: NDArray[Any]) -> NDArray[np.float64]:
    """OKLab (..., 3) to sRGB 0 to 1, clipped to what a screen can show."""
    cone = np.array(
        [[1, 0.39633778, 0.21580376], [1, -0.10556135, -0.06385417], [1, -0.08948418, -1.29148555]]
    )
    linear = np.array(
        [
            [4.07674166, -3.30771159, 0.23096993],
            [-1.26843800, 2.60975740, -0.34131940],
            [-0.00419609, -0.70341861, 1.70761470],
        ]
    )
    light = np.clip((lab @ cone.T) ** 3 @ linear.T, 0, 1)
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(srgb)


@functools.lru_cache(maxsize=32)
def table(name: str) -> NDArray[np.uint8]:
    """256 colours, (256, 3), of a map: "gray", "diverging-light", "diverging-dark" or any of Matplotlib's.

    Raises:
        InputError: there is no such colour map.
    """
    if name.startswith("diverging-"):
        anchors = np.array([rgb(text) for text in DIVERGING[name.removeprefix("diverging-")]])
        at = np.linspace(0, 1, len(anchors))
        columns = [np.interp(np.linspace(0, 1, 256), at, anchors[:, k]) for k in range(3)]
        return np.asarray(np.rint(np.stack(columns, axis=1)), np.uint8)
    if name in ("gray", "grey"):
        return np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    from matplotlib import colormaps

    if name not in colormaps:
        known = [known for known in colormaps if not known.endswith("_r")]
        raise InputError(f"colour map {name!r}: {suggest(name, known)}")
    colours = colormaps[name](np.linspace(0, 1, 256))[:, :3]
    return np.asarray(np.rint(colours * 255), np.uint8)


@dataclass(frozen=True)
class Scale:
    """How numbers become colours.

    Attributes:
        low: the value at the colour map's lower end.
        high: the value at its upper end.
        colour_map: the map's name, as `table` takes it.
        clipped: whether some values lie outside low to high.
    """

    low: float
    high: float
    colour_map: str
    clipped: bool = False

    @property
    def constant(self) -> bool:
        """Whether there is but one value, so that the colours say nothing."""
        return not self.high > self.low

    def colours(self, values: NDArray[Any], missing: Colour) -> NDArray[np.uint8]:
        """Values (...) to colours (..., 3); what is not finite becomes `missing`."""
        lut = table(self.colour_map)
        numbers = np.asarray(values, np.float64)
        finite = np.isfinite(numbers)
        span = self.high - self.low if not self.constant else 1.0
        unit = np.full(numbers.shape, 0.5)
        if not self.constant:
            # Scaled before subtracting, so that values near the largest float do not overflow.
            np.subtract(numbers / span, self.low / span, out=unit, where=finite)
        out = lut[np.rint(np.clip(np.nan_to_num(unit), 0, 1) * 255).astype(np.intp)]
        out[~finite] = missing
        return np.asarray(out, np.uint8)


def scale_of(values: NDArray[Any], theme_name: str, clip: float = 0.0, *, signed: bool = True) -> Scale:
    """The scale that fits some values: viridis, or diverging around zero when both signs occur.

    Args:
        values: any shape; what is not finite is passed over.
        theme_name: "light" or "dark".
        clip: the percentage of values left out at either end before the limits are taken.
        signed: whether zero means something; if not, never diverging.
    """
    numbers = np.asarray(values, np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if numbers.size == 0:
        return Scale(0.0, 0.0, SEQUENTIAL)
    ends = float(numbers.min()), float(numbers.max())
    low, high = ends
    if clip and high > low:
        inner = np.percentile(numbers, [clip, 100 - clip])
        low, high = (float(inner[0]), float(inner[1])) if inner[1] > inner[0] else ends
    # A stray negative, as smooth activations such as GELU give, does not make a map signed.
    if signed and low < 0 < high and -low > 0.1 * high and high > -0.1 * low:
        high = max(-low, high)
        return Scale(-high, high, f"diverging-{theme_name}", ends[0] < -high or ends[1] > high)
    return Scale(low, high, SEQUENTIAL, ends[0] < low or ends[1] > high)


def scale_with(scale: Scale, name: str | None, theme_name: str) -> Scale:
    """A scale with another colour map: "diverging" is centred on zero; None or a palette changes nothing."""
    if name is None or name in QUALITATIVE:
        return scale
    if name == "diverging":
        most = max(abs(scale.low), abs(scale.high))
        return Scale(-most, most, f"diverging-{theme_name}", scale.clipped)
    return Scale(scale.low, scale.high, name, scale.clipped)
