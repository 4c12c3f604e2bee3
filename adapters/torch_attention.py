"""Attention weights of a PyTorch module: what its calls of softmax and of attention compute."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .asked import numbered
from .torch_forward import Call, ModuleForward, Part


def attention_of(
    forward: ModuleForward, inputs: Any, batch: int, until: Call
) -> dict[str, NDArray[np.float32]]:
    """The attention of a pass until a module has answered, (batch, heads, tokens that look, looked at) each.

    Args:
        forward: the module.
        inputs: as the module wants them.
        batch: how many they are.
        until: path of a module, and number of its call.

    Returns:
        By the innermost module in which each is computed, in their order.
    """
    running: list[str] = []
    found: dict[str, NDArray[np.float32]] = {}

    def keep(weights: Any) -> None:
        four = weights if weights.ndim == 4 else weights[:, None]
        if weights.ndim in (3, 4) and len(four) == batch and four.shape[-1] == four.shape[-2] > 1:
            values = four.detach().float().cpu().numpy()
            if np.allclose(values.sum(axis=-1), 1, atol=1e-3):
                path = running[-1] if running and running[-1] else "forward"
                found[numbered(path, found)] = values

    def leaves(*_: Any) -> None:
        running.pop()

    def visit(call: Call, part: Part, answer: Any) -> bool:
        del part, answer
        return call == until

    with ExitStack() as stack:
        for path, part in forward.module.named_modules():
            enters: Callable[..., None] = lambda *_, path=path: running.append(path)  # noqa: E731
            stack.callback(part.register_forward_pre_hook(enters).remove)
            stack.callback(part.register_forward_hook(leaves).remove)
        stack.enter_context(_watching(keep))
        forward.run(inputs, visit, {until[0]})
    return found


def _watching(keep: Callable[[Any], None]) -> Any:
    """A context in which `keep` is shown the weights of every softmax and attention."""
    import torch
    from torch.nn import functional
    from torch.overrides import TorchFunctionMode

    softmaxes = (functional.softmax, torch.softmax, torch.Tensor.softmax)

    class Watching(TorchFunctionMode):  # type: ignore[misc]
        """Sees every call of PyTorch's functions; what they call themselves goes past it."""

        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
        ) -> Any:
            del types
            kwargs = dict(kwargs or {})
            if func is functional.multi_head_attention_forward:
                asked = kwargs.get("need_weights", True), kwargs.get("average_attn_weights", True)
                kwargs |= {"need_weights": True, "average_attn_weights": False}
                pair: tuple[Any, Any] = func(*args, **kwargs)
                answer, weights = pair
                keep(weights)
                shown = weights.mean(dim=-3) if asked[1] else weights
                return answer, shown if asked[0] else None
            if func is functional.scaled_dot_product_attention:
                keep(_weights(*args, **kwargs))
            answer = func(*args, **kwargs)
            if func in softmaxes:
                keep(answer)
            return answer

    return Watching()


def _weights(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """What `scaled_dot_product_attention` weighs its values with, as PyTorch documents it."""
    import torch

    del value, dropout_p
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], dim=-3)
    scores = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(later, -math.inf)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -math.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return scores.softmax(dim=-1)
