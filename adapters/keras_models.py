"""Capture from Keras 3 models on the JAX backend: .keras files, and models in memory."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from explorer.capture.protocol import LayerInfo, ModelOptions
from explorer.errors import CheckpointError, ModelError

from .jax_model import TracedModel
from .jaxpr_capture import FIRST, Tracer
from .jit_capture import JitCapture, provenance
from .keras_files import clean_copy, clean_h5
from .keras_recorder import marking_layers, takes_training
from .limits import first_line
from .weights import Flat, digest

H5 = (".h5", ".hdf5")


class KerasModel(TracedModel):
    """A Keras model with one input; it is never modified.

    Attributes:
        provenance: versions, where the model came from, and a digest of its weights.
    """

    requires: ClassVar[tuple[str, ...]] = ("keras", "h5py", "jax")

    def __init__(self, model: Any, options: ModelOptions, path: Path | None = None) -> None:
        self._model = model
        self._name = str(model.name)
        self._options = options
        if options.checkpoint is not None:
            _load_weights(model, Path(options.checkpoint))
        _check(model)
        self._variables = list(model.variables)
        self._weights = [np.asarray(variable.value) for variable in self._variables]
        self._parameters = _count_parameters(model)
        self.provenance: Mapping[str, Any] = provenance(
            "keras",
            options.checkpoint or path,
            {"format": None, "step": None, "digest": digest(_numbered(model))},
            packages=("keras", "jax"),
        )
        self._tracer = Tracer(self._forward, layout=options.layout)
        self._jit = JitCapture(self._name, self._answers)

    @classmethod
    def open(cls, source: object, options: ModelOptions) -> Self | None:
        """Open a .keras file, or a model, whose weights may be those of a checkpoint.

        Nothing of a file's code is run. An .h5 file is refused here: HDF5 is no format to open by
        accident; `adapter="keras-h5"` opens it.

        Raises:
            ModelError: the file is damaged or hostile, or Keras runs on another backend.
            CheckpointError: the weights are.
        """
        if isinstance(source, Path) and source.suffix.lower() in H5:
            raise ModelError(
                f"{source}: HDF5 files are opened only when asked for by name, in a model.toml: [model] with "
                f'file = "{source.name}" and adapter = "keras-h5"; better save the model as .keras'
            )
        if isinstance(source, Path) and source.suffix.lower() == ".keras":
            return cls(_load(source), options, source)
        return cls(source, options) if _is_keras(type(source)) else None

    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        """As of every model on JAX; without a shape, for the inputs that the model itself has fixed."""
        return super().layers(input_shape or self._own_shape())

    def _flat_weights(self) -> tuple[list[tuple[str, ...]], list[Any], Any]:
        """The path of every weight, the weights, and what puts them together again."""
        import jax

        named = (variable.path.removeprefix(f"{self._model.name}/") for variable in self._variables)
        paths = [tuple(name.split("/")) for name in named]
        return paths, list(self._weights), jax.tree.structure(self._weights)

    def _own_shape(self) -> tuple[int, ...] | None:
        """(*spatial, channels) of an input where the model has fixed it."""
        shape = getattr(self._model, "input_shape", None)
        if not isinstance(shape, tuple) or len(shape) < 2 or not all(isinstance(n, int) for n in shape[1:]):
            return None
        layouts = {getattr(layer, "data_format", None) for layer in self._model._flatten_layers()}
        one = shape[1:]
        return (*one[1:], one[0]) if FIRST in layouts and len(one) > 1 else one

    def _forward(self, weights: Any, inputs: Any) -> Any:
        """The model on these values of its variables, its layers marking what they answer."""
        import jax
        import keras

        told = dict(self._options.call)
        if takes_training(self._model):
            told.setdefault("training", False)
        mapping = list(zip(self._variables, weights, strict=True))
        with keras.StatelessScope(state_mapping=mapping), marking_layers():
            answer = self._model(inputs, **told)
        return [leaf for leaf in jax.tree.leaves(answer) if isinstance(leaf, jax.Array)]


class KerasH5(KerasModel):
    """A model saved whole as HDF5, opened only when this adapter is asked for by name."""

    @classmethod
    def open(cls, source: object, options: ModelOptions) -> Self | None:
        """Open an .h5 file; its arrays are copied by a process of its own, its code is not run.

        Raises:
            ModelError, CheckpointError: the file is damaged or hostile.
        """
        if isinstance(source, Path) and source.suffix.lower() in H5:
            return cls(_load(source), options, source)
        return None


def _is_keras(kind: type) -> bool:
    """Whether a class is a Keras 3 model's, told without importing Keras."""
    return any(base.__module__.startswith("keras.") and base.__name__ == "Model" for base in kind.__mro__)


def _import_keras() -> Any:
    """Keras on JAX: it takes its backend from the environment when it is first imported.

    Raises:
        ModelError: it was imported with another.
    """
    before = os.environ.get("KERAS_BACKEND")
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "jax"
    try:
        import keras
    finally:
        if before is None:
            os.environ.pop("KERAS_BACKEND", None)
        else:
            os.environ["KERAS_BACKEND"] = before
    backend = keras.backend.backend()
    if backend != "jax":
        raise ModelError(
            f"keras was imported with the backend {backend}; set KERAS_BACKEND=jax before it is imported"
        )
    return keras


def _load(path: Path) -> Any:
    """Load a model from a copy of its file that holds nothing but layers and plain arrays."""
    keras = _import_keras()
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    with tempfile.TemporaryDirectory(prefix="activation-explorer-") as folder:
        clean = clean_h5 if path.suffix.lower() in H5 else clean_copy
        copy = clean(path, Path(folder))
        try:
            return keras.models.load_model(copy, compile=False, safe_mode=True)
        except Exception as error:  # Keras raises whatever its layers raise
            said = first_line(error).replace(str(copy), path.name)
            raise ModelError(f"{path}: {type(error).__name__}: {said}") from error


def _load_weights(model: Any, path: Path) -> None:
    """Give a model, which a factory has made or the user has, the weights of a file.

    Raises:
        CheckpointError: the file is missing, damaged, or of another model.
    """
    if not (path.name.endswith(".weights.h5") or path.suffix.lower() == ".keras"):
        raise CheckpointError(f"{path}: weights of a Keras model are a .weights.h5 or .keras file")
    with tempfile.TemporaryDirectory(prefix="activation-explorer-") as folder:
        clean = clean_copy if path.suffix.lower() == ".keras" else clean_h5
        copy = clean(path, Path(folder))
        try:
            model.load_weights(copy)
        except Exception as error:
            said = first_line(error).replace(str(copy), path.name)
            raise CheckpointError(f"{path}: does not fit the model: {said}") from error


def _check(model: Any) -> None:
    """Refuse what can't be captured from."""
    _import_keras()
    if not model.built:
        raise ModelError(f"{model.name}: has no weights yet; call it once, or build it")
    inputs = getattr(model, "inputs", None) or ()
    if len(inputs) > 1:
        names = ", ".join(str(tensor.name) for tensor in inputs)
        raise ModelError(f"{model.name}: takes {len(inputs)} inputs ({names}), expected one")


def _numbered(model: Any) -> Flat:
    """The model's weights by their order: names need not be unique, and change between files."""
    return {(f"{number:06}",): np.asarray(weight.value) for number, weight in enumerate(model.weights)}


def _count_parameters(model: Any) -> dict[tuple[str, ...], int]:
    """Number of trainable weights below each layer's path."""
    counts: dict[tuple[str, ...], int] = {}

    def visit(layer: Any, path: tuple[str, ...]) -> None:
        counts[path] = sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights)
        for inner in layer._flatten_layers(recursive=False, include_self=False):
            visit(inner, (*path, inner.name))

    visit(model, ())
    return counts
