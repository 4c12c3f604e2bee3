"""Some epochs of a training: the steps between those that are kept, told from jitter anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from explorer.capture.manifest import read_json
from explorer.errors import InputError
from explorer.evolution.maps import TWIN
from explorer.evolution.result import EVOLUTION, Evolution
from explorer.reduce.align import compare, movement
from explorer.reduce.projection import load_projection


def every(evolution: Evolution, step: int) -> tuple[str, ...]:
    """Names of every so-manieth epoch, counted back from the last, which is among them.

    Raises:
        InputError: a step below 1, or one that leaves a single epoch.
    """
    n = len(evolution.epochs)
    if not 1 <= step < n:
        raise InputError(f"every {step}: expected a number from 1 to {n - 1}, for {n} epochs")
    return evolution.epochs[::-1][::step][::-1]


def chosen(evolution: Evolution, names: Sequence[str]) -> Evolution:
    """A training with some of its epochs; see `Evolution.only`."""
    asked, there = list(names), evolution.epochs
    unknown = [name for name in asked if name not in there]
    if unknown:
        raise InputError(f"epoch {unknown[0]!r}: this training has {', '.join(there)}")
    kept = [number for number, name in enumerate(there) if name in asked]
    if len(kept) < 2:
        raise InputError(
            f"epochs {', '.join(asked) or 'none'}: expected two or more of {', '.join(there)}; "
            "one by itself is a run in the folder's epochs/"
        )
    if len(kept) == len(there):
        return evolution
    seeded = any(one.moved is not None for one in evolution.figures)
    steps = [_step(evolution, before, after, seeded=seeded) for before, after in pairwise(kept)]
    beyond = np.stack([own for _, own in steps])
    moved = [None, *(float(own.mean()) if seeded else None for own in beyond)]
    figures = [replace(evolution.figures[k], moved=part) for k, part in zip(kept, moved, strict=True)]
    return replace(
        evolution,
        epochs=tuple(there[k] for k in kept),
        runs=tuple(evolution.runs[k] for k in kept),
        projections=tuple(evolution.projections[k] for k in kept),
        figures=tuple(figures),
        movement=np.stack([own for own, _ in steps]),
        beyond=beyond,
        left_out=(*evolution.left_out, _words(there, kept)),
        part=True,
    )


def _step(
    evolution: Evolution, before: int, after: int, *, seeded: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How far positions move between two kept epochs, and where that is beyond another seed's doing."""
    if after == before + 1:
        return evolution.movement[before], evolution.beyond[before]
    one, other = evolution.projections[before], evolution.projections[after]
    if not seeded:
        return movement(one, other), np.zeros(one.n_samples, bool)
    content = read_json(evolution.path / EVOLUTION)
    folder = Path(evolution.path / "maps" / content["maps"])
    names = {told["name"]: told["folder"] for told in content["epochs"]}
    twin = load_projection(folder / f"{names[evolution.epochs[before]]}{TWIN}")
    found = compare(one, other, twin)
    return found.moved, found.beyond


def _words(there: Sequence[str], kept: Sequence[int]) -> str:
    """What is left out, and which figure still looks there."""
    gone = [name for number, name in enumerate(there) if number not in kept]
    told = f"{len(gone)} of {len(there)} epochs, as asked for: {', '.join(gone)}"
    return told if kept[-1] == len(there) - 1 else f"{told} (CKA to the last is to epoch {there[-1]})"
