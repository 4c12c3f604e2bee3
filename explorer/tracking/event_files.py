"""TensorBoard: event files without TensorFlow, their messages by tensorboardX, and a projector's files.

LOGDIR/
  events.out.tfevents.…        images, histograms and scalars
  projector_config.pbtxt       which embeddings there are
  projector/rows-…/            metadata.tsv and sprite.png of rows, the same at each step
  projector/LAYER/00012.tsv    the rows of a layer at step 12
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, first_line
from explorer.tracking.measures import Histogram
from explorer.tracking.projector import Projector
from explorer.tracking.protocol import Embedding, tag

RGB = 3
"""TensorBoard's number for three channels."""


class EventFiles:
    """A folder that TensorBoard opens.

    Every event is written at once, in this thread: what has been flushed is on disk, and a full disk
    is an error here and not a line in a thread that nobody reads.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboardX.proto.event_pb2 import Event

        begun = time.time()
        name = f"events.out.tfevents.{int(begun):010d}.{socket.gethostname()}.{os.getpid()}.{time.time_ns()}"
        self._path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("xb")
        except OSError as error:
            raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from None
        self._record(Event(wall_time=begun, file_version="brain.Event:2").SerializeToString())
        self._projector = Projector(folder)

    def log_scalar(self, name: str, value: float, step: int) -> None:
        """One number, under the tab Scalars."""
        from tensorboardX.summary import scalar

        self._write(scalar(tag(name), value), step)

    def log_image(self, name: str, picture: NDArray[np.uint8], step: int) -> None:
        """A picture (height, width, 3), under the tab Images, as a PNG."""
        from PIL import Image
        from tensorboardX.proto.summary_pb2 import Summary

        file = BytesIO()
        # A quarter larger than Pillow's usual effort makes it, in two thirds of the time.
        Image.fromarray(picture).save(file, "PNG", compress_level=3)
        height, width = picture.shape[:2]
        image = Summary.Image(
            height=height, width=width, colorspace=RGB, encoded_image_string=file.getvalue()
        )
        self._write(Summary(value=[Summary.Value(tag=tag(name), image=image)]), step)

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
        """Bring all events to where other programs read them."""
        with self._writing():
            self._file.flush()

    def close(self) -> None:
        """Flush and close the file."""
        with self._writing():
            self._file.close()

    def _write(self, summary: Any, step: int) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._record(Event(wall_time=time.time(), step=step, summary=summary).SerializeToString())

    def _record(self, data: bytes) -> None:
        """One record as TensorFlow writes them: length, data, and a checksum of each."""
        length = struct.pack("<Q", len(data))
        with self._writing():
            self._file.write(b"".join((length, _checksum(length), data, _checksum(data))))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:  # a full disk, or a file that is closed
            raise InputError(f"{self._path}: cannot be written ({first_line(error)})") from None


def _checksum(data: bytes) -> bytes:
    """CRC-32C, turned and shifted so that data with checksums inside them do not upset it."""
    import google_crc32c

    value = google_crc32c.value(data)
    return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)
