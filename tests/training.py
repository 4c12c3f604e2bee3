"""A training without a framework: an adapter whose checkpoints are .npz files, and its checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.capture import registry
from explorer.capture.protocol import LayerInfo, ModelOptions
from explorer.errors import CheckpointError

N = 10
PASSES: list[str] = []
"""The checkpoint of every image that went through a network, in order."""


class Patches:
    """The network, without weights."""


class PatchNet:
    """The 2 × 2 patches of a picture of 8 × 8, times weights: layer "features" is (4, 4, 6)."""

    requires: ClassVar[tuple[str, ...]] = ()
    default_preprocessing: ClassVar[dict[str, Any]] = {"size": [8, 8], "channels": "gray"}
    stop_after: ClassVar[int | None] = None
    """Images after which a capture is cut off."""

    def __init__(self, weights: NDArray[Any], path: Path) -> None:
        self.weights, self.path = weights, path
        self.provenance = {"digest": weights.tobytes().hex(), "checkpoint": str(path)}

    @classmethod
    def open(cls, source: object, options: ModelOptions) -> Self | None:
        if not isinstance(source, Patches) or options.checkpoint is None:
            return None
        try:
            with np.load(options.checkpoint, allow_pickle=False) as arrays:
                return cls(arrays["weights"], options.checkpoint)
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise CheckpointError(f"{options.checkpoint}: cannot be read ({error})") from None

    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        return (LayerInfo("features", "Patches", (4, 4, 6)), LayerInfo("sum", "Patches", (4, 4, 1)))

    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        if type(self).stop_after is not None and len(PASSES) >= type(self).stop_after:
            raise KeyboardInterrupt
        PASSES.extend([self.path.stem] * len(inputs))
        patches = inputs[..., 0].reshape(-1, 4, 2, 4, 2).transpose(0, 1, 3, 2, 4).reshape(-1, 4, 4, 4)
        features = (patches @ self.weights).astype(np.float32)
        every = {"features": features, "sum": features.sum(axis=-1, keepdims=True)}
        return {layer: Activations(layer, every[layer]) for layer in layers}


def weights_at(step: int) -> NDArray[np.float32]:
    """Weights that settle as training goes on."""
    start, end = (np.random.default_rng(seed).normal(size=(4, 6)) for seed in (1, 2))
    part = 1 - 1 / (1 + step)
    return np.asarray(start * (1 - part) + end * part, np.float32)


def save(folder: Path, step: int, weights: NDArray[Any] | None = None) -> Path:
    """Write one checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"epoch_{step}.npz"
    np.savez(path, allow_pickle=False, weights=weights_at(step) if weights is None else weights)
    return path


def pictures() -> NDArray[np.uint8]:
    """(10, 8, 8, 1): two classes, one brighter at the left, the other at the right."""
    rng = np.random.default_rng(0)
    found = rng.integers(0, 120, (N, 8, 8, 1))
    found[::2, :, :4] += 120
    found[1::2, :, 4:] += 120
    return found.astype(np.uint8)


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of four checkpoints, and the adapter that opens `Patches` with one of them."""
    monkeypatch.setattr(registry, "installed_adapters", lambda: {"patches": PatchNet})
    monkeypatch.setattr(PatchNet, "stop_after", None)
    PASSES.clear()
    for step in (0, 1, 2, 10):
        save(tmp_path / "weights", step)
    return tmp_path / "weights"
