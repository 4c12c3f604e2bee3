"""A model and the inputs that are explained, read once for every method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.capture.model import Model, load_model
from explorer.errors import InputError, ModelError
from explorer.progress import progress, say

if TYPE_CHECKING:
    from explorer.capture.formats import Prepared
    from explorer.capture.images import Inputs


@dataclass(frozen=True, eq=False)
class Given:
    """A model and the inputs that could be read.

    Attributes:
        model: the model.
        inputs: (batch, *spatial, channels) float32.
        names: of the inputs.
        labels: of the inputs; None where there are none.
        pictures: (batch, height, width, 3) uint8; None where inputs are no pictures.
    """

    model: Model
    inputs: NDArray[np.float32]
    names: tuple[str, ...]
    labels: tuple[str, ...] | None
    pictures: NDArray[np.uint8] | None

    def only(self, rows: Sequence[int]) -> Given:
        """Some of the inputs, by number."""
        at = list(rows)
        return Given(
            self.model,
            self.inputs[at],
            tuple(self.names[i] for i in at),
            None if self.labels is None else tuple(self.labels[i] for i in at),
            None if self.pictures is None else self.pictures[at],
        )


def gather(model: object, images: object) -> Given:
    """Open a model, and read every input; broken ones are left out, and said.

    Raises:
        InputError: none can be read, or they differ in size.
        ModelError: activations captured elsewhere, of which there is nothing to ask.
    """
    from explorer.capture import open_inputs
    from explorer.capture.images import ImageArray, is_picture_array

    opened = model if isinstance(model, Model) else load_model(model)
    if opened.n_inputs is not None:
        raise ModelError(f"{opened.name}: holds activations and no model, so nothing can be asked of it")
    inputs = open_inputs(opened, images)
    if isinstance(inputs, ImageArray) and not is_picture_array(inputs.values):
        values = np.asarray(inputs.values, np.float32)
        if len(values) and np.isfinite(values).all():  # nothing to decode, and pictures only when drawn
            return Given(opened, values, tuple(inputs.names), inputs.labels, None)
    kept, read = _read(inputs)
    shape = read[0].value.shape
    for index, one in zip(kept, read, strict=True):
        if one.value.shape != shape:
            raise InputError(
                f"{inputs.names[index]}: is {one.value.shape}, the first is {shape}; give size under "
                "[preprocessing], or pictures of one size"
            )
    return Given(
        opened,
        np.stack([one.value for one in read]).astype(np.float32),
        tuple(inputs.names[index] for index in kept),
        None if inputs.labels is None else tuple(inputs.labels[index] for index in kept),
        stacked([one.picture for one in read]),
    )


def stacked(pictures: Sequence[NDArray[np.uint8] | None]) -> NDArray[np.uint8] | None:
    """Pictures as one array (batch, height, width, 3); None where one is missing or of another size."""
    there = [one for one in pictures if one is not None]
    whole = len(there) == len(pictures) and len({one.shape for one in there}) == 1
    return np.stack(there) if whole else None


def _read(inputs: Inputs) -> tuple[list[int], list[Prepared]]:
    """Every input that can be read, and which those are; how many cannot is said.

    Raises:
        InputError: none can be.
    """
    from explorer.capture.pictures import quietly

    kept, read, skipped = [], [], []
    with quietly(), progress("reading pictures", len(inputs.names), "pictures") as advance:
        for index in range(len(inputs.names)):
            try:
                read.append(inputs.load(index))
                kept.append(index)
            except InputError as error:
                skipped.append(str(error))
            advance(1)
    if not read:
        raise InputError(f"none of the {len(inputs.names)} inputs could be read; the first: {skipped[0]}")
    if skipped:
        say(f"{len(skipped)} inputs could not be read and are left out; the first: {skipped[0]}")
    return kept, read
