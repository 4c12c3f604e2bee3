"""The clouds on their way from epoch to epoch, as MP4 or GIF."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.errors import InputError, MissingExtraError
from explorer.progress import progress
from explorer.render.export.turntable import MOST_FRAMES, SIZES, Coding, rate_of, write_gif, write_mp4
from explorer.render.files import written

if TYPE_CHECKING:
    from PIL import Image

    from explorer.render.epochs.scene import EpochScene

RESTS = 0.4
"""Share of an epoch's time that the points rest at it."""


def export_film(
    scene: EpochScene,
    path: Path,
    *,
    seconds: float = 1.5,
    fps: float = 25.0,
    size: tuple[int, int] | None = None,
) -> Path:
    """Write all epochs, each position moving smoothly to its place on the next map.

    Args:
        scene: what is shown; it stays where it is.
        path: .mp4 or .gif.
        seconds: from one epoch to the next, the rest at each included.
        fps: frames a second.
        size: (width, height) in pixels; None for 1280 × 720, of a GIF 960 × 540.

    Raises:
        InputError: another ending, or a length, rate or size that cannot be.
        MissingExtraError: .mp4 without imageio-ffmpeg.
        RenderError: the file cannot be written.
    """
    check_film(path)
    suffix = path.suffix.lower()
    size = size or SIZES[suffix]
    if suffix == ".mp4" and (size[0] % 2 or size[1] % 2):
        raise InputError(f"{path}: size {size[0]} × {size[1]}; an MP4's width and height are even")
    fps = rate_of(path, fps)
    places = way(len(scene.evolution.epochs), seconds, fps)
    if not 2 <= len(places) <= MOST_FRAMES:
        raise InputError(
            f"{path}: {seconds:g} seconds an epoch at {fps:g} frames a second; "
            f"expected 2 to {MOST_FRAMES:,} frames in all"
        )
    encode = write_mp4 if suffix == ".mp4" else write_gif
    before = scene.at

    def draw(index: int) -> Image.Image:
        scene.at = places[index]
        return scene.frame(size, alone=True)

    try:
        with (
            scene.aside(),
            progress(path.name, len(places), "frames") as advance,
            written(path) as beside,
        ):
            encode(beside, draw, Coding(len(places), fps, size, advance))
    finally:
        scene.at = before
    return path


def check_film(path: Path) -> None:
    """Raise where a film cannot be written as this file, before anything is computed for it.

    Raises:
        InputError: it ends in neither .mp4 nor .gif.
        MissingExtraError: .mp4 without imageio-ffmpeg.
    """
    suffix = path.suffix.lower()
    if suffix not in SIZES:
        raise InputError(f"{path}: a film is written as {' or '.join(SIZES)}")
    if suffix == ".mp4" and find_spec("imageio_ffmpeg") is None:
        raise MissingExtraError(
            f"{path}: .mp4 needs imageio-ffmpeg: pip install 'activation-explorer[video]'; or write .gif"
        )


def way(n: int, seconds: float, fps: float) -> list[float]:
    """Where among n epochs each frame is: it rests at every epoch, longest at the last.

    >>> way(2, 1.0, 5)
    [0.0, 0.0, 0.3333333333333333, 0.6666666666666666, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    total = round(seconds * fps) if math.isfinite(seconds) and seconds > 0 else 0
    total = min(total, MOST_FRAMES + 1)  # too many as it is
    rest = round(RESTS * total)
    ahead = total - rest
    places = [0.0] * rest
    for epoch in range(n - 1):
        places += [epoch + step / ahead for step in range(1, ahead + 1)] if ahead else []
        places += [epoch + 1.0] * (rest if epoch < n - 2 else 2 * rest)
        if len(places) > MOST_FRAMES:
            break
    return places
