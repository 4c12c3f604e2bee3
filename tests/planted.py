"""A run with a planted cluster, for the tests of what explains one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import explorer

NASTY = "</title><script>alert(1)</script><img src=x onerror=alert(1)> & \"'"
CHANNEL, IMAGES, GRID = 3, 24, (6, 6)


def planted_run(folder: Path) -> explorer.Run:
    """24 pictures of 24 × 24 in 6 × 6 positions: in those of label "disc" a bright square in one place.

    It lies in rows 1 and 2 and columns 3 and 4. There channel 3 answers with 5 and channel 1 is quiet, under
    noise of 1; everywhere else all are noise. One picture in three is of label "disc"; ages, sites and masks
    go with them. One name is nasty.
    """
    rng = np.random.default_rng(7)
    disc = np.arange(IMAGES) % 3 == 0
    values = rng.normal(0, 1, (IMAGES, *GRID, 5)).astype(np.float32)
    pictures = rng.integers(0, 60, (IMAGES, 24, 24, 3)).astype(np.uint8)
    inside = planted_mask()
    values[inside, CHANNEL] += 5
    values[inside, 1] -= 1.5
    pictures[disc, 4:12, 12:20] = 250
    layers, other = folder / "layers.npz", values.reshape(IMAGES, 3, 2, 3, 2, 5).mean(axis=(2, 4))
    np.savez(layers, block=values, coarse=other, labels=np.where(disc, "disc", "plain"))
    masks = np.zeros((IMAGES, 24, 24), np.int64)
    masks[disc, 4:12, 12:20] = 1
    run = explorer.capture(layers, pictures, layers=["block", "coarse"], out=folder / "run", masks=masks)
    manifest = json.loads((run.path / "manifest.json").read_text())
    names = [f"{number:02}.png" for number in range(IMAGES)]
    names[0] = NASTY
    manifest["images"]["names"] = names
    manifest["images"]["metadata"] = {
        "age": [70.5 + k % 5 if disc[k] else 40.5 + k % 7 for k in range(IMAGES)],
        "site": [NASTY if k < 12 else "north" for k in range(IMAGES)],
    }
    (run.path / "manifest.json").write_text(json.dumps(manifest))
    return explorer.open_run(run.path)


def planted_mask() -> np.ndarray:
    """Which positions are planted, (24, 6, 6)."""
    inside = np.zeros((IMAGES, *GRID), bool)
    inside[np.arange(IMAGES) % 3 == 0, 1:3, 3:5] = True
    return inside
