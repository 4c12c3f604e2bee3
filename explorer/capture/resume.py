"""Starting, resuming and finishing a run folder: the manifest and how far a capture came."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from explorer.capture.arrays import open_array
from explorer.capture.images import Inputs, RowNumbers
from explorer.capture.manifest import (
    AGAIN,
    FORMAT,
    MANIFEST,
    MASKS,
    PICTURES,
    PROGRESS,
    read_json,
    read_manifest,
    read_state,
    write_json,
)
from explorer.capture.model import Model
from explorer.errors import RunError

DERIVED = ("projections", "neighbours", "rgb", "channels", "saliency", "maximised")
"""Folders of a run that were made of what was captured, and go with it."""
LOCK = "lock"
"""Held while a capture writes, and left: a folder that has it may be written to."""


@dataclass
class State:
    """How far a capture came: what `progress.json` holds.

    Attributes:
        identity: digest of model, preprocessing and inputs.
        asked: the layers being captured.
        batch: inputs in one batch and one chunk.
        arrays: manifest entries of the arrays being written, by layer.
        pictures: manifest entry of the pictures being written, None when the inputs are none.
        taken: inputs of the source that have been dealt with, captured or skipped.
        rows: inputs that have been captured.
        skipped: inputs that were broken: [index, reason].
        notes: what was left out of inputs, in words, and of how many.
    """

    identity: str
    asked: list[str]
    batch: int
    arrays: dict[str, dict[str, Any]] = field(default_factory=dict)
    pictures: dict[str, Any] | None = None
    taken: int = 0
    rows: int = 0
    skipped: list[tuple[int, str]] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)


def finish(root: Path, manifest: dict[str, Any], inputs: Inputs, state: State) -> None:
    """Cut the arrays to the inputs that could be read, and write the manifest that makes it a run.

    Raises:
        RunError: other inputs can be read than when the run's other layers were captured.
    """
    entries = [*state.arrays.values(), *([state.pictures] if state.pictures else [])]
    for entry in entries:
        if entry["shape"][0] != state.rows:
            shape = [state.rows, *entry["shape"][1:]]
            open_array(root, entry).resize(exclusive_max=shape).result()
            entry["shape"] = shape
    bad = {index for index, _ in state.skipped}
    good = [index for index in range(len(inputs.names)) if index not in bad]
    names = [inputs.names[index] for index in good]
    if manifest["complete"] and names != manifest["images"]["names"]:
        raise RunError(
            f"{root}: {len(names)} inputs can be read now, but {len(manifest['images']['names'])} could when "
            "the run's other layers were captured; capture into another folder, or overwrite"
        )
    manifest["images"]["names"] = names
    describe_inputs(manifest, inputs, good)
    manifest["images"]["skipped"] = [
        {"name": inputs.names[i], "reason": reason} for i, reason in state.skipped
    ]
    manifest["images"]["notes"] = state.notes
    manifest["layers"].update(state.arrays)
    manifest["pictures"] = manifest.get("pictures") or state.pictures
    manifest["complete"] = True
    write_json(root / MANIFEST, manifest)
    (root / PROGRESS).unlink(missing_ok=True)


def describe_inputs(manifest: dict[str, Any], inputs: Inputs, good: Sequence[int]) -> bool:
    """Write labels and metadata of these inputs into a manifest; whether that changed it."""
    images = manifest["images"]
    before = (images.get("labels"), images.get("metadata"))
    images["labels"] = None if inputs.labels is None else [inputs.labels[index] for index in good]
    images["metadata"] = {name: [column[index] for index in good] for name, column in inputs.metadata.items()}
    return before != (images["labels"], images["metadata"])


def captured_inputs(root: Path, manifest: dict[str, Any], inputs: Inputs) -> list[int]:
    """Which of the inputs a finished run holds, in its order.

    Raises:
        RunError: the run names an input that is none.
    """
    wanted = iter(manifest["images"]["names"])
    name, good = next(wanted, None), []
    for index, own in enumerate(inputs.names):
        if own == name:
            good.append(index)
            name = next(wanted, None)
    if name is not None:
        raise RunError(f"{root / MANIFEST}: images.names has {name!r}, which is no input; {AGAIN}")
    return good


def identity_of(model: Model, inputs: Inputs) -> str:
    """Digest of everything that decides the values: another one means another run."""
    rule = model.preprocessing.as_table() if model.preprocessing else None
    place = ("checkpoint", "format", "found_under", "threads")
    known = {key: value for key, value in model.provenance.items() if key not in place}
    text = json.dumps([known, rule, inputs.identity(), inputs.labels], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def existing(root: Path, identity: str) -> dict[str, Any] | None:
    """The manifest that is there already, when it is of the very same capture.

    Raises:
        RunError: there is something else there, or a manifest that is damaged.
    """
    if not root.exists():
        return None
    if not root.is_dir():
        raise RunError(f"{root}: is a file; choose a folder for the run")
    if not (root / MANIFEST).is_file():
        names = [path.name for path in root.iterdir()]
        if not names or LOCK in names:
            return None
        raise RunError(f"{root}: exists and is not a run folder; choose another folder for the run")
    manifest = read_manifest(root / MANIFEST)
    if manifest["identity"] != identity:
        raise RunError(
            f"{root}: holds a capture of another model, other images or other preprocessing; "
            "choose another folder (--out), or overwrite it (--overwrite)"
        )
    return manifest


def holds_other(root: Path, identity: str) -> bool:
    """Whether there is anything but a capture that this one could go on with."""
    try:
        return root.exists() and existing(root, identity) is None
    except RunError:
        return True


def resumed(root: Path, identity: str, layers: list[str]) -> State | None:
    """How far an interrupted capture of the same layers came, None to start from the first input."""
    kept = read_state(root / PROGRESS)
    try:
        state = None if kept is None else State(**kept)
    except TypeError:  # of another version
        return None
    if state is None or (state.identity, state.asked) != (identity, layers):
        return None
    whole = state.rows + len(state.skipped) == state.taken and (
        not state.rows or set(state.arrays) == set(layers)
    )
    return state if whole else None


def new_manifest(model: Model, inputs: Inputs, identity: str) -> dict[str, Any]:
    """The manifest of a capture that has not begun."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for package in ("activation-explorer", "numpy", "tensorstore"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    rule = model.preprocessing.as_table() if model.preprocessing else None
    return {
        "format": FORMAT,
        "complete": False,
        "identity": identity,
        "model": _without_machine(model.provenance),
        "preprocessing": "not a picture" if isinstance(inputs, RowNumbers) else rule,
        "class_names": None if model.class_names is None else [str(name) for name in model.class_names],
        "images": {
            "names": [],
            "labels": None,
            "metadata": {},
            "skipped": [],
            "notes": {},
            "digest": inputs.identity(),
        },
        "layers": {},
        "pictures": None,
        "masks": None,
        "versions": versions,
    }


def _without_machine(provenance: dict[str, Any]) -> dict[str, Any]:
    """Where the weights came from, but for the folders above: a run is there to be shared."""
    path = provenance.get("checkpoint")
    tail = None if path is None else "/".join(Path(path).parts[-2:])
    return {**provenance, "checkpoint": tail}


def remove_run(root: Path) -> None:
    """Delete what a run folder holds of a run, and nothing else; the lock tells that it was one.

    Raises:
        RunError: it is no run folder.
    """
    from shutil import rmtree

    begun = (root / LOCK).exists() and not (root / MANIFEST).exists()
    if not root.is_dir() or not any(root.iterdir()) or begun:
        return
    ours = (root / LOCK).exists() and (root / "layers").is_dir()
    try:
        manifest = read_json(root / MANIFEST) if (root / MANIFEST).is_file() else {}
    except RunError:  # damaged; what lies beside it tells
        manifest = {}
    if not ours and not {"format", "identity", "layers"} <= set(manifest):
        raise RunError(f"{root}: is not a run folder, so it is not overwritten")
    (root / LOCK).touch()
    (root / MANIFEST).unlink(missing_ok=True)
    (root / PROGRESS).unlink(missing_ok=True)
    for folder in ("layers", PICTURES, MASKS, *DERIVED):
        if (root / folder).is_dir():
            rmtree(root / folder)


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Keep other captures out of a run folder while the block runs.

    Raises:
        RunError: another process is writing there.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    with open(root / LOCK, "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError(
                f"{root}: another capture is writing here; wait for it, or choose another folder"
            ) from None
        yield
