"""Depth made visible: eye-dome lighting and a little haze, computed from colour and depth pictures.

VTK's own eye-dome lighting has no strength to set and draws black contours round every point; here
a point is darkened only as far as what covers it is nearer, and never on the page around the cloud.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explorer.render.drawing.colours import Theme

STRENGTH = 3.8
STEP_CAP = 0.12  # of the cloud's depth: a gulf behind a point is not darker than a step
DARKEST = 0.5
FAINT = 0.1  # of the shading, on greyed points
HAZE = {"light": 0.32, "dark": 0.3}
RING = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))


def shade(
    colours: NDArray[np.uint8],
    depth: NDArray[np.float32],
    theme: Theme,
    *,
    radii: tuple[int, ...],
    hazy: bool = True,
    greyed: bool = False,
) -> NDArray[np.uint8]:
    """Shade a rendered cloud.

    Args:
        colours: (height, width, 3) as rendered, without light.
        depth: (height, width) from 0 (the cloud's nearest point) to 1 (its farthest); more than 1
            where there is no point.
        theme: the page's colour is what distance fades into.
        radii: distances in pixels at which a pixel looks for what covers it.
        hazy: whether distance fades.
        greyed: whether some points are: those are shaded less, for they are to be seen past.

    Returns:
        (height, width, 3) uint8.
    """
    where = np.flatnonzero(depth <= 1.5)
    if not len(where):
        return colours
    own = depth.ravel()[where]
    light = np.maximum(np.exp(-STRENGTH * covered(depth, where, radii)), DARKEST)
    if greyed:
        pale = (colours.reshape(-1, 3)[where] == np.array(theme.faint, np.uint8)).all(axis=1)
        light[pale] = 1 - FAINT * (1 - light[pale])
    haze = np.clip(own, 0, 1) ** 1.5 * (HAZE[theme.name] if hazy else 0.0)
    page = np.array(theme.page, np.float32)
    shaded = colours.copy().reshape(-1, 3)
    lit = shaded[where] * (light * (1 - haze))[:, None] + page * haze[:, None]
    shaded[where] = np.asarray(lit + 0.5, np.uint8)
    return shaded.reshape(colours.shape)


def covered(
    depth: NDArray[np.float32], where: NDArray[np.intp], radii: tuple[int, ...]
) -> NDArray[np.float32]:
    """How much nearer the surroundings of some pixels are, averaged over the ring.

    Args:
        depth: (height, width).
        where: (n,) places in the flattened picture.
        radii: distances in pixels.

    Returns:
        (n,) from 0 to 1.
    """
    # The page counts as a little behind everything, so that nothing is darkened by it.
    border, width = max(radii), depth.shape[1]
    padded = np.pad(np.minimum(depth, np.float32(1 + STEP_CAP)), border, mode="edge")
    rows, columns = np.divmod(where, width)
    places = (rows + border) * padded.shape[1] + columns + border
    flat, own = padded.ravel(), depth.ravel()[where]
    total = np.zeros(len(where), np.float32)
    for radius in radii:
        for dx, dy in RING:
            step = own - flat[places + (dy * padded.shape[1] + dx) * radius]
            total += np.clip(step, 0, STEP_CAP, out=step)
    return total / np.float32(STEP_CAP * len(RING) * len(radii))
