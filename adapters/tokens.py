"""Token sequences as grids: patch tokens where their patches lie, class and register tokens apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError


def split_tokens(
    values: NDArray[Any], grid: tuple[int, ...], n_prefix: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Set the tokens that stand for no patch apart, and fold the others onto their grid.

    Args:
        values: (batch, tokens, channels): `n_prefix` tokens of no patch, then one a patch in the
            order of rows (the last grid axis fastest), then any further tokens of no patch.
        grid: (height, width) in patches, or the sizes of any other number of axes.
        n_prefix: how many tokens come before those of the patches.

    Returns:
        The patches (batch, *grid, channels), and the other tokens (batch, n_others, channels).

    Raises:
        InputError: not (batch, tokens, channels), or fewer tokens than that.

    >>> patches, others = split_tokens(np.arange(14.0).reshape(1, 7, 2), (2, 3), 1)
    >>> patches.shape, others.shape
    ((1, 2, 3, 2), (1, 1, 2))
    """
    n_patches = int(np.prod(grid, dtype=np.int64))
    if values.ndim != 3:
        raise InputError(f"tokens have shape {values.shape}, expected (batch, tokens, channels)")
    batch, n_tokens, channels = values.shape
    if n_prefix < 0 or n_tokens < n_prefix + n_patches:
        raise InputError(
            f"{n_tokens} tokens are fewer than {n_prefix} before the patches and "
            f"{' × '.join(map(str, grid))} = {n_patches} patches"
        )
    patches = values[:, n_prefix : n_prefix + n_patches]
    others = np.concatenate([values[:, :n_prefix], values[:, n_prefix + n_patches :]], axis=1)
    return patches.reshape(batch, *grid, channels), others


def token_names(layer: str, n_others: int) -> tuple[str, ...]:
    """Names of the layers that the tokens of no patch make, each of spatial rank 0.

    >>> token_names("block1", 1), token_names("block1", 2)
    (('block1#token',), ('block1#token1', 'block1#token2'))
    """
    if n_others == 1:
        return (f"{layer}#token",)
    return tuple(f"{layer}#token{number}" for number in range(1, n_others + 1))
