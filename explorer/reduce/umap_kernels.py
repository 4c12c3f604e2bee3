"""Compiled inner loops of the UMAP layout and of its spectral start.

Every kernel works on a range of rows, runs outside Python's lock and draws random numbers from a
counter, so the callers may share rows out to any number of threads and get the same bits. They are
written for a short compilation too: plain loops over flat arrays, since one assignment between array
slices costs numba two seconds. `lay_out` stays one function: its parts share a dozen numbers that live in
registers, and each would have to be handed on and back through memory.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from explorer.reduce.jit import compiled

NEGATIVE_SAMPLES = 5
"""Points pushed away for each neighbour pulled near, as in umap-learn."""
LANES = 16
"""Points pushed away at a time, for the vector units; their sum is scaled to NEGATIVE_SAMPLES."""
GAP_SHARE = np.float32(0.2)
"""Most of the gap to a vertex of another block that one step may close."""

Floats = NDArray[np.float32]


@compiled()
def multiply(
    indptr: NDArray[np.int64],
    tails: NDArray[np.uint32],
    weights: Floats,
    block: Floats,
    out: Floats,
    first: int,
    last: int,
) -> None:
    """Write rows first to last of a sparse matrix times `block` (n, 8) into `out` (n, 8)."""
    for i in range(first, last):
        for c in range(8):
            out[i, c] = np.float32(0)
        for e in range(indptr[i], indptr[i + 1]):
            j, weight = np.intp(tails[e]), weights[e]
            for c in range(8):
                out[i, c] += weight * block[j, c]


@compiled()
def power(base: np.float32, exponent: np.float32) -> np.float32:
    """Power of a positive normal number by two polynomials and no branch, within 0.05 % of the true one.

    Exact at powers of two, so continuous; the result is held between 2⁻¹²⁰ and 2¹²⁰.
    """
    one = np.float32(1)
    bits = np.float32(base).view(np.int32)
    u = np.int32((bits & 0x7FFFFF) | 0x3F800000).view(np.float32) - one
    bend = np.float32(0.43837933) + u * (np.float32(-0.23750133) + u * np.float32(0.08065316))
    binary = exponent * (np.float32((bits >> 23) - 127) + u + u * (one - u) * bend)
    binary = min(max(binary, np.float32(-120)), np.float32(120))
    whole = np.int32(math.floor(binary))
    u = binary - np.float32(whole)
    bend = np.float32(-0.30460559) + u * np.float32(-0.07816385)
    return np.float32(np.int32((whole + 127) << 23).view(np.float32) * (one + u + u * (one - u) * bend))


@compiled()
def lay_out(
    old: Floats,
    new: Floats,
    indptr: NDArray[np.int64],
    tails: NDArray[np.uint32],
    rates: NDArray[np.uint32],
    bounds: NDArray[np.int64],
    numbers: Floats,
    counters: NDArray[np.int64],
) -> None:
    """Move the vertices of some blocks along the sampled gradient of UMAP's cross-entropy.

    Within a block vertices move one after the other and both ends of an edge move at once, as in
    umap-learn; vertices of other blocks are seen where they were an epoch ago, so no block waits for
    another and the result does not tell in which order threads took the blocks.

    Args:
        old: (4 n,) positions after the epoch before: x, y, z (zero in 2D) and padding.
        new: (4 n,) positions to write; with several epochs in one call the two change places.
        indptr: (m + 1,) where the edges of each vertex begin, m at most n.
        tails: (n_edges,) other ends.
        rates: (n_edges,) share of the epochs in which an edge is drawn, in units of 2⁻³².
        bounds: (n_blocks + 1,) first vertices of the blocks.
        numbers: a, b, step at the first epoch, steps per edge towards another block.
        counters: first block, last block (excluded), first epoch, last epoch (excluded), number of
            epochs in all, seed, first vertex to push away from and number of these.
    """
    a, b, rate, across = numbers[0], numbers[1], numbers[2], numbers[3]
    low, pool = np.intp(counters[6]), np.uint64(np.uint32(counters[7]))
    zero, one, two, limit = np.float32(0), np.float32(1), np.float32(2), np.float32(4)
    small, tiny = np.float32(0.001), np.float32(1e-30)
    for epoch in range(counters[2], counters[3]):
        alpha = np.float32(rate * (1 - epoch / counters[4]))
        for block in range(counters[0], counters[1]):
            start, stop = bounds[block], bounds[block + 1]
            for place in range(4 * start, 4 * stop):
                new[place] = old[place]
            for i in range(start, stop):
                x, y, z = new[4 * i], new[4 * i + 1], new[4 * i + 2]
                fired = 0
                for e in range(indptr[i], indptr[i + 1]):
                    # A counter that overflows in this share of the epochs, each edge at its own phase.
                    phase = np.uint32(e) * np.uint32(0x9E3779B9)
                    if np.uint32(rates[e] * np.uint32(epoch) + phase) >= rates[e]:
                        continue
                    fired += 1
                    j = np.intp(tails[e])
                    near = start <= j < stop
                    source = new if near else old
                    dx, dy, dz = x - source[4 * j], y - source[4 * j + 1], z - source[4 * j + 2]
                    squared = dx * dx + dy * dy + dz * dz
                    if squared <= tiny:
                        continue
                    raised = power(squared, b)
                    pull = -two * a * b * raised / (squared * (one + a * raised))
                    gx = min(max(pull * dx, -limit), limit) * alpha
                    gy = min(max(pull * dy, -limit), limit) * alpha
                    gz = min(max(pull * dz, -limit), limit) * alpha
                    if near:
                        x, y, z = x + gx, y + gy, z + gz
                        new[4 * j] -= gx
                        new[4 * j + 1] -= gy
                        new[4 * j + 2] -= gz
                    else:
                        # The other end moves too, and neither sees it: a longer step would overshoot.
                        far = min(across, GAP_SHARE / max(-pull * alpha, tiny))
                        x, y, z = x + far * gx, y + far * gy, z + far * gz
                seed = np.uint32(counters[5] + epoch * 0x85EBCA6B + i * 0xC2B2AE35)
                samples = LANES * ((NEGATIVE_SAMPLES * fired + LANES - 1) // LANES)
                share = alpha * np.float32(NEGATIVE_SAMPLES * fired) / np.float32(max(samples, 1))
                for first in range(0, samples, LANES):
                    gx = gy = gz = zero
                    for lane in range(LANES):
                        h = np.uint32(seed + np.uint32(first + lane) * np.uint32(0x9E3779B9))
                        h = np.uint32((h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D))
                        h = np.uint32((h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B))
                        h = np.uint32(h ^ (h >> np.uint32(16)))
                        k = np.intp((np.uint64(h) * pool) >> np.uint64(32)) + low
                        dx, dy, dz = x - old[4 * k], y - old[4 * k + 1], z - old[4 * k + 2]
                        squared = dx * dx + dy * dy + dz * dz + tiny
                        push = two * b / ((small + squared) * (one + a * power(squared, b)))
                        push = zero if k == i else push
                        gx += min(max(push * dx, -limit), limit)
                        gy += min(max(push * dy, -limit), limit)
                        gz += min(max(push * dz, -limit), limit)
                    # One after the other, the first push out of a crowd would have ended the others.
                    x += share * min(max(gx, -limit), limit)
                    y += share * min(max(gy, -limit), limit)
                    z += share * min(max(gz, -limit), limit)
                new[4 * i], new[4 * i + 1], new[4 * i + 2] = x, y, z
        old, new = new, old
