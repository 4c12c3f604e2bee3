"""Maximised pictures that lie in a run, so that a viewer shows them beside the channel they are of.

run/
  maximised/<layer> <number>.npz   what one `maximize` made, as `Maximised.save` writes it
"""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ExplorerError, InputError
from explorer.explain.maximised import Maximised, load_maximised

if TYPE_CHECKING:
    from explorer.capture.store import Run

FOLDER = "maximised"
LARGEST = 2**29
"""Bytes that a file may unpack to: 64 channels of 512 × 512 pixels in colour are 200 million."""
CHANNEL = re.compile(r"channel (\d+)")


@dataclass(frozen=True)
class Sought:
    """What one channel answers to most.

    Attributes:
        picture: the best of its variants, (height, width, 3) uint8.
        reached: the channel's mean over all positions there.
        strongest: the same of the strongest real picture; None where none was looked at.
    """

    picture: NDArray[np.uint8]
    reached: float
    strongest: float | None


def keep_maximised(run: Run, found: Maximised) -> Path:
    """Write maximised pictures into a run; nothing that it keeps already is lost.

    The very same as the newest are not written again, and an interrupted climb gives way to the same climb
    when that has come further.

    Args:
        run: the opened run of the same model.
        found: what `explorer.maximize` made.

    Returns:
        The file.

    Raises:
        InputError: pictures of another model or layer than the run's, or a folder that cannot be written.
    """
    if found.model != run.name:
        raise InputError(f"{run.path}: is a run of {run.name}, and the pictures are of {found.model}")
    if found.layer not in run.layers:
        raise InputError(f"{run.path}: has no layer {found.layer}, which the pictures are of")
    folder, layer = run.path / FOLDER, quote(found.layer, safe=" ")
    newest = max(folder.glob("[!.]*.npz"), key=_number, default=None)
    target = folder / f"{layer} {1 + (0 if newest is None else _number(newest))}.npz"
    if newest is not None and _gives_way(newest, found):
        target = newest
    try:
        return found.save(target)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from None


def _gives_way(kept: Path, found: Maximised) -> bool:
    """Whether a file holds the same pictures, or the same climb less far."""
    old = _read(kept)
    if old is None or (old.model, old.layer, old.names) != (found.model, found.layer, found.names):
        return False
    if json.dumps(old.settings) != json.dumps(found.settings):
        return False
    further = old.finished < min(found.finished, len(old.names))
    same = np.array_equal(old.reached, found.reached, equal_nan=True)
    return further or (same and np.array_equal(old.pictures, found.pictures))


def sought(run: object, layer: str, channel: int) -> Sought | None:
    """What a run keeps of a channel, the newest first; None for nothing.

    Args:
        run: an opened run; one that lives in memory keeps nothing.
        layer: the layer.
        channel: the channel's number.
    """
    path = getattr(run, "path", None)
    if path is None:
        return None
    files = sorted((path / FOLDER).glob("[!.]*.npz"), key=_number)
    state = tuple((file, file.stat().st_mtime_ns) for file in files)
    return _all(state, layer, str(getattr(run, "name", ""))).get(channel)


@lru_cache(maxsize=8)
def _all(files: tuple[tuple[Path, int], ...], layer: str, model: str) -> dict[int, Sought]:
    """What these files hold of a layer's channels; damaged ones are passed over."""
    found: dict[int, Sought] = {}
    for file, _ in files:
        if not file.name.startswith(f"{quote(layer, safe=' ')} "):
            continue
        one = _read(file)
        if one is None or (one.layer, one.model) != (layer, model):
            continue
        try:
            found |= _channels(one)
        except (ValueError, IndexError):
            continue
    return found


def maximised_of(run: Run, layer: str, channel: int, *, weights: str) -> Maximised | None:
    """What a run keeps of a channel, whole: the picture, and the strongest real ones; None for nothing.

    Args:
        run: an opened run.
        layer: the layer.
        channel: the channel's number.
        weights: digest of the weights that have to have answered.
    """
    for file in sorted((run.path / FOLDER).glob("[!.]*.npz"), key=_number, reverse=True):
        if not file.name.startswith(f"{quote(layer, safe=' ')} "):
            continue
        one = _read(file)
        if one is None or (one.layer, one.model) != (layer, run.name):
            continue
        number = dict(zip(one.names, range(len(one.names)), strict=True)).get(f"channel {channel}")
        same = one.settings.get("weights") == weights
        if same and number is not None and np.isfinite(one.reached[number]).all():
            return one.alone(number)
    return None


def _read(file: Path) -> Maximised | None:
    """Pictures of a run; None for a damaged file, and one that unpacks to more than the largest written."""
    try:
        with zipfile.ZipFile(file) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST:
                return None
        return load_maximised(file)
    except (ExplorerError, OSError, zipfile.BadZipFile, ValueError, IndexError):
        return None


def _channels(one: Maximised) -> dict[int, Sought]:
    """The channels among the objectives, by number; those that were not climbed for are left out."""
    found = {}
    shown = one.shown()
    for number, name in enumerate(one.names):
        channel = CHANNEL.fullmatch(name)
        if channel is None or not np.isfinite(one.reached[number]).any():
            continue
        best = int(np.nanargmax(one.reached[number]))
        strongest = None if one.real is None else float(one.real.values[number, 0])
        found[int(channel[1])] = Sought(shown[number, best], float(one.reached[number, best]), strongest)
    return found


def _number(path: Path) -> int:
    """How late a file was written among the run's: the number at its name's end."""
    last = path.stem.rpartition(" ")[2]
    return int(last) if last.isdecimal() else 0
