"""`log_run`: a captured run, logged as one step of a training would be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from explorer.activations import Activations
from explorer.capture import Run
from explorer.capture.tables import Value
from explorer.errors import InputError
from explorer.tracking.layers import Kept, Logger, Settings, evenly
from explorer.tracking.protocol import Tracker, open_tracker

MOST_IMAGES, MOST_POSITIONS = 256, 1000


def log_run(
    run: Run,
    to: str | Path | Tracker,
    *,
    layers: Sequence[str] | None = None,
    step: int = 0,
    shown: int = 8,
    positions: int = MOST_POSITIONS,
    most_images: int | None = MOST_IMAGES,
    tell: Callable[[int, int], None] | None = None,
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
        tell: called with how many of how many images' activations are read.

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
        for at, name in enumerate(names):
            parts = []
            for number, image in enumerate(kept[1], start=1 + at * len(kept[1])):
                parts.append(run.read(name, image, image + 1))
                if tell is not None:
                    tell(number, len(names) * len(kept[1]))
            logger.log_layer(Activations(name, np.concatenate(parts)), step, embeds=True)
    finally:
        tracker.close()


def log_layer(run: Run, layer: str, to: str, tell: Callable[[int, int], None] | None = None) -> str:
    """Log one layer of a captured run as `log_run` does; how a window's list of exports calls it.

    Returns:
        What was logged and how to see it, in one line.

    Raises:
        ExplorerError: one line saying what is wrong.
    """
    log_run(run, to, layers=[layer], tell=tell)
    images = min(run.n_images, MOST_IMAGES)
    each = int(np.prod(run.grid_shape(layer)[1:]))
    shown = f"{min(images * each, MOST_POSITIONS):,} of {run.n_images * each:,} positions in the projector"
    see = {"mlflow": "mlflow ui", "wandb": "wandb sync"}.get(to, f"tensorboard --logdir {to}")
    return f"{layer} logged: {images:,} of {run.n_images:,} images, {shown} · {see}"


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
