"""Token sequences as grids."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.adapters.tokens import split_tokens, token_names
from explorer.errors import InputError


@pytest.mark.parametrize("n_prefix", [0, 1, 5])
def test_patches_lie_where_they_were_cut_and_the_others_are_set_apart(n_prefix: int) -> None:
    rng = np.random.default_rng(0)
    patches, prefix = rng.random((2, 3, 5, 4)), rng.random((2, n_prefix, 4))
    tokens = np.concatenate([prefix, patches.reshape(2, 15, 4)], axis=1)
    grid, others = split_tokens(tokens, (3, 5), n_prefix)
    assert np.array_equal(grid, patches)
    assert np.array_equal(others, prefix)


def test_tokens_behind_the_patches_are_others_too() -> None:
    tokens = np.arange(2 * 8 * 3).reshape(2, 8, 3)
    grid, others = split_tokens(tokens, (2, 3), 1)
    assert np.array_equal(grid.reshape(2, 6, 3), tokens[:, 1:7])
    assert np.array_equal(others, tokens[:, [0, 7]])


def test_too_few_tokens_are_refused() -> None:
    with pytest.raises(InputError, match="6 tokens are fewer than 1 before the patches and 2 × 3 = 6"):
        split_tokens(np.zeros((1, 6, 4)), (2, 3), 1)
    with pytest.raises(InputError, match=r"\(batch, tokens, channels\)"):
        split_tokens(np.zeros((6, 4)), (2, 3), 0)


def test_names_count_only_where_there_are_several() -> None:
    assert token_names("a", 0) == ()
    assert token_names("a", 1) == ("a#token",)
    assert token_names("a", 2) == ("a#token1", "a#token2")
