"""An evolution in memory: three epochs of the same positions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from test_scene import ArrayRun, projected, run_of

from explorer.evolution import EpochFigures, Evolution

EPOCHS = ("0", "5", "20")


def evolution(
    *, components: int = 3, every: int = 1, seeded: bool = True, path: Path = Path("out"), **options: Any
) -> Evolution:
    """Three epochs; at the second the first 20 rows move on, at the third the first 5."""
    runs: Any = [run_of(**options) for _ in EPOCHS]
    for epoch, run in enumerate(runs):
        run.values = run.values + epoch
    first = projected(runs[0], components=components, every=every)
    maps = []
    for shift in (0.0, 1.0, 3.0):
        own = first.coordinates.copy()
        own[:20, 0] += np.float32(shift)
        maps.append(type(first)(**{**vars(first), "coordinates": own}))
    n = first.n_samples
    beyond = np.stack([np.arange(n) < 20, np.arange(n) < 5])
    moved = [None, 20 / n, 5 / n] if seeded else [None] * 3
    figures = tuple(
        EpochFigures(0.1 * k, 0.2 * k, 0.9, 3.0 + k, k, 5, 0.5 + 0.25 * k, moved[k]) for k in range(3)
    )
    return Evolution(path, "block2", EPOCHS, tuple(runs), tuple(maps), figures, beyond * 2.0, beyond & seeded)


__all__ = ["EPOCHS", "ArrayRun", "evolution"]
