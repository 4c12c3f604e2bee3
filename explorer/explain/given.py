"""A model and the inputs that are explained, read once for every method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.capture.model import Model, load_model
from explorer.errors import InputError
from explorer.progress import progress, say


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
    from explorer.capture.pictures import quietly
    from explorer.errors import ModelError

    opened = model if isinstance(model, Model) else load_model(model)
    if opened.n_inputs is not None:
        raise ModelError(f"{opened.name}: holds activations and no model, so nothing can be asked of it")
    inputs = open_inputs(opened, images)
    if isinstance(inputs, ImageArray) and not is_picture_array(inputs.values):
        values = np.asarray(inputs.values, np.float32)
        if len(values) and np.isfinite(values).all():  # nothing to decode, and pictures only when drawn
            return Given(opened, values, tuple(inputs.names), inputs.labels, None)
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
    shape = read[0].value.shape
    for index, one in zip(kept, read, strict=True):
        if one.value.shape != shape:
            raise InputError(
                f"{inputs.names[index]}: is {one.value.shape}, the first is {shape}; give size under "
                "[preprocessing], or pictures of one size"
            )
    shown = [one.picture for one in read]
    whole = all(picture is not None and picture.shape == shown[0].shape for picture in shown)  # type: ignore[union-attr]
    pictures = np.stack(shown) if whole else None  # type: ignore[arg-type]
    names, labels = tuple(inputs.names[i] for i in kept), inputs.labels
    return Given(
        opened,
        np.stack([one.value for one in read]).astype(np.float32),
        names,
        None if labels is None else tuple(labels[i] for i in kept),
        pictures,
    )
