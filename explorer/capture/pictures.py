"""Picture files by Pillow: which formats, and what becomes of orientation, palettes, alpha and depth.

| in the file | rule |
|---|---|
| EXIF orientation | applied: the picture is read as a viewer shows it |
| black and white, gray | gray, 0..255 |
| gray of 16 bits | divided by 65535 |
| gray and alpha | alpha dropped, the gray beneath it kept |
| palette, with or without a transparent colour | its colours (a palette of grays too), alpha dropped |
| RGB and alpha | alpha dropped, the colour beneath it kept |
| CMYK, YCbCr, LAB, HSV | RGB by Pillow's conversion, without colour profiles |
| embedded colour profiles | not applied: numbers are those of the file |
| gray for a model of three channels | repeated three times |
| colour for a model of one channel | ITU-R 601 luma |
| animation (GIF, WebP, APNG) | the first frame; said and counted |
| floats (TIFF) | as they are when within 0..1, else by `window` |
| signed, or of 32 bits and more (TIFF) | by `window` only |
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.preprocessing import MAX_PIXELS
from explorer.errors import InputError, first_line

if TYPE_CHECKING:
    from PIL.Image import Image

# Pillow opens more than these; formats that run other programs or are rarely hardened stay out.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000", "TGA", "AVIF")
SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm",
    ".jp2", ".j2k", ".tga", ".avif",
)  # fmt: skip
Window = tuple[float, float]
for _library in ("PIL", "tifffile", "pydicom"):
    # They log what they then raise; without a handler Python writes that to the terminal, too.
    logging.getLogger(_library).addHandler(logging.NullHandler())


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep readers from warning of what they could read past, while the block runs.

    To be entered by the thread that starts the others: warnings have one setting for all threads.
    """
    with warnings.catch_warnings():
        # Pillow only warns of a picture too large to be honest; here it counts as broken.
        warnings.filterwarnings("error", message="Image size .* exceeds limit")
        for library in ("pydicom", "nibabel", "tifffile"):
            warnings.filterwarnings("ignore", module=library)
        yield


@cache
def readable_formats() -> tuple[str, ...]:
    """The formats of the allow-list that this build of Pillow can open."""
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def check_pixels(path: Path, shape: tuple[int, ...], most: int | None = None) -> None:
    """Refuse a picture or volume (*spatial) that is too large, before it is decoded.

    Raises:
        InputError: naming its size and the limit.
    """
    count, most = int(np.prod([int(size) for size in shape], dtype=object)), most or MAX_PIXELS
    if count > most:
        sizes = " × ".join(str(size) for size in reversed(shape))
        raise InputError(f"{path}: {sizes} pixels, at most {most} are read")
    if count <= 0:
        raise InputError(f"{path}: an empty picture, {' × '.join(str(size) for size in reversed(shape))}")


@contextlib.contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises over a damaged or hostile file into one line that names it.

    Raises:
        InputError: the file cannot be decoded.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnidentifiedImageError:
        raise InputError(
            f"{path}: not a picture of a known format ({', '.join(readable_formats())})"
        ) from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise InputError(f"{path}: more than {MAX_PIXELS} pixels") from None
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, MemoryError) as error:
        # The system's own words name the whole path, and this line is kept in a run.
        told = error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)
        raise InputError(f"{path}: cannot be decoded ({told})") from None
    except Exception as error:  # a damaged file can fail anywhere in a decoder
        raise InputError(f"{path}: cannot be decoded ({type(error).__name__}: {first_line(error)})") from None


def open_picture(path: Path, window: Window | None = None, frame: int = 0) -> Image:
    """Decode one frame of a picture file to mode L, RGB, or F with values 0 to 1, by the rules above.

    Args:
        path: the file.
        window: (centre, width) of the values that go from black to white, for more than 8 bits.
        frame: which page or frame, from 0.

    Raises:
        InputError: the file is missing, of another format, damaged, or too large.
    """
    from PIL import Image, ImageOps

    with decoding(path), Image.open(path, formats=readable_formats()) as opened:
        check_pixels(path, (opened.height, opened.width))
        animated = opened.format != "TIFF" and bool(getattr(opened, "is_animated", False))
        if frame:
            opened.seek(frame)
            check_pixels(path, (opened.height, opened.width))
        sixteen = opened.format != "TIFF"
        ImageOps.exif_transpose(opened, in_place=True)  # a copy of a large photograph costs a millisecond
        opened.load()
        read = _to_gray_or_colour(opened, path, window=window, sixteen=sixteen)
        read.info["animated"] = animated
        return read


def _to_gray_or_colour(picture: Image, path: Path, *, window: Window | None, sixteen: bool) -> Image:
    """Mode L, RGB or F of a picture that has been turned the right way up.

    Pillow keeps 16 bits in 32; `sixteen` says that whole numbers are such.
    """
    from PIL import Image

    if picture.mode in ("L", "RGB"):
        return picture
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        values = np.asarray(picture)
        if sixteen and values.dtype.kind in "iu":
            values = values.astype(np.uint16)
        return Image.fromarray(unit_range(values, path, window))
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    gray = picture.mode in ("1", "LA", "La")
    return picture.convert("L" if gray else "RGB")


def unit_range(
    values: NDArray[Any], path: Path, window: Window | None, *, white: float | None = None
) -> NDArray[np.float32]:
    """Numbers as 0 to 1: by the window; else 8 and 16 bits by their white; else floats as they are.

    Args:
        values: any numbers.
        path: whose they are, for errors.
        window: (centre, width) of the values that go from black to white.
        white: what unsigned integers are divided by; the largest of their type by default.

    Raises:
        InputError: the type alone does not tell which number is white.
    """
    if window is not None:
        return through_window(values, window)
    if values.dtype.kind == "b":
        return values.astype(np.float32)
    if values.dtype in (np.uint8, np.uint16):
        return np.asarray(values / (white or np.iinfo(values.dtype).max), np.float32)
    finite = np.isfinite(values).all()
    low, high = (float(values.min()), float(values.max())) if finite else (np.nan, np.nan)
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        return np.asarray(values, np.float32)
    told = f"from {low:g} to {high:g}" if finite else "with NaN or infinity"
    raise InputError(
        f"{path}: {values.dtype.name} pixels {told}, and no rule says which is black and which white; "
        "declare window = [centre, width] under [preprocessing]"
    )


def through_window(values: NDArray[Any], window: Window) -> NDArray[np.float32]:
    """Numbers from centre - width / 2 to centre + width / 2 as 0 to 1, others cut off; NaN is black."""
    centre, width = window
    scaled = np.asarray((np.asarray(values, np.float64) - (centre - width / 2)) / width, np.float32)
    return np.clip(np.nan_to_num(scaled, nan=0.0, posinf=1.0, neginf=0.0), 0, 1)
