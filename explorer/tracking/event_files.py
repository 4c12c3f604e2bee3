"""TensorBoard: event files by tensorboardX, without TensorFlow, and a projector's files beside them.

LOGDIR/
  events.out.tfevents.…        images, histograms and scalars
  projector_config.pbtxt       which embeddings there are
  projector/rows-…/            metadata.tsv and sprite.png of rows, the same at each step
  projector/LAYER/00012.tsv    the rows of a layer at step 12
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.tracking.measures import Histogram
from explorer.tracking.projector import Projector
from explorer.tracking.protocol import Embedding, tag


class EventFiles:
    """A folder that TensorBoard opens.

    Every event is written at once, in this thread: what has been flushed is on disk, and a full disk
    is an error here and not a line in a thread that nobody reads.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboardX.event_file_writer import EventsWriter

        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._writer = EventsWriter(str(folder / "events"))
        except OSError as error:
            raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from None
        self._projector = Projector(folder)

    def log_scalar(self, name: str, value: float, step: int) -> None:
        """One number, under the tab Scalars."""
        from tensorboardX.summary import scalar

        self._write(scalar(tag(name), value), step)

    def log_image(self, name: str, picture: NDArray[np.uint8], step: int) -> None:
        """A picture (height, width, 3), under the tab Images, as a PNG."""
        from tensorboardX.summary import image

        self._write(image(tag(name), picture, dataformats="HWC"), step)

    def log_histogram(self, name: str, histogram: Histogram, step: int) -> None:
        """How values are distributed, under the tabs Distributions and Histograms."""
        from tensorboardX.summary import histogram_raw

        counts, limits = histogram.counts.tolist(), histogram.edges[1:].tolist()
        # A bin begins where the one before ends, and the first one at minus infinity: an empty one bounds it.
        counts, limits = [0, *counts], [float(histogram.edges[0]), *limits]
        sums = (histogram.low, histogram.high, histogram.n, histogram.sum, histogram.sum_squares)
        self._write(histogram_raw(tag(name), *sums, limits, counts), step)

    def log_embedding(self, name: str, embedding: Embedding, step: int) -> None:
        """Rows with metadata and sprites, under the tab Projector as "NAME@STEP"."""
        self._projector.add(name, embedding, step)

    def flush(self) -> None:
        """Bring all events to the disk."""
        self._writer.flush()

    def close(self) -> None:
        """Flush and close the file."""
        self._writer.close()

    def _write(self, summary: Any, step: int) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=time.time(), step=step, summary=summary))
