"""TIFF: which of its pages are inputs, and the depths that Pillow does not read, through tifffile.

Every page is an input, but for reduced copies (thumbnails, pyramids) and transparency masks. With `frames =
"first"` only the first page is, and with "volume" all pages are one volume (depth, height, width, 1).

Pages of at most 8 bits, gray of 16, and gray floats of 32 are read by Pillow; colour of 16 bits,
integers of 32 and more, and all other floats by tifffile (LZW and JPEG among them need imagecodecs too).
What becomes of the numbers is said in `explorer.capture.pictures`; colour of more than three samples
keeps the first three. Where zero is white, the picture is inverted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.pictures import Window, check_pixels, decoding, open_picture, unit_range
from explorer.capture.preprocessing import MAX_VOXELS
from explorer.errors import InputError

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MAX_PAGES = 100_000
SUBFILE, BITS, PHOTOMETRIC, SAMPLES, FORMAT = 254, 258, 262, 277, 339
REDUCED_OR_MASK = 0b101


def pages(path: Path) -> list[int]:
    """The pages that are inputs, by number from 0.

    Raises:
        InputError: the file cannot be read, or has none.
    """
    from PIL import Image

    found = []
    with decoding(path), Image.open(path, formats=("TIFF",)) as opened:
        tags: Any = opened
        count = int(tags.n_frames)
        if count > MAX_PAGES:
            raise InputError(f"{path}: {count} pages, at most {MAX_PAGES} are read")
        for number in range(count):
            if count > 1:
                opened.seek(number)
            if not int(tags.tag_v2.get(SUBFILE, 0)) & REDUCED_OR_MASK:
                found.append(number)
    return found or [0]


def read_page(path: Path, page: int, window: Window | None) -> NDArray[Any]:
    """One page: (height, width) or (height, width, 3), of uint8, or of floats 0 to 1.

    Raises:
        InputError: the page cannot be decoded, is too large, or needs a window.
    """
    by_pillow, white_is_zero = _nature(path, page)
    if by_pillow:
        values = np.asarray(open_picture(path, window, page))
    else:
        with decoding(path):
            values = _by_tifffile(path, page, window)
    # Pillow turns 8 bits round itself.
    return np.float32(1) - values if white_is_zero and values.dtype != np.uint8 else values


def read_stack(path: Path, window: Window | None) -> NDArray[np.float32]:
    """All pages as one volume (depth, height, width, 1 or 3) of 0 to 1.

    Raises:
        InputError: the pages differ in size, are too many, or see `read_page`.
    """
    numbers = pages(path)
    first = read_page(path, numbers[0], window)
    check_pixels(path, (len(numbers), *first.shape[:2]), MAX_VOXELS)
    stack = np.empty((len(numbers), *first.shape[:2], 1 if first.ndim == 2 else 3), np.float32)
    for place, number in enumerate(numbers):
        page = first if place == 0 else read_page(path, number, window)
        if page.shape != first.shape:
            raise InputError(
                f"{path}: page {number} is of shape {page.shape}, page {numbers[0]} of {first.shape}; "
                'a volume needs pages of one size: frames = "each" under [preprocessing] takes them singly'
            )
        scaled = page / np.float32(255) if page.dtype == np.uint8 else page
        stack[place] = scaled if first.ndim == 3 else scaled[..., None]
    return stack


def _nature(path: Path, page: int) -> tuple[bool, bool]:
    """Whether Pillow reads this page without loss, and whether its zero is white."""
    from PIL import Image, UnidentifiedImageError

    with decoding(path):
        try:
            with Image.open(path, formats=("TIFF",)) as opened:
                if page:
                    opened.seek(page)
                tags: Any = opened
                tag = tags.tag_v2
        except UnidentifiedImageError:  # pixels that Pillow has no mode for
            return False, False
        bits, one = max(tag.get(BITS, (1,))), tag.get(SAMPLES, 1) == 1
        kinds = set(tag.get(FORMAT, (1,)))
        lossless = (kinds <= {1, 4} and (bits <= 8 or (bits == 16 and one))) or (
            kinds == {3} and bits == 32 and one
        )
        return bool(lossless), tag.get(PHOTOMETRIC) == 0
    return False, False


def _by_tifffile(path: Path, number: int, window: Window | None) -> NDArray[Any]:
    try:
        import tifffile
    except ImportError:
        raise InputError(
            f"{path}: TIFF of this depth needs tifffile: pip install 'activation-explorer[tiff]'"
        ) from None
    with tifffile.TiffFile(path) as file:
        if not 0 <= number < len(file.pages):
            raise InputError(f"{path}: no page {number}")
        page: Any = file.pages[number]
        check_pixels(path, (page.imagelength, page.imagewidth))
        if page.imagedepth != 1 or page.samplesperpixel > 64:
            raise InputError(f"{path}: {page.samplesperpixel} samples a pixel, expected at most 64")
        values = np.asarray(page.asarray())
        if values.size == 0:
            raise InputError(f"{path}: page {number} holds no pixels")
        values = np.moveaxis(values, 0, -1) if page.axes.startswith("S") else values
        if values.ndim == 3:
            values = values[..., :3] if values.shape[-1] >= 3 else values[..., 0]
        bits = int(page.bitspersample)
        white = 2**bits - 1 if values.dtype.kind == "u" and bits <= 16 else None
    return unit_range(values, path, window, white=white)
