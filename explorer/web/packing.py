"""Numbers as few bytes, with the ranges that bring them back."""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

STEPS = 254
"""Levels between a byte's lowest and highest value; byte 0 is kept for what is missing."""
WHOLE = 65535
KINDS = {"|u1": "u1", "|i1": "i1", "<u2": "u2", "<u4": "u4", "<f4": "f4"}


@dataclass(frozen=True)
class Bytes:
    """Numbers of some images as bytes.

    Attributes:
        values: uint8, 0 where a number is missing, 1 to 255 from low to high.
        low: (n_groups,) each group's lowest number.
        high: (n_groups,) its highest.
    """

    values: NDArray[np.uint8]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


def to_bytes(numbers: NDArray[Any]) -> Bytes:
    """Numbers (n_groups, …) to a byte each, every group (an image, say) from its own lowest to its highest.

    The error is at most 1/508 of a group's range; what is not finite becomes missing.
    """
    wide = np.asarray(numbers, np.float64).reshape(len(numbers), -1)
    finite = np.isfinite(wide)
    low = np.where(finite, wide, np.inf).min(axis=1, initial=np.inf)
    high = np.where(finite, wide, -np.inf).max(axis=1, initial=-np.inf)
    low, high = np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)
    span = np.where(high > low, high - low, 1.0)[:, None]
    unit = np.nan_to_num((wide - low[:, None]) / span, posinf=0.0, neginf=0.0)
    values = np.where(finite, 1 + np.rint(unit * STEPS), 0).astype(np.uint8)
    return Bytes(values.reshape(np.shape(numbers)), low.astype(np.float32), high.astype(np.float32))


def to_whole(
    coordinates: NDArray[Any],
) -> tuple[NDArray[np.uint16], NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates (n, k) to whole numbers 0 to 65535, each axis from its lowest to its highest.

    Returns:
        The whole numbers (n, k), and (k,) lowest and highest of each axis.
    """
    wide = np.asarray(coordinates, np.float64)
    if not len(wide):
        return np.zeros(wide.shape, np.uint16), np.zeros(wide.shape[1]), np.ones(wide.shape[1])
    low, high = wide.min(axis=0), wide.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    return np.rint((wide - low) / span * WHOLE).astype(np.uint16), low, high


def to_signed(vectors: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Vectors (n, d) to signed bytes with one scale a column: vector ≈ byte · scale."""
    most = np.abs(vectors).max(axis=0, initial=0.0)
    scale = np.where(most > 0, most / 127, 1.0).astype(np.float32)
    return np.rint(vectors / scale).astype(np.int8), scale


@dataclass(frozen=True)
class Block:
    """Numbers as they stand in the page.

    Attributes:
        name: what the page asks for.
        kind: the numbers' type: u1, i1, u2, u4 or f4.
        text: base64 of the packed bytes.
        packed: "gzip", or "" for bytes that pack no further, such as pictures.
    """

    name: str
    kind: str
    text: str
    packed: str = "gzip"


def block(name: str, numbers: NDArray[Any]) -> Block:
    """Pack an array for the page; equal arrays give equal text."""
    array = np.ascontiguousarray(numbers)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    packed = gzip.compress(array.tobytes(), compresslevel=6, mtime=0)
    return Block(name, KINDS[array.dtype.str], base64.b64encode(packed).decode("ascii"))


def raw_block(name: str, content: bytes) -> Block:
    """Bytes that are packed already, such as pictures."""
    return Block(name, "u1", base64.b64encode(content).decode("ascii"), "")


def wire(numbers: NDArray[Any]) -> dict[str, Any]:
    """An array as the page reads it: its type and its bytes."""
    array = np.ascontiguousarray(numbers)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return {"kind": KINDS[array.dtype.str], "bytes": array.tobytes()}


def png(pixels: NDArray[np.uint8]) -> dict[str, Any]:
    """A picture (height, width, 3) or (height, width) as the page reads it: PNG."""
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG", compress_level=3)
    return {"type": "image/png", "bytes": out.getvalue()}
