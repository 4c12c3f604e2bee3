"""The arrays of a run folder as TensorStore opens them: zarr v3, one chunk some whole inputs, checksummed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from explorer.capture.manifest import MANIFEST
from explorer.capture.tables import name_of
from explorer.errors import RunError, first_line


def open_array(root: Path, entry: Mapping[str, Any], *, create: bool = False) -> Any:
    """Open one of the run's arrays with TensorStore; with `create`, make it anew.

    Raises:
        RunError: what lies there is not what the manifest describes, or cannot be written.
    """
    import tensorstore as ts

    spec = _spec(root, entry)
    try:
        if create:
            return ts.open(spec, create=True, delete_existing=True).result()
        return ts.open(spec, open=True).result()  # held against the manifest: shape, type, chunks, codecs
    except (ValueError, OSError) as error:
        if create:
            raise RunError(
                f"{root / entry['folder']}: cannot be written ({first_line(error)}); "
                "mend that and run the same again"
            ) from None
        raise RunError(
            f"{root / entry['folder']}: cannot be opened as {MANIFEST} describes it "
            f"({first_line(error)}); capture the run again"
        ) from None


def rewrite_description(root: Path, entry: Mapping[str, Any]) -> Any:
    """Write the array's own description anew from the manifest, leave its chunks, and open it."""
    import tensorstore as ts

    (root / entry["folder"] / "zarr.json").unlink(missing_ok=True)
    return ts.open(_spec(root, entry), create=True).result()


def _spec(root: Path, entry: Mapping[str, Any]) -> dict[str, Any]:
    """What TensorStore is told of one array."""
    path = str(root.resolve() / entry["folder"]) + "/"
    try:
        path.encode()
    except UnicodeEncodeError:
        raise RunError(
            f"{name_of(root.resolve())}: a run's folder has a path of UTF-8 letters alone; name it otherwise"
        ) from None
    return {
        "driver": "zarr3",
        "kvstore": {
            "driver": "file",
            "path": path,
            # Waiting for the disk at every chunk halves the speed; what a power failure loses is found by
            # a chunk's size and checksum, and captured again.
            "file_io_sync": False,
        },
        "metadata": {
            "shape": list(entry["shape"]),
            "data_type": entry["dtype"],
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": [entry["chunk"], *entry["shape"][1:]]},
            },
            "codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "crc32c"},
            ],
        },
        # A chunk of zeros is written too: only then does a missing file mean lost data.
        "store_data_equal_to_fill_value": True,
    }
