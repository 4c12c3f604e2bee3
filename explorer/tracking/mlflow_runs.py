"""MLflow: into the active run, or one of its own, wherever MLflow's own settings say that runs are kept."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, first_line
from explorer.tracking.measures import Histogram
from explorer.tracking.projector import Projector
from explorer.tracking.projector_files import CONFIG
from explorer.tracking.protocol import Embedding, tag


class MlflowRun:
    """One run of MLflow.

    Numbers are metrics. Pictures are artifacts NAME/STEP.png, histograms NAME/STEP.json, and embeddings
    the files of TensorBoard's projector, which `explore` opens, too.

    Args:
        experiment: where a run is begun when none is active; MLflow's own choice by default.
    """

    def __init__(self, experiment: str | None = None) -> None:
        import mlflow

        self._own = mlflow.active_run() is None
        try:
            if self._own and experiment is not None:
                mlflow.set_experiment(experiment)
            run = mlflow.start_run() if self._own else mlflow.active_run()
        except mlflow.exceptions.MlflowException as error:
            raise InputError(f"mlflow: no run can be begun ({first_line(error)})") from None
        self._mlflow, self._id = mlflow, run.info.run_id
        self._sent: set[Path] = set()
        self._folder = tempfile.TemporaryDirectory(prefix="activation-explorer-")
        self._projector = Projector(Path(self._folder.name))

    def log_scalar(self, name: str, value: float, step: int) -> None:
        """One number, as a metric."""
        self._mlflow.log_metric(tag(name), value, step=step, run_id=self._id)

    def log_image(self, name: str, picture: NDArray[np.uint8], step: int) -> None:
        """A picture (height, width, 3), as an artifact."""
        from PIL import Image

        self._mlflow.log_image(Image.fromarray(picture), f"{tag(name)}/{step:05d}.png")

    def log_histogram(self, name: str, histogram: Histogram, step: int) -> None:
        """How values are distributed, as an artifact: MLflow has no histograms."""
        told = {"counts": histogram.counts.tolist(), "edges": histogram.edges.tolist(), "n": histogram.n}
        self._mlflow.log_dict(told, f"{tag(name)}/{step:05d}.json", run_id=self._id)

    def log_embedding(self, name: str, embedding: Embedding, step: int) -> None:
        """Rows with metadata and sprites, as artifacts below `embeddings`."""
        self._projector.add(name, embedding, step)

    def flush(self) -> None:
        """Hand over the embeddings that are new; all else is there already."""
        root = Path(self._folder.name)
        for path in sorted(root.rglob("*.*")):
            if path.is_file() and (path.name == CONFIG or path not in self._sent):
                below = path.parent.relative_to(root)
                self._mlflow.log_artifact(str(path), str(PurePosixPath("embeddings", below)), run_id=self._id)
                self._sent.add(path)

    def close(self) -> None:
        """End the run, if it was begun here."""
        self.flush()
        self._folder.cleanup()
        if self._own:
            self._mlflow.end_run()
