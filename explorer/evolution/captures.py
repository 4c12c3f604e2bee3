"""One run folder a checkpoint: captured once, resumed, and captured again where the checkpoint changed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.capture import capture, find_layers, open_inputs, open_run
from explorer.capture.manifest import read_json, write_json
from explorer.capture.model import Model
from explorer.capture.resume import remove_run
from explorer.capture.store import Run
from explorer.errors import CheckpointError, RunError
from explorer.evolution.sources import Source
from explorer.progress import say

CAPTURES = "captures.json"


@dataclass
class Book:
    """Which checkpoint each run below a folder was captured from: captures.json.

    Attributes:
        root: the folder.
        entries: {"digest", "base", "file"} by the epoch's folder.
    """

    root: Path
    entries: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, root: Path) -> Book:
        """The book of a folder, empty for a new one.

        Raises:
            RunError: the folder holds something else, or its book is damaged.
        """
        if (root / CAPTURES).is_file():
            found = read_json(root / CAPTURES)
            good = all(
                isinstance(one, dict) and {"digest", "base", "file"} <= set(one) for one in found.values()
            )
            if not good:
                raise RunError(f"{root / CAPTURES}: damaged; delete it, and {root / 'epochs'}")
            return cls(root, found)
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise RunError(f"{root}: exists and is none of evolve's folders; choose another folder")
        return cls(root, {})

    def note(self, key: str, digest: str | None, base: str, file: str) -> None:
        """Write down what is about to be captured."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.entries[key] = {"digest": digest, "base": base, "file": file}
        write_json(self.root / CAPTURES, self.entries)

    def folder(self, key: str) -> Path:
        """The run folder of a checkpoint."""
        return self.root / "epochs" / key


@dataclass(frozen=True)
class Captured:
    """What was captured.

    Attributes:
        layer: the layer.
        runs: by the checkpoint's key, in their order.
        names: what each checkpoint is called, those too that were left out.
        left_out: those that could not be read, each with why.
        notes: what was captured and what was there, in words.
    """

    layer: str
    runs: dict[str, Run]
    names: dict[str, str]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Reference:
    """The first checkpoint that opens: it tells the layer, and what all of them are captured from.

    Attributes:
        key: whose it is.
        model: opened.
        layer: the layer's name.
        base: digest of the images, the preprocessing and the model's recipe.
    """

    key: str
    model: Model
    layer: str
    base: str


def captured(
    sources: Sequence[Source], images: object, layer: str | None, book: Book, *, overwrite: bool
) -> Captured:
    """Capture what is missing; a checkpoint that cannot be read is said and left out.

    Raises:
        CheckpointError: none can be read.
        ExplorerError: what `capture` raises.
    """
    first = _reference(sources, images, layer)
    runs: dict[str, Run] = {}
    left_out: list[str] = []
    fresh: list[str] = []
    gone: list[str] = []
    for source in sources:
        try:
            kept = _kept(source, first, book)
            if kept is None and source.model is None:
                continue  # neither its files nor a capture of these images are there
            if kept is None:
                before = _whole(book.folder(source.key), first.layer)
                kept = _capture(source, first, images, book, overwrite=overwrite)
                if before is None or before.manifest["identity"] != kept.manifest["identity"]:
                    fresh.append(source.name)
            elif source.model is None:
                gone.append(source.name)
            runs[source.key] = kept
        except CheckpointError as error:
            left_out.append(f"{source.name}: {error}")
            say(f"left out {left_out[-1]}")
    names = {source.key: source.name for source in sources}
    left_out += _of_other_grids(runs, first.layer, names)
    return Captured(
        first.layer, runs, names, tuple(left_out), _notes([names[key] for key in runs], fresh, gone)
    )


def _of_other_grids(runs: dict[str, Run], layer: str, names: Mapping[str, str]) -> list[str]:
    """Take out checkpoints whose layer has another grid than most: they are of another network or images."""
    grids = {key: run.grid_shape(layer) for key, run in runs.items()}
    usual = Counter(grids.values()).most_common(1)[0][0] if grids else ()
    left_out = []
    for key, grid in grids.items():
        if grid != usual:
            own, most = (" × ".join(map(str, one)) for one in (grid, usual))
            left_out.append(f"{names[key]}: layer {layer} has {own} images and positions, the others {most}")
            say(f"left out {left_out[-1]}")
            del runs[key]
    return left_out


def _reference(sources: Sequence[Source], images: object, layer: str | None) -> _Reference:
    """Open the first checkpoint that can be opened."""
    problem = CheckpointError("no checkpoint is there")
    for source in sources:
        if source.model is None:
            continue
        try:
            model = source.open()
        except CheckpointError as error:
            problem = problem if problem.__cause__ else _because(error)
            continue
        inputs = open_inputs(model, images)
        name = find_layers(model, inputs, None if layer is None else [layer])[0].name
        rule = model.preprocessing.as_table() if model.preprocessing else None
        recipe = model.provenance["recipe"]
        own = [model.adapter_name, recipe, rule, inputs.identity(), inputs.labels]
        digest = hashlib.sha256(json.dumps(own, sort_keys=True, default=str).encode()).hexdigest()
        return _Reference(source.key, model, name, digest)
    raise problem


def _because(error: CheckpointError) -> CheckpointError:
    """That no checkpoint can be read, with the first one's reason."""
    told = CheckpointError(f"none of the checkpoints can be read; the first: {error}")
    told.__cause__ = error
    return told


def _kept(source: Source, first: _Reference, book: Book) -> Run | None:
    """The run that is there of this very checkpoint, whole and with the layer; else None."""
    entry = book.entries.get(source.key)
    if entry is None or entry["base"] != first.base:
        return None
    if source.model is not None and (source.step is None or entry["digest"] != source.step.digest()):
        return None
    return _whole(book.folder(source.key), first.layer)


def _whole(folder: Path, layer: str) -> Run | None:
    """The run in a folder, when it is whole and has the layer."""
    try:
        run = open_run(folder)
    except RunError:  # none, unfinished, or to be mended
        return None
    return run if layer in run.layers else None


def _capture(source: Source, first: _Reference, images: object, book: Book, *, overwrite: bool) -> Run:
    """Capture one checkpoint, or go on where that was interrupted."""
    model = first.model if source.key == first.key else source.open()
    digest = None if source.step is None else source.step.digest()
    entry, folder = book.entries.get(source.key), book.folder(source.key)
    if entry is not None and entry["base"] == first.base and entry["digest"] != digest:
        say(f"{source.name}: its checkpoint has changed; captured again")
        remove_run(folder)
    if overwrite and (entry is None or entry["base"] != first.base):
        remove_run(folder)
    if entry is None or (entry["base"], entry["digest"]) != (first.base, digest):
        if folder.exists():  # refuses another capture's folder before it is written down as this one
            capture(model, images, layers=[first.layer], out=folder)
        book.note(source.key, digest, first.base, source.file)
    return capture(model, images, layers=[first.layer], out=folder)


def _notes(names: Sequence[str], fresh: Sequence[str], gone: Sequence[str]) -> tuple[str, ...]:
    """What was captured and what was there."""
    there = [name for name in names if name not in fresh]
    lines = [f"epochs in this order: {', '.join(names)}"]
    if fresh:
        lines.append(f"captured {', '.join(fresh)}")
    if there:
        lines.append(f"there already: {', '.join(there)}")
    if gone:
        lines.append(f"checkpoints that are gone, shown from what was captured: {', '.join(gone)}")
    return tuple(lines)
