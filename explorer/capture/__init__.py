"""From a saved model and images to a run folder of activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.capture.model import Model, load_model
from explorer.capture.store import Run, open_run
from explorer.errors import InputError

if TYPE_CHECKING:
    from explorer.capture.images import Inputs
    from explorer.capture.protocol import LayerInfo

__all__ = ["Model", "Run", "capture", "load_model", "open_run"]

MEMORY = 512 * 2**20


def capture(
    model: object,
    images: object = None,
    *,
    layers: Sequence[str] | None = None,
    out: str | Path | None = None,
    labels: Sequence[str] | None = None,
    masks: object = None,
    memory: int = MEMORY,
    overwrite: bool = False,
) -> Run:
    """Capture layers of a model for every image, into a run folder.

    The same call again resumes what was interrupted, adds layers that are missing, and does nothing
    when all is there.

    Args:
        model: a `Model`, or anything `load_model` opens.
        images: a folder (sub-folders are labels), a file, a list of files, a table of files with
            labels and metadata (.csv, .tsv, .parquet), an array (batch, *spatial, channels), .npy or
            .npz. None for activations captured elsewhere, and for a model.toml that names its images.
        layers: names of layers; None for the one the model suggests, else the last spatial one.
        out: the run folder; None for a new one among the system's temporary files, deleted when
            Python ends.
        labels: one a image, in place of the names of sub-folders.
        masks: what lies where in the images, for `run.mask_classes`: a folder of files named as the
            images are, a .npy or .npz file, or an array (batch, *spatial) of whole numbers; None for
            the column `mask` of a table, or the folder `masks` beside a folder `images`.
        memory: bytes that captured values may take while they wait to be written.
        overwrite: delete a run of something else that is in the way, which is an error without it. A run
            of the very same model and images is never deleted, but added to.

    Raises:
        ModelError, InputError, LayerError, RunError: one line saying what is wrong.
    """
    from explorer.capture.masks import open_masks
    from explorer.capture.resume import holds_other, identity_of, remove_run
    from explorer.capture.stream import capture_to_run
    from explorer.capture.temporary import temporary_folder

    model = model if isinstance(model, Model) else load_model(model)
    images = model.hints.get("images") if images is None else images
    inputs = open_inputs(model, images, labels)
    found = find_layers(model, inputs, layers)
    where = open_masks(masks, inputs, images=images, rule=model.preprocessing)
    root = temporary_folder() if out is None else Path(out)
    if overwrite and holds_other(root, identity_of(model, inputs)):
        remove_run(root)
    return capture_to_run(model, inputs, found, root, memory=memory, masks=where)


def find_layers(model: Model, inputs: Inputs, names: Sequence[str] | None) -> list[LayerInfo]:
    """The layers that these names mean, or the default one, for inputs of this shape.

    Raises:
        LayerError: the model has no such layer.
        InputError: the model needs an input's shape, and no input can be read.
    """
    from explorer.capture.images import first_readable

    shape = model.input_shape
    if shape is None and model.n_inputs is None:
        shape = first_readable(inputs).shape
    return model.find_layers(names, shape)


def open_inputs(model: Model, images: object, labels: Sequence[str] | None = None) -> Inputs:
    """The inputs that IMAGES means for this model.

    Raises:
        InputError: none named, none found, or not as many as the activations or labels.
    """
    from explorer.capture.images import RowNumbers, read_inputs
    from explorer.capture.preprocessing import Preprocessing

    if images is None:
        images = model.hints.get("images")
    read = None if images is None else read_inputs(images, model.preprocessing)
    brought = getattr(model.adapter, "pictures", None)
    if read is None and brought is not None:
        read = read_inputs(brought, Preprocessing())
    count = model.n_inputs
    if count is None and read is None:
        raise InputError(f"{model.name}: name the images: a folder, a file, or an array")
    if count is not None and read is not None and len(read.names) != count:
        raise InputError(f"{len(read.names)} images for activations of {count} inputs; give one for each")
    names = read.names if read else tuple(str(row) for row in range(count or 0))
    if labels is not None and len(labels) != len(names):
        raise InputError(f"{len(labels)} labels for {len(names)} inputs; give one for each")
    given = None if labels is None else tuple(str(label) for label in labels)
    if count is None and read is not None:
        return read if given is None else replace(read, labels=given)
    # Activations captured elsewhere: their file may know more of its inputs than the pictures beside them.
    metadata = {**getattr(model.adapter, "metadata", {}), **(read.metadata if read else {})}
    found = given or (read.labels if read else None) or getattr(model.adapter, "labels", None)
    notes = (*getattr(model.adapter, "notes", ()), *(read.notes if read else ()))
    return RowNumbers(names, found, read, metadata, notes)
