"""Capture from Equinox modules, which act on one input with the channels in front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.capture.protocol import Factory, LayerInfo, ModelOptions
from explorer.errors import ModelError

from .equinox_files import read_leaves
from .equinox_recorder import is_module, recording, takes
from .inference import call_arguments
from .jaxpr_capture import FIRST, LAST, Tracer
from .jit_capture import JitCapture, provenance
from .jit_layers import Answer
from .limits import first_line
from .random_weights import RandomWeights
from .tree_weights import count_below, fitted_tree, flatten_tree, read_weights, tree_digest
from .weights import Flat

STATE = "state"


class EquinoxModule(RandomWeights):
    """A module, with its state where it has one; neither of them is ever modified.

    The module is put into inference mode and mapped over the batch.

    Attributes:
        provenance: versions, where the weights came from, and a digest of them.
    """

    requires: ClassVar[tuple[str, ...]] = ("equinox", "jax")
    outermost: ClassVar[int] = 1

    def __init__(self, module: Any, state: Any, options: ModelOptions) -> None:
        import equinox as eqx

        self._name = type(module).__name__
        self._call = _call_arguments(module, options)
        self._is_stateful = state is not None and ("state" in takes(module.__call__) or _has_values(state))
        (module, state), facts = _with_checkpoint(module, state, options)
        weights, self._rest = eqx.partition((eqx.nn.inference_mode(module), state), _is_array)
        self._weights = fitted_tree(weights, None, self._name)
        self._parameters = count_below(flatten_tree(eqx.filter(module, eqx.is_inexact_array), self._name))
        self.provenance: Mapping[str, Any] = provenance(
            "equinox",
            options.checkpoint,
            facts | {"digest": tree_digest(self._weights)},
            packages=("equinox", "jax"),
        )
        self._tracer = Tracer(self._forward, layout=options.layout, order=(FIRST, LAST))
        self._jit = JitCapture(self._name, self._answers)

    @classmethod
    def open(cls, source: object, options: ModelOptions) -> Self | None:
        """Open a module, a pair (module, state), or the class of one, named by a factory.

        Without `options.checkpoint`, a module keeps its own weights.

        Raises:
            ModelError: a class without a checkpoint, or that can't be called with these arguments.
            CheckpointError: the weights are missing, damaged, or not those of the module.
        """
        if isinstance(source, Factory):
            if not (isinstance(source.make, type) and is_module(source.make)):
                return None
            return cls(*_make(source, options), options)
        if type(source) is tuple and len(source) == 2 and is_module(type(source[0])):
            return cls(source[0], source[1], options)
        return cls(source, None, options) if is_module(type(source)) else None

    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        """Every array that a module answers, for inputs (*spatial, channels).

        Raises:
            ModelError: the shape is not given, or the module does not take it.
        """
        return self._jit.infos(self._weights, input_shape)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the layers found last leave out, and their layout where it was turned."""
        return self._tracer.notes

    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        """The values of these layers in inference mode, for inputs (batch, *spatial, channels).

        Raises:
            LayerError: the module has no such layer.
            ModelError: the module does not take such inputs.
        """
        return self._jit.run(self._weights, inputs, layers)

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
            self._weights, inputs, layer=layer, cotangent=cotangent, at=at, guided=guided
        )

    def attention(self, inputs: NDArray[Any], layer: str) -> dict[str, NDArray[np.float32]]:
        """The self-attention that a layer depends on, (batch, heads, tokens that look, looked at) each.

        Raises:
            LayerError: the module has no such layer.
        """
        return self._jit.attention(self._weights, inputs, layer)

    def _forward(self, weights: Any, inputs: Any) -> Any:
        """The module over the batch, all its parts marking what they answer."""
        import equinox as eqx
        import jax

        module, state = eqx.combine(weights, self._rest)
        marking = recording(module)
        given = (state,) if self._is_stateful else ()
        return jax.vmap(lambda one: _arrays(marking(one, *given, **self._call)))(inputs)

    def _answers(self, weights: Any, inputs: Any) -> list[Answer]:
        """Everything that the module's parts answer; traced, never computed as a whole."""
        return self._tracer.trace(weights, inputs).tagged(lambda path: self._parameters.get(path, 0))


def _call_arguments(module: Any, options: ModelOptions) -> dict[str, Any]:
    """Keyword arguments of the call: inference, and a random key that nothing will use, if it wants one."""
    import jax

    forward = type(module).__call__
    key = {"key": jax.random.PRNGKey(0)} if "key" in takes(forward) else {}
    return key | call_arguments(forward, options.call)


def _has_values(state: Any) -> bool:
    import jax

    return bool(jax.tree.leaves(state))


def _is_array(leaf: Any) -> bool:
    """Whether a leaf is data; numbers and functions are part of the code."""
    import jax

    return isinstance(leaf, jax.Array | np.ndarray)


def _arrays(answer: Any) -> Any:
    """The arrays of an answer: vmap returns nothing else."""
    import jax

    return [leaf for leaf in jax.tree.leaves(answer) if isinstance(leaf, jax.Array)]


def _make(factory: Factory, options: ModelOptions) -> tuple[Any, Any]:
    """Make the module and its state, with a random key where the class wants one.

    Raises:
        ModelError: there are no weights for it, or it can't be made.
    """
    import equinox as eqx
    import jax

    if options.checkpoint is None:
        raise ModelError(
            f"{factory.name}: has no weights; give checkpoint=, or a function that returns the module"
        )
    arguments = dict(factory.arguments)
    if "key" in takes(factory.make):
        arguments.setdefault("key", jax.random.PRNGKey(0))
    try:
        module, state = eqx.nn.make_with_state(factory.make)(**arguments)
    except Exception as error:
        raise ModelError(f"{factory.name}: {type(error).__name__}: {first_line(error)}") from error
    return module, state


def _with_checkpoint(
    module: Any, state: Any, options: ModelOptions
) -> tuple[tuple[Any, Any], dict[str, Any]]:
    """The module and its state with the checkpoint's weights, and which format and step those are of."""
    if options.checkpoint is None:
        return (module, state), {"format": None, "step": None}
    path = Path(options.checkpoint)
    if options.checkpoint_format == "eqx" or (options.checkpoint_format is None and path.suffix == ".eqx"):
        return _from_eqx(path, module, state), {"format": "eqx", "step": None}
    flat, facts = read_weights(options)
    return _from_paths(flat, str(path), (module, state)), facts


def _from_eqx(path: Path, module: Any, state: Any) -> tuple[Any, Any]:
    """Put the leaves of an .eqx file, of the module alone or with its state, in the place of theirs."""
    import equinox as eqx
    import jax

    trees: list[Any] = [(module, state), module] if state is not None else [module]
    saved = [[leaf for leaf in jax.tree.leaves(tree) if eqx.is_array_like(leaf)] for tree in trees]
    which, arrays = read_leaves(path, saved)
    values = iter(arrays)

    def placed(leaf: Any) -> Any:
        if not eqx.is_array_like(leaf):
            return leaf
        value = next(values)
        if not _is_array(leaf):
            return type(leaf)(value.item())
        return jax.numpy.asarray(value, leaf.dtype)

    made = jax.tree.map(placed, trees[which])
    return made if isinstance(made, tuple) and len(trees) > 1 and which == 0 else (made, state)


def _from_paths(flat: Flat, where: str, parts: tuple[Any, Any]) -> tuple[Any, Any]:
    """Put arrays in the place of those of the same path; the state's lie under "state".

    A pair that was saved whole has them under "0" and "1". A file of the module alone leaves the
    state as it is.
    """
    import equinox as eqx

    (module, state), rest = eqx.partition(parts, _is_array)
    tops = {path[0] for path in flat if path}
    if tops == {"0", "1"}:
        names: dict[str, tuple[str, ...]] = {"0": (), "1": (STATE,)}
        flat = {(*names[path[0]], *path[1:]): leaf for path, leaf in flat.items()}
    of_state = {path[1:]: leaf for path, leaf in flat.items() if state is not None and path[0] == STATE}
    own = {path: leaf for path, leaf in flat.items() if not of_state or path[0] != STATE}
    module = fitted_tree(module, own, where)
    if of_state:
        state = fitted_tree(state, of_state, where)
    made: tuple[Any, Any] = eqx.combine((module, state), rest)
    return made
