"""A tensor of a forward pass, kept until that is over: copied, or as it is while nobody writes to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError

from .tokens import split_tokens
from .torch_layout import Reading, captured_type
from .torch_weights import numpy_type


class Held:
    """What a module answered.

    What follows in the pass may work in place, in memory that this tensor shares. PyTorch counts such
    writes, so a tensor that is not copied is known to be spoilt by them.
    """

    def __init__(self, tensor: Any, *, copied: bool) -> None:
        import torch

        self._tensor = tensor.detach()
        self._copy = self._tensor.clone(memory_format=torch.preserve_format) if copied else None
        self._writes = None if copied else _writes(tensor)

    @property
    def is_spoilt(self) -> bool:
        """Whether a tensor that was not copied has been written to."""
        return self._copy is None and (self._writes is None or self._writes != _writes(self._tensor))

    def is_left_alone(self, weights: Iterable[Any]) -> bool:
        """Whether a tensor that was copied still holds the same, and no memory of these weights.

        Compared by value, which also finds what is written past PyTorch's count.
        """
        import torch

        if self._copy is None or _writes(self._tensor) is None or 0 in self._tensor.stride():
            return False
        place = self._tensor.untyped_storage().data_ptr()
        fixed = (weight.untyped_storage() for weight in weights if weight.layout == torch.strided)
        if any(storage.data_ptr() == place for storage in fixed):
            return False
        return bool((self._tensor == self._copy).all())  # not so where NaN is: then it is copied again

    def read(self, reading: Reading) -> NDArray[Any]:
        """The values (batch, *spatial, channels), of the grid or one of the tokens of a sequence.

        Raises:
            InputError: the tensor has not as many axes as it had.
        """
        tensor = self._tensor if self._copy is None else self._copy
        if tensor.ndim != len(reading.order):
            have, had = tensor.ndim, len(reading.order)
            raise InputError(f"a layer has {have} axes with these inputs, and had {had}")
        # exact, and numpy knows neither bfloat16 nor float8
        exact = captured_type(tensor.dtype) == numpy_type(tensor.dtype)
        turned = (tensor if exact else tensor.float()).permute(reading.order)
        array: NDArray[Any] = turned.resolve_neg().cpu().numpy()
        if reading.grid is None:
            return array  # a view: who writes or reads it moves the axes, and the next pass goes on meanwhile
        patches, others = split_tokens(array, reading.grid, reading.n_prefix)
        return np.ascontiguousarray(patches if reading.token is None else others[:, reading.token])


def _writes(tensor: Any) -> int | None:
    """How often a tensor's memory has been written to in place; None where PyTorch does not count."""
    return None if tensor.is_inference() else int(tensor._version)
