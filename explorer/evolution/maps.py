"""The maps of an evolution, kept and continued, and what moves between them beyond another seed's doing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from shutil import rmtree

import numpy as np
from numpy.typing import NDArray

from explorer.capture.store import Run
from explorer.errors import RunError
from explorer.evolution.measures import Measures
from explorer.evolution.result import EpochFigures
from explorer.progress import say
from explorer.reduce.align import compare, movement
from explorer.reduce.continuing import map_frames
from explorer.reduce.projection import DESCRIPTION, Projection, load_projection
from explorer.reduce.rows import rows_of
from explorer.reduce.settings import Settings
from explorer.samples import Samples

TWIN = ".again"
"""Behind the folder's name of a map that was made again under another seed."""


@dataclass(frozen=True)
class Maps:
    """Maps of E checkpoints, n positions.

    Attributes:
        projections: (E,) laid over each other.
        movement: (E - 1, n) how far each position moves to the next map.
        beyond: (E - 1, n) whether that is beyond what another seed does; all False for PCA.
        made: (E,) which maps were made now.
        seeded: whether the method has a seed to hold movement against.
    """

    projections: tuple[Projection, ...]
    movement: NDArray[np.float64]
    beyond: NDArray[np.bool_]
    made: tuple[bool, ...]
    seeded: bool

    def notes(self, names: Sequence[str]) -> tuple[str, ...]:
        """What was made and what was left as it was, in words."""
        one, total = self.projections[0], self.projections[0].n_positions
        new = [name for name, made in zip(names, self.made, strict=True) if made]
        every = "every position" if one.n_samples == total else f"{one.n_samples:,} of {total:,} positions"
        if len(new) == len(names):
            told = f"maps of {every} made together"
        elif new:
            told = f"maps of {', '.join(new)} continued beside the others, which stayed as they are ({every})"
        else:
            told = f"maps of {every} were there"
        seed = () if self.seeded else ("movement is not marked: PCA has no seed to hold it against",)
        return told, *seed


def maps_of(
    folder: Path,
    runs: Mapping[str, Run],
    layer: str,
    *,
    settings: Settings,
    tie: float,
    remake: bool,
) -> Maps:
    """Read the maps that are there, make those that are missing, and compare each with the next.

    Args:
        folder: where maps by these settings are kept.
        runs: by key, in their order.
        layer: the layer.
        settings: how they are made; the twins under the seed after theirs.
        tie: how strongly a position is pulled to its places beside.
        remake: make all anew.
    """
    if remake and folder.is_dir():
        rmtree(folder)
    every = list(runs.values())

    def read(number: int) -> Samples:
        return rows_of(every[number], layer, settings.sample)

    own = [_kept(folder / key, run) for key, run in runs.items()]
    projections = map_frames(read, own, settings, tie=tie)
    _keep(folder, runs, projections, own)
    made = tuple(one is None for one in own)
    if settings.method == "pca":
        moved = [movement(one, other) for one, other in pairwise(projections)]
        return Maps(projections, np.stack(moved), np.zeros((len(moved), len(moved[0])), bool), made, False)
    other_seed = replace(settings, random_state=((settings.random_state or 0) + 1) % 2**32)
    twins_kept = [_kept(folder / f"{key}{TWIN}", run) for key, run in runs.items()]
    twins = map_frames(read, twins_kept, other_seed, tie=tie)
    _keep(folder, {f"{key}{TWIN}": run for key, run in runs.items()}, twins, twins_kept)
    steps = zip(projections[:-1], projections[1:], twins[:-1], strict=True)
    found = [compare(before, after, twin) for before, after, twin in steps]
    return Maps(
        projections,
        np.stack([one.moved for one in found]),
        np.stack([one.beyond for one in found]),
        made,
        True,
    )


def _kept(folder: Path, run: Run) -> Projection | None:
    """The map that is there of this very run, or None."""
    if not (folder / DESCRIPTION).is_file():
        return None
    try:
        found = load_projection(folder)
    except RunError as error:
        say(f"{error}: making it again")
        return None
    return found if found.provenance.get("run") == run.manifest["identity"] else None


def _keep(
    folder: Path,
    runs: Mapping[str, Run],
    projections: Sequence[Projection],
    kept: Sequence[Projection | None],
) -> None:
    """Save the maps that are new, each with the run that it is of."""
    for (key, run), one, old in zip(runs.items(), projections, kept, strict=True):
        if old is None:
            provenance = {**one.provenance, "run": run.manifest["identity"]}
            replace(one, provenance=provenance).save(folder / key)


def figures_of(maps: Maps, measures: Sequence[Measures]) -> tuple[EpochFigures, ...]:
    """The figures of every checkpoint."""
    moved = [None, *(float(step.mean()) if maps.seeded else None for step in maps.beyond)]
    return tuple(
        EpochFigures(
            own.spectrum.separation,
            own.spectrum.image_separation,
            one.quality.get("trustworthiness"),
            own.spectrum.effective_rank,
            own.dead,
            own.channels,
            own.cka_last,
            part,
        )
        for own, one, part in zip(measures, maps.projections, moved, strict=True)
    )
