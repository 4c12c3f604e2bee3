"""Capture from Flax NNX modules, in a copy that exists only while it is traced."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.capture.protocol import Factory, LayerInfo, ModelOptions
from explorer.errors import ModelError

from .checkpoints import read_checkpoint
from .inference import call_arguments
from .jit_capture import JitCapture, provenance
from .jit_layers import Answer
from .limits import first_line
from .nnx_recorder import Recorder, recording
from .random_weights import RandomWeights
from .weights import Flat, Leaf, WeightPath, digest, fit, flatten


class FlaxNNX(RandomWeights):
    """An NNX module with its own weights or those of a checkpoint; it is never modified.

    Attributes:
        provenance: versions, where the weights came from, and a digest of them.
    """

    requires: ClassVar[tuple[str, ...]] = ("flax", "jax")
    held: ClassVar[str] = "_state"

    def __init__(self, module: Any, options: ModelOptions) -> None:
        from flax import nnx

        self._name = type(module).__name__
        self._call = call_arguments(type(module).__call__, options.call)
        self._graph, state = nnx.split(module)
        variables = {_strings(path): value for path, value in nnx.to_flat_state(state)}
        weights, facts = _weights(variables, options)
        self._state = _with_weights(state, weights)
        self._parameters = _count_parameters(variables)
        self.provenance: Mapping[str, Any] = provenance(
            "flax-nnx", options.checkpoint, facts | {"digest": digest(weights)}
        )
        self._jit = JitCapture(self._name, self._answers)

    @classmethod
    def open(cls, source: object, options: ModelOptions) -> Self | None:
        """Open an NNX module, or a factory that wants random keys (`rngs`) to make one.

        Without `options.variables` and `options.checkpoint`, a module keeps its own weights.

        Raises:
            ModelError: a factory with neither variables nor checkpoint, or that makes no module.
            CheckpointError: the weights are missing, damaged, or not those of the module.
        """
        if isinstance(source, Factory):
            return cls(_make(source, options), options) if _wants_rngs(source) else None
        return cls(source, options) if _is_nnx(type(source)) else None

    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        """Every array that a module answers, for inputs (*spatial, channels).

        Raises:
            ModelError: the shape is not given, or the module does not take it.
        """
        return self._jit.infos(self._state, input_shape)

    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        """The values of these layers in inference mode, for inputs (batch, *spatial, channels).

        Raises:
            LayerError: the module has no such layer.
            ModelError: the module does not take such inputs.
        """
        return self._jit.run(self._state, inputs, layers)

    def gradient(
        self,
        inputs: NDArray[Any],
        layer: str,
        cotangent: NDArray[Any],
        *,
        at: str | None = None,
        guided: bool = False,
    ) -> NDArray[Any]:
        """How a layer's values, each times its `cotangent`, answer to changes of the inputs or of `at`.

        Raises:
            LayerError: the module has no such layer, or it is of whole numbers.
            InputError: the cotangent has not the layer's shape (batch, *spatial, channels).
        """
        return self._jit.gradient(self._state, inputs, layer=layer, cotangent=cotangent, at=at, guided=guided)

    def attention(self, inputs: NDArray[Any], layer: str) -> dict[str, NDArray[np.float32]]:
        """The self-attention that a layer depends on, (batch, heads, tokens that look, looked at) each.

        Raises:
            LayerError: the module has no such layer.
        """
        return self._jit.attention(self._state, inputs, layer)

    def renewed(self, source: object) -> Self | None:
        """The same module after training, in what is compiled already.

        None for one that is built otherwise than the module that was opened, and for weights alone.
        """
        from flax import nnx

        if not _is_nnx(type(source)):
            return None
        _, state = nnx.split(source)
        variables = {_strings(path): value for path, value in nnx.to_flat_state(state)}
        if _shapes(variables) != _shapes({_strings(path): v for path, v in nnx.to_flat_state(self._state)}):
            return None
        made = copy.copy(self)
        made._state = _with_weights(state, _weights(variables, ModelOptions())[0])
        made.provenance = {name: fact for name, fact in self.provenance.items() if name != "digest"}
        return made

    def _answers(self, state: Any, inputs: Any) -> list[Answer]:
        """Everything that the module's parts answer; traced, never computed as a whole."""
        from flax import nnx

        module = nnx.merge(self._graph, state)
        module.eval()
        recorder = Recorder()
        with recording(module, recorder):
            _, kept = nnx.capture(module, nnx.Intermediate)(inputs, **self._call)
        values = {_strings(path): variable for path, variable in nnx.to_flat_state(kept)}
        return recorder.answers(
            {path: variable.get_value() for path, variable in values.items()}, self._parameters
        )


def _is_nnx(kind: type) -> bool:
    """Whether a class is an NNX module's, told without importing Flax."""
    return any(base.__module__ == "flax.nnx.module" and base.__name__ == "Module" for base in kind.__mro__)


def _wants_rngs(factory: Factory) -> bool:
    """Whether calling the factory needs random keys of NNX, or makes an NNX module."""
    if isinstance(factory.make, type) and _is_nnx(factory.make):
        return True
    return _takes_rngs(factory) and "rngs" not in factory.arguments


def _takes_rngs(factory: Factory) -> bool:
    """Whether the factory has a parameter `rngs`; the metaclass hides that of an NNX class."""
    make: Any = factory.make
    try:
        return "rngs" in inspect.signature(make.__init__ if inspect.isclass(make) else make).parameters
    except (TypeError, ValueError):  # a callable that does not say what it takes
        return False


def _make(factory: Factory, options: ModelOptions) -> Any:
    """Call the factory with random keys where it takes them.

    Raises:
        ModelError: there are no weights for what it makes, or it makes no NNX module.
    """
    from flax import nnx

    if options.variables is None and options.checkpoint is None:
        raise ModelError(f"{factory.name}: has no weights; give variables= or checkpoint=")
    arguments = dict(factory.arguments)
    try:
        if _takes_rngs(factory):
            arguments.setdefault("rngs", nnx.Rngs(0))
        module = factory.make(**arguments)
    except Exception as error:
        raise ModelError(f"{factory.name}: {type(error).__name__}: {first_line(error)}") from error
    if not _is_nnx(type(module)):
        raise ModelError(f"{factory.name}: takes rngs, but makes a {type(module).__name__}, no nnx.Module")
    return module


def _strings(path: tuple[Any, ...]) -> WeightPath:
    """A path whose places in lists are strings too."""
    return tuple(str(part) for part in path)


def _weights(variables: Mapping[WeightPath, Any], options: ModelOptions) -> tuple[Flat, dict[str, Any]]:
    """The weights by path, fitted to the module, and which format and step they came from.

    Random keys and what was once sown are no weights. Arrays that are no `Variable` are the
    module's constants: a checkpoint may have them, and need not.
    """
    from flax import nnx

    kept = {path: value for path, value in variables.items() if not _is_passing(value)}
    own = {path: _array(value) for path, value in kept.items() if hasattr(value, "shape")}
    found, facts, where = _given(options)
    if found is None:
        return own, facts
    template = {
        path: Leaf(array.shape, array.dtype)
        for path, array in own.items()
        if path in found or isinstance(variables[path], nnx.Variable)
    }
    passing = set(variables) - set(kept)

    def ignored(path: WeightPath) -> bool:  # or what is boxed below it
        return any(path[:end] in passing for end in range(1, len(path) + 1))

    return own | fit(found, template, where=where, ignored=ignored), facts


def _is_passing(value: Any) -> bool:
    """Whether a value of the state is a random key, a count of them, or was once sown."""
    import jax
    from flax import nnx

    if isinstance(value, nnx.RngState | nnx.Intermediate | nnx.Perturbation):
        return True
    return hasattr(value, "dtype") and bool(jax.dtypes.issubdtype(value.dtype, jax.dtypes.extended))


def _given(options: ModelOptions) -> tuple[Flat | None, dict[str, Any], str]:
    """The weights as they were given, None for the module's own; their format; their name."""
    from flax import nnx

    if options.variables is not None:
        variables = options.variables
        tree = nnx.to_pure_dict(variables) if isinstance(variables, nnx.State) else variables
        return flatten(tree), {"format": None, "step": None}, "variables"
    if options.checkpoint is not None:
        tree, facts = read_checkpoint(Path(options.checkpoint), options.checkpoint_format, options.step)
        return flatten(tree), facts, str(options.checkpoint)
    return None, {"format": None, "step": None}, ""


def _array(value: Any) -> NDArray[Any]:
    """The array of a variable, or an array itself."""
    from flax import nnx

    return np.asarray(value.get_value() if isinstance(value, nnx.Variable) else value)


def _shapes(variables: Mapping[WeightPath, Any]) -> dict[WeightPath, Any]:
    """Shape and type of every array of a state."""
    return {path: (getattr(v, "shape", None), getattr(v, "dtype", None)) for path, v in variables.items()}


def _with_weights(state: Any, weights: Flat) -> Any:
    """The state with copies of these weights on the device, every variable a new one."""
    import jax.numpy as jnp
    from flax import nnx

    def placed(path: tuple[Any, ...], value: Any) -> Any:
        weight = weights.get(_strings(path))
        if weight is None:
            return value
        array = jnp.array(weight)
        return value.replace(array) if isinstance(value, nnx.Variable) else array

    return nnx.from_flat_state([(path, placed(path, value)) for path, value in nnx.to_flat_state(state)])


def _count_parameters(variables: Mapping[WeightPath, Any]) -> dict[WeightPath, int]:
    """Number of weights below each module's path."""
    from flax import nnx

    counts: dict[WeightPath, int] = {}
    for path, value in variables.items():
        if isinstance(value, nnx.Param):
            for end in range(len(path)):
                counts[path[:end]] = counts.get(path[:end], 0) + int(np.prod(value.shape, dtype=np.int64))
    return counts
