"""Writing pictures and words to files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from explorer.errors import InputError, RenderError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg")


def check_suffix(path: str | Path) -> Path:
    """The path, when its suffix is that of a picture.

    Raises:
        InputError: it has another suffix, or none.
    """
    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        raise InputError(f"{target}: a picture is written as {', '.join(SUFFIXES)}")
    return target


def save_picture(picture: Image.Image, path: str | Path) -> Path:
    """Write a picture as PNG or JPEG, by the file's suffix.

    Raises:
        InputError: another suffix.
        RenderError: the file cannot be written.
    """
    target = check_suffix(path)
    try:
        if target.suffix.lower() == ".png":
            picture.save(target)
        else:
            picture.save(target, quality=95)
    except OSError as error:
        raise RenderError(f"{target}: cannot be written ({error})") from None
    return target


def save_text(text: str, path: str | Path) -> Path:
    """Write text to a file.

    Raises:
        RenderError: the file cannot be written.
    """
    target = Path(path)
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RenderError(f"{target}: cannot be written ({error})") from None
    return target
