"""`log_run`: a captured run, logged as one step of a training would be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from explorer.activations import Activations
from explorer.capture import Run
from explorer.capture.tables import Value
from explorer.errors import InputError
from explorer.tracking.layers import Kept, Logger, Settings, evenly
from explorer.tracking.protocol import Tracker, open_tracker

MOST_IMAGES = 256


def log_run(
    run: Run,
    to: str | Path | Tracker,
    *,
    layers: Sequence[str] | None = None,
    step: int = 0,
    shown: int = 8,
    positions: int = 1000,
    most_images: int | None = MOST_IMAGES,
) -> None:
    """Log layers of a captured run: everything that `watch` logs at a step.

    Args:
        run: an opened run folder.
        to: a folder for TensorBoard, "mlflow", "wandb" or a `Tracker`; see `watch`.
        layers: which layers; all when left out.
        step: number of the step, such as the checkpoint's.
        shown: how many images are drawn, taken evenly.
        positions: most positions of a layer that are embedded.
        most_images: of more images so many are taken evenly, and that is said; None for all.

    Raises:
        ExplorerError: one line saying what is wrong.
    """
    names = list(layers or run.layers)
    for name in names:
        run.grid_shape(name)
    if min(shown, positions, most_images or 1) < 1:
        raise InputError(f"shown {shown}, positions {positions}, images {most_images}: expected at least 1")
    kept = _kept(run, evenly(run.n_images, most_images))
    tracker = open_tracker(to)
    settings = Settings(tuple(names), shown, positions, 1, most_images)
    logger = Logger(None, None, settings, trackers=[tracker], kept=kept[0])
    try:
        for name in names:
            values = np.concatenate([run.read(name, image, image + 1) for image in kept[1]])
            logger.log_layer(Activations(name, values), step, embeds=True)
    finally:
        tracker.close()


def _kept(run: Run, images: list[int]) -> tuple[Kept, list[int]]:
    """What a run knows of these images; and which they are."""
    pictures = [picture for image in images if (picture := run.picture(image)) is not None]
    metadata: dict[str, list[Value]] = {
        name: [column[image].item() for image in images] for name, column in run.metadata.items()
    }
    labels = run.labels
    kept = Kept(
        np.zeros((len(images), 0)),
        pictures if len(pictures) == len(images) else None,
        [run.image_names[image] for image in images],
        None if labels is None else [labels[image] for image in images],
        metadata,
    )
    return kept, images
