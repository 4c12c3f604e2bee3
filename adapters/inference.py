"""What a forward pass is told so that it infers and does not train."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

CALL_ARGUMENTS = {
    "train": False,
    "training": False,
    "is_train": False,
    "is_training": False,
    "deterministic": True,
    "use_running_average": True,
    "inference": True,
    "is_inference": True,
    "eval_mode": True,
}
"""Arguments that mean the same in nearly everybody's models."""

LAYER_ARGUMENTS = {
    "BatchNorm": ("use_running_average", True),
    "Dropout": ("deterministic", True),
    "MultiHeadAttention": ("deterministic", True),
    "MultiHeadDotProductAttention": ("deterministic", True),
    "SpectralNorm": ("update_stats", False),
}
"""Flax's own layers that behave differently in training, Linen's and NNX's alike."""


def call_arguments(forward: Callable[..., Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments for a model's call: inference mode where it has a word for it, and `chosen`.

    Parameters that are positional only cannot be told by name, and are left alone.
    """
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(forward).parameters.values()
    named = {parameter.name for parameter in parameters if parameter.kind in by_name}
    return {name: CALL_ARGUMENTS[name] for name in CALL_ARGUMENTS if name in named} | dict(chosen)


def layer_argument(module: object, home: str) -> tuple[str, bool] | None:
    """The argument that puts one of Flax's own layers, or a class derived from one, into inference.

    `home` is where the layers are defined, such as "flax.linen.".
    """
    for kind in type(module).__mro__:
        if kind.__name__ in LAYER_ARGUMENTS and kind.__module__.startswith(home):
            return LAYER_ARGUMENTS[kind.__name__]
    return None


def with_argument(
    method: Callable[..., Any], given: tuple[tuple[Any, ...], Mapping[str, Any]], forced: tuple[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A call's given (args, kwargs) with the forced (name, value), however that was passed.

    A method without such a parameter is called as it was.
    """
    signature = inspect.signature(method)
    name, value = forced
    if name not in signature.parameters:
        return given[0], dict(given[1])
    bound = signature.bind_partial(*given[0], **given[1])
    bound.arguments[name] = value
    return bound.args, bound.kwargs
