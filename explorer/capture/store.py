"""The run folder: what one capture wrote, opened again without the model.

run/
  manifest.json            what was captured from what, and which chunks must exist
  progress.json            how far an unfinished capture came; gone once it is complete
  layers/<name>/           zarr v3 (batch, *spatial, channels), one chunk some whole inputs
  pictures/                zarr v3 (batch, height, width, 3) uint8, the inputs as a person sees them
  masks/                   zarr v3 (batch, *spatial) int32, what lies at each place of the inputs
  projections/<name>/      coordinates and their description
  saliency/, maximised/    maps and pictures that a model was asked for; rgb/, channels/, neighbours/: figures
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.capture.arrays import open_array
from explorer.capture.chunks import read_chunk
from explorer.capture.manifest import (
    MANIFEST,
    arrays_of,
    chunk_bytes,
    chunk_count,
    chunk_path,
    read_manifest,
)
from explorer.capture.mask_grid import NO_MASK, majority
from explorer.capture.receptive_field import ReceptiveField, Span
from explorer.errors import LayerError, RunError, first_line, suggest


class Run:
    """A finished capture on disk. `run["block2"]` is that layer's `Activations`.

    Attributes:
        path: the run folder.
        manifest: what was captured from which model, images and preprocessing, with versions.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest
        self._classes: dict[str, NDArray[np.int32]] = {}

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}: {self.n_images} images, layers {', '.join(self.layers)})"

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __getitem__(self, layer: str) -> Activations:
        return Activations(layer, self.read(layer))

    @property
    def name(self) -> str:
        """The model's name, for titles."""
        return str(self.manifest.get("model", {}).get("name") or self.path.name)

    @property
    def layers(self) -> tuple[str, ...]:
        """The captured layers, in the order they were asked for."""
        return tuple(self.manifest["layers"])

    @property
    def n_images(self) -> int:
        """Number of inputs that were captured."""
        return len(self.image_names)

    @property
    def image_names(self) -> tuple[str, ...]:
        """One name an input: its path below the image folder, or its number."""
        return tuple(self.manifest["images"]["names"])

    @property
    def labels(self) -> tuple[str, ...] | None:
        """One label an input (the sub-folder it was in), or None when there are none."""
        labels = self.manifest["images"].get("labels")
        return None if labels is None else tuple(labels)

    @cached_property
    def metadata(self) -> Mapping[str, NDArray[Any]]:
        """What is known of each input beside its label, by column name; each of shape (n_images,).

        Numbers are int64, or float64 with NaN where one is missing; true and false are bool; all else
        is text, "" where it is missing. Empty where the images came without a table of metadata.
        """
        columns = self.manifest["images"].get("metadata") or {}
        return {name: as_column(values) for name, values in columns.items()}

    @property
    def mask_names(self) -> Mapping[int, str]:
        """Names of the classes of the masks, by number; -1, "no mask", where they say nothing.

        Empty where the images came without masks.
        """
        masks = self.manifest.get("masks")
        names = {} if masks is None else {NO_MASK: "no mask", **masks["names"]}
        return {int(number): name for number, name in names.items()}

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the model's classes, in the order of its outputs."""
        names = self.manifest.get("class_names")
        return None if names is None else tuple(names)

    def grid_shape(self, layer: str) -> tuple[int, ...]:
        """(batch, *spatial) of a layer."""
        return tuple(self._entry(layer)["shape"][:-1])

    def channels(self, layer: str) -> int:
        """Number of channels of a layer."""
        return int(self._entry(layer)["shape"][-1])

    def read(self, layer: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """A layer's values for inputs start to stop: (stop - start, *spatial, channels).

        Raises:
            LayerError: the run has no such layer.
            RunError: a chunk is missing or damaged.
        """
        return self._read(self._entry(layer), start, stop)

    def picture(self, image: int) -> NDArray[np.uint8] | None:
        """An input as a person sees it, (height, width, 3), as large as the model saw it.

        None where the inputs are no pictures.
        """
        entry = self.manifest.get("pictures")
        return None if entry is None else self._read(entry, image, image + 1)[0]

    def receptive_field(self, layer: str) -> ReceptiveField | None:
        """What the positions of a layer see of the inputs; None where nobody has looked.

        Raises:
            LayerError: the run has no such layer.
        """
        entry = self._entry(layer).get("receptive_field")
        return None if entry is None else ReceptiveField.from_table(entry)

    def receptive_box(self, layer: str, position: Sequence[int]) -> tuple[Span, ...] | None:
        """The pixels of the inputs that a position of a layer sees.

        For each spatial axis of the input the first pixel and the one behind the last, clipped to the
        input; pictures of the run are as large as inputs. None where the field is not known.

        Args:
            layer: the layer's name.
            position: index on the layer's grid, () for a vector.

        Raises:
            LayerError: the run has no such layer.
        """
        field = self.receptive_field(layer)
        if field is None or field.how == "unknown":
            return None
        return field.box(position, self._entry(layer)["receptive_field"]["input"])

    def mask_classes(self, layer: str) -> NDArray[np.int32]:
        """Which class of the masks lies at each position of a layer: (batch, *spatial).

        A position stands for the part of the input that it covers when the grid is laid over it; the
        class that covers most of it counts, of equals the smaller number. It is -1 where an input has
        no mask, and for a layer whose grid has other axes than the masks. `mask_names` names them.

        Raises:
            LayerError: the run has no such layer.
            RunError: the run has no masks, or a chunk is missing or damaged.
        """
        if layer in self._classes:
            return self._classes[layer]
        grid, masks = self.grid_shape(layer), self.manifest.get("masks")
        if masks is None:
            raise RunError(f"{self.path}: keeps no masks; capture it again with masks")
        entry = masks["array"]
        if len(grid) in (1, len(entry["shape"])):
            parts = [
                majority(self._read(entry, start, start + entry["chunk"]), grid[1:])
                for start in range(0, grid[0], entry["chunk"])
            ]
            classes = np.concatenate(parts)
        else:
            classes = np.full(grid, NO_MASK, np.int32)
        classes.setflags(write=False)  # it is kept, and given to whoever asks next
        self._classes[layer] = classes
        return classes

    def _entry(self, layer: str) -> dict[str, Any]:
        entry: dict[str, Any] | None = self.manifest["layers"].get(layer)
        if entry is None:
            raise LayerError(f"{self.path}: no layer {layer!r}; {suggest(layer, self.layers)}")
        return entry

    def _read(self, entry: Mapping[str, Any], start: int, stop: int | None) -> NDArray[Any]:
        start, stop, _ = slice(start, stop).indices(int(entry["shape"][0]))
        whole = read_chunk(self.path, entry, start, stop)
        if whole is not None:
            return whole
        array = open_array(self.path, entry)
        try:
            values: NDArray[Any] = array[start : max(start, stop)].read().result()
        except (ValueError, OSError) as error:
            where = self.path / entry["folder"]
            raise RunError(f"{where}: damaged ({first_line(error)}); capture the run again") from None
        return values

    def check(self) -> None:
        """Raise `RunError` naming the first chunk that the manifest promises and the disk lacks."""
        for key, entry in arrays_of(self.manifest):
            expected = chunk_bytes(entry)
            for index in range(chunk_count(entry)):
                chunk = chunk_path(self.path, entry, index)
                try:
                    size = chunk.stat().st_size
                except OSError:
                    raise RunError(f"{chunk}: missing from the run; capture it again") from None
                if size != expected:
                    raise RunError(
                        f"{self.path / MANIFEST}: damaged: {key} promises chunks of {expected} bytes, but "
                        f"{chunk.relative_to(self.path)} has {size}; capture the run again"
                    )


def as_column(values: list[Any]) -> NDArray[Any]:
    """One column of metadata as an array (n,): bool, int64, float64, or text.

    >>> as_column([1, None, 3]).dtype, as_column(["a", None]).tolist()
    (dtype('float64'), ['a', ''])
    """
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, bool) for value in known) and len(known) == len(values):
        return np.array(values, bool)
    if known and all(isinstance(value, int | float) for value in known):
        whole = len(known) == len(values) and all(type(value) is int for value in known)
        if whole and all(-(2**63) <= value < 2**63 for value in known):
            return np.array(values, np.int64)
        return np.array([np.nan if value is None else float(value) for value in values], np.float64)
    return np.array(["" if value is None else str(value) for value in values], np.str_)


def open_run(path: str | Path) -> Run:
    """Open a run folder and check that it is complete.

    Raises:
        RunError: it is no run folder, is unfinished, or lacks chunks that its manifest promises.
    """
    root = Path(path)
    if not root.is_dir():
        raise RunError(f"{root}: no such run folder; `activation-explorer capture` writes one")
    manifest = read_manifest(root / MANIFEST)
    if not manifest["complete"]:
        raise RunError(f"{root}: the capture was not finished; run the same capture again to resume it")
    run = Run(root, manifest)
    run.check()
    return run
