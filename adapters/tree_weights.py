"""Weights in any tree that JAX knows (dictionaries, lists, dataclasses), by the path of each array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from explorer.capture.protocol import ModelOptions
from explorer.errors import ModelError

from .checkpoints import read_checkpoint
from .weights import Flat, Leaf, WeightPath, digest, fit, flatten, nest


def read_weights(options: ModelOptions) -> tuple[Flat, dict[str, Any]]:
    """The arrays of a checkpoint by path, and {"format", "step"} as found.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    assert options.checkpoint is not None
    path = Path(options.checkpoint)
    tree, facts = read_checkpoint(path, options.checkpoint_format, options.step)
    return flatten(tree), facts


def fitted_tree(tree: Any, flat: Flat | None, where: str) -> Any:
    """A copy of a tree on the device, its arrays those of `flat` where that is given.

    Args:
        tree: arrays and numbers in any nesting; None for the nested dictionaries of `flat` itself.
        flat: arrays by path; a list's entries are named by their numbers.
        where: the file, or "params", for errors.

    Raises:
        CheckpointError: arrays are missing, left over, or of other shapes.
        ModelError: the tree holds something that is neither an array nor a number.
    """
    import jax

    if tree is None:
        return None if flat is None else jax.tree.map(_placed, nest(flat))
    leaves = flatten_tree(tree, where)
    if flat is not None:
        template = {path: Leaf(np.shape(leaf), _dtype(leaf)) for path, leaf in leaves.items()}
        fitted = fit(flat, template, where=where)
        leaves = {path: fitted[path] for path in leaves}
    return jax.tree.unflatten(jax.tree.structure(tree), [_placed(leaf) for leaf in leaves.values()])


def flatten_tree(tree: Any, where: str) -> Flat:
    """The leaves of a tree by path, in JAX's order.

    Raises:
        ModelError: a leaf is neither an array nor a number.
    """
    import jax

    flat: Flat = {}
    for entries, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        path = tuple(_entry(entry) for entry in entries)
        is_number = isinstance(leaf, int | float | complex)
        if not is_number and not (hasattr(leaf, "shape") and hasattr(leaf, "dtype")):
            raise ModelError(
                f"{where}: {'/'.join(path) or 'the whole'} is {type(leaf).__name__}, expected arrays only"
            )
        flat[path] = leaf
    return flat


def tree_digest(tree: Any) -> str:
    """SHA-256 over the arrays of a tree: equal weights have equal digests."""
    return digest(flatten_tree(tree, "params"))


def _entry(entry: Any) -> str:
    """The key, index or attribute of one step into a tree."""
    for attribute in ("key", "idx", "name"):
        if hasattr(entry, attribute):
            return str(getattr(entry, attribute))
    return str(entry)


def _placed(leaf: Any) -> Any:
    """A copy on the device, also on the CPU."""
    import jax.numpy as jnp

    return jnp.array(leaf)


def _dtype(leaf: Any) -> np.dtype[Any]:
    return np.dtype(leaf.dtype) if hasattr(leaf, "dtype") else np.asarray(leaf).dtype


def count_below(flat: Flat) -> dict[WeightPath, int]:
    """Number of weights below each path, the whole under ()."""
    counts: dict[WeightPath, int] = {}
    for path, leaf in flat.items():
        for end in range(len(path) + 1):
            counts[path[:end]] = counts.get(path[:end], 0) + int(np.size(leaf))
    return counts
