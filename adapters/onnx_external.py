"""Weights that an ONNX file keeps in files of their own: found in the model's folder only, and mapped."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import CheckpointError


def stamp(file: Path) -> tuple[int, int]:
    """Size and time of a file, zeros when it is gone."""
    try:
        state = file.stat()
    except OSError:
        return 0, 0
    return state.st_size, state.st_mtime_ns


class WeightFiles:
    """The files beside a model that hold its weights, each mapped once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stamps: dict[Path, tuple[int, int]] = {}
        self._mapped: dict[str, NDArray[np.uint8]] = {}

    def read(self, tensor: Any, declared: int) -> NDArray[np.uint8]:
        """The bytes of a tensor, mapped.

        Raises:
            CheckpointError: the file is missing, too short, or outside the model's folder.
        """
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        if location not in self._mapped:
            self._mapped[location] = self._map(location, tensor.name)
        data = self._mapped[location]
        try:
            offset = int(entries.get("offset") or 0)
            length = int(entries.get("length") or declared)
        except ValueError:
            offset = length = -1
        if not (offset >= 0 and length == declared and offset + declared <= len(data)):
            raise CheckpointError(
                f"{self.path}: weight {tensor.name} has {declared:,} bytes; {location} "
                f"({len(data):,} bytes) is said to hold it from {entries.get('offset', 0)}, "
                f"{entries.get('length', 'no length')} long"
            )
        part = data[offset : offset + declared]
        return part if offset % 8 == 0 else part.copy()

    def _map(self, location: str, name: str) -> NDArray[np.uint8]:
        """A whole file of weights, when it lies in the model's folder."""
        parts = location.replace("\\", "/").split("/")
        rooted = PurePosixPath(location).is_absolute() or PureWindowsPath(location).anchor
        if not location or "\0" in location or rooted or ".." in parts:
            raise CheckpointError(
                f"{self.path}: weight {name} is said to lie in {location!r}; "
                "expected a file in the model's folder"
            )
        folder = self.path.parent.resolve()
        file = self.path.parent.joinpath(*parts)
        if not file.resolve().is_relative_to(folder):
            raise CheckpointError(
                f"{self.path}: weights {location} are a link that leads out of the model's folder; "
                "copy the file into it"
            )
        if not file.is_file():
            raise CheckpointError(f"{self.path}: weights {location} are missing beside it")
        self.stamps[file] = stamp(file)
        if file.stat().st_size == 0:
            return np.empty(0, np.uint8)
        return np.memmap(file, np.uint8, mode="r")
