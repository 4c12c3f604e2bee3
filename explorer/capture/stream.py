"""Capture in batches: decode ahead, compute, and write behind, into a run folder that can be resumed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.capture.arrays import open_array
from explorer.capture.formats import Prepared
from explorer.capture.images import Inputs, first_readable
from explorer.capture.manifest import MANIFEST, PICTURES, PROGRESS, array_entry, array_folder, write_json
from explorer.capture.mask_pass import capture_masks
from explorer.capture.masks import Masks
from explorer.capture.measured_field import with_measured
from explorer.capture.model import Model
from explorer.capture.pictures import quietly
from explorer.capture.protocol import Differentiable, LayerInfo
from explorer.capture.receptive_field import ReceptiveField
from explorer.capture.repair import repair
from explorer.capture.resume import (
    State,
    alone,
    captured_inputs,
    describe_inputs,
    existing,
    finish,
    identity_of,
    new_manifest,
    resumed,
)
from explorer.capture.store import Run, open_run
from explorer.errors import InputError, RunError, first_line
from explorer.progress import progress, say

MAX_BATCH = 64
CAUTIOUS_BATCH = 8
"""For a model that cannot say how large its layers are."""
DECODERS = max(4, min(16, os.cpu_count() or 4))
"""Threads that decode: Pillow works outside Python's lock."""
QUICK = 10.0
"""Seconds that measuring what positions see may delay a capture."""


def capture_to_run(
    model: Model,
    inputs: Inputs,
    layers: Sequence[LayerInfo],
    root: Path,
    *,
    memory: int,
    masks: Masks | None = None,
) -> Run:
    """Capture these layers for every input into the run folder `root`, resuming what is there.

    Args:
        model: what to capture from.
        inputs: what to give it.
        layers: which layers; those that the run already holds are not captured again.
        root: a new or empty folder, or a run of the very same model, inputs and preprocessing.
        memory: bytes that captured values waiting to be written may take; sets the batch size.
        masks: what lies where in the inputs.

    Raises:
        RunError: the folder holds something else, or cannot be written.
        InputError: no input could be read, or inputs of different sizes.
    """
    identity = identity_of(model, inputs)
    existing(root, identity)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with alone(root), quietly():
            manifest = existing(root, identity) or new_manifest(model, inputs, identity)
            _capture(_Job(model, inputs, root, bool(manifest["complete"])), layers, manifest, memory=memory)
            good = captured_inputs(root, manifest, inputs)
            if describe_inputs(manifest, inputs, good):  # a table can change while its files do not
                write_json(root / MANIFEST, manifest)
            if masks is not None:
                capture_masks(root, manifest, inputs, good=good, masks=masks, rule=model.preprocessing)
    except OSError as error:
        raise RunError(f"{root}: cannot be written ({error}); mend that and run the same again") from None
    return open_run(root)


def _capture(job: _Job, layers: Sequence[LayerInfo], manifest: dict[str, Any], *, memory: int) -> None:
    """Mend and capture what is missing, with the folder to ourselves."""
    inputs, root = job.inputs, job.root
    if manifest["complete"]:
        repair(job.model, inputs, root, manifest=manifest)
    missing = {layer.name: layer for layer in layers if layer.name not in manifest["layers"]}
    if not missing:
        return
    for note in inputs.notes:
        say(note)
    job = replace(job, fields=_fields(job, list(missing.values())))
    state = resumed(root, manifest["identity"], list(missing))
    if state is None:
        batch = _batch_size(list(missing.values()), inputs, memory)
        state = State(manifest["identity"], list(missing), batch)
    write_json(root / MANIFEST, manifest)
    if state.rows:
        say(f"{root}: resuming after {state.rows} inputs")
    with ThreadPoolExecutor(DECODERS) as pool:
        _stream(job, state, pool)
    if not state.rows:
        reason = state.skipped[0][1] if state.skipped else "there are none"
        raise InputError(f"none of the {len(inputs.names)} inputs could be read; the first: {reason}")
    finish(root, manifest, inputs, state)
    if state.skipped:
        say(f"captured {state.rows} inputs, skipped {len(state.skipped)} that could not be read")
    for note, count in state.notes.items():
        say(f"{count} {note}")


@dataclass(frozen=True)
class _Job:
    """What stays the same from the first batch to the last."""

    model: Model
    inputs: Inputs
    root: Path
    has_pictures: bool
    fields: Mapping[str, ReceptiveField] = field(default_factory=dict)
    """What a position of each layer sees of the input, where that is known."""
    opened: dict[str, Any] = field(default_factory=dict)
    """Arrays that are being written, by folder: opening one reads its description from disk."""

    def array(self, entry: Mapping[str, Any]) -> Any:
        """One of the arrays being written."""
        if entry["folder"] not in self.opened:
            self.opened[entry["folder"]] = open_array(self.root, entry)
        return self.opened[entry["folder"]]


def _stream(job: _Job, state: State, pool: ThreadPoolExecutor) -> None:
    """Batch after batch: while one is written, the next is computed and those after it are decoded."""
    writing: list[Any] = []
    with progress("capture", len(job.inputs.names), "images") as advance:
        advance(state.taken)
        for batch in _batches(job, state, pool):
            values, pictures = _stack(batch, state)
            captured = job.model.adapter.capture(values, state.asked)
            if not state.arrays:
                _create(job, state, captured, pictures)
                _tell_fields(job, state, values.shape[1:])
            _wait(writing, job.root)
            if writing:
                _record(job.root, state)
            writing = _write(job, state, captured, None if job.has_pictures else pictures)
            state.rows += len(batch.prepared)
            advance(batch.taken - state.taken)
            state.taken = batch.taken
            state.skipped += batch.skipped
            for note in [one.note for one in batch.prepared if one.note]:
                state.notes[note] = state.notes.get(note, 0) + 1
        _wait(writing, job.root)
        if writing:
            _record(job.root, state)


@dataclass
class _Batch:
    prepared: list[Prepared] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    skipped: list[tuple[int, str]] = field(default_factory=list)
    taken: int = 0


def _batches(job: _Job, state: State, pool: ThreadPoolExecutor) -> Iterator[_Batch]:
    """Decoded inputs in order, `state.batch` good ones at a time, decoded up to two batches ahead."""
    names, ahead = job.inputs.names, 2 * state.batch
    waiting: list[Future[Prepared]] = []
    queued, batch = state.taken, _Batch()
    for index in range(state.taken, len(names)):
        while queued < len(names) and len(waiting) < ahead:
            waiting.append(pool.submit(job.inputs.load, queued))
            queued += 1
        try:
            batch.prepared.append(waiting.pop(0).result())
            batch.names.append(names[index])
        except InputError as error:
            say(f"skipped {error}")
            batch.skipped.append((index, str(error).split(": ", 1)[-1]))
        batch.taken = index + 1
        if len(batch.prepared) == state.batch:
            yield batch
            batch = _Batch(taken=batch.taken)
    if batch.prepared:
        yield batch
    elif batch.skipped:
        state.skipped += batch.skipped


def _stack(batch: _Batch, state: State) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
    values = [one.value for one in batch.prepared]
    for value, name in zip(values, batch.names, strict=True):
        if value.shape != values[0].shape:
            raise InputError(
                f"{name}: input of shape {value.shape}, but {batch.names[0]} has {values[0].shape}; "
                "declare a size under [preprocessing]"
            )
    pictures = [one.picture for one in batch.prepared if one.picture is not None]
    if not pictures or len(pictures) < len(values):
        return np.stack(values), None
    # Beside activations captured elsewhere pictures may differ in size; they are kept in one.
    shape = tuple(state.pictures["shape"][1:]) if state.pictures else pictures[0].shape
    return np.stack(values), np.stack([_in_shape(picture, shape) for picture in pictures])


def _in_shape(picture: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    if picture.shape == shape:
        return picture
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((shape[1], shape[0])), np.uint8)


def _batch_size(layers: Sequence[LayerInfo], inputs: Inputs, memory: int) -> int:
    """As many inputs as keep three batches (computed, written, decoded ahead) within the memory."""
    if any(layer.shape is None for layer in layers):
        return CAUTIOUS_BATCH
    values = sum(math.prod(layer.shape or ()) for layer in layers)
    each = 4 * (values + 3 * first_readable(inputs).size)
    return max(1, min(memory // (3 * each), MAX_BATCH, len(inputs.names)))


def _create(
    job: _Job, state: State, captured: dict[str, Activations], pictures: NDArray[np.uint8] | None
) -> None:
    """Make the arrays anew, as long as the list of inputs; broken inputs are cut off at the end."""
    count = len(job.inputs.names)
    for layer in state.asked:
        values = captured[layer].values
        shape = (count, *values.shape[1:])
        state.arrays[layer] = array_entry(array_folder(layer), shape, values.dtype, state.batch)
        job.opened[state.arrays[layer]["folder"]] = open_array(job.root, state.arrays[layer], create=True)
    if pictures is not None and not job.has_pictures:
        shape = (count, *pictures.shape[1:])
        state.pictures = array_entry(PICTURES, shape, pictures.dtype, state.batch)
        job.opened[PICTURES] = open_array(job.root, state.pictures, create=True)


def _fields(job: _Job, layers: Sequence[LayerInfo]) -> dict[str, ReceptiveField]:
    """The layers' receptive fields; those that the graph does not tell are measured if that is quick."""
    model, shape = job.model, None
    if model.n_inputs is None and isinstance(model.adapter, Differentiable):
        shape = model.input_shape or first_readable(job.inputs).shape
    found = with_measured(model.adapter, layers, shape, seconds=QUICK)
    return {info.name: info.receptive_field for info in found if info.receptive_field is not None}


def _tell_fields(job: _Job, state: State, input_shape: tuple[int, ...]) -> None:
    """Note beside each array what its positions see of inputs (*spatial, channels)."""
    for layer, found in job.fields.items():
        state.arrays[layer]["receptive_field"] = {"input": list(input_shape), **found.as_table()}


def _write(
    job: _Job, state: State, captured: dict[str, Activations], pictures: NDArray[np.uint8] | None
) -> list[Any]:
    """Start writing one batch and return what to wait for."""
    parts = [(state.arrays[layer], captured[layer].values) for layer in state.asked]
    if state.pictures is not None and pictures is not None:
        parts.append((state.pictures, pictures))
    writing = []
    for entry, values in parts:
        stop = state.rows + len(values)
        expected = tuple(entry["shape"][1:])
        if values.shape[1:] != expected:
            raise InputError(f"input {stop - 1}: gives shape {values.shape[1:]}, the first gave {expected}")
        writing.append(job.array(entry)[state.rows : stop].write(values))
    return writing


def _wait(writing: list[Any], root: Path) -> None:
    for part in writing:
        try:
            part.result()
        except ValueError as error:  # TensorStore's word for a full disk, too
            raise OSError(first_line(error)) from None


def _record(root: Path, state: State) -> None:
    """Note how far the capture is: only ever what is on disk already."""
    write_json(root / PROGRESS, vars(state))
