"""Capture from functions that Haiku has transformed, through `haiku.intercept_methods`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.capture.protocol import LayerInfo, ModelOptions
from explorer.errors import ExplorerError, ModelError

from .inference import call_arguments, with_argument
from .jaxpr_capture import Tracer
from .jaxpr_tags import Tag, mark
from .jit_capture import JitCapture, named_errors, provenance
from .jit_layers import Answer
from .random_weights import RandomWeights
from .tree_weights import count_below, flatten_tree, read_weights
from .weights import Flat, Leaf, WeightPath, digest, fit, nest

PARAMS, STATE = "params", "state"
LAYER_ARGUMENTS = {"BatchNorm": ("is_training", True), "SpectralNorm": ("update_stats", True)}
"""Haiku's own layers that behave differently in training, and what tells them that it is."""

Place = tuple[str, str, str]
"""Collection, module's name, and the name of one of its arrays."""


class HaikuFunction(RandomWeights):
    """What `hk.transform` or `hk.transform_with_state` made, with its params and state.

    Modules have the names that Haiku gives them, such as "res_net/~/initial_conv". Nothing of the
    user's is modified.

    Attributes:
        provenance: versions, where the weights came from, and a digest of them as they were given.
    """

    requires: ClassVar[tuple[str, ...]] = ("haiku", "jax")

    def __init__(self, transformed: Any, weights: Any, options: ModelOptions) -> None:
        self._transformed = transformed
        self._options = options
        takes = inspect.signature(transformed.apply).parameters
        self._has_state, self._has_rng = STATE in takes, "rng" in takes
        original = getattr(transformed.apply, "_original_fn", None)
        self._name = str(getattr(original, "__name__", "haiku function"))
        self._call = call_arguments(transformed.apply, options.call)
        self._flat, facts = self._read(weights)
        self.provenance: Mapping[str, Any] = provenance(
            "haiku", options.checkpoint, facts | {"digest": digest(self._flat)}, packages=("dm-haiku", "jax")
        )
        self._weights: dict[str, Any] | None = None
        self._parameters: dict[WeightPath, int] = {}
        self._tracer = Tracer(self._forward, layout=options.layout)
        self._jit = JitCapture(self._name, self._answers)

    @classmethod
    def open(cls, source: object, options: ModelOptions) -> Self | None:
        """Open a transformed function, or a tuple of it and its params, or of it, params and state.

        The weights may also be `options.params`, or `options.variables`: {"params": …, "state": …}
        or a pair. They are held against the function as soon as the shape of an input is known.

        Raises:
            ModelError: there are no weights.
            CheckpointError: the checkpoint is missing or damaged.
        """
        if _is_transformed(source):
            return cls(source, None, options)
        if type(source) is tuple and 2 <= len(source) <= 3 and _is_transformed(source[0]):
            return cls(source[0], source[1:], options)
        return None

    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        """Every array that a module answers, for inputs (*spatial, channels).

        Raises:
            ModelError: the shape is not given, or the function does not take it.
            CheckpointError: the weights are not those of the function.
        """
        weights = None if input_shape is None else self._fitted(tuple(input_shape))
        return self._jit.infos(weights, input_shape)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the layers found last leave out, and their layout where it was turned."""
        return self._tracer.notes

    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        """The values of these layers in inference mode, for inputs (batch, *spatial, channels).

        Raises:
            LayerError: the function has no such layer.
            ModelError: the function does not take such inputs.
            CheckpointError: the weights are not those of the function.
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
            LayerError: the function has no such layer, or it is of whole numbers.
            InputError: the cotangent has not the layer's shape (batch, *spatial, channels).
        """
        return self._jit.gradient(
            self._fitted(np.shape(inputs)[1:]), inputs, layer=layer, cotangent=cotangent, at=at, guided=guided
        )

    def attention(self, inputs: NDArray[Any], layer: str) -> dict[str, NDArray[np.float32]]:
        """The self-attention that a layer depends on, (batch, heads, tokens that look, looked at) each.

        Raises:
            LayerError: the function has no such layer.
        """
        return self._jit.attention(self._fitted(np.shape(inputs)[1:]), inputs, layer)

    def _read(self, made: Any) -> tuple[Flat, dict[str, Any]]:
        """The weights by path as they were given, and which format and step they came from."""
        options = self._options
        if options.checkpoint is not None:
            flat, facts = read_weights(options)
            return _split_names(flat), facts
        given = made if options.variables is None else options.variables
        if given is None:
            raise ModelError(f"{self._name}: has no weights; give params=, variables= or checkpoint=")
        if isinstance(given, tuple | list):
            given = dict(zip((PARAMS, STATE), given, strict=False))
        tree = given if PARAMS in given else {PARAMS: given}
        return _split_names(flatten_tree(tree, "variables")), {"format": None, "step": None}

    def _fitted(self, input_shape: tuple[int, ...]) -> dict[str, Any]:
        """The params and the state on the device, held against the function the first time."""
        import jax

        if self._weights is None:
            # a function that wants the channels in front is made for other shapes when it gets them last
            turned = (input_shape[-1], *input_shape[:-1])
            first_error: ExplorerError | None = None
            for shape in dict.fromkeys((input_shape, turned)):
                try:
                    places = self._places(shape, input_shape)
                    fitted = self._fit(places, input_shape)
                    break
                except ExplorerError as error:
                    first_error = first_error or error
            else:
                assert first_error is not None
                raise first_error
            nested = nest({places[path][0]: leaf for path, leaf in fitted.items()})
            self._weights = {PARAMS: {}, STATE: {}} | jax.tree.map(jax.numpy.array, nested)
            params = {path[1:]: leaf for path, leaf in fitted.items() if path[0] == PARAMS}
            self._parameters = count_below(params)
            self._flat = {}
        return self._weights

    def _fit(
        self, places: Mapping[WeightPath, tuple[Place, Any]], input_shape: tuple[int, ...]
    ) -> dict[WeightPath, NDArray[Any]]:
        """The weights, held against what `init` makes."""
        template = {path: Leaf(tuple(leaf.shape), np.dtype(leaf.dtype)) for path, (_, leaf) in places.items()}
        in_memory = self._options.checkpoint is None
        where = "variables" if in_memory else str(self._options.checkpoint)
        where += f", for an input of shape {input_shape}"
        return fit(self._flat, template, where=where, extras_allowed=in_memory)

    def _places(
        self, made_for: tuple[int, ...], input_shape: tuple[int, ...]
    ) -> dict[WeightPath, tuple[Place, Any]]:
        """By path: where `init` would put an array for inputs of a shape, and how it is shaped."""
        import haiku as hk
        import jax

        def init(key: Any, inputs: Any) -> Any:
            with hk.intercept_methods(_training):  # statistics are made by training alone
                return self._transformed.init(key, inputs, **self._call)

        with named_errors(self._name, input_shape):
            inputs = jax.ShapeDtypeStruct((2, *made_for), np.float32)
            made = jax.eval_shape(init, jax.random.key(0), inputs)
        tree = dict(zip((PARAMS, STATE), made if self._has_state else (made,), strict=False))
        leaves = {
            (collection, module, name): leaf
            for collection, modules in tree.items()
            for module, arrays in modules.items()
            for name, leaf in arrays.items()
        }
        return {next(iter(_split_names({place: leaf}))): (place, leaf) for place, leaf in leaves.items()}

    def _forward(self, weights: Any, inputs: Any) -> Any:
        """The function, its modules told to infer and marking what they answer."""
        import haiku as hk
        import jax

        given = [weights[PARAMS]]
        if self._has_state:
            given.append(weights[STATE])
        if self._has_rng:
            given.append(None)  # what still wants random numbers is not in inference mode
        with hk.intercept_methods(_infer), hk.intercept_methods(_mark):
            answer = self._transformed.apply(*given, inputs, **self._call)
        output = answer[0] if self._has_state else answer
        mark(output, Tag((), "__call__", self._name))
        return [leaf for leaf in jax.tree.leaves(output) if isinstance(leaf, jax.Array)]

    def _answers(self, weights: Any, inputs: Any) -> list[Answer]:
        """Everything that the modules answer; traced, never computed as a whole."""
        return self._tracer.trace(weights, inputs).tagged(lambda path: self._parameters.get(path, 0))


def _is_transformed(source: object) -> bool:
    """Whether a source is what Haiku makes of a function, told without importing Haiku."""
    kind = type(source)
    named = kind.__name__ in ("Transformed", "TransformedWithState")
    return named and kind.__module__.split(".")[0] == "haiku"


def _split_names(flat: Flat) -> Flat:
    """Haiku's module names have slashes in them; other formats split names there, so all do here."""
    split = {tuple(part for name in path for part in name.split("/")): leaf for path, leaf in flat.items()}
    if {path[0] for path in split if path} == {"0", "1"}:  # a pair (params, state) that was saved whole
        split = {((PARAMS, STATE)[int(path[0])], *path[1:]): leaf for path, leaf in split.items()}
    return split


def _mark(call: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
    """Call a method and mark its answer, unless it is private or overridden and called by `super()`."""
    answer = call(*args, **kwargs)
    name, kind = context.method_name, type(context.module)
    path = str(getattr(context.module, "module_name", ""))
    is_public = name == "__call__" or not name.startswith("_")
    is_own = next((base for base in kind.__mro__ if name in vars(base)), None) is context.orig_class
    if not (path and is_public and is_own):
        return answer
    return mark(answer, Tag(tuple(path.split("/")), name, kind.__name__))


def _training(call: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
    """Call a method; one of Haiku's own layers is told to train."""
    return _told(call, (args, kwargs), context, trains=True)


def _infer(call: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
    """Call a method; one of Haiku's own layers is told to infer, whatever the caller says."""
    return _told(call, (args, kwargs), context, trains=False)


def _told(call: Callable[..., Any], given: tuple[Any, Any], context: Any, *, trains: bool) -> Any:
    for kind in type(context.module).__mro__:
        is_haikus = kind.__module__.startswith("haiku.") and kind.__name__ in LAYER_ARGUMENTS
        if is_haikus and context.method_name == "__call__":
            name, training = LAYER_ARGUMENTS[kind.__name__]
            value = training if trains else not training
            args, kwargs = with_argument(context.orig_method, given, (name, value))
            return call(*args, **kwargs)
    return call(*given[0], **given[1])
