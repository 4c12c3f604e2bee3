"""A model with some of its weights drawn anew, to see whether an explanation depends on what was learned."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Collection, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

COLLECTIONS = frozenset({"params", "batch_stats"})
STATISTICS = frozenset({"batch_stats", "mean", "var", "running_mean", "running_var"})
BOXES = frozenset({"value", "raw_value"})


def part_of(path: Sequence[str]) -> str:
    """The name of the part of a model that a weight belongs to.

    >>> part_of(("params", "block1", "conv", "kernel"))
    'block1/conv'
    """
    inner = [step for step in path if step not in BOXES]
    inner = inner[1:] if inner and inner[0] in COLLECTIONS else inner
    return "/".join(inner[:-1])


def is_drawn(path: Sequence[str], array: Any) -> bool:
    """Whether a weight is one of those that are drawn anew: real numbers of two or more axes, and learned."""
    shape, dtype = np.shape(array), getattr(array, "dtype", None)
    real = dtype is not None and np.dtype(dtype).kind in "fV"
    return len(shape) >= 2 and real and not STATISTICS.intersection(path)


def drawn(path: Sequence[str], array: NDArray[Any], seed: int) -> NDArray[Any]:
    """Numbers of the same mean and deviation as a weight's, from a normal distribution of its own."""
    values = np.asarray(array).astype(np.float64)
    rng = np.random.default_rng([seed, zlib.crc32("/".join(path).encode())])
    made = rng.normal(values.mean(), values.std(), values.shape)
    return np.asarray(made).astype(array.dtype)


class RandomWeights:
    """For an adapter of JAX: its weights are a tree, and an argument of whatever it compiles."""

    held: ClassVar[str] = "_weights"
    """The attribute."""
    outermost: ClassVar[int] = 0
    """How many steps of a weight's path stand before the names that layers have."""

    def weight_groups(self) -> tuple[str, ...]:
        """Parts of the model with weights of two or more axes, in the order of the weights."""
        paths, leaves, _ = self._flat_weights()
        drawable = [path for path, leaf in zip(paths, leaves, strict=True) if is_drawn(path, leaf)]
        return tuple(dict.fromkeys(part_of(path) for path in drawable))

    def with_random(self, groups: Collection[str], seed: int) -> Self:
        """The same model with the weights of these parts drawn anew; nothing is compiled again."""
        import jax

        paths, leaves, tree = self._flat_weights()
        made = [
            jax.numpy.asarray(drawn(path, np.asarray(leaf), seed))
            if is_drawn(path, leaf) and part_of(path) in groups
            else leaf
            for path, leaf in zip(paths, leaves, strict=True)
        ]
        other = copy.copy(self)
        setattr(other, self.held, jax.tree.unflatten(tree, made))
        return other

    def _flat_weights(self) -> tuple[list[tuple[str, ...]], list[Any], Any]:
        """The path of every weight, the weights, and what puts them together again."""
        import jax

        found, tree = jax.tree_util.tree_flatten_with_path(getattr(self, self.held))
        paths = [tuple(_step(step) for step in path[self.outermost :]) for path, _ in found]
        return paths, [leaf for _, leaf in found], tree


def _step(step: Any) -> str:
    return next(
        (str(getattr(step, name)) for name in ("key", "name", "idx") if hasattr(step, name)), str(step)
    )
