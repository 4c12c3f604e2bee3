"""Logging layers: the same images through the model at each step, and what is made of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.capture import Model, find_layers, open_inputs
from explorer.capture.images import Inputs
from explorer.capture.pictures import quietly
from explorer.errors import InputError
from explorer.progress import say
from explorer.samples import even_rows
from explorer.tracking.measures import figures, histogram
from explorer.tracking.pictures import answers, grid_picture, sprites
from explorer.tracking.protocol import Embedding, Tracker, Value

BATCH = 64


@dataclass(frozen=True)
class Settings:
    """What `watch` was asked for; see there."""

    layers: tuple[str, ...] | None
    shown: int
    positions: int
    embed_every: int
    most_images: int | None


@dataclass
class Kept:
    """Images that are given to the model at each step.

    Attributes:
        values: (batch, *spatial, channels), ready for the model.
        pictures: (height, width, 3) each, None where the inputs are no pictures.
        names: one an image.
        labels: one an image, or None.
        metadata: what else is known of them, by column.
    """

    values: NDArray[Any]
    pictures: list[NDArray[np.uint8]] | None
    names: list[str]
    labels: list[str] | None
    metadata: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """Which positions of a layer are embedded, and what describes them.

    Attributes:
        rows: their places in the grid, None for all.
        columns: what is known of each.
        sprites: a picture for each, or None.
    """

    rows: NDArray[np.int64] | None
    columns: dict[str, list[Value]] = field(default_factory=dict)
    sprites: NDArray[np.uint8] | None = None


class Logger:
    """Logs layers of a model, step by step."""

    def __init__(
        self,
        images: object,
        labels: Sequence[str] | None,
        settings: Settings,
        *,
        trackers: Sequence[Tracker],
        kept: Kept | None = None,
    ) -> None:
        self._images, self._labels, self._settings = images, labels, settings
        self._trackers = trackers
        self._kept: Kept | None = kept
        self._names: list[str] = []
        self._rows: dict[str, Rows] = {}
        self._logged = 0

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, once they are known."""
        return tuple(self._names)

    def prepare(self, model: Model) -> None:
        """Read the images and find the layers, once.

        Raises:
            InputError: no image can be read.
            LayerError: the model has no such layer.
        """
        if self._kept is None:
            inputs = open_inputs(model, self._images, self._labels)
            found = find_layers(model, inputs, self._settings.layers)
            self._kept = read_all(inputs, self._settings.most_images)
            self._names = [info.name for info in found]

    def log(self, model: Model, step: int) -> None:
        """Everything of every layer at this step."""
        self.prepare(model)
        assert self._kept is not None
        every = self._settings.embed_every
        embeds = bool(every) and self._logged % every == 0
        values = self._kept.values
        parts = [
            model.adapter.capture(values[start : start + BATCH], self._names)
            for start in range(0, len(values), BATCH)
        ]
        for layer in self._names:
            whole = np.concatenate([part[layer].values for part in parts])
            self.log_layer(Activations(layer, whole), step, embeds=embeds)
        self._logged += 1

    def log_layer(self, activations: Activations, step: int, *, embeds: bool) -> None:
        """Everything of one layer, for the images that are kept."""
        layer = activations.layer
        pictures = self._drawn(activations)
        counted, numbers = histogram(activations.values), figures(activations.values)
        embedding = self._embedding(activations) if embeds else None
        for tracker in self._trackers:
            for name, picture in pictures.items():
                tracker.log_image(f"{name}/{layer}", picture, step)
            tracker.log_histogram(f"activations/{layer}", counted, step)
            for name, number in numbers.items():
                tracker.log_scalar(f"{name}/{layer}", number, step)
            if embedding is not None:
                tracker.log_embedding(layer, embedding, step)

    def _drawn(self, activations: Activations) -> dict[str, NDArray[np.uint8]]:
        """The pictures that a layer of its rank has."""
        kept = self._kept
        assert kept is not None
        n, rank = activations.batch, len(activations.spatial_shape)
        images = np.linspace(0, n - 1, min(self._settings.shown, n)).round().astype(int).tolist()
        seen = [None if kept.pictures is None else kept.pictures[image] for image in images]
        found = {}
        if rank == 2:
            found["feature_maps"] = answers(activations, images, seen)
        if rank in (1, 2):
            found["grids"] = grid_picture(activations, images[0], _title(kept.names[images[0]]), seen[0])
        return found

    def _embedding(self, activations: Activations) -> Embedding:
        layer = activations.layer
        if layer not in self._rows:
            assert self._kept is not None
            self._rows[layer] = described(activations, self._kept, self._settings.positions)
        chosen = self._rows[layer]
        rows = activations.values.reshape(-1, activations.channels)
        rows = rows if chosen.rows is None else rows[chosen.rows]
        return Embedding(np.asarray(rows, np.float32), chosen.columns, chosen.sprites)


def _title(name: str) -> str:
    return f"image {name}" if name.isdecimal() else name


def described(activations: Activations, kept: Kept, most: int) -> Rows:
    """Draw positions of a layer, and say what is known of each: label, image, place on the grid."""
    grid = activations.values.shape[:-1]
    rows = even_rows(grid, most)
    places = np.arange(int(np.prod(grid))) if rows is None else rows
    positions = np.stack(np.unravel_index(places, grid), axis=1).astype(np.int64)
    if rows is not None:
        say(f"{activations.layer}: embeds {len(rows):,} of {int(np.prod(grid)):,} positions, evenly drawn")
    images = positions[:, 0].tolist()
    columns: dict[str, list[Value]] = {}
    if kept.labels is not None:
        columns["label"] = [kept.labels[image] for image in images]
    for name, values in kept.metadata.items():
        columns[name] = ["" if values[image] is None else values[image] for image in images]
    columns["image"] = [kept.names[image] for image in images]
    axes = {1: ["position"], 2: ["row", "column"], 3: ["depth", "row", "column"]}.get(len(grid) - 1, [])
    for axis, name in enumerate(axes, start=1):
        columns[name] = positions[:, axis].tolist()
    made = None if kept.pictures is None else sprites(kept.pictures, positions, grid[1:])
    return Rows(rows, columns, made)


def evenly(n: int, most: int | None) -> list[int]:
    """At most so many of n images, as far apart as can be; that some are left out is said."""
    if most is None or n <= most:
        return list(range(n))
    say(f"takes {most:,} of {n:,} images, evenly")
    return [int(index) for index in np.linspace(0, n - 1, most).round()]


def read_all(inputs: Inputs, most: int | None) -> Kept:
    """Decode inputs into memory, broken ones left out and said.

    Raises:
        InputError: none can be read, or they differ in size.
    """
    n = len(inputs.names)
    chosen = evenly(n, most)
    good, read, first = [], [], ""
    with quietly():
        for index in chosen:
            try:
                read.append(inputs.load(index))
                good.append(index)
            except InputError as error:
                first = first or str(error)
                say(f"skipped {error}")
    if not read:
        raise InputError(f"none of the {n} images could be read; the first: {first}")
    shapes = {one.value.shape for one in read}
    if len(shapes) > 1:
        listed = " and ".join(" × ".join(map(str, shape)) for shape in sorted(shapes)[:2])
        raise InputError(f"images of different sizes ({listed}); declare a size under preprocessing")
    pictures = [one.picture for one in read if one.picture is not None]
    return Kept(
        np.stack([one.value for one in read]),
        pictures if len(pictures) == len(read) else None,
        [inputs.names[index] for index in good],
        None if inputs.labels is None else [inputs.labels[index] for index in good],
        {name: [column[index] for index in good] for name, column in inputs.metadata.items()},
    )
