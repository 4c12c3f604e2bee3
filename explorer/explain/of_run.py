"""A model and the inputs of a run that was captured from it, held against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from explorer.capture import Model, load_model
from explorer.capture.steps import ALONE
from explorer.errors import InputError
from explorer.explain.drivers import check_same, inputs_of
from explorer.explain.given import Given, stacked

if TYPE_CHECKING:
    from explorer.capture import Run

CHECKED = 4
"""Pictures whose kept values are held against the model's."""


@dataclass(frozen=True, eq=False)
class AtCheckpoint:
    """A model with the weights that a run was captured with, such as those of an epoch of a training.

    Attributes:
        model: what `load_model` opens: a model.toml, or a folder with one; of models that stand alone, one
            an epoch (.onnx, .keras, …), their folder, or any of them.
        run: the run.
    """

    model: str | Path
    run: Run

    def open(self) -> Model:
        """The model with that checkpoint's weights.

        Raises:
            InputError: the checkpoint is not where the run says, nor beside the model's own.
        """
        kept = self.run.manifest["model"].get("checkpoint")
        if kept is None:
            return load_model(self.model)
        own = Path(self.model)
        place = own if own.is_dir() else own.parent
        recipe = (own / "model.toml").is_file() if own.is_dir() else own.suffix.lower() == ".toml"
        for path in (place / kept, Path(kept), place / Path(kept).name):
            if path.exists():
                alone = not recipe and path.suffix.lower() in ALONE
                return load_model(path) if alone else load_model(self.model, checkpoint=path)
        raise InputError(
            f"{self.run.path}: was captured from {kept}, which is not there, nor in {place}; put it back"
        )


def given_of_run(
    model: object, run: Run, images: Sequence[int], *, layer: str, source: object = None
) -> Given:
    """Open a run's model with the inputs of some of the run's pictures.

    Args:
        model: the model that the run was captured from, or anything `load_model` opens.
        run: the run.
        images: which pictures.
        layer: the layer in which the model's answers are held against the run's, in up to 4 of them.
        source: where the run's inputs are, as `explorer.capture` takes them; left out, where the model says,
            or made anew from the pictures that the run keeps.

    Raises:
        InputError: the model answers otherwise than the run holds, or the inputs are not to be had.
        LayerError: the model has no such layer.
    """
    if not hasattr(run, "manifest") or not hasattr(run, "path"):
        raise InputError("activations in memory: a model is asked about a run; open one with open_run")
    if isinstance(model, AtCheckpoint):
        model = model.open()
    opened = model if isinstance(model, Model) else load_model(model)
    inputs = inputs_of(opened, run, images, source)
    some = np.unique(np.linspace(0, len(images) - 1, CHECKED).astype(int)).tolist()
    check_same(opened, run, layer, inputs[some], [images[at] for at in some])
    names = tuple(run.image_names[image] for image in images)
    labels = None if run.labels is None else tuple(run.labels[image] for image in images)
    return Given(opened, inputs, names, labels, stacked([run.picture(image) for image in images]))
