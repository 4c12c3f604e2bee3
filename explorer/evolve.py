"""evolve(): one layer over the checkpoints of a training, each captured once, their maps made together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from explorer.errors import CheckpointError
from explorer.evolution.captures import Book, captured
from explorer.evolution.maps import figures_of, maps_of
from explorer.evolution.measures import measures_of
from explorer.evolution.result import Evolution, save_evolution
from explorer.evolution.sources import sources_of
from explorer.progress import say
from explorer.reduce.frames import TIE
from explorer.reduce.rows import fingerprint
from explorer.reduce.settings import Settings, sample_size

SAMPLE = 5_000
"""Positions that are followed unless told otherwise: every epoch is projected twice. It is said."""


def evolve(
    model: object,
    images: object = None,
    *,
    checkpoints: str | Path | Sequence[str | Path] | Mapping[Any, object] | None = None,
    layer: str | None = None,
    method: str = "umap",
    n_components: int = 3,
    random_state: int = 0,
    sample: int | str | None = SAMPLE,
    standardise: bool = False,
    perplexity: float = 30.0,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    metric: str = "euclidean",
    tie: float = TIE,
    out: str | Path,
    remake: bool = False,
    overwrite: bool = False,
) -> Evolution:
    """Follow a layer over the checkpoints of a training.

    Each checkpoint is captured into a run folder of its own below `out`; the same call again resumes what
    was interrupted and captures only what is new. Maps that are there stay as they are: those of new
    checkpoints are continued beside them.

    Args:
        model: a model.toml or anything `load_model` opens with a checkpoint; or a folder of models that
            stand alone (.onnx, .keras, activations …), one an epoch.
        images: anything `capture` takes.
        checkpoints: a folder of Orbax steps or of files of weights, or such files in a list; a mapping of
            names to what `load_model` opens, in its own order. None for those the model.toml names.
        layer: the layer; None for the one the model suggests, else the last spatial one.
        method: "umap", "tsne" or "pca".
        n_components: 2 or 3.
        random_state: seed of the maps; the next one is what movement is held against.
        sample: most positions to follow, drawn evenly over the images, or "all".
        standardise: divide each channel by its standard deviation first.
        perplexity: t-SNE's effective number of neighbours.
        n_neighbors: UMAP's number of neighbours.
        min_dist: UMAP's smallest distance between points of the map.
        metric: "euclidean" or "cosine".
        tie: how strongly a position is pulled to its places in the maps beside at first.
        out: the folder; made, or one that `evolve` wrote.
        remake: make all maps anew together, also those that are there.
        overwrite: replace captures of other images or preprocessing that are in the way.

    Raises:
        CheckpointError: fewer than two checkpoints can be used.
        ExplorerError: anything else, in one line.
    """
    settings = Settings(
        method, n_components, random_state, standardise, sample_size(sample, method, from_run=True),
        float(perplexity), n_neighbors, float(min_dist), metric=metric,
    )  # fmt: skip
    root = Path(out)
    book = Book.read(root)
    found = captured(sources_of(model, checkpoints, book), images, layer, book, overwrite=overwrite)
    measures, again = measures_of(root, found.runs, found.layer)
    left_out = list(found.left_out)
    for key, own in measures.items():
        if own.why_not:
            left_out.append(f"{found.names[key]}: {own.why_not}")
            say(f"left out {left_out[-1]}")
    usable = {key: run for key, run in found.runs.items() if not measures[key].why_not}
    if len(usable) < 2:
        why = f"; {left_out[0]}" if left_out else ""
        raise CheckpointError(
            f"{root}: {len(usable)} of {len(found.names)} checkpoints can be used, expected two or more{why}"
        )
    folder = _maps_folder(settings, found.layer, tie)
    maps = maps_of(root / "maps" / folder, usable, found.layer, settings=settings, tie=tie, remake=remake)
    names = tuple(found.names[key] for key in usable)
    evolution = Evolution(
        root,
        found.layer,
        names,
        tuple(usable.values()),
        maps.projections,
        figures_of(maps, [measures[key] for key in usable]),
        maps.movement,
        maps.beyond,
        tuple(left_out),
        (*found.notes, *maps.notes(names), *([f"linear CKA to {names[-1]} measured again"] if again else [])),
    )
    save_evolution(evolution, tuple(usable), folder)
    return evolution


def _maps_folder(settings: Settings, layer: str, tie: float) -> str:
    """The name of the folder of maps by these settings."""
    asked = {**settings.recorded(), "layer": layer, "tie": tie}
    return f"{quote(layer, safe=' ')}-{settings.method}-{settings.n_components}d-{fingerprint(asked)}"
