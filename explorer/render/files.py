"""Writing pictures and words to files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.errors import InputError, RenderError
from explorer.whole import whole_file

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


def save_picture(picture: Image.Image, path: str | Path, *, compress_level: int = 6) -> Path:
    """Write a picture as PNG or JPEG, by the file's suffix.

    Args:
        picture: what to write.
        path: where.
        compress_level: of a PNG, 0 (fast) to 9 (small).

    Raises:
        InputError: another suffix.
        RenderError: the file cannot be written.
    """
    target = check_suffix(path)
    with written(target) as beside:
        if target.suffix.lower() == ".png":
            picture.save(beside, compress_level=compress_level)
        else:
            picture.save(beside, quality=95)
    return target


@contextmanager
def written(path: str | Path) -> Iterator[Path]:
    """Write to the path that is yielded: it becomes `path` when the block ends well, and else it goes.

    Folders on the way are made. So a file is whole or not there, also after Ctrl-C.

    Raises:
        RenderError: the file cannot be written.
    """
    try:
        with whole_file(path) as beside:
            yield beside
    except OSError as error:
        raise RenderError(f"{path}: cannot be written ({error.strerror or error})") from None


@contextmanager
def held(path: str | Path) -> Iterator[BytesIO]:
    """Write to memory, and that to the file at the end: for writers that a full disk takes by surprise.

    Raises:
        RenderError: the file cannot be written.
    """
    memory = BytesIO()
    yield memory
    with written(path) as beside:
        beside.write_bytes(memory.getbuffer())


def save_text(text: str, path: str | Path) -> Path:
    """Write text to a file.

    Raises:
        RenderError: the file cannot be written.
    """
    target = Path(path)
    with written(target) as beside:
        beside.write_text(text, encoding="utf-8")
    return target
