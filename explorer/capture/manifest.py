"""What a run's manifest.json and progress.json must hold; checked whenever one is opened."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from explorer.activations import MAX_SPATIAL_RANK
from explorer.capture.preprocessing import CHANNELS, FRAMES, RESIZE, SLICES
from explorer.errors import RunError, first_line
from explorer.schema import (
    Check,
    anything,
    either,
    list_of,
    maybe,
    number,
    one_of,
    table,
    text,
    truth,
    whole,
)
from explorer.whole import whole_file

FORMAT = 1
MANIFEST = "manifest.json"
PROGRESS = "progress.json"
PICTURES = "pictures"
MASKS = "masks"
DTYPES = ("bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)))
DTYPES += ("float16", "float32", "float64")
CHECKSUM = 4
"""Bytes of a chunk's crc32c."""
AGAIN = "capture the run again with overwrite"


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file so that a reader sees the old or the new one, never half of it."""
    with whole_file(path) as beside:
        beside.write_text(json.dumps(content, indent=1), encoding="utf-8")


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
        raise RunError(f"{path}: damaged ({first_line(error)}); {AGAIN}") from None
    if not isinstance(content, dict):
        raise RunError(f"{path}: expected a JSON object; {AGAIN}")
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


def _fraction(value: Any, key: str) -> str | None:
    """A fraction as Python writes it."""
    good = isinstance(value, str) and re.fullmatch(r"-?\d{1,9}(/[1-9]\d{0,8})?", value)
    return None if good else f"{key} is {value!r:.40}, expected a fraction such as '1/2'"


def _field(value: Any, key: str) -> str | None:
    """A receptive field, with one number for each spatial axis of the input it was found for."""
    if (problem := _FIELD(value, key)) is not None:
        return problem
    rank = 0 if value["how"] == "unknown" else len(value["input"]) - 1
    lengths = {len(value[name]) for name in ("size", "stride", "offset")}
    fits = lengths == {rank} and len(value["axes"]) in (0, rank)
    return None if fits else f"{key} has other than {rank} numbers for the axes of its input"


_FIELD = table(
    {
        "input": list_of(whole(1), 2, 1 + MAX_SPATIAL_RANK),
        "size": list_of(whole(0), 0, MAX_SPATIAL_RANK),
        "stride": list_of(_fraction, 0, MAX_SPATIAL_RANK),
        "offset": list_of(_fraction, 0, MAX_SPATIAL_RANK),
        "how": one_of("computed", "measured", "unknown"),
        "why": text,
        "axes": list_of(whole(0, MAX_SPATIAL_RANK - 1), 0, MAX_SPATIAL_RANK),
    }
)


def _array(folder: str | None, least: int, most: int) -> Check:
    """An array of `least` to `most` axes."""
    return table(
        {
            "receptive_field": maybe(_field),
            "folder": text if folder is None else one_of(folder),
            "shape": list_of(whole(1), least, most),
            "dtype": one_of(*DTYPES),
            "chunk": whole(1),
        }
    )


def _layers(value: Any, key: str) -> str | None:
    """Layers by name, each in the folder of its name: a manifest cannot point outside its run."""
    if (problem := table({})(value, key)) is not None:
        return problem
    checks = {name: _array(array_folder(name), 2, 2 + MAX_SPATIAL_RANK) for name in value}
    return table(checks)(value, key)


def _mask_names(value: Any, key: str) -> str | None:
    """Names by class number, written as JSON writes numbers that are keys."""
    problem = table({}, rest=text)(value, key)
    wrong = [] if problem else [name for name in value if not re.fullmatch(r"-?\d{1,10}", name)]
    return f"{key} has the key {wrong[0]!r}, expected a whole number" if wrong else problem


_PREPROCESSING = table(
    {
        "size": maybe(list_of(whole(1), 2, 3)),
        "channels": one_of(*CHANNELS),
        "range": list_of(number, 2, 2),
        "mean": list_of(number, 1, 3),
        "std": list_of(number, 1, 3),
        "resize": one_of(*RESIZE),
        "window": maybe(list_of(number, 2, 2)),
        "slices": maybe(one_of(*SLICES)),
        "frames": maybe(one_of(*FRAMES)),
    }
)
_SCALAR = maybe(either(truth, either(number, text)))
_COLUMN = either(list_of(maybe(truth)), either(list_of(maybe(number)), list_of(maybe(text))))
_CHECK = table(
    {
        "format": whole(FORMAT, FORMAT),
        "complete": truth,
        "identity": text,
        "model": table(
            {"name": text, "adapter": text, "recipe": table({}), "checkpoint": maybe(text)}, rest=anything
        ),
        "preprocessing": maybe(either(one_of("not a picture"), _PREPROCESSING)),
        "class_names": maybe(list_of(text)),
        "images": table(
            {
                "names": list_of(text),
                "labels": maybe(list_of(text)),
                "skipped": list_of(table({"name": text, "reason": text})),
                "digest": text,
                "metadata": maybe(table({}, rest=_COLUMN)),
                "notes": maybe(table({}, rest=whole(1))),
            }
        ),
        "layers": _layers,
        "pictures": maybe(_array(PICTURES, 4, 4)),
        "masks": maybe(
            table(
                {
                    "array": _array(MASKS, 1, 1 + MAX_SPATIAL_RANK),
                    "names": _mask_names,
                    "digest": text,
                    "without": list_of(table({"name": text, "reason": text})),
                }
            )
        ),
        "versions": table({}, rest=text),
    }
)
_STATE = table(
    {
        "identity": text,
        "asked": list_of(text, 1),
        "batch": whole(1),
        "arrays": _layers,
        "pictures": maybe(_array(PICTURES, 4, 4)),
        "taken": whole(0),
        "rows": whole(0),
        "skipped": list_of(list_of(either(whole(0), text), 2, 2)),
        "notes": maybe(table({}, rest=whole(1))),
    }
)


def read_manifest(path: Path) -> dict[str, Any]:
    """Read and check a manifest.json, finished or not.

    Raises:
        RunError: one line naming the file, the key, and what would be right.
    """
    manifest = read_json(path)
    if manifest.get("format") != FORMAT:
        raise RunError(f"{path}: format {manifest.get('format')!r}, this version reads {FORMAT}")
    problem = _CHECK(manifest, "") or (_numbers_agree(manifest) if manifest["complete"] else None)
    if problem is not None:
        raise RunError(f"{path}: damaged: {problem}; {AGAIN}")
    return manifest


def read_state(path: Path) -> dict[str, Any] | None:
    """Read a progress.json; None when there is none, or one that is damaged."""
    try:
        state = read_json(path)
    except RunError:
        return None
    return state if _STATE(state, "") is None else None


def _numbers_agree(manifest: Mapping[str, Any]) -> str | None:
    """Whether everything that goes by input goes by the same number of them."""
    images, count = manifest["images"], len(manifest["images"]["names"])
    columns = {f"images.metadata.{name}": len(c) for name, c in (images.get("metadata") or {}).items()}
    if images.get("labels") is not None:
        columns["images.labels"] = len(images["labels"])
    columns |= {f"{key}.shape": entry["shape"][0] for key, entry in arrays_of(manifest)}
    if not manifest["layers"]:
        return "layers is empty, expected at least one"
    wrong = [f"{key} has {length} inputs" for key, length in columns.items() if length != count]
    return f"{wrong[0]}, but images.names has {count}" if wrong else None


def arrays_of(manifest: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every array that a manifest promises, with its key."""
    for name, entry in manifest["layers"].items():
        yield f"layers.{name}", entry
    if manifest.get("pictures"):
        yield "pictures", manifest["pictures"]
    if manifest.get("masks"):
        yield "masks.array", manifest["masks"]["array"]


def chunk_path(root: Path, entry: Mapping[str, Any], index: int) -> Path:
    """Where one chunk of an array lies."""
    return root.joinpath(entry["folder"], "c", str(index), *["0"] * (len(entry["shape"]) - 1))


def chunk_count(entry: Mapping[str, Any]) -> int:
    """Number of chunks of an array."""
    return -(-int(entry["shape"][0]) // int(entry["chunk"]))


def chunk_bytes(entry: Mapping[str, Any]) -> int:
    """Size of every chunk on disk: the last is as long as the others."""
    items = math.prod(entry["shape"][1:]) * int(entry["chunk"])
    return int(items * np.dtype(entry["dtype"]).itemsize) + CHECKSUM
