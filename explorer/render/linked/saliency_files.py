"""Saliency maps that a run keeps, as numbers of a layer's positions: each cell's mean.

RUN/saliency/NAME.npz holds `values` (batch, *spatial) and `description`, JSON. Its members are stored as they
are, so that no file unpacks to more than it weighs.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import RunError, first_line

if TYPE_CHECKING:
    from explorer.render.values import RunLike

SALIENCY = "saliency:"
FOLDER = "saliency"
AGAIN = "write it again with `activation-explorer saliency … --run`"


def kept(run: RunLike) -> tuple[str, ...]:
    """The names of a run's maps, the newest first."""
    path = getattr(run, "path", None)
    if path is None:
        return ()
    folder = Path(path) / FOLDER
    try:
        files = [file for file in folder.iterdir() if file.suffix == ".npz" and not file.name.startswith(".")]
        return tuple(file.stem for file in sorted(files, key=lambda file: -file.stat().st_mtime_ns))
    except OSError:  # there is none, or it is being written just now
        return ()


def read_kept(run: RunLike, name: str) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """A run's maps (batch, *spatial), and what is known of them.

    Raises:
        RunError: the file is damaged, or is of other inputs.
    """
    path = Path(getattr(run, "path", "")) / FOLDER / f"{name}.npz"
    try:
        with zipfile.ZipFile(path) as archive:
            values = member(archive, "values.npy")
            described = json.loads(str(member(archive, "description.npy")[()]))
            names = [str(one) for one in member(archive, "names.npy")]
    except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError, zipfile.BadZipFile) as error:
        raise RunError(f"{path}: damaged saliency maps ({first_line(error)}); {AGAIN}") from None
    check_kept(path, values, described)
    if len(values) != run.n_images or names != list(run.image_names):
        raise RunError(f"{path}: maps of {len(values)} other inputs than the run's {run.n_images}; {AGAIN}")
    return values, described


def member(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """One array, whose declared size is that of its member."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise ValueError(f"{name} is compressed, expected it as it is")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(file)
        size = file.tell() + int(np.prod(shape, dtype=object)) * dtype.itemsize
        if dtype.hasobject or min(shape, default=0) < 0 or size != info.file_size:
            raise ValueError(f"{name} declares shape {shape} {dtype} in {info.file_size} bytes")
    with archive.open(info) as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def check_kept(path: Path, values: NDArray[Any], described: Any) -> None:
    """Look whether maps are such, and their description says what they are.

    Raises:
        RunError: they are not, or it does not.
    """
    wrong = None
    if values.dtype != np.float32 or not 2 <= values.ndim <= 4:
        wrong = f"values of {values.dtype} {values.shape}, expected float32 (batch, height, width)"
    elif not isinstance(described, dict) or described.get("format") != 1:
        wrong = "its description is not of format 1"
    elif not all(isinstance(described.get(key), str) for key in ("method", "target", "layer")):
        wrong = "its description lacks method, target or layer"
    elif not isinstance(described.get("signed"), bool):
        wrong = "its description does not say whether values are signed"
    if wrong:
        raise RunError(f"{path}: damaged saliency maps ({wrong}); {AGAIN}")


def cell_means(values: NDArray[np.float32], grid: tuple[int, ...]) -> NDArray[np.float32]:
    """The mean over each cell of a grid laid over maps, (batch, *grid); a finer grid takes the nearest pixel.

    Raises:
        RunError: the maps have other axes than the grid.

    >>> cell_means(np.array([[[1, 3, 5, 7]]], np.float32), (1, 2)).tolist()
    [[[2.0, 6.0]]]
    """
    if not grid:
        return np.asarray(values.reshape(len(values), -1).mean(axis=1))
    if values.ndim != 1 + len(grid):
        raise RunError(f"saliency maps of {values.ndim - 1} axes, and the layer's grid has {len(grid)}")
    means = values.astype(np.float64)
    for axis, size in enumerate(grid, start=1):
        have = means.shape[axis]
        if size > have:
            means = means.take(np.floor((np.arange(size) + 0.5) * have / size).astype(np.int64), axis=axis)
            continue
        edges = np.arange(size) * have // size
        shape = [1] * means.ndim
        shape[axis] = size
        counts = np.diff([*edges, have]).reshape(shape)
        means = np.add.reduceat(means, edges, axis=axis) / counts
    return means.astype(np.float32)
