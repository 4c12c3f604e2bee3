"""t-SNE's descent in JAX, every pair summed exactly: for accelerators, where that is the natural form.

The same affinities, schedule and rules of steps as `fast_tsne`. On a CPU the compiled kernels are many times
faster; on an accelerator sums are taken in an order of its own, so the last bits may differ from run to run.
This is the only file of the room that knows JAX.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.reduce.affinities import Affinities, affinities
from explorer.reduce.fast_tsne import (
    EVERY,
    EXAGGERATED,
    EXAGGERATION,
    LONGEST_STEP,
    MOMENTUM,
    PLAIN,
    SLOWEST_RATE,
    Callback,
    FastTSNE,
    padded,
)

PAIRS = 1 << 26
"""Pairs that are summed at once."""


def fit_jax_tsne(
    indices: NDArray[Any],
    distances: NDArray[Any],
    initial: NDArray[Any],
    *,
    perplexity: float = 30.0,
    random_state: int | None = 0,
    exaggerated: int = EXAGGERATED,
    plain: int = PLAIN,
    callback: Callback | None = None,
) -> FastTSNE:
    """Place rows so that neighbours stay neighbours, on whatever device JAX uses.

    Args:
        indices: (n, k) each row's nearest others; k about three times the perplexity.
        distances: (n, k) to them.
        initial: (n, 2 or 3) first places.
        perplexity: effective number of neighbours.
        random_state: seed of the jitter of the first places.
        exaggerated: iterations with attraction 12 times too strong.
        plain: iterations without.
        callback: called every 50 iterations; True ends the descent.
    """
    import jax
    import jax.numpy as jnp

    n, n_components = initial.shape
    joint = affinities(indices, distances, perplexity)
    edges = _edges(joint)
    start = padded(initial, random_state)[:, :3].T
    descend = jax.jit(_steps)
    state = (jnp.asarray(start), jnp.zeros((3, n), jnp.float32), jnp.ones((3, n), jnp.float32))
    done, total = 0, exaggerated + plain
    while done < total:
        exaggeration = EXAGGERATION if done < exaggerated else 1.0
        end = exaggerated if done < exaggerated else total
        count = min(EVERY - done % EVERY, end - done)
        rate = max(SLOWEST_RATE, n / exaggeration)
        state = descend(state, edges, jnp.array([exaggeration, rate], jnp.float32), count)
        done += count
        if callback is None or done == total or done % EVERY:
            continue
        if callback(done, _coordinates(state[0], n_components), _divergence(state[0], edges, joint)):
            break
    divergence = _divergence(state[0], edges, joint)
    return FastTSNE(_coordinates(state[0], n_components), divergence, done, 0.0, 0.0)


def _edges(joint: Affinities) -> tuple[Any, Any, Any]:
    """Heads, tails and values of the affinities, (entries,) each, heads in rising order."""
    import jax.numpy as jnp

    heads = np.repeat(np.arange(len(joint.starts) - 1), np.diff(joint.starts))
    return jnp.asarray(heads, jnp.int32), jnp.asarray(joint.neighbours, jnp.int32), jnp.asarray(joint.values)


def repulsion(points: Any) -> tuple[Any, Any]:
    """Forces (3, n) and Z of points (3, n): every pair, in blocks of targets.

    With w = 1 / (1 + d²), the force is the sum of w² times the difference, Z the sum of w without the
    points' own.
    """
    import jax
    import jax.numpy as jnp

    n = points.shape[1]
    block = max(1, min(n, PAIRS // n))
    targets = jnp.pad(points, ((0, 0), (0, -n % block))).reshape(3, -1, block).transpose(1, 0, 2)

    def one(target: Any) -> tuple[Any, Any]:
        gaps = [target[axis][:, None] - points[axis][None, :] for axis in range(3)]
        w = 1 / (1 + gaps[0] ** 2 + gaps[1] ** 2 + gaps[2] ** 2)
        return jnp.stack([(w * w * gap).sum(axis=1) for gap in gaps]), w.sum(axis=1)

    forces, potentials = jax.lax.map(one, targets)
    forces = forces.transpose(1, 0, 2).reshape(3, -1)[:, :n]
    return forces, potentials.reshape(-1)[:n].sum() - n


def _steps(state: tuple[Any, ...], edges: tuple[Any, Any, Any], numbers: Any, count: Any) -> Any:
    import jax

    return jax.lax.fori_loop(0, count, partial(_step, edges, numbers), state)


def _step(edges: tuple[Any, Any, Any], numbers: Any, _: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
    """One step with momentum and gains (Jacobs 1988), as `tsne_steps.step` takes it."""
    import jax
    import jax.numpy as jnp

    from explorer.reduce.tsne_steps import FALL, LEAST, RISE

    points, velocity, gains = state
    exaggeration, rate = numbers[0], numbers[1]
    heads, tails, values = edges
    n = points.shape[1]
    gaps = points[:, heads] - points[:, tails]
    weights = values / (1 + (gaps**2).sum(axis=0))
    pull = jax.ops.segment_sum((weights * gaps).T, heads, n, indices_are_sorted=True).T
    forces, z = repulsion(points)
    gradient = exaggeration * pull - forces / jnp.maximum(z, 1e-6 * n)
    gains = jnp.maximum(jnp.where(gradient * velocity < 0, gains + RISE, gains * FALL), LEAST)
    velocity = MOMENTUM * velocity - rate * gains * gradient
    length = jnp.sqrt((velocity**2).sum(axis=0))
    velocity = velocity * (LONGEST_STEP / jnp.maximum(length, LONGEST_STEP))
    return points + velocity, velocity, gains


def _coordinates(points: Any, n_components: int) -> NDArray[np.float32]:
    found = np.asarray(points, np.float64)[:n_components].T
    return np.asarray(found - found.mean(axis=0), np.float32)


def _divergence(points: Any, edges: tuple[Any, Any, Any], joint: Affinities) -> float:
    """Sum of p log(p / q) with q = 1 / (1 + d²) / Z."""
    import jax

    heads, tails, values = edges
    wide = np.asarray(points, np.float64)
    squares = ((wide[:, np.asarray(heads)] - wide[:, np.asarray(tails)]) ** 2).sum(axis=0)
    z = float(jax.jit(repulsion)(points)[1])
    return joint.self_information() + float(np.asarray(values) @ np.log1p(squares)) + float(np.log(z))
