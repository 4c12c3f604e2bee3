"""Capture from plain JAX functions: what they return by name, else every operation they are made of."""

from __future__ import annotations

import copy
import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.capture.protocol import LayerInfo, ModelOptions
from explorer.errors import ModelError

from .inference import call_arguments
from .jaxpr_capture import Tracer
from .jaxpr_operations import operation_answers
from .jit_capture import JitCapture, provenance
from .jit_layers import Answer
from .random_weights import RandomWeights
from .tree_weights import fitted_tree, flatten_tree, read_weights
from .weights import Flat, digest

FUNCTIONS = (types.FunctionType, types.MethodType, functools.partial)


class JaxFunction(RandomWeights):
    """A function (params, inputs) or (inputs) of arrays; neither it nor the params are modified.

    The function may be jitted. Where it returns a dictionary, or its output and a dictionary, the
    entries are its layers. Where it does not, its operations are: see `operation_answers`.
    """

    requires: ClassVar[tuple[str, ...]] = ("jax",)
    held: ClassVar[str] = "_params"

    def __init__(self, function: Any, params: Any, options: ModelOptions) -> None:
        self._function = function = _unjitted(function)
        self._name = _name(function)
        self._call = _call_arguments(function, options.call)
        self._paths: list[tuple[str, ...]] = []
        self._has_params = params is not None or options.checkpoint is not None
        self._params, facts = _weights(params, options)
        self._check_arguments()
        self._sizes = [int(np.size(leaf)) for leaf in _leaves(self._params)]
        self._facts = provenance("jax", options.checkpoint, facts, packages=("jax",))
        self._closed_over: Flat | None = None
        self._tracer = Tracer(self._forward, layout=options.layout)
        self._jit = JitCapture(self._name, self._answers)

    @classmethod
    def open(cls, source: object, options: ModelOptions) -> Self | None:
        """Open a function, or a pair (function, params) as a factory returns it.

        `options.params`, else `options.variables`, are what the function is called with first; a
        checkpoint takes the place of params of the same structure.

        Raises:
            ModelError: the function needs params, and there are none.
            CheckpointError: the checkpoint is missing, damaged, or not of that structure.
        """
        params = options.variables if options.params is None else options.params
        if type(source) is tuple and len(source) == 2 and _is_function(source[0]):
            function, made = source
            return cls(function, made if params is None else params, options)
        return cls(source, params, options) if _is_function(source) else None

    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        """Every value that can be captured, for inputs (*spatial, channels).

        Raises:
            ModelError: the shape is not given, or the function does not take it.
        """
        return self._jit.infos(self._params, input_shape)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the layers found last leave out, and their layout where it was turned."""
        return self._tracer.notes

    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        """The values of these layers for inputs (batch, *spatial, channels).

        Raises:
            LayerError: the function has no such layer.
            ModelError: the function does not take such inputs.
        """
        return self._jit.run(self._params, inputs, layers)

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
            LayerError: the function has no such layer, or it is of whole numbers.
            InputError: the cotangent has not the layer's shape (batch, *spatial, channels).
        """
        return self._jit.gradient(
            self._params, inputs, layer=layer, cotangent=cotangent, at=at, guided=guided
        )

    def attention(self, inputs: NDArray[Any], layer: str) -> dict[str, NDArray[np.float32]]:
        """The self-attention that a layer depends on, (batch, heads, tokens that look, looked at) each.

        Raises:
            LayerError: the function has no such layer.
        """
        return self._jit.attention(self._params, inputs, layer)

    def renewed(self, source: object) -> Self | None:
        """The same function with these params, in what is compiled already; None for another function."""
        if _is_function(source) or (type(source) is tuple and _is_function(source[0])):
            return None
        made = copy.copy(self)
        made._params = fitted_tree(source, None, "params")
        return made

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Versions, where the weights came from, and a digest of them.

        Arrays that the function has brought itself are known, and in the digest, once it was traced.
        """
        weights = {("params", *path): leaf for path, leaf in flatten_tree(self._params, "params").items()}
        return {**self._facts, "digest": digest(weights | (self._closed_over or {}))}

    def _forward(self, params: Any, inputs: Any) -> Any:
        """The output, and what has a name beside it, in the order of the dictionary: JAX sorts those."""
        given = (params, inputs) if self._has_params else (inputs,)
        output, named = _split(self._function(*given, **self._call))
        entries = list(_walk(named or {}, ()))
        self._paths = [path for path, _ in entries]
        return output, [value for _, value in entries]

    def _check_arguments(self) -> None:
        """Refuse a function that needs params when there are none, before JAX says it obscurely."""
        needed = [
            parameter.name
            for parameter in _parameters(self._function)
            if parameter.default is inspect.Parameter.empty
            and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
            and parameter.name not in self._call
        ]
        if not self._has_params and len(needed) > 1:
            raise ModelError(
                f"{self._name}({', '.join(needed)}): has no weights; give params= or checkpoint=, "
                "or a function of the inputs alone"
            )

    def _answers(self, params: Any, inputs: Any) -> list[Answer]:
        """Everything the function answers; traced, never computed as a whole."""
        import jax

        trace = self._tracer.trace(params, inputs)
        if self._closed_over is None:
            self._closed_over = _arrays(trace.program.constants)
        output, *named = jax.tree.map(trace.arranged, (trace.results[0], *trace.results[1]))
        answers = [
            Answer(path, "", "named", 0, (value,)) for path, value in zip(self._paths, named, strict=True)
        ]
        if not named:
            answers = operation_answers(trace, self._sizes)
        if output is not None:
            answers.append(Answer((), "__call__", self._name, sum(self._sizes), (output,)))
        return answers


def _is_function(source: object) -> bool:
    """Whether a source is a function, a method, a partial, or what a transformation made of one."""
    if isinstance(source, FUNCTIONS):
        return True
    kind = type(source)
    return callable(source) and kind.__module__.split(".")[0] in ("jax", "jaxlib")


def _unjitted(function: Any) -> Any:
    """What a jitted function is made of: it may be told to infer, and is jitted again."""
    while all(hasattr(function, name) for name in ("lower", "trace", "__wrapped__")):
        function = function.__wrapped__
    return function


def _name(function: Any) -> str:
    """The function's name, that of what a partial is of, or its type's."""
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """What a function takes; nothing when it does not say."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []


def _call_arguments(function: Callable[..., Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments of inference mode, except those that a partial has set."""
    if not _parameters(function):
        return dict(chosen)
    set_before = getattr(function, "keywords", {})
    told = call_arguments(function, {})
    return {name: value for name, value in told.items() if name not in set_before} | dict(chosen)


def _leaves(tree: Any) -> list[Any]:
    import jax

    leaves: list[Any] = jax.tree.leaves(tree)
    return leaves


def _weights(params: Any, options: ModelOptions) -> tuple[Any, dict[str, Any]]:
    """The params, or a checkpoint's arrays in their place; and which format and step it is of."""
    if options.checkpoint is None:
        return fitted_tree(params, None, "params"), {"format": None, "step": None}
    flat, facts = read_weights(options)
    return fitted_tree(params, flat, str(options.checkpoint)), facts


def _split(results: Any) -> tuple[Any, Mapping[str, Any] | None]:
    """The output and the named values in what a function returns; None where there are none."""
    if isinstance(results, Mapping):
        return None, results
    if isinstance(results, tuple | list) and len(results) == 2 and isinstance(results[1], Mapping):
        return results[0], results[1]
    return results, None


def _walk(named: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in named.items():
        if isinstance(value, Mapping):
            yield from _walk(value, (*path, str(name)))
        else:
            yield (*path, str(name)), value


def _arrays(constants: Mapping[int, Any]) -> Flat:
    """The arrays among a program's constants, by their order."""
    arrays = [value for value in constants.values() if isinstance(value, np.ndarray | _array_type())]
    return {("closed over", str(place)): value for place, value in enumerate(arrays) if np.ndim(value)}


def _array_type() -> Any:
    """The type of JAX's arrays that hold values; tracers are none of them."""
    import jax

    return type(jax.numpy.zeros(()))
