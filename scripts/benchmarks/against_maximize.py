"""64 channels maximised together against one after another: the same steps, the same pictures."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

import explorer
from benchmarks.activations import DEMO
from benchmarks.results import Result

STEPS = 64


def together(_: Path) -> list[Result]:
    """Every channel of the digit classifier's last block, and 16 of the one before: 64 in all."""
    model = explorer.load_model(DEMO)
    asked = [("block5", list(range(48))), ("block4", list(range(16)))]
    for layer, channels in asked:  # compiled beforehand for both sides
        explorer.maximize(model, layer=layer, channels=channels, steps=2)
        explorer.maximize(model, layer=layer, channels=channels[:1], steps=2)
    begun = time.perf_counter()
    found = [
        explorer.maximize(model, layer=layer, channels=channels, steps=STEPS) for layer, channels in asked
    ]
    ours = time.perf_counter() - begun
    begun = time.perf_counter()
    alone = [
        explorer.maximize(model, layer=layer, channels=[channel], steps=STEPS)
        for layer, channels in asked
        for channel in channels
    ]
    theirs = time.perf_counter() - begun
    reached = np.concatenate([one.reached[:, 0] for one in found])
    apart = np.array([one.reached[0, 0] for one in alone])
    scores = float(reached.mean()), float(apart.mean())
    good = bool(np.allclose(reached, apart, rtol=0.02))
    what = f"64 channels maximised together, {STEPS} steps"
    return [Result(what, "one after another", ours, theirs, 4.0, "mean reached", scores, good)]
