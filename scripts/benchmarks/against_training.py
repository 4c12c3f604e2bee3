"""An epoch of the digit classifier's training that is watched, against the same epoch bare.

Three layers of 100 pictures are logged for TensorBoard: feature maps, grids, histograms, figures and
1,000 positions with sprites. The score is the loss after the epochs: watching must not change training.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import numpy as np

import explorer
from benchmarks.results import Result

LAYERS, PICTURES, EPOCHS = ["block1", "block3", "block5"], 100, 4


def watched(folder: Path) -> list[Result]:
    """Epochs of scripts/train_digits.py, `on_epoch` after each; the first, which compiles, is left out."""
    from train_digits import BATCH, WIDTH, DigitsNet, Trainer, load_images, preprocess

    images, classes = load_images()
    x = preprocess(images)
    losses, taken = {}, {}
    for name in ("bare", "watched"):
        trainer = Trainer(DigitsNet(width=WIDTH), EPOCHS * (len(x) // BATCH), 4e-3, 1e-2, 0)
        rng, times = np.random.default_rng(0), []
        labels = [str(label) for label in classes[:PICTURES]]
        watch = explorer.watch(
            trainer.model, x[:PICTURES], layers=LAYERS, labels=labels, to=folder / name, positions=1000
        )
        for epoch in range(EPOCHS):
            begun = time.perf_counter()
            loss = trainer.epoch(x, classes, rng)
            if name == "watched":
                watch.on_epoch(epoch, trainer.variables)
            times.append(time.perf_counter() - begun)
        watch.close()
        losses[name], taken[name] = loss, median(times[1:])
    what = f"epoch of training, watched: {len(LAYERS)} layers, {PICTURES} pictures"
    scores = losses["watched"], losses["bare"]
    return [
        Result(
            what,
            "the bare epoch",
            taken["watched"],
            taken["bare"],
            1 / 1.5,
            "loss",
            scores,
            scores[0] == scores[1],
        )
    ]
