"""The contract between what is logged and where: four kinds of things, each with a name and a step."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, MissingExtraError
from explorer.tracking.measures import Histogram

Value = str | int | float | bool
TRACKERS = ("mlflow", "wandb")


@dataclass(frozen=True)
class Embedding:
    """Rows of a layer to be looked at in a projector.

    Attributes:
        rows: (n, channels) float32, one a position.
        columns: what is known of each row, by the column's name: n values each.
        sprites: (n, height, width, 3) uint8, a picture for each row; None where there are none.
    """

    rows: NDArray[np.float32]
    columns: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    sprites: NDArray[np.uint8] | None = None


@runtime_checkable
class Tracker(Protocol):
    """A place to log to. Names have slashes: "grids/block1"."""

    def log_scalar(self, name: str, value: float, step: int) -> None:
        """One number."""
        ...

    def log_image(self, name: str, picture: NDArray[np.uint8], step: int) -> None:
        """A picture (height, width, 3)."""
        ...

    def log_histogram(self, name: str, histogram: Histogram, step: int) -> None:
        """How values are distributed."""
        ...

    def log_embedding(self, name: str, embedding: Embedding, step: int) -> None:
        """Rows with metadata and sprites; those of one name differ from step to step in their rows alone."""
        ...

    def flush(self) -> None:
        """Bring everything logged to where others can read it."""
        ...

    def close(self) -> None:
        """Flush, and let go of files and connections that the tracker opened itself."""
        ...


def tag(name: str) -> str:
    """A name in the letters that every tracker allows; "blocks[0].conv" becomes "blocks_0_.conv"."""
    return re.sub(r"[^-/\w.]", "_", name, flags=re.ASCII).lstrip("/")


def open_tracker(to: object) -> Tracker:
    """The tracker that `to` means.

    Args:
        to: a folder for TensorBoard; "mlflow" or "mlflow:EXPERIMENT"; "wandb" or "wandb:PROJECT"; or
            anything that has the methods of `Tracker`.

    Raises:
        InputError: it means none of these, or the folder cannot be written.
        MissingExtraError: what writes there is not installed.
    """
    if isinstance(to, str) and to.split(":")[0] in TRACKERS:
        kind, _, name = to.partition(":")
        return _named(kind, name or None)
    if isinstance(to, str | Path):
        if not str(to):
            raise InputError('to "": name a folder for TensorBoard, "mlflow" or "wandb"')
        from explorer.tracking.event_files import EventFiles

        return _needed("tensorboard", lambda: EventFiles(Path(to)))
    if isinstance(to, Tracker):
        return to
    raise InputError(f"to {type(to).__name__}: expected a folder, mlflow, wandb, or an object that can log")


def _named(kind: str, name: str | None) -> Tracker:
    if kind == "mlflow":
        from explorer.tracking.mlflow_runs import MlflowRun

        return _needed(kind, lambda: MlflowRun(name))
    from explorer.tracking.wandb_runs import WandbRun

    return _needed(kind, lambda: WandbRun(name))


def _needed(extra: str, make: Any) -> Tracker:
    """What `make` opens; where its package is missing, the extra that brings it."""
    try:
        made: Tracker = make()
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"logging there needs {error.name}: pip install 'activation-explorer[{extra}]'"
        ) from None
    return made
