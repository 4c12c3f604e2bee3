"""How fine a cloud is drawn: how densely it fills its frame, and how many pixels that is worth."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FINE_PIXELS = 14_000_000
ROUGH_PIXELS = 640_000
FEW = 1000  # points that never crowd


def spread(points: NDArray[np.float64], *, flat: bool) -> float:
    """How evenly points (n, 3) fill a frame: 1 for one round cloud, less for small tight clusters."""
    if len(points) < FEW:
        return 1.0
    some = points[:: -(-len(points) // 50_000)]
    low, span = some.min(axis=0), np.ptp(some, axis=0)
    cells = ((some - low) / np.where(span > 0, span, 1.0) * 47.999).astype(np.intp)
    pairs = ((0, 1),) if flat else ((0, 1), (0, 2), (1, 2))
    used = np.mean([len(np.unique(cells[:, a] * 48 + cells[:, b])) / 48**2 for a, b in pairs])
    return float(np.clip(used / 0.3, 0.25, 1.0))


def zoom_for(size: tuple[int, int], rough: bool) -> float:
    """How much finer than the frame the cloud is rendered: twice for smooth edges, less when moving."""
    pixels = size[0] * size[1]
    if rough:
        return min(1.0, math.sqrt(ROUGH_PIXELS / pixels))
    return 2.0 if 4 * pixels <= FINE_PIXELS else 1.0


def resized(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Bring a rendered picture to its size in the page."""
    from PIL import Image

    if picture.shape[:2] == (size[1], size[0]):
        return picture
    image = Image.fromarray(np.ascontiguousarray(picture))
    if picture.shape[1] == 2 * size[0] and picture.shape[0] == 2 * size[1]:
        return np.asarray(image.reduce(2), np.uint8)
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR), np.uint8)
