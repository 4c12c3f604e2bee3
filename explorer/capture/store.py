"""The run folder: what one capture wrote, opened again without the model.

run/
  manifest.json            what was captured from what, and which chunks must exist
  progress.json            how far an unfinished capture came; gone once it is complete
  layers/<name>/           zarr v3 (batch, *spatial, channels), one chunk some whole inputs
  pictures/                zarr v3 (batch, height, width, 3) uint8, the inputs as a person sees them
  projections/<name>/      coordinates and their description
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.capture.chunks import read_chunk
from explorer.errors import LayerError, RunError, first_line, suggest

FORMAT = 1
MANIFEST = "manifest.json"
PROGRESS = "progress.json"


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file so that a reader sees the old or the new one, never half of it."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(content, indent=1), encoding="utf-8")
    os.replace(beside, path)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunError: the file is missing, is not JSON, or is not an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; is this a run folder?") from None
    except (ValueError, OSError, RecursionError) as error:
        raise RunError(f"{path}: damaged ({first_line(error)}); capture the run again") from None
    if not isinstance(content, dict):
        raise RunError(f"{path}: expected a JSON object; capture the run again")
    return content


def array_folder(layer: str) -> str:
    """The layer's folder inside a run; a name becomes one path segment, reversibly."""
    segment = quote(layer, safe=" ")
    if not segment.strip("."):  # "", "." and ".." mean other folders
        segment = "%" + segment.replace(".", "%2E")
    return f"layers/{segment}"


def array_entry(folder: str, shape: tuple[int, ...], dtype: np.dtype[Any], chunk: int) -> dict[str, Any]:
    """Describe one array in the manifest: chunks of `chunk` whole inputs."""
    return {"folder": folder, "shape": list(shape), "dtype": dtype.name, "chunk": chunk}


def open_array(root: Path, entry: Mapping[str, Any], *, create: bool = False) -> Any:
    """Open one of the run's arrays with TensorStore; with `create`, make it anew."""
    import tensorstore as ts

    shape, chunk = list(entry["shape"]), [entry["chunk"], *entry["shape"][1:]]
    spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": str(root.resolve() / entry["folder"]) + "/"},
        "metadata": {
            "shape": shape,
            "data_type": entry["dtype"],
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
            "codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "crc32c"},
            ],
        },
        # A chunk of zeros is written too: only then does a missing file mean lost data.
        "store_data_equal_to_fill_value": True,
    }
    try:
        if create:
            return ts.open(spec, create=True, delete_existing=True).result()
        return ts.open(spec, open=True).result()  # held against the manifest: shape, type, chunks, codecs
    except (ValueError, OSError) as error:
        raise RunError(f"{root / entry['folder']}: cannot be opened ({first_line(error)})") from None


class Run:
    """A finished capture on disk. `run["block2"]` is that layer's `Activations`.

    Attributes:
        path: the run folder.
        manifest: what was captured from which model, images and preprocessing, with versions.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest

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
        arrays = [*self.manifest["layers"].values()]
        if self.manifest.get("pictures"):
            arrays.append(self.manifest["pictures"])
        for entry in arrays:
            folder, rank = self.path / entry["folder"], len(entry["shape"])
            for index in range(-(-entry["shape"][0] // entry["chunk"])):
                chunk = folder.joinpath("c", str(index), *["0"] * (rank - 1))
                if not chunk.is_file():
                    raise RunError(f"{chunk}: missing from the run; capture it again")


def open_run(path: str | Path) -> Run:
    """Open a run folder and check that it is complete.

    Raises:
        RunError: it is no run folder, is unfinished, or lacks chunks that its manifest promises.
    """
    root = Path(path)
    if not root.is_dir():
        raise RunError(f"{root}: no such run folder; `activation-explorer capture` writes one")
    manifest = read_json(root / MANIFEST)
    if manifest.get("format") != FORMAT:
        raise RunError(f"{root / MANIFEST}: format {manifest.get('format')!r}, this version reads {FORMAT}")
    if not manifest.get("complete"):
        raise RunError(f"{root}: the capture was not finished; run the same capture again to resume it")
    run = Run(root, manifest)
    try:
        run.check()
        counts = {len(run.image_names), *(entry["shape"][0] for entry in manifest["layers"].values())}
        if len(counts) != 1 or (run.labels is not None and len(run.labels) not in counts):
            raise RunError(f"{root / MANIFEST}: damaged (layers, names and labels differ in number)")
    except (KeyError, TypeError, IndexError, AttributeError, ArithmeticError) as error:
        raise RunError(f"{root / MANIFEST}: damaged ({error!r}); capture the run again") from None
    return run
