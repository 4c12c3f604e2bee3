"""A PyTorch module with other weights: found in whatever a script saved, and placed in a copy."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.protocol import ModelOptions
from explorer.errors import ModelError

from .checkpoints import read_checkpoint
from .limits import first_line
from .torch_records import item_type
from .weights import Flat, Leaf, WeightPath, fit, flatten

COUNT = "num_batches_tracked"
DEEPEST = 4
"""Names that may stand in front of a weight's own: {"state_dict": {"module.model.…": …}} has three."""


def with_weights(module: Any, options: ModelOptions) -> tuple[Any, dict[str, Any]]:
    """The module with the weights that the options give, and where they were found.

    A module that is given weights is copied, the weights it had are not; without any it is
    returned as it is. One that cannot be copied, because it keeps computed tensors, is loaded into.

    Returns:
        The module, and {"format", "step", "found_under"}.

    Raises:
        CheckpointError: the weights are missing, damaged, or not those of the module.
    """
    state = state_of(module)
    found, facts, where = _given(options)
    if found is None:
        return module, facts
    template = {path: Leaf(tuple(tensor.shape), numpy_type(tensor.dtype)) for path, tensor in state.items()}
    prefix = _prefix(found, template)
    if prefix:
        where = f"{where}, under {'.'.join(prefix)}"
    flat = {path[len(prefix) :]: leaf for path, leaf in found.items() if path[: len(prefix)] == prefix}
    # versions before 0.4.1 did not keep it, and nothing reads it in inference
    counts = {path: to_numpy(leaf) for path, leaf in state.items() if path[-1] == COUNT}
    fitted = fit(
        counts | _tied(flat, state),
        template,
        where=where,
        ignored=lambda path: path[-1] == COUNT and path not in template,
    )
    return _placed(module, state, fitted), {**facts, "found_under": ".".join(prefix)}


def state_of(module: Any) -> dict[WeightPath, Any]:
    """The tensors of a module's state dict by path, tied ones once for each name.

    Raises:
        ModelError: it has no shapes yet, or keeps something in it that numpy has no type for.
    """
    try:
        state = module.state_dict(keep_vars=True)
    except Exception as error:
        raise ModelError(f"{type(module).__name__}: has no state dict: {first_line(error)}") from error
    for name, leaf in state.items():
        if hasattr(leaf, "materialize"):  # of a lazy module
            raise ModelError(f"{type(module).__name__}: {name} has no shape yet; run the module once before")
        if not hasattr(leaf, "detach") and not name.endswith("_extra_state"):
            raise ModelError(
                f"{type(module).__name__}: {name} is kept as {type(leaf).__name__}, expected a tensor; "
                "quantised modules cannot be told apart by their weights"
            )
    return {tuple(name.split(".")): leaf for name, leaf in state.items() if hasattr(leaf, "detach")}


def arrays(state: Mapping[WeightPath, Any]) -> dict[WeightPath, NDArray[Any]]:
    """The tensors of a state as arrays, sharing memory where they lie on the CPU."""
    return {path: to_numpy(tensor) for path, tensor in state.items()}


def numpy_type(dtype: Any) -> np.dtype[Any]:
    """Numpy's type for one of PyTorch's, with those of `ml_dtypes`.

    Raises:
        ModelError: there is none, as for quantised numbers.
    """
    try:
        return item_type(str(dtype).removeprefix("torch."))
    except TypeError:
        raise ModelError(
            f"weights of type {dtype} have no counterpart in numpy; expected plain numbers"
        ) from None


def to_numpy(tensor: Any) -> NDArray[Any]:
    """A tensor as an array of the same type, sharing memory where it lies on the CPU."""
    import torch

    dtype = numpy_type(tensor.dtype)
    tensor = tensor.detach().cpu()
    if dtype.kind == "V":  # numpy knows it by ml_dtypes alone
        bits = {1: torch.uint8, 2: torch.int16}[dtype.itemsize]
        return np.asarray(tensor.contiguous().view(bits).numpy().view(dtype))
    return np.asarray(tensor.resolve_conj().resolve_neg().numpy())


def to_torch(array: NDArray[Any]) -> Any:
    """An array as a tensor of the same type in memory of its own."""
    import torch

    if array.dtype.kind == "V":
        bits = {1: np.uint8, 2: np.int16}[array.dtype.itemsize]
        return torch.from_numpy(array.copy().view(bits)).view(getattr(torch, array.dtype.name))
    return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="), order="C"))


def _given(options: ModelOptions) -> tuple[Flat | None, dict[str, Any], str]:
    """The weights as they were given, None for the module's own; their format; their name."""
    if options.variables is not None:
        found = {
            path: leaf if isinstance(leaf, np.ndarray) else to_numpy(leaf)
            for path, leaf in _split(flatten(options.variables)).items()
            if isinstance(leaf, np.ndarray) or hasattr(leaf, "detach")
        }
        return found, {"format": None, "step": None}, "variables"
    if options.checkpoint is not None:
        tree, facts = read_checkpoint(options.checkpoint, options.checkpoint_format, options.step)
        return _split(flatten(tree)), facts, str(options.checkpoint)
    return None, {"format": None, "step": None}, ""


def _split(flat: Flat) -> Flat:
    """Paths whose parts are split at their dots, as a state dict's names are."""
    return {tuple(name for part in path for name in part.split(".")): leaf for path, leaf in flat.items()}


def _prefix(found: Flat, template: Mapping[WeightPath, Leaf]) -> WeightPath:
    """The names that stand in front of the module's own: those under which most of its weights lie.

    Of several that serve as well, one without "ema" in it, the shortest, the first.
    """
    counts: Counter[WeightPath] = Counter()
    for path, leaf in found.items():
        for depth in range(min(DEEPEST, len(path) - 1) + 1):
            expected = template.get(path[depth:])
            if expected is not None:
                counts[path[:depth]] += 1 + (expected.shape == np.shape(leaf))

    def merit(prefix: WeightPath) -> tuple[int, bool, int]:
        return counts[prefix], not any("ema" in name.lower() for name in prefix), -len(prefix)

    return max(counts, key=merit, default=())


def _tied(flat: Flat, state: Mapping[WeightPath, Any]) -> Flat:
    """Fill in what a file keeps under only one of the names that share a tensor."""
    names: dict[int, list[WeightPath]] = {}
    for path, tensor in state.items():
        names.setdefault(id(tensor), []).append(path)
    filled = dict(flat)
    for group in names.values():
        there = [path for path in group if path in flat]
        if there:
            filled |= {path: flat[there[0]] for path in group if path not in flat}
    return filled


def _placed(module: Any, state: Mapping[WeightPath, Any], weights: Mapping[WeightPath, Any]) -> Any:
    """A copy of the module with these weights; those that it had are never copied."""
    made: dict[int, Any] = {}
    for path, tensor in state.items():
        if id(tensor) not in made:
            made[id(tensor)] = like(tensor, to_torch(weights[path]).to(tensor.device))
    try:
        return copied(module, made)
    except Exception:  # the copying of a user's module may fail in any way
        import torch

        with torch.no_grad():
            for tensor in state.values():
                tensor.copy_(made[id(tensor)])
        return module


def copied(module: Any, tensors: Mapping[int, Any]) -> Any:
    """A copy of a module in which tensors, by the `id` of those they stand for, are others."""
    return copy.deepcopy(module, dict(tensors))


def like(tensor: Any, values: Any) -> Any:
    """Values as a parameter where the tensor is one."""
    import torch

    if isinstance(tensor, torch.nn.Parameter):
        return torch.nn.Parameter(values, requires_grad=tensor.requires_grad)
    return values
