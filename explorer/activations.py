"""Activations: what one layer answered to a batch of inputs, channels last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError

MAX_SPATIAL_RANK = 3
NARROWER = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
"""Types of accelerators that numpy knows by name only."""


def as_numbers(values: Any) -> NDArray[Any]:
    """An array of anything that numpy reads; types that it knows by name only become float32."""
    array = np.asarray(values)
    return array.astype(np.float32) if array.dtype.name in NARROWER else array


@dataclass(frozen=True)
class Activations:
    """One layer's values for a batch of inputs.

    Attributes:
        layer: the layer's name.
        values: (batch, *spatial, channels), real numbers; spatial rank 0 (vectors), 1 (signals),
            2 (images) or 3 (volumes). bfloat16 and float8 become float32.

    Raises:
        InputError: the values are not numbers or have no batch and channel axis.
    """

    layer: str
    values: NDArray[Any]

    def __post_init__(self) -> None:
        values = as_numbers(self.values)
        if values.dtype.kind not in "fiub":
            raise InputError(
                f"layer {self.layer}: activations are of type {values.dtype}, expected real numbers"
            )
        if not 2 <= values.ndim <= 2 + MAX_SPATIAL_RANK:
            raise InputError(
                f"layer {self.layer}: activations have shape {values.shape}, "
                "expected (batch, *spatial, channels) with 0 to 3 spatial axes"
            )
        object.__setattr__(self, "values", values)

    @property
    def batch(self) -> int:
        """Number of inputs."""
        return int(self.values.shape[0])

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """Sizes of the spatial axes, () for vectors."""
        return tuple(int(size) for size in self.values.shape[1:-1])

    @property
    def channels(self) -> int:
        """Number of channels, the last axis."""
        return int(self.values.shape[-1])
