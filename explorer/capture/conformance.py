"""The contract of `Adapter` as executable checks, for the tests of whoever writes one.

from explorer.capture.conformance import check_adapter

def test_my_adapter_keeps_the_contract():
    adapter = MyAdapter.open(my_model, ModelOptions())
    check_adapter(adapter, np.random.default_rng(0).random((3, 32, 32, 3), dtype=np.float32))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.activations import MAX_SPATIAL_RANK, Activations
from explorer.capture.protocol import Adapter, Differentiable, LayerInfo
from explorer.errors import ExplorerError, LayerError

TOLERANCE = 1e-5
STEPS = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3)
"""Steps of finite differences, as shares of the inputs' deviation: the best of them counts."""
DIRECTIONS = 2
"""Random directions for each of them."""
SLOPE = 0.03
"""Largest difference of a slope from a finite difference, as a share of all values' moves together."""
FINE = 1e-3
"""The coarsest tolerance at which differences of values still tell a slope."""


class ConformanceError(ExplorerError, AssertionError):
    """An adapter does not keep the contract; the message begins with the name of the check."""


@dataclass(frozen=True)
class Case:
    """What the checks look at: an adapter, inputs, its layers, all their values, and what may differ."""

    adapter: Adapter
    inputs: NDArray[Any]
    infos: tuple[LayerInfo, ...]
    values: Mapping[str, NDArray[Any]]
    tolerance: float

    def capture(self, inputs: NDArray[Any], *names: str) -> dict[str, NDArray[Any]]:
        """The values of these layers, all when none is named."""
        captured = self.adapter.capture(inputs, names or tuple(info.name for info in self.infos))
        return {name: activations.values for name, activations in captured.items()}


def check_adapter(adapter: Adapter, inputs: NDArray[Any], *, tolerance: float = TOLERANCE) -> None:
    """Run every check that an adapter must pass.

    Args:
        adapter: as `open` returned it.
        inputs: (batch, *spatial, channels), at least two that differ; row numbers (batch,) for an
            adapter of arrays that brings its own inputs.
        tolerance: largest difference, relative to the layer's largest value, that sums in another
            order may make; a model that computes in half precision needs more.

    Raises:
        ConformanceError: the first check that fails, by name.
    """
    _require(len(inputs) > 1, "inputs", "give at least two, so that they can be told apart")
    _require(isinstance(adapter, Adapter), "protocol", "a method or attribute of Adapter is missing")
    before = inputs.copy()
    brings_inputs = hasattr(adapter, "n_inputs")
    infos = adapter.layers(None if brings_inputs else tuple(inputs.shape[1:]))
    _require(len(infos) > 0, "layers", "there are none")
    captured = adapter.capture(inputs, tuple(info.name for info in infos))
    _require(np.array_equal(inputs, before), "inputs", "they were modified")
    _check_kinds(captured, infos)
    values = {name: activations.values.copy() for name, activations in captured.items()}
    case = Case(adapter, inputs, infos, values, tolerance)
    for check in CHECKS:
        check(case)


def _require(fulfilled: bool, check: str, why: str) -> None:
    if not fulfilled:
        raise ConformanceError(f"{check}: {why}")


def _check_kinds(captured: Mapping[str, Activations], infos: tuple[LayerInfo, ...]) -> None:
    """`capture` answers with Activations, for exactly the layers that were asked for."""
    asked = [info.name for info in infos]
    _require(len(set(asked)) == len(asked), "unique names", f"{asked} has a name twice")
    _require(sorted(captured) == sorted(asked), "names", f"asked for {asked}, got {list(captured)}")
    for name, activations in captured.items():
        _require(isinstance(activations, Activations), "activations", f"{name} is {type(activations)}")
        _require(activations.layer == name, "names", f"{name} is called {activations.layer}")


def check_shapes(case: Case) -> None:
    """Values are (batch, *spatial, channels) numpy arrays of the shape and type declared."""
    for info in case.infos:
        values = case.values[info.name]
        _require(type(values) is np.ndarray, "shapes", f"{info.name} is no numpy array")
        spatial = values.ndim - 2
        _require(0 <= spatial <= MAX_SPATIAL_RANK, "rank", f"{info.name} has shape {values.shape}")
        _require(len(values) == len(case.inputs), "batch", f"{info.name} has shape {values.shape}")
        declared = info.shape is None or info.shape == values.shape[1:]
        _require(declared, "shapes", f"{info.name} declares {info.shape}, but has {values.shape[1:]}")
        typed = info.dtype == values.dtype.name
        _require(typed, "dtype", f"{info.name} declares {info.dtype}, but has {values.dtype}")


def check_repeatable(case: Case) -> None:
    """The same inputs give the same values, to the last bit."""
    again = case.capture(case.inputs)
    for name, values in case.values.items():
        same = np.array_equal(values, again[name], equal_nan=True)
        _require(same, "repeatable", f"{name} differs when captured twice; is it in inference mode?")


def check_subsets(case: Case) -> None:
    """A layer's values do not depend on which others are asked for, nor on their order."""
    reverse = [info.name for info in reversed(case.infos)]
    _compare(case.capture(case.inputs, *reverse), case, "order")
    for name in (reverse[-1], reverse[len(reverse) // 2], reverse[0]):
        _compare(case.capture(case.inputs, name), case, "subset")


def check_batches(case: Case) -> None:
    """An input's values do not depend on the other inputs of its batch."""
    for row in range(min(2, len(case.inputs))):
        one = slice(row, row + 1)
        _compare(case.capture(case.inputs[one]), case, "batch independence", rows=one)
    _compare(case.capture(case.inputs[::-1]), case, "batch independence", rows=slice(None, None, -1))


def check_unknown_layer(case: Case) -> None:
    """A layer that the model does not have is a LayerError."""
    try:
        case.capture(case.inputs, "no such layer")
    except LayerError:
        return
    except Exception as error:
        raise ConformanceError(f"unknown layer: {type(error).__name__} in place of LayerError") from error
    raise ConformanceError("unknown layer: no error")


def check_gradient(case: Case) -> None:
    """Where an adapter has derivatives, they are the slopes of what it captures, each row its own input's.

    For the first, the middle and the last layer of real numbers. Guided backpropagation is no derivative
    and not checked here; with a `tolerance` above `FINE` slopes are not held against differences.
    """
    real = [info.name for info in case.infos if case.values[info.name].dtype.kind == "f"]
    if not isinstance(case.adapter, Differentiable) or not real:
        return
    for name in dict.fromkeys((real[-1], real[len(real) // 2], real[0])):
        values = case.values[name]
        counts = np.random.default_rng(0).normal(size=values.shape).astype(np.float32)
        found = case.adapter.gradient(case.inputs, name, counts)
        _require(found.shape == case.inputs.shape, "gradient", f"{name}: it has shape {found.shape}")
        _require(found.dtype == np.float32, "gradient", f"{name}: it is of {found.dtype}")
        alone = counts.copy()
        alone[1:] = 0
        rows = case.adapter.gradient(case.inputs, name, alone)
        _require(not rows[1:].any(), "gradient", f"{name}: an input's values answer to another input")
        same = case.adapter.gradient(case.inputs, name, counts, at=name)
        own = same.shape == counts.shape and np.allclose(same, counts, rtol=1e-2, atol=1e-6)
        _require(own, "gradient", f"{name}: its derivative at itself is not what each value counts")
        if case.tolerance <= FINE:
            _check_slope(case, name, counts=counts, gradient=found)


def _check_slope(case: Case, name: str, *, counts: NDArray[Any], gradient: NDArray[Any]) -> None:
    """Hold the derivative in random directions against central differences of captured values.

    Of each input the best direction and step count: a bend near by spoils some of them.
    """
    scale = max(float(np.std(case.inputs)), 1e-3)
    rng = np.random.default_rng(1)
    least = np.full(len(gradient), np.inf)
    for step in (scale * share for share in STEPS * DIRECTIONS):
        direction = rng.normal(size=case.inputs.shape).astype(np.float32)
        expected = (gradient.astype(np.float64) * direction).reshape(len(gradient), -1).sum(axis=1)
        ahead, back = (
            case.capture((case.inputs + way * direction).astype(np.float32), name)[name].astype(np.float64)
            for way in (step, -step)
        )
        moved = ((ahead - back) * counts / (2 * step)).reshape(len(counts), -1)
        most = np.abs(moved).sum(axis=1)
        least = np.minimum(least, np.abs(moved.sum(axis=1) - expected) / np.maximum(most, 1e-12))
    worst = float(least.max())
    _require(worst <= SLOPE, "gradient", f"{name} is {worst:.1%} off the differences of captured values")


def _compare(found: Mapping[str, NDArray[Any]], case: Case, check: str, *, rows: slice = slice(None)) -> None:
    """Hold some values against those captured with everything else."""
    for name, values in found.items():
        expected = case.values[name][rows]
        _require(values.shape == expected.shape, check, f"{name} has shape {values.shape}")
        finite = np.abs(expected[np.isfinite(expected)].astype(np.float64))
        allowed = case.tolerance * max(1.0, float(finite.max(initial=0.0)))
        close = np.allclose(values, expected, rtol=0.0, atol=allowed, equal_nan=True)
        _require(close, check, f"{name} has other values")


CHECKS: tuple[Callable[[Case], None], ...] = (
    check_shapes,
    check_repeatable,
    check_subsets,
    check_batches,
    check_unknown_layer,
    check_gradient,
)
"""Every check, each of which can be run alone."""
