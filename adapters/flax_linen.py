"""Capture from Flax Linen modules, through Flax's own `capture_intermediates`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.capture.protocol import LayerInfo, ModelOptions
from explorer.errors import ModelError

from .checkpoints import read_checkpoint
from .inference import call_arguments, layer_argument, with_argument
from .jit_capture import JitCapture, is_arrays, named_errors, provenance
from .jit_layers import Answer
from .random_weights import RandomWeights
from .weights import Flat, Leaf, WeightPath, collections, digest, fit, flatten, nest

INTERMEDIATES = "intermediates"


class FlaxLinen(RandomWeights):
    """A Linen module with its variables; neither of them is ever modified.

    Attributes:
        provenance: versions, where the weights came from, and a digest of them as they were given.
    """

    requires: ClassVar[tuple[str, ...]] = ("flax", "jax")
    held: ClassVar[str] = "_variables"

    def __init__(self, module: Any, options: ModelOptions) -> None:
        self._module = module
        self._name = type(module).__name__
        self._options = options
        self._call = call_arguments(type(module).__call__, options.call)
        self._flat, facts = self._read()
        self.provenance: Mapping[str, Any] = provenance(
            "flax-linen", options.checkpoint, facts | {"digest": digest(collections(self._flat))}
        )
        self._variables: dict[str, Any] | None = None
        self._parameters: dict[WeightPath, int] = {}
        self._templates: dict[tuple[int, ...], dict[WeightPath, Leaf]] = {}
        self._jit = JitCapture(self._name, self._answers)

    @classmethod
    def open(cls, source: object, options: ModelOptions) -> Self | None:
        """Open a Linen module with `options.variables` or `options.checkpoint`, or a bound one.

        The weights are read now. They are held against the module as soon as the shape of an input
        is known, because a Linen module does not know its own shapes before.

        Raises:
            ModelError: neither is given.
            CheckpointError: the checkpoint is missing or damaged.
        """
        if _is_linen(type(source)):
            return cls(source, options)
        return None

    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        """Every array that a module answers, for inputs (*spatial, channels).

        Raises:
            ModelError: the shape is not given, or the module does not take it.
            CheckpointError: the weights are not those of the module.
        """
        variables = None if input_shape is None else self._fitted(tuple(input_shape))
        return self._jit.infos(variables, input_shape)

    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        """The values of these layers in inference mode, for inputs (batch, *spatial, channels).

        Raises:
            LayerError: the module has no such layer.
            ModelError: the module does not take such inputs.
            CheckpointError: the weights are not those of the module.
        """
        return self._jit.run(self._fitted(np.shape(inputs)[1:]), inputs, layers)

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
        return self._jit.gradient(
            self._fitted(np.shape(inputs)[1:]), inputs, layer=layer, cotangent=cotangent, at=at, guided=guided
        )

    def attention(self, inputs: NDArray[Any], layer: str) -> dict[str, NDArray[np.float32]]:
        """The self-attention that a layer depends on, (batch, heads, tokens that look, looked at) each.

        Raises:
            LayerError: the module has no such layer.
        """
        return self._jit.attention(self._fitted(np.shape(inputs)[1:]), inputs, layer)

    def renewed(self, source: object) -> Self | None:
        """The same module with these variables, in what is compiled already; None for another module."""
        if _is_linen(type(source)):
            return None
        made = copy.copy(self)
        made._options = replace(self._options, variables=source, checkpoint=None)
        made._flat, made._variables = made._read()[0], None
        made.provenance = {name: fact for name, fact in self.provenance.items() if name != "digest"}
        return made

    def _read(self) -> tuple[Flat, dict[str, Any]]:
        """The weights by path as they were given, and which format and step they came from."""
        from flax import serialization
        from flax.core import meta

        options = self._options
        if options.variables is None and options.checkpoint is None and self._module.scope is not None:
            self._module, variables = self._module.unbind()
            options = self._options = replace(options, variables=variables)
        if options.variables is not None:
            tree = serialization.to_state_dict(meta.unbox(options.variables))
            return flatten(tree), {"format": None, "step": None}
        if options.checkpoint is not None:
            tree, facts = read_checkpoint(options.checkpoint, options.checkpoint_format, options.step)
            return flatten(tree), facts
        raise ModelError(f"{self._name}: has no weights; give variables= or checkpoint=")

    def _fitted(self, input_shape: tuple[int, ...]) -> dict[str, Any]:
        """The variables on the device, held against the module the first time."""
        import jax

        if self._variables is None:
            template = self._template(input_shape)
            in_memory = self._options.variables is not None
            where = "variables" if in_memory else str(self._options.checkpoint)
            where += f", for an input of shape {input_shape}"  # which decides on the model's shapes
            fitted = fit(self._flat, template, where=where, extras_allowed=in_memory)
            self._parameters = _count_parameters(template)
            self._variables = jax.tree.map(jax.numpy.array, nest(fitted))  # copies, also on the CPU
            self._flat = {}
        return self._variables

    def _template(self, input_shape: tuple[int, ...]) -> dict[WeightPath, Leaf]:
        """What `init` would make for such inputs, as shapes only."""
        import jax
        from flax.core import meta

        if input_shape in self._templates:
            return self._templates[input_shape]

        def init(key: Any, inputs: Any) -> Any:
            with _inference_mode():
                return meta.unbox(self._module.init(key, inputs, **self._call))

        with named_errors(self._name, input_shape):
            inputs = jax.ShapeDtypeStruct((1, *input_shape), np.float32)
            made = jax.eval_shape(init, jax.random.key(0), inputs)
        # sown values and perturbations are no weights, though `init` returns them
        leaves = flatten({name: made[name] for name in made if name != "perturbations"})
        found = {
            path: Leaf(tuple(leaf.shape), np.dtype(leaf.dtype))
            for path, leaf in leaves.items()
            if hasattr(leaf, "dtype")
        }
        self._templates[input_shape] = found
        return found

    def _answers(self, variables: Any, inputs: Any) -> list[Answer]:
        """Everything that the module's parts answer; traced, never computed as a whole."""
        recorder = _Recorder()
        with _inference_mode(), _intercepting(recorder.intercept):
            _, state = self._module.apply(
                variables,
                inputs,
                mutable=[INTERMEDIATES],
                capture_intermediates=recorder.is_wanted,
                **self._call,
            )
        return recorder.answers(state.get(INTERMEDIATES, {}), self._parameters)


class _Recorder:
    """Notes which methods answered, in their order, and which of their answers are to be kept."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[WeightPath, str], str] = {}
        self._running: list[tuple[WeightPath, str]] = []
        self._is_array = False

    def intercept(self, call: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
        """Run a method, and note whether it answered with arrays."""
        self._running.append((context.module.path, context.method_name))
        try:
            answer = call(*args, **kwargs)
        finally:
            self._running.pop()
        self._is_array = is_arrays(answer)
        return answer

    def is_wanted(self, module: Any, method: str) -> bool:
        """Whether Flax is to keep what this method has just answered.

        Not what is no array, not private helpers, and not what `super().__call__` answers inside
        the same method of the same module: that is no second call.
        """
        key = (module.path, method)
        public = method == "__call__" or (method.isidentifier() and not method.startswith("_"))
        if not public or not self._is_array or key in self._running:
            return False
        self._kinds.setdefault(key, type(module).__name__)
        return True

    def answers(self, kept: Mapping[str, Any], parameters: Mapping[WeightPath, int]) -> list[Answer]:
        """What Flax kept, in the order of the calls; sown values just before their module's own."""
        values = dict(_walk(kept))
        sown = [key for key in values if key not in self._kinds]
        answers = []
        for path, method in self._kinds:
            if method == "__call__":
                mine = [key for key in sown if key[0] == path]
                answers += [self._sown(key, values[key]) for key in mine]
                sown = [key for key in sown if key[0] != path]
            if (path, method) in values:
                count = parameters.get(path, 0)
                calls = _calls(values[path, method])
                answers.append(Answer(path, method, self._kinds[path, method], count, calls))
        return answers + [self._sown(key, values[key]) for key in sown]

    @staticmethod
    def _sown(key: tuple[WeightPath, str], value: Any) -> Answer:
        return Answer((*key[0], key[1]), "", "sown", 0, _calls(value))


def _calls(value: Any) -> tuple[Any, ...]:
    """One value a call: a sow with a reducer of its own keeps a single one."""
    return value if isinstance(value, tuple) else (value,)


def _walk(kept: Mapping[str, Any], path: WeightPath = ()) -> Iterator[tuple[tuple[WeightPath, str], Any]]:
    """Each kept value with the path of its module and its name there."""
    for name, value in kept.items():
        if isinstance(value, Mapping):
            yield from _walk(value, (*path, name))
        else:
            yield (path, name), value


def _is_linen(kind: type) -> bool:
    """Whether a class is a Linen module's, told without importing Flax."""
    return any(base.__module__ == "flax.linen.module" and base.__name__ == "Module" for base in kind.__mro__)


@contextmanager
def _intercepting(interceptor: Callable[..., Any]) -> Iterator[None]:
    """Run every method call of every module through `interceptor`."""
    import flax.linen as nn

    with nn.intercept_methods(interceptor):
        yield


@contextmanager
def _inference_mode() -> Iterator[None]:
    """Put Flax's own layers into inference mode, whatever the module tells them."""
    with _intercepting(_infer):
        yield


def _infer(call: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
    """Call a method; one of Flax's own layers is told to infer.

    Those layers refuse an argument that their attribute sets too, so the attribute is taken away
    during the call. The module is Flax's bound copy, not the user's.
    """
    forced = layer_argument(context.module, "flax.linen.")
    if forced is None or context.method_name != "__call__":
        return call(*args, **kwargs)
    name = forced[0]
    args, kwargs = with_argument(context.orig_method, (args, kwargs), forced)
    set_before = getattr(context.module, name, None)
    if set_before is None:
        return call(*args, **kwargs)
    object.__setattr__(context.module, name, None)
    try:
        return call(*args, **kwargs)
    finally:
        object.__setattr__(context.module, name, set_before)


def _count_parameters(template: Mapping[WeightPath, Leaf]) -> dict[WeightPath, int]:
    """Number of weights below each module's path."""
    counts: dict[WeightPath, int] = {}
    for path, leaf in template.items():
        if path[0] == "params":
            for end in range(1, len(path)):
                inside = path[1:end]
                counts[inside] = counts.get(inside, 0) + int(np.prod(leaf.shape, dtype=np.int64))
    return counts
