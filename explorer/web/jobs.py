"""A projection in the making: one at a time, watched while it unfolds, stopped when asked."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ExplorerError, InputError
from explorer.reduce.settings import sample_size
from explorer.render.linked.words import method_name
from explorer.samples import even_rows

if TYPE_CHECKING:
    from explorer.capture import Run
    from explorer.reduce import Projection

LOOKS = 0.5
"""Seconds between two pictures of a map that unfolds."""


@dataclass
class Job:
    """One projection being made.

    Attributes:
        words: what is being made.
        run: of which run.
        started: when, by the monotonic clock.
        rows: which positions of the layer it takes, (n,); None for all of them.
        each: positions of one picture.
        iteration: how far it is.
        coordinates: the map so far, (n_samples, n_components), or None.
        made: the projection, once it is there.
        error: why there is none, or "".
        ended: whether the work is over.
    """

    words: str
    run: Run
    started: float
    rows: NDArray[np.int64] | None
    each: int
    iteration: int = 0
    coordinates: NDArray[np.float32] | None = None
    made: Projection | None = None
    error: str = ""
    ended: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    looked: float = 0.0

    def watch(self, iteration: int, coordinates: NDArray[np.float32]) -> bool:
        """Take a look at the map so far; True ends the work."""
        now = time.monotonic()
        self.iteration = iteration
        if now - self.looked >= LOOKS:
            self.coordinates, self.looked = np.array(coordinates, np.float32), now
        return self.stop.is_set()


class Jobs:
    """Makes projections in a thread of their own, so that the page stays usable.

    Attributes:
        run: the run whose projections are begun.
        job: the last that was begun.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.job: Job | None = None

    def start(self, layer: str, method: str, components: int) -> Job:
        """Begin a projection.

        Raises:
            InputError: one is still being made, or no such layer or method.
        """
        if self.job is not None and not self.job.ended:
            raise InputError(f"{self.job.words} is still being made; stop it first")
        grid = self.run.grid_shape(layer)
        if method not in ("pca", "tsne", "umap") or components not in (2, 3):
            raise InputError(f"{method!r} in {components!r} dimensions: expected pca, tsne or umap in 2 or 3")
        words = f"{method_name(method)} {components}D of {layer}"
        most = sample_size(None, method, from_run=True)
        rows = None if most is None else even_rows(grid, most)
        self.job = job = Job(words, self.run, time.monotonic(), rows, math.prod(grid[1:]))
        asked = {"layer": layer, "method": method, "n_components": components}
        threading.Thread(target=self._make, args=(job, asked), name="projection", daemon=True).start()
        return job

    def _make(self, job: Job, asked: dict[str, Any]) -> None:
        from explorer.reduce import project

        try:
            job.made = project(job.run, random_state=0, watch=job.watch, **asked)
        except ExplorerError as error:
            job.error = str(error)
        except Exception as error:  # the page has to hear of it whatever it is
            job.error = f"{job.words}: {type(error).__name__}: {error}"
        finally:
            job.ended = True

    def told(self) -> dict[str, Any]:
        """How far it is, for the page."""
        job = self.job
        if job is None:
            return {"running": False, "words": "", "error": ""}
        return {
            "running": not job.ended,
            "words": job.words,
            "error": job.error,
            "seconds": round(time.monotonic() - job.started, 1),
            "iteration": job.iteration,
        }
