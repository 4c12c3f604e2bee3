"""Every check of the contract passes a faithful adapter and catches one that breaks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.capture.conformance import ConformanceError, check_adapter
from explorer.capture.protocol import LayerInfo, ModelOptions
from explorer.errors import ExplorerError, LayerError


class Faithful:
    """Two layers without a framework, keeping the contract."""

    requires: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def open(cls, source: object, options: ModelOptions) -> None:
        return None

    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        assert input_shape is not None
        return (
            LayerInfo("double", "Toy", input_shape),
            LayerInfo("mean", "Toy", input_shape[-1:]),
        )

    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        values = {"double": 2 * inputs, "mean": inputs.mean(axis=(1, 2))}
        for name in layers:
            if name not in values:
                raise LayerError(f"no layer {name}")
        return {name: Activations(name, values[name]) for name in layers}


class TwoNames(Faithful):
    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        return super().layers(input_shape)[:1] * 2


class WrongShape(Faithful):
    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        first, second = super().layers(input_shape)
        return first, replace(second, shape=(7,))


class WrongType(Faithful):
    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        first, second = super().layers(input_shape)
        return first, replace(second, dtype="float16")


class Training(Faithful):
    """Drops values at random, as in training."""

    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        kept = np.random.default_rng().integers(0, 2, inputs.shape).astype(np.float32)
        return super().capture(inputs * kept, layers)


class BatchStatistics(Faithful):
    """Normalises by the batch, as in training."""

    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        return super().capture(inputs - inputs.mean(axis=0), layers)


class OrderMatters(Faithful):
    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        return super().capture(inputs + (layers[0] == "mean"), layers)


class Alone(Faithful):
    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        return super().capture(inputs + (len(layers) == 1), layers)


class AnyName(Faithful):
    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        return super().capture(inputs, [name for name in layers if name in ("double", "mean")])


class OtherError(Faithful):
    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        if "no such layer" in layers:
            raise KeyError("no such layer")
        return super().capture(inputs, layers)


class Modifies(Faithful):
    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        captured = super().capture(inputs, layers)
        inputs += 1.0
        return captured


class TooFew(Faithful):
    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        return super().capture(inputs[:1], layers)


class Sloped(Faithful):
    """With derivatives, both layers being linear."""

    factor = 1.0

    def gradient(
        self,
        inputs: NDArray[Any],
        layer: str,
        cotangent: NDArray[Any],
        *,
        at: str | None = None,
        guided: bool = False,
    ) -> NDArray[Any]:
        if at == layer:
            return cotangent
        n = inputs.shape[1] * inputs.shape[2]
        of_mean = np.broadcast_to(cotangent[:, None, None] / n, inputs.shape) if layer == "mean" else None
        return np.asarray(self.factor * (2 * cotangent if of_mean is None else of_mean), np.float32)


class Steep(Sloped):
    factor = 1.1


class Turned(Sloped):
    factor = -1.0


class Mixed(Sloped):
    """Gives every input the mean derivative of its batch."""

    def gradient(
        self, inputs: NDArray[Any], layer: str, cotangent: NDArray[Any], **asked: Any
    ) -> NDArray[Any]:
        found = super().gradient(inputs, layer, cotangent, **asked)
        return found if asked.get("at") else found + found.mean(axis=0)


class Whole(Sloped):
    """Gives the derivative for the inputs where it is asked for an inner layer's."""

    def gradient(
        self, inputs: NDArray[Any], layer: str, cotangent: NDArray[Any], **asked: Any
    ) -> NDArray[Any]:
        return super().gradient(inputs, layer, cotangent)


class Wide(Sloped):
    def gradient(
        self, inputs: NDArray[Any], layer: str, cotangent: NDArray[Any], **asked: Any
    ) -> NDArray[Any]:
        return super().gradient(inputs, layer, cotangent, **asked).astype(np.float64)


class NoAdapter:
    """An object of another kind."""


@pytest.fixture
def inputs() -> NDArray[Any]:
    return np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype(np.float32)


@pytest.mark.parametrize("adapter", [Faithful, Sloped])
def test_a_faithful_adapter_passes(adapter: Any, inputs: NDArray[Any]) -> None:
    check_adapter(adapter(), inputs)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (TwoNames, "unique names"),
        (WrongShape, "shapes"),
        (WrongType, "dtype"),
        (Training, "repeatable"),
        (BatchStatistics, "batch independence"),
        (OrderMatters, "order"),
        (Alone, "subset"),
        (AnyName, "unknown layer"),
        (OtherError, "unknown layer"),
        (Modifies, "inputs"),
        (TooFew, "batch"),
        (Steep, "gradient"),
        (Turned, "gradient"),
        (Mixed, "gradient"),
        (Whole, "gradient"),
        (Wide, "gradient"),
        (NoAdapter, "protocol"),
    ],
)
def test_a_broken_adapter_is_caught_by_name(broken: Any, check: str, inputs: NDArray[Any]) -> None:
    with pytest.raises(ConformanceError, match=f"^{check}: "):
        check_adapter(broken(), inputs)


def test_one_input_is_not_enough(inputs: NDArray[Any]) -> None:
    with pytest.raises(ConformanceError, match=r"^inputs: give at least two"):
        check_adapter(Faithful(), inputs[:1])
    assert issubclass(ConformanceError, ExplorerError)
    assert issubclass(ConformanceError, AssertionError)
