"""Run a JAX model under jit so that only the chosen layers are computed; name what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.activations import MAX_SPATIAL_RANK, Activations
from explorer.capture.protocol import LayerInfo
from explorer.capture.receptive_field import ReceptiveField
from explorer.errors import ExplorerError, ModelError

from .asked import checked_cotangent, checked_inputs, known_shape
from .jaxpr_attention import attention_of
from .jaxpr_depthwise import without_depthwise
from .jaxpr_fields import receptive_fields
from .jaxpr_gradient import inner_derivative
from .jaxpr_grids import Grid, find_grids
from .jaxpr_program import trace
from .jit_layers import Answer, Key, Layer, arrays_of, captured_type, find_layer, named_layers
from .jit_parts import InParts, parts_of
from .limits import first_line

Forward = Callable[[Any, Any], list[Answer]]
"""(weights, inputs (batch, *spatial, channels)) to all answers in order; called while tracing."""
_INPUTS: Key = ((), "", -1, "inputs")
"""In place of a layer's key, where the derivative is for the inputs."""


@dataclass(frozen=True)
class _Traced:
    """A model as traced on inputs of one shape.

    Attributes:
        answers: every array of every answer, as a shape without values, in the order of the program's.
        program: what was traced.
    """

    answers: dict[Key, tuple[Answer, Any]]
    program: Any

    def grids(self) -> dict[int, Grid]:
        """By number of tokens, which grid they lie on."""
        return find_grids(self.program)

    def fields(self) -> dict[Key, ReceptiveField]:
        """What each array sees of the inputs."""
        return dict(zip(self.answers, receptive_fields(self.program), strict=True))


class JitCapture:
    """The layers of a model, and compiled functions that return some of them."""

    def __init__(self, model: str, forward: Forward) -> None:
        self._model = model
        self._forward = forward
        self._known: dict[tuple[int, ...], dict[str, Layer]] = {}
        self._compiled: dict[tuple[Key, ...], Any] = {}
        self._derived: dict[tuple[Key, Key | None, bool], InParts] = {}
        self._attended: dict[tuple[Key, tuple[int, ...]], tuple[list[str], Any]] = {}
        self._batches: dict[tuple[Any, ...], set[int]] = {}

    def layers(self, weights: Any, input_shape: tuple[int, ...]) -> dict[str, Layer]:
        """Every layer by name for inputs (*spatial, channels), in the order they answer.

        Traced with two batch sizes, nothing is computed: only an array whose first axis follows
        the batch belongs to the inputs.

        Raises:
            ModelError: the model does not take such inputs.
        """
        if input_shape not in self._known:
            two, three = (self._trace(weights, (batch, *input_shape)) for batch in (2, 3))
            follows = {
                key: traced
                for key, traced in two.answers.items()
                if key in three.answers and _is_layer(traced[1], three.answers[key][1])
            }
            self._known[input_shape] = named_layers(follows, two.grids(), two.fields())
        return self._known[input_shape]

    def infos(self, weights: Any, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        """What `layers` found, for an adapter's method of that name.

        Raises:
            ModelError: the shape is not given, or the model does not take it.
        """
        shape = known_shape(input_shape, self._model)
        return tuple(layer.info for layer in self.layers(weights, shape).values())

    def run(self, weights: Any, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        """The values of these layers for inputs (batch, *spatial, channels).

        Raises:
            LayerError: the model has no such layer.
            ModelError: the model does not take such inputs.
        """
        inputs = checked_inputs(inputs)
        known = self.layers(weights, inputs.shape[1:])
        found = [find_layer(name, known, self._model) for name in layers]
        keys = tuple(dict.fromkeys(layer.key for layer in found))
        padded = _pad(inputs, self._batch_size(keys, inputs.shape[1:], len(inputs)))
        with named_errors(self._model, inputs.shape[1:]):
            answers = dict(zip(keys, self.compiled(keys)(weights, padded), strict=True))
        # converted here and not in XLA, which would skip the rounding to bfloat16
        arrays = {
            key: np.asarray(value)[: len(inputs)].astype(captured_type(value.dtype), copy=False)
            for key, value in answers.items()
        }
        return {
            name: Activations(name, layer.read(arrays[layer.key]))
            for name, layer in zip(layers, found, strict=True)
        }

    def gradient(
        self,
        weights: Any,
        inputs: NDArray[Any],
        *,
        layer: str,
        cotangent: NDArray[Any],
        at: str | None = None,
        guided: bool = False,
    ) -> NDArray[Any]:
        """What `Differentiable.gradient` says, for an adapter's method of that name."""
        inputs = checked_inputs(inputs)
        known = self.layers(weights, inputs.shape[1:])
        found = find_layer(layer, known, self._model)
        counts = checked_cotangent(cotangent, found.info, batch=len(inputs), model=self._model)
        inner = None if at is None else find_layer(at, known, self._model)
        derived = self._derivative(found, inner, guided=guided)
        parts = parts_of(len(inputs))
        keys = (found.key, inner.key if inner else _INPUTS)
        size = parts * self._batch_size(keys, inputs.shape[1:], -(-len(inputs) // parts))
        with named_errors(self._model, inputs.shape[1:]):
            given = found.spread(counts)
            answer = derived(weights, (_pad(inputs, size), _pad(given, size)), parts)
        return (answer if inner is None else inner.read(answer))[: len(inputs)]

    def attention(self, weights: Any, inputs: NDArray[Any], layer: str) -> dict[str, NDArray[np.float32]]:
        """What `Attentive.attention` says, for an adapter's method of that name."""
        inputs = checked_inputs(inputs)
        found = find_layer(layer, self.layers(weights, inputs.shape[1:]), self._model)
        many = _pad(inputs, max(2, len(inputs)))  # a batch of one is told by nothing
        key = found.key, many.shape
        with named_errors(self._model, inputs.shape[1:]):
            if key not in self._attended:
                self._attended[key] = attention_of(self.compiled((found.key,)), weights, many.shape)
            names, attend = self._attended[key]
            answers = [np.asarray(answer, np.float32)[: len(inputs)] for answer in attend(weights, many)]
        return dict(zip(names, answers, strict=True))

    def _derivative(self, layer: Layer, inner: Layer | None, *, guided: bool) -> InParts:
        """The compiled function of (weights, inputs, cotangent of the layer's answer)."""
        import jax

        key = (layer.key, None if inner is None else inner.key, guided)
        if key not in self._derived:
            keys = (layer.key,) if inner is None else (layer.key, inner.key)
            names = (self._model, layer.info.name, None if inner is None else inner.info.name)
            forward = without_depthwise(self.compiled(keys))

            def derived(weights: Any, inputs: Any, cotangent: Any) -> Any:
                (values,), back = jax.vjp(lambda given: forward(weights, given), inputs)
                return back([cotangent.astype(values.dtype)])[0]

            is_plain = inner is None and not guided
            within = inner_derivative(forward, names, guided=guided)
            self._derived[key] = InParts(jax.jit(derived if is_plain else within))
        return self._derived[key]

    def compiled(self, keys: tuple[Key, ...]) -> Any:
        """The function that returns these answers alone: XLA drops what they do not need."""
        import jax

        def chosen(weights: Any, inputs: Any) -> list[Any]:
            arrays = {
                key: array for answer in self._forward(weights, inputs) for key, array in arrays_of(answer)
            }
            return [arrays[key] for key in keys]

        if keys not in self._compiled:
            self._compiled[keys] = jax.jit(chosen)
        return self._compiled[keys]

    def _trace(self, weights: Any, shape: tuple[int, ...]) -> _Traced:
        """Every array of every answer, as a shape without values, for inputs of this shape."""
        import jax

        found: list[tuple[Key, Answer]] = []

        def all_arrays(weights: Any, inputs: Any) -> list[Any]:
            arrays = [
                (key, answer, array)
                for answer in self._forward(weights, inputs)
                for key, array in arrays_of(answer)
            ]
            found.extend((key, answer) for key, answer, _ in arrays)
            return [array for *_, array in arrays]

        with named_errors(self._model, shape[1:]):
            program, shapes = trace(all_arrays, weights, jax.ShapeDtypeStruct(shape, np.float32))
        answers = {key: (answer, array) for (key, answer), array in zip(found, shapes, strict=True)}
        return _Traced(answers, program)

    def _batch_size(self, keys: tuple[Key, ...], shape: tuple[int, ...], batch: int) -> int:
        """A batch size that is compiled already and not much larger than this one, else this one."""
        sizes = self._batches.setdefault((keys, shape), set())
        size = min((size for size in sizes if batch <= size <= max(64, 4 * batch)), default=batch)
        sizes.add(size)
        return size


@contextmanager
def named_errors(model: str, shape: tuple[int, ...]) -> Iterator[None]:
    """Turn whatever a model raises on an input (*spatial, channels) into one line that names both.

    Raises:
        ModelError: whatever was raised, unless it is one of this package's own.
    """
    try:
        yield
    except ExplorerError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {first_line(error)}"
        raise ModelError(f"{model}: does not take an input of shape {shape}: {said}") from error


def provenance(
    framework: str,
    checkpoint: Path | None,
    facts: Mapping[str, Any],
    *,
    packages: Sequence[str] = ("flax", "jax"),
) -> dict[str, Any]:
    """What a run's manifest says of a model: versions of packages, the checkpoint, and `facts` of it."""
    from importlib.metadata import version

    return {
        "framework": framework,
        **{package: version(package) for package in packages},
        "checkpoint": None if checkpoint is None else str(checkpoint),
        **facts,
    }


def is_arrays(answer: Any) -> bool:
    """Whether a method has answered with arrays alone, and so can be kept by Flax."""
    import jax

    leaves = jax.tree.leaves(answer)
    return bool(leaves) and all(isinstance(leaf, jax.Array) for leaf in leaves)


def _is_layer(two: Any, three: Any) -> bool:
    """Whether an array, seen with batches of 2 and 3, is (batch, *spatial, channels) of real numbers."""
    import jax.numpy as jnp

    kinds = (jnp.floating, jnp.integer, jnp.bool_)
    real = any(jnp.issubdtype(two.dtype, kind) for kind in kinds)
    fits = 2 <= len(two.shape) <= 2 + MAX_SPATIAL_RANK and 0 not in two.shape
    return real and fits and (2, *two.shape[1:]) == two.shape and (3, *two.shape[1:]) == three.shape


def _pad(inputs: NDArray[Any], batch: int) -> NDArray[Any]:
    """Repeat the last input until the batch is full."""
    missing = batch - len(inputs)
    return np.concatenate([inputs, np.repeat(inputs[-1:], missing, axis=0)]) if missing else inputs
