"""The command that logs a run where training is watched: log."""

from __future__ import annotations

from pathlib import Path

from explorer.commands.arguments import Layers


def log(
    run: Path,
    /,
    *,
    to: str,
    layer: Layers = None,
    step: int = 0,
    shown: int = 8,
    positions: int = 1000,
    images: str = "256",
) -> None:
    """Log a captured run to TensorBoard, MLflow or Weights & Biases: maps, histograms, figures, embeddings.

    Example: activation-explorer log runs/first --to runs/tensorboard

    Args:
        run: a run folder.
        to: a folder for TensorBoard; "mlflow", "mlflow:EXPERIMENT", "wandb" or "wandb:PROJECT".
        layer: a layer; may be given several times (default: all).
        step: number of the step, such as that of the checkpoint.
        shown: how many images are drawn, taken evenly.
        positions: most positions of a layer in the projector.
        images: of more images so many are taken evenly, or "all".
    """
    from explorer.capture import open_run
    from explorer.errors import InputError
    from explorer.tracking import log_run

    if images != "all" and not images.isdecimal():
        raise InputError(f"--images {images}: expected a number, or all")
    most = None if images == "all" else int(images)
    opened = open_run(run)
    log_run(opened, to, layers=layer, step=step, shown=shown, positions=positions, most_images=most)
    print(f"{', '.join(layer or opened.layers)} of {run} at step {step} in {to}")
    if to.split(":")[0] not in ("mlflow", "wandb"):
        print(f"to see it: tensorboard --logdir {to}")
