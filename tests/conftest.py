from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from explorer.activations import Activations
from explorer.capture.model import Model
from explorer.capture.preprocessing import Preprocessing
from explorer.capture.protocol import LayerInfo
from explorer.errors import LayerError

# Nothing in the quick tests needs a screen, and a window must never open by surprise.
os.environ.pop("DISPLAY", None)
# Keras takes its backend from here when it is first imported.
os.environ.setdefault("KERAS_BACKEND", "jax")


@pytest.fixture(scope="module", autouse=True)
def _windows() -> Iterator[None]:
    """Give back the graphics memory of scenes that a module has left open: PyVista keeps every plotter."""
    yield
    if "pyvista" in sys.modules:
        sys.modules["pyvista"].close_all()


class Toy:
    """An adapter without a framework: layer "half" is every second pixel times 1 to 5, "flat" is the mean."""

    requires = ()

    def __init__(self, digest: str = "toy weights") -> None:
        self.provenance = {"digest": digest}
        self.calls: list[tuple[int, tuple[str, ...]]] = []

    @classmethod
    def open(cls, source: object, options: object) -> None:
        return None

    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        assert input_shape is not None
        height, width = -(-input_shape[0] // 2), -(-input_shape[1] // 2)
        return (LayerInfo("half", "Toy", (height, width, 5)), LayerInfo("flat", "Toy", (2,)))

    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        self.calls.append((len(inputs), tuple(layers)))
        values = {
            "half": np.stack([inputs[:, ::2, ::2, 0] * k for k in range(1, 6)], axis=-1),
            "flat": np.stack([inputs.mean(axis=(1, 2, 3))] * 2, axis=-1),
        }
        for layer in layers:
            if layer not in values:
                raise LayerError(f"no layer {layer}")
        return {layer: Activations(layer, values[layer]) for layer in layers}


@pytest.fixture
def toy() -> Model:
    rule = Preprocessing(size=(8, 8), channels="gray")
    return Model(Toy(), "toy", "toy", rule, input_shape=(8, 8, 1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten pictures of 8 × 8 noise in two class folders."""
    rng = np.random.default_rng(0)
    for index in range(10):
        path = tmp_path / "images" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(path)
    return tmp_path / "images"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real browser without a screen."""
    from browsing import chromium

    with chromium() as opened:
        yield opened
