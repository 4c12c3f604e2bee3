"""NIfTI by nibabel: volumes, or their slices as pictures, in the body's own directions.

| in the file | rule |
|---|---|
| orientation | turned and mirrored to the closest canonical axes, as `nibabel.as_closest_canonical` does;
  never resampled |
| a volume | (depth, height, width, 1): depth from foot to head, rows from front to back, columns from
  the patient's left to right |
| `slices = "axial"` | a picture each, from foot to head: front at the top, the left at the left |
| `slices = "coronal"` | a picture each, from back to front: head at the top, the left at the left |
| `slices = "sagittal"` | a picture each, from left to right: head at the top, front at the right |
| several volumes (time) | each is an input, or each of its slices |
| scale slope and intercept | applied |
| black and white | the first of: `window` of [preprocessing]; cal_min and cal_max, where the file has
  them; the lowest and highest value of the volume. NaN is black |
| .nii.gz | unpacked no further than its header declares, and no more than the limit of voxels |
"""

from __future__ import annotations

import gzip
import logging
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.pictures import Window, check_pixels, decoding, through_window
from explorer.capture.preprocessing import MAX_VOXELS
from explorer.errors import InputError

GZIP = b"\x1f\x8b"
HEADER = 540
"""Bytes of a NIfTI-2 header; that of NIfTI-1 is shorter."""
MAX_OFFSET = 64 * 2**20
"""Most bytes of header extensions."""
KEPT_WHOLE = 50_000_000
"""Voxels of a file of several volumes that are kept at once."""
SLACK = 2**20
"""Bytes that may follow the values."""
AXES = {"axial": 2, "coronal": 1, "sagittal": 0}
"""Which canonical axis (right, anterior, superior) the slices follow."""
_ONE_AT_A_TIME = threading.Lock()


def is_nifti(head: bytes, path: Path) -> bool:
    """Whether a file is NIfTI, by its first bytes, which are unpacked where they are gzip."""
    if head.startswith(GZIP):
        try:
            with gzip.open(path) as file:
                head = file.read(HEADER)
        except (OSError, EOFError, ValueError):
            return path.name.lower().endswith(".nii.gz")
        except Exception:  # zlib.error
            return path.name.lower().endswith(".nii.gz")
    return head[344:348] == b"n+1\0" or head[4:12] == b"n+2\0\r\n\x1a\n"


def frames(path: Path, slices: str | None) -> list[tuple[int, ...]]:
    """The inputs of a file: () for its only volume, (time,), (slice,) or (time, slice).

    Raises:
        InputError: the file cannot be read, or nibabel is not installed.
    """
    shape = _declared(path)
    if slices is None:
        return [()] if shape[3] == 1 else [(time,) for time in range(shape[3])]
    count = _canonical_shape(path)[AXES[slices]]
    if shape[3] == 1:
        return [(number,) for number in range(count)]
    return [(time, number) for time in range(shape[3]) for number in range(count)]


def read(
    path: Path, frame: tuple[int, ...], slices: str | None, *, window: Window | None
) -> NDArray[np.float32]:
    """A volume (depth, height, width, 1), or a slice (height, width), of 0 to 1.

    Args:
        path: the file.
        frame: one of `frames`.
        slices: as in `frames`.
        window: (centre, width) of the values that go from black to white.

    Raises:
        InputError: the file cannot be read.
    """
    state = path.stat() if path.exists() else None
    if state is None:
        raise InputError(f"{path}: no such file")
    shape = _declared(path)
    time = frame[0] if shape[3] > 1 and frame else 0
    with _ONE_AT_A_TIME:  # its neighbours wait for the same volume
        values, own = _volume(path, time, state.st_mtime_ns)
    if slices is None:
        return through_window(_as_depth(values), window or own)[..., None]
    number = frame[-1] if frame else values.shape[AXES[slices]] // 2
    plane = np.moveaxis(values, AXES[slices], 0)[number]
    # (right, …) becomes columns from left to right, (…, superior or anterior) rows from the top.
    return through_window(plane.T[::-1], window or own)


def read_labels(path: Path, frame: tuple[int, ...], slices: str | None) -> NDArray[Any]:
    """The whole numbers of a mask, in the same order as `read` gives the values.

    Raises:
        InputError: the file cannot be read.
    """
    shape = _declared(path)
    values, _ = _volume(path, frame[0] if shape[3] > 1 and frame else 0, path.stat().st_mtime_ns)
    if slices is None:
        return _as_depth(values)
    plane: NDArray[Any] = np.moveaxis(values, AXES[slices], 0)[frame[-1] if frame else 0]
    return plane.T[::-1]


def _as_depth(values: NDArray[Any]) -> NDArray[Any]:
    """(right, anterior, superior) as (depth, height, width)."""
    return values.transpose(2, 1, 0)[:, ::-1]


def _declared(path: Path) -> tuple[int, int, int, int]:
    """(x, y, z, time) as the header declares, held against the limits before anything is unpacked."""
    nibabel = _nibabel(path)
    with decoding(path):
        with path.open("rb") as file:
            head = file.read(HEADER)
        if head.startswith(GZIP):
            with gzip.open(path, "rb") as packed:
                head = packed.read(HEADER)
        two = head[4:12] == b"n+2\0\r\n\x1a\n"
        kind = nibabel.Nifti2Header if two else nibabel.Nifti1Header
        size = 540 if two else 348
        header = kind(head[:size], check=False)
        shape = tuple(int(axis) for axis in header.get_data_shape())
        offset = float(header["vox_offset"])
        if not 1 <= len(shape) <= 5 or any(axis < 1 for axis in shape) or np.prod(shape[4:]) != 1:
            raise InputError(f"{path}: NIfTI of shape {shape}, expected (x, y, z) or (x, y, z, time)")
        if not 0 <= offset <= MAX_OFFSET:
            raise InputError(f"{path}: damaged NIfTI header (values start at byte {offset:g})")
        if header.get_data_dtype().kind not in "fiu":
            raise InputError(f"{path}: NIfTI of type {header.get_data_dtype()}, expected real numbers")
    whole = (*shape[:4], *(1,) * (4 - len(shape)))
    check_pixels(path, whole[:3][::-1], MAX_VOXELS)
    if whole[3] > 100_000:
        raise InputError(f"{path}: {whole[3]} volumes in one file, at most 100000 are read")
    return whole[0], whole[1], whole[2], whole[3]


def _canonical_shape(path: Path) -> tuple[int, ...]:
    nibabel = _nibabel(path)
    with decoding(path):
        image = nibabel.load(path)
        turned = nibabel.orientations.io_orientation(image.affine)[:, 0]
        shape = _declared(path)
        canonical = [1, 1, 1]
        for axis, place in enumerate(turned):
            canonical[int(place)] = shape[axis]
    return tuple(canonical)


@lru_cache(maxsize=2)
def _volume(path: Path, time: int, changed: int) -> tuple[NDArray[np.float32], Window]:
    """One volume (right, anterior, superior), scaled, and the window that the file itself suggests."""
    nibabel = _nibabel(path)
    shape = _declared(path)
    with decoding(path):
        image = nibabel.load(path)
        proxy = image.dataobj
        count = int(np.prod(proxy.shape))
        _check_sum(path, changed, proxy.offset + count * proxy.dtype.itemsize)
        if shape[3] > 1 and count <= KEPT_WHOLE:
            one = _all_times(path, changed)[..., time]
        else:
            one = np.asarray(
                proxy[(..., time, *(0,) * (len(proxy.shape) - 4))] if len(proxy.shape) > 3 else proxy
            )
        values = np.asarray(one, np.float32).reshape(shape[:3])
        turned = nibabel.orientations.io_orientation(image.affine)
        values = np.asarray(nibabel.orientations.apply_orientation(values, turned))
        low, high = float(image.header["cal_min"]), float(image.header["cal_max"])
    if not low < high:
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return values, ((low + high) / 2, (high - low) or 1.0)


@lru_cache(maxsize=1)
def _all_times(path: Path, changed: int) -> NDArray[np.float32]:
    """All volumes of a file, (x, y, z, time): a packed file would be unpacked anew for each."""
    image = _nibabel(path).load(path)
    return np.asarray(image.dataobj, np.float32).reshape(_declared(path))


@lru_cache(maxsize=8)
def _check_sum(path: Path, changed: int, declared: int) -> None:
    """See that gzip's checksum holds: nibabel stops before it, and would not notice damage.

    Raises:
        EOFError, OSError, zlib.error: the file is cut or damaged.
        InputError: it holds more than it declares.
    """
    with path.open("rb") as file:
        if file.read(2) != GZIP:
            return
    with gzip.open(path, "rb") as packed:
        seen = 0
        while block := packed.read(2**20):
            seen += len(block)
            if seen > declared + SLACK:
                raise InputError(
                    f"{path}: unpacks to more than the {declared} bytes that its header declares"
                )


def _nibabel(path: Path) -> Any:
    try:
        import nibabel
    except ImportError:
        raise InputError(f"{path}: NIfTI needs nibabel: pip install 'activation-explorer[nifti]'") from None
    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)  # it has a handler of its own
    return nibabel
