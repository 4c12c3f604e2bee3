"""Saliency against jax.vjp by hand on the same batch, and against the loop over samples, one by one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import explorer
from benchmarks.activations import DEMO
from benchmarks.results import SETTLE, Result, race

N, SAMPLES, STEPS, NOISE, CLASS = 64, 25, 32, 0.15, 3
FEW = 16
"""Pictures of the contests against a loop, which takes long."""


def explained(_: Path, *, rounds: int = 9) -> list[Result]:
    """The gradient of 64 pictures, SmoothGrad and integrated gradients of some; all of the digit net.

    Then the gradient of a network of depthwise convolutions, with weights drawn at random.

    The score is the largest difference between the two sides' maps, relative to the largest value.
    """
    model = explorer.load_model(DEMO)
    inputs = _pictures(model, N)
    forward = _by_hand()
    few = inputs[:FEW]

    def ours(method: str, given: np.ndarray) -> Callable[[], np.ndarray]:
        return lambda: (
            explorer.saliency(
                model, given, method=method, target=CLASS, samples=SAMPLES, steps=STEPS, noise=NOISE
            ).values
        )

    return [
        _raced(
            f"gradient saliency, {N} pictures", "jax.vjp by hand", ours("gradient", inputs),
            lambda: np.abs(forward(inputs)).max(axis=-1), target=1 / 1.1, rounds=rounds,
        ),
        _raced(
            f"SmoothGrad, {FEW} pictures × {SAMPLES} samples", "loop over samples",
            ours("smoothgrad", few), lambda: _smoothgrad(forward, few), target=3, rounds=rounds,
        ),
        _raced(
            f"integrated gradients, {FEW} pictures × {STEPS} steps", "loop over samples",
            ours("integrated-gradients", few), lambda: _integrated(forward, few), target=3, rounds=rounds,
        ),
        _separable(rounds),
    ]  # fmt: skip


def _separable(rounds: int) -> Result:
    """The gradient of a network as MobileNet and Xception are built, of depthwise and 1 × 1 convolutions."""
    import flax.linen as nn
    import jax

    class Separable(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            for width in (16, 32, 64):
                x = nn.Conv(x.shape[-1], (3, 3), feature_group_count=x.shape[-1])(x)
                x = nn.max_pool(nn.relu(nn.Conv(width, (1, 1))(x)), (2, 2), (2, 2))
            return nn.Dense(10)(x.mean(axis=(1, 2)))

    inputs = np.random.default_rng(0).random((FEW, 64, 64, 8), np.float32)
    network = Separable()
    variables = jax.tree.map(np.asarray, network.init(jax.random.key(0), inputs[:1]))
    model = explorer.load_model(network, params=variables["params"], input_shape=inputs.shape[1:])

    @jax.jit
    def gradient(variables: Any, x: Any) -> Any:
        logits, back = jax.vjp(lambda given: network.apply(variables, given), x)
        return back(jax.numpy.zeros_like(logits).at[:, CLASS].set(1))[0]

    return _raced(
        f"gradient saliency, {FEW} pictures, depthwise convolutions",
        "jax.vjp by hand",
        lambda: explorer.saliency(model, inputs, target=CLASS).values,
        lambda: np.abs(np.asarray(gradient(variables, inputs))).max(axis=-1),
        target=3,
        rounds=rounds,
    )


def _raced(
    what: str,
    against: str,
    ours: Callable[[], np.ndarray],
    theirs: Callable[[], np.ndarray],
    *,
    target: float,
    rounds: int,
) -> Result:
    """Both sides in turn, warm."""
    ours(), theirs()
    mine, other_time, own, other = race(ours, theirs, rounds=rounds, rest=SETTLE)
    differs = float(np.abs(own - other).max() / np.abs(other).max())
    return Result(what, against, mine, other_time, target, "difference", (differs, 0.0), differs < 1e-3)


def _pictures(model: Any, n: int) -> np.ndarray:
    from explorer.capture import open_inputs

    inputs = open_inputs(model, None)
    return np.stack([inputs.load(index).value for index in range(0, len(inputs.names), 5)])[:n]


def _by_hand() -> Callable[[np.ndarray], np.ndarray]:
    """The derivative of one class's logit, as one would write it."""
    import jax
    import orbax.checkpoint as ocp

    from explorer.demo.networks import DigitsNet

    with ocp.PyTreeCheckpointer() as saved:
        tree = saved.restore(
            DEMO.parent / "checkpoints" / "16" if DEMO.is_file() else DEMO / "checkpoints" / "16"
        )
    variables = {key: tree[key] for key in ("params", "batch_stats")}

    @jax.jit
    def gradient(variables: Any, x: Any) -> Any:
        logits, back = jax.vjp(lambda given: DigitsNet().apply(variables, given), x)
        return back(jax.numpy.zeros_like(logits).at[:, CLASS].set(1))[0]

    return lambda x: np.asarray(gradient(variables, x))


def _smoothgrad(gradient: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray) -> np.ndarray:
    """One noisy copy at a time, with the noise that ours draws."""
    maps = []
    for row, one in enumerate(inputs):
        total, drawn = np.zeros(one.shape), np.random.default_rng([0, row])
        for _ in range(SAMPLES):
            noise = drawn.standard_normal(one.shape, dtype=np.float32) * NOISE * (one.max() - one.min())
            total += gradient((one + noise)[None])[0]
        maps.append(np.abs(total / SAMPLES).max(axis=-1))
    return np.stack(maps)


def _integrated(gradient: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray) -> np.ndarray:
    """One point of the way at a time, by the same quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(STEPS)
    maps = []
    for one in inputs:
        total = np.zeros(one.shape)
        for node, weight in zip(nodes, weights, strict=True):
            total += gradient((one * np.float32((node + 1) / 2))[None])[0] * weight / 2
        maps.append((total * one).sum(axis=-1))
    return np.stack(maps)


if __name__ == "__main__":
    for result in explained(Path()):
        print(f"{result.what}: {result.ours:.4f} s against {result.theirs:.4f} s, {result.faster:.2f}×")
    sys.exit(0)
