"""Real activations in any number: the digits network on its own digits, each shifted and turned a little."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import explorer

DEMO = Path(explorer.__file__).parent / "demo" / "digits"
LAYER = "block5"
COPIES = 9
POSITIONS = 360 * COPIES * 64
"""There are so many: 207,360."""


def activations(n: int, folder: Path) -> np.ndarray:
    """Rows (n, 48) of the digits network's last block, about their mean and of order 1.

    The first 23,040 positions are those of the digits as they ship. Every row is one of another
    position, drawn over all of them with a fixed seed.
    """
    kept = folder / "rows.npy"
    if not kept.is_file():
        np.save(kept, _capture(folder))
    rows = np.load(kept)
    if n > len(rows):
        raise ValueError(f"{n} rows asked for, there are {len(rows)}")
    return rows[np.random.default_rng(0).permutation(len(rows))[:n]]


def _capture(folder: Path) -> np.ndarray:
    from PIL import Image

    rng = np.random.default_rng(0)
    pictures = [np.asarray(Image.open(path)) for path in sorted((DEMO / "images").glob("*/*.png"))]
    model = explorer.load_model(DEMO)
    inputs = []
    for copy in range(COPIES):
        for picture in pictures:
            image = Image.fromarray(picture).resize((32, 32), Image.Resampling.BILINEAR)
            if copy:
                angle, shift = rng.uniform(-12, 12), tuple(rng.uniform(-2, 2, 2))
                image = image.rotate(angle, Image.Resampling.BILINEAR, translate=shift)
            inputs.append(np.asarray(image, np.float32) / 255)
    batch = ((np.stack(inputs) - 0.3057) / 0.3235)[..., None].astype(np.float32)
    run = explorer.capture(model, batch, layers=[LAYER], out=folder / "run")
    values = np.asarray(run[LAYER].values, np.float32)
    rows = values.reshape(-1, values.shape[-1])
    rows = rows - rows.mean(axis=0)
    return np.ascontiguousarray(rows / rows.std())
