"""Make a stranger's Keras file safe to load: read what it declares, refuse code, copy its weights.

A .keras file is a zip with the layers as JSON and the weights as HDF5. The JSON may hold pickled
functions and name functions of Keras that fetch files; the HDF5 is dealt with in `hdf5_copy`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from explorer.errors import CheckpointError, MissingExtraError, ModelError

from . import hdf5_copy
from .limits import DAMAGE, available_memory, check_memory, first_line

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
LONGEST_JSON = 64 * 2**20
MOST_COMPRESSED = 200
SLOWEST = 600
"""Seconds that copying a file's weights may take."""
ROOMS = frozenset(
    {
        *("activations", "constraints", "dtype_policies", "initializers", "layers", "losses", "metrics"),
        *("models", "ops", "optimizers", "quantizers", "random", "regularizers", "tree"),
    }
)
"""Parts of Keras whose objects a model is made of; the others read files or fetch them."""
LAYERS_OF_APPLICATIONS = frozenset({"CustomScaleLayer", "LayerScale", "StochasticDepth"})
"""Layers that Keras has beside networks of its own whose weights it fetches."""


def clean_copy(path: Path, folder: Path) -> Path:
    """Write a .keras file of the same model into `folder`, safe to load.

    Raises:
        ModelError: the file is missing, damaged, or holds code or what is no part of a model.
        CheckpointError: its weights are damaged, or hold what is not read.
    """
    weights = folder / WEIGHTS
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename: member for member in archive.infolist()}
            _check_members(path, members)
            config = _read(archive, members[CONFIG])
            _check_config(path, json.loads(config))
            metadata = _read(archive, members[METADATA]) if METADATA in members else b"{}"
            with archive.open(members[WEIGHTS]) as packed, (folder / "given.h5").open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except DAMAGE as error:
        raise ModelError(f"{path}: cannot be read as a .keras file: {first_line(error)}") from None
    copy_hdf5(folder / "given.h5", weights, named=path)
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.writestr(CONFIG, config)
        archive.writestr(METADATA, metadata)
        archive.write(weights, WEIGHTS)
    return folder / "model.keras"


def clean_h5(path: Path, folder: Path) -> Path:
    """Write an .h5 file of the same arrays into `folder`, safe to load as a model or as weights.

    Raises:
        ModelError: it holds code.
        CheckpointError: it is missing, damaged, or holds what is not read.
    """
    copy = folder / f"clean{'.weights' if path.name.endswith('.weights.h5') else ''}.h5"
    copy_hdf5(path, copy, named=path)
    import h5py

    with h5py.File(copy, "r") as file:
        config = file.attrs.get("model_config")
    if config is not None:
        try:
            _check_config(path, json.loads(config))
        except DAMAGE as error:
            raise ModelError(f"{path}: its model_config is damaged: {first_line(error)}") from None
    return copy


def copy_hdf5(path: Path, copy: Path, *, named: Path) -> None:
    """Copy an HDF5 file's plain arrays, read in a process of its own with a limit on its memory.

    Args:
        path: the file.
        copy: where to.
        named: the file that the user knows, for errors.

    Raises:
        CheckpointError: it is missing, damaged, or holds what is not read.
        MissingExtraError: h5py is not installed.
    """
    from importlib.util import find_spec

    if find_spec("h5py") is None:
        raise MissingExtraError(f"{named}: needs h5py: pip install 'activation-explorer[keras]'")
    if not path.is_file():
        raise CheckpointError(f"{named}: no such file")
    limit = min(available_memory() // 2, 2**30 + 4 * path.stat().st_size)
    # -P: beside the script lie files whose names the standard library has too
    command = [sys.executable, "-P", str(Path(hdf5_copy.__file__)), str(path), str(copy), str(limit)]
    try:
        # one thread: every further one reserves memory that would count against the limit
        variables = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SLOWEST, check=False, env=variables
        )
        said = json.loads((done.stdout.splitlines() or [""])[-1])
    except subprocess.TimeoutExpired:
        raise CheckpointError(f"{named}: reading its HDF5 takes more than {SLOWEST} seconds") from None
    except json.JSONDecodeError:
        raise CheckpointError(f"{named}: the HDF5 library failed on it; it is damaged or hostile") from None
    if done.returncode != 0:
        raise CheckpointError(f"{named}: cannot be read as HDF5: {said.get('problem')}")


def _check_members(path: Path, members: dict[str, zipfile.ZipInfo]) -> None:
    """Refuse an archive that lacks a part, has others, or unpacks to far more than it is."""
    missing = [name for name in (CONFIG, WEIGHTS) if name not in members]
    if missing:
        raise ValueError(f"has no {' and no '.join(missing)}")
    others = sorted(set(members) - {CONFIG, METADATA, WEIGHTS})
    if others:
        raise ValueError(f"has {others[0]}, expected {CONFIG}, {METADATA} and {WEIGHTS} alone")
    for name, member in members.items():
        is_large = member.file_size > LONGEST_JSON
        if is_large and (name != WEIGHTS or member.file_size > MOST_COMPRESSED * member.compress_size):
            raise ValueError(
                f"{name} unpacks from {member.compress_size} to {member.file_size} bytes, which no model does"
            )
    check_memory(sum(member.file_size for member in members.values()))


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as file:
        return file.read(LONGEST_JSON)


def _check_config(path: Path, config: Any) -> None:
    """Refuse what is code, or is no part of a model.

    Raises:
        ModelError: naming it.
    """
    for entry in _entries(config):
        kind, module = str(entry["class_name"]), str(entry.get("module") or "")
        inner = entry.get("config")
        name = inner.get("name", "") if isinstance(inner, dict) else ""
        if kind in ("Lambda", "__lambda__"):
            which = f" {name!r}" if name else ""
            raise ModelError(
                f"{path}: has a Lambda{which}, which is Python code inside the file and is not run; "
                "make the model in a factory instead"
            )
        parts = [part for part in module.split(".") if part not in ("src", "legacy", "_tf_keras")]
        is_layer = kind in LAYERS_OF_APPLICATIONS and parts[1:2] == ["applications"]
        if parts[0] == "keras" and len(parts) > 1 and parts[1] not in ROOMS and not is_layer:
            raise ModelError(f"{path}: names {module}.{kind}, which is no part of a model")


def _entries(config: Any) -> Iterator[dict[str, Any]]:
    """Every object that a configuration describes, however deep."""
    waiting = [config]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "class_name" in node:
                yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
