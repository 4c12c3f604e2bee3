"""Weights & Biases: into the active run, or one of its own, offline unless WANDB_MODE says otherwise."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.tracking.measures import Histogram
from explorer.tracking.protocol import Embedding


class WandbRun:
    """One run of Weights & Biases.

    What belongs to one step is logged together, against the axis `explorer/step`, so that the steps of
    a loop that logs into the same run are not disturbed. An embedding is a table of its metadata,
    sprites and one column a channel, which the panel "2D Projection" shows.

    Args:
        project: of a run that is begun when none is active; "activation-explorer" by default.
    """

    def __init__(self, project: str | None = None) -> None:
        import wandb

        self._own = wandb.run is None
        mode: Any = os.environ.get("WANDB_MODE", "offline")
        self._run: Any = wandb.run
        if self._own:
            self._run = wandb.init(project=project or "activation-explorer", mode=mode)
        self._wandb, self._row, self._step = wandb, dict[str, Any](), -1
        self._run.define_metric("explorer/step")
        for kind in ("feature_maps", "grids", "activations", "embeddings"):
            self._run.define_metric(f"{kind}/*", step_metric="explorer/step")

    def log_scalar(self, name: str, value: float, step: int) -> None:
        """One number."""
        self._put(name, value, step)

    def log_image(self, name: str, picture: NDArray[np.uint8], step: int) -> None:
        """A picture (height, width, 3)."""
        self._put(name, self._wandb.Image(picture), step)

    def log_histogram(self, name: str, histogram: Histogram, step: int) -> None:
        """How values are distributed."""
        made = self._wandb.Histogram(np_histogram=(histogram.counts, histogram.edges))
        self._put(name, made, step)

    def log_embedding(self, name: str, embedding: Embedding, step: int) -> None:
        """Rows with metadata and sprites, as a table `embeddings/NAME`."""
        columns = {name: list(values) for name, values in embedding.columns.items()}
        if embedding.sprites is not None:
            columns["sprite"] = [self._wandb.Image(sprite) for sprite in embedding.sprites]
        columns |= {f"channel {at}": row for at, row in enumerate(embedding.rows.T.tolist())}
        table = self._wandb.Table(list(columns), [list(row) for row in zip(*columns.values(), strict=True)])
        self._put(f"embeddings/{name}", table, step)

    def flush(self) -> None:
        """Log what belongs to the last step."""
        if self._row:
            self._run.log({**self._row, "explorer/step": self._step})
            self._row = {}

    def close(self) -> None:
        """Flush, and end the run if it was begun here."""
        self.flush()
        if self._own:
            self._run.finish()

    def _put(self, name: str, value: Any, step: int) -> None:
        if step != self._step:
            self.flush()
            self._step = step
        self._row[name] = value
