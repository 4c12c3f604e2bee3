"""Attention roll-out: how a transformer's tokens reach each other through all its blocks.

Abnar and Zuidema 2020. An adapter that runs the model finds its attention weights itself; of others they are
layers that can be captured, told by their values, which are no less than zero and sum to one over the tokens
that are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from explorer.capture.protocol import Attentive, LayerInfo
from explorer.errors import LayerError
from explorer.explain.cam import enlarged
from explorer.explain.gradient_maps import Found, Settings
from explorer.explain.question import Question
from explorer.progress import Advance

MOST_PREFIX = 16
"""Tokens of no patch that may stand in front, such as class and register tokens."""
NONE_FOUND = (
    "no self-attention is found, which roll-out needs: no softmax over as many tokens as look, outside loops "
    "(scan), for each input by itself; let the model answer its attention weights as a layer, or use another "
    "method"
)


def rollout(question: Question, settings: Settings, advance: Advance) -> Found:
    """How much of each patch reaches the class token, without one all tokens, or the positions asked for.

    Raises:
        LayerError: no layer holds attention, or blocks have other tokens than the first.
    """
    del settings
    attend = _attention(question)
    first = attend(np.arange(1))
    names, tokens = list(first), next(iter(first.values())).shape[-1]
    grid, before = token_grid(tokens, question.spatial, question.model.name)
    parts = []
    for rows in question.chunks(len(question.inputs)):
        found = np.broadcast_to(np.eye(tokens), (len(rows), tokens, tokens))
        blocks = attend(rows)
        assert list(blocks) == names
        for name, mixed in blocks.items():
            if mixed.shape[1] != tokens:
                raise LayerError(f"{name}: its attention is of other tokens than {names[0]}'s")
            found = (mixed + np.eye(tokens)) / 2 @ found
        parts.append(_of_rows(question, rows, found, grid=grid, before=before))
        advance(len(rows))
    coarse = np.concatenate(parts).astype(np.float32)
    source = "the class token" if before else "all tokens"
    if question.target.masks is not None:
        source = "the positions"
    through = f"1 block ({names[0]})"
    if len(names) > 1:
        through = f"{len(names)} blocks ({names[0]} to {names[-1]})"
    averaged = (
        f"attention of {source} through {through}, mean over heads, half of each block passed by; "
        "the same for every class and channel"
    )
    return Found(enlarged(coarse, question.spatial), False, averaged, {"blocks": len(names)}, coarse=coarse)


def _attention(question: Question) -> Callable[[NDArray[np.intp]], dict[str, NDArray[np.float64]]]:
    """What gives the attention (n, tokens that look, looked at) of inputs: of each block up to the target.

    Raises:
        LayerError: there is none.
    """
    adapter, target = question.model.adapter, question.target.layer
    if isinstance(adapter, Attentive) and adapter.attention(question.inputs[:1], target):

        def found(rows: NDArray[np.intp]) -> dict[str, NDArray[np.float64]]:
            blocks = adapter.attention(question.inputs[rows], target)
            return {name: weights.astype(np.float64).mean(axis=1) for name, weights in blocks.items()}

        return found
    layers = attention_layers(question)

    def captured(rows: NDArray[np.intp]) -> dict[str, NDArray[np.float64]]:
        blocks = adapter.capture(question.inputs[rows], layers)
        mixed = {layer: _mean_of_heads(blocks[layer].values) for layer in layers}
        return {layer: one for layer, one in mixed.items() if one is not None}

    return captured


def attention_layers(question: Question) -> list[str]:
    """The layers up to the target that hold attention weights, in the order they answer.

    Raises:
        LayerError: there are none.
    """
    before: list[LayerInfo] = []
    for name, info in question.infos.items():
        if _may_be(info):
            before.append(info)
        if name == question.target.layer:
            break
    names = [info.name for info in before]
    captured = question.model.adapter.capture(question.inputs[:1], names) if names else {}
    found = [name for name in names if _mean_of_heads(captured[name].values) is not None]
    if not found:
        raise LayerError(f"{question.model.name}: {NONE_FOUND}")
    # A softmax and the dropout after it, which does nothing in inference, are one attention.
    return [
        name
        for name, last in zip(found, [None, *found[:-1]], strict=True)
        if last is None or not np.array_equal(captured[name].values, captured[last].values)
    ]


def _may_be(info: LayerInfo) -> bool:
    shape = info.shape or ()
    square = len(shape) in (2, 3) and len(set(shape)) < len(shape)
    return square and np.dtype(info.dtype).kind == "f"


def _mean_of_heads(values: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """Attention weights (batch, tokens that look, tokens looked at); None where the values are none.

    Axes are those of the adapter: heads may stand first or last.
    """
    orders: Sequence[tuple[int, ...]] = ((0, 1, 2),) if values.ndim == 3 else ((0, 1, 2, 3), (0, 3, 1, 2))
    if not np.isfinite(values).all() or (values < 0).any():
        return None
    for order in orders:
        turned = values.transpose(order).astype(np.float64)
        for looked_at in (turned, turned.swapaxes(-1, -2)):
            square = looked_at.shape[-1] == looked_at.shape[-2] > 1
            if square and np.allclose(looked_at.sum(axis=-1), 1, atol=1e-3):
                return looked_at if looked_at.ndim == 3 else looked_at.mean(axis=1)
    return None


def token_grid(tokens: int, spatial: tuple[int, ...], model: str) -> tuple[tuple[int, ...], int]:
    """How the tokens of patches lie in the picture, and how many stand before them.

    Raises:
        LayerError: no number of tokens in front leaves a grid of the picture's proportions.

    >>> token_grid(17, (32, 32), "vit")
    ((4, 4), 1)
    """
    for before in range(min(MOST_PREFIX, tokens - 1) + 1):
        scale = ((tokens - before) / np.prod(spatial)) ** (1 / len(spatial))
        grid = tuple(round(size * scale) for size in spatial)
        if min(grid) > 0 and int(np.prod(grid)) == tokens - before:
            exact = all(size % part == 0 for size, part in zip(spatial, grid, strict=True))
            if exact and len({size // part for size, part in zip(spatial, grid, strict=True)}) == 1:
                return grid, before
    raise LayerError(f"{model}: {tokens} tokens do not lie on a grid of the picture {spatial}")


def _of_rows(
    question: Question,
    rows: NDArray[np.intp],
    found: NDArray[np.float64],
    *,
    grid: tuple[int, ...],
    before: int,
) -> NDArray[np.float64]:
    """What reaches the tokens that are asked for, (n, *grid), as shares of what reaches them from patches."""
    patches = int(np.prod(grid))
    masks = question.target.masks
    if masks is not None:
        if masks.shape[1:] != grid:
            raise LayerError(
                f"{question.target.layer}: its grid {masks.shape[1:]} is not that of the tokens {grid}"
            )
        weights = np.zeros((len(rows), found.shape[1]))
        weights[:, before : before + patches] = masks[rows].reshape(len(rows), -1)
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1)
        reached = np.einsum("nt,ntk->nk", weights, found)
    else:
        reached = found[:, 0] if before else found.mean(axis=1)
    shown = reached[:, before : before + patches].reshape(len(rows), *grid)
    return np.asarray(shown / np.maximum(shown.sum(axis=tuple(range(1, shown.ndim)), keepdims=True), 1e-12))
