"""All epochs of a training in one file: the same positions at each, and what was measured of every one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.render.drawing.text import count, plural
from explorer.render.epochs.scene import EpochScene
from explorer.web.epochs import drawn
from explorer.web.material import Material, Told, plain, principal
from explorer.web.packing import WHOLE, block, to_whole
from explorer.web.plan import (
    Plan,
    add_columns,
    add_grids,
    add_map,
    add_neighbours,
    add_pictures,
    add_vectors,
    by_variance,
    without,
)

if TYPE_CHECKING:
    from explorer.render.export.exporting import Options
    from explorer.render.linked.scene import Scene

STEPS = (add_grids, add_columns, add_neighbours, add_vectors)
"""What is kept of an epoch beside its points, most useful first; channels come after."""
SHARED = ("view", "title", "opening", "flat", "image", "theme", "colour", "notes", "left", "pictures")
"""What is told once for all epochs."""

WITHIN = re.compile(r"within (\S+) of the exact")


def training_of(scene: Scene) -> EpochScene | None:
    """The scene as one of a training, where it shows the map that goes through all epochs."""
    if not isinstance(scene, EpochScene):
        return None
    return scene if scene.projection is scene.evolution.projections[scene.epoch] else None


def about_epochs(training: EpochScene) -> Told:
    """What the page reads of a training before anything else; `each` fills up as epochs are packed."""
    evolution = training.evolution
    return {
        "title": evolution.path.resolve().name,
        "flat": principal(evolution.projections[-1].coordinates).tolist(),
        "epochs": {
            "names": list(evolution.epochs),
            "at": training.epoch,
            "figures": [drawn(one) for one in training.curves],
            "maps": [],
            "seeded": training.seeded,
            "ours": True,
            "each": [],
        },
    }


def add_epochs(
    plan: Plan, training: EpochScene, options: Options, *, advance: Callable[[int], None] = lambda _: None
) -> None:
    """Every epoch's points, pictures once, and of each epoch an equal share of maps, neighbours and vectors.

    Args:
        plan: the file; its meta has what `about_epochs` told.
        training: the scene; it shows the same epoch again afterwards.
        options: what goes in.
        advance: called once for each epoch that is packed.
    """
    plan.left_all(getattr(training.evolution, "left_out", ()))
    _add_places(plan, training)
    _add_movement(plan, training)
    add_pictures(plan, Material(training), options)
    kept, n = training.at, len(training.evolution.epochs)
    parts: list[Plan] = []
    try:
        training.epoch = n - 1
        order = [int(one) for one in by_variance(Material(training))]
        order = order if options.channels is None else order[: options.channels]
        room = plan.room
        for epoch in range(n):
            training.epoch = epoch
            part = _packed(Material(training), options, room=room / (n - epoch), order=order)
            room -= sum(len(one.text) for one in part.blocks)
            parts.append(part)
            advance(1)
    finally:
        training.at = kept
    _agree(plan, parts, order)
    _tell(plan, parts)


def _add_places(plan: Plan, training: EpochScene) -> None:
    """Coordinates at every epoch in 16 bits, on axes that all epochs share: what stays put is drawn there."""
    maps = training.evolution.projections
    whole, low, high = to_whole(np.concatenate([one.coordinates for one in maps]))
    for epoch, own in enumerate(np.split(whole, len(maps))):
        plan.add(block(f"e{epoch}-coordinates", own), needed=True)
    plan.meta.update(low=low.tolist(), high=high.tolist())
    if maps[0].rows is not None:
        steps = np.diff(maps[0].rows, prepend=0).astype(np.uint32)
        plan.add(block("places", steps), needed=True)
    ends = ", ".join(f"{a:.4g} to {b:.4g}" for a, b in zip(low, high, strict=True))
    points = f"{plural(maps[0].n_samples, 'point')} at {plural(len(maps), 'epoch')}"
    plan.note(f"coordinates in 16 bits: {points}, axes of all epochs from {ends}")


def _add_movement(plan: Plan, training: EpochScene) -> None:
    """How far each position moves to the next epoch, in 16 bits, and whether another seed moves it as far."""
    movement = np.nan_to_num(np.asarray(training.evolution.movement, np.float64), posinf=0.0, neginf=0.0)
    most = float(movement.max(initial=0.0)) or 1.0
    plan.add(block("movement", np.rint(movement / most * WHOLE).astype(np.uint16)), needed=True)
    plan.meta["epochs"]["farthest"] = most
    if training.seeded:
        plan.add(block("beyond", training.evolution.beyond.astype(np.uint8)), needed=True)


def _packed(material: Material, options: Options, *, room: float, order: list[int]) -> Plan:
    """One epoch's maps, neighbours and vectors, as much as its share has room for."""
    part = Plan(room, material.whole_meta())
    for step in STEPS:
        step(part, material, options)
    for channel in order:
        before = part.room
        if not add_map(part, f"channel:{channel}", material.channel(channel), f"channel {channel}"):
            break
        if part.room < before - part.room:
            break
    return part


def _agree(plan: Plan, parts: list[Plan], order: list[int]) -> None:
    """Keep the maps of those channels that every epoch has room for: colours last from one to the next."""
    common = min(sum(name.startswith("channel:") for name in part.meta["grids"]) for part in parts)
    kept, channels = set(order[:common]), plan.meta["channels"]
    gone = {f"channel:{channel}" for channel in range(channels) if channel not in kept}
    for part in parts:
        names = {f"channel-{channel}" for channel in order[common:]}
        part.blocks = [one for one in part.blocks if one.name.removesuffix("-ends") not in names]
        part.meta["grids"] = {name: own for name, own in part.meta["grids"].items() if name not in gone}
        for which in ("colours", "maps"):
            without(part, which, gone)
    for which in ("colours", "maps"):
        without(plan, which, gone)
    if gone:
        chosen = f"those that vary most at the last epoch are kept: {count(common)}"
        plan.left(f"{count(len(gone))} of {plural(channels, 'channel')} of every epoch ({chosen})")
    maps = common + all("norm" in part.meta["grids"] for part in parts)
    if maps:
        each = f"{plural(maps, 'map')} an epoch"
        plan.note(f"maps in one byte a position, from each picture's lowest to its highest: {each}")


def _tell(plan: Plan, parts: list[Plan]) -> None:
    """Take the epochs' blocks under names of their own, and of their words those that differ."""
    epochs: Told = plan.meta["epochs"]
    plan.meta.update(grids={}, rows={}, near=None, vectors=None)
    for epoch, part in enumerate(parts):
        for one in part.blocks:
            plan.add(replace(one, name=f"e{epoch}-{one.name}"), needed=True)
        epochs["each"].append(differing(part.meta, plan.meta))
    names = epochs["names"]
    for which, tell in (("notes", plan.note), ("left", plan.left)):
        said: dict[str, tuple[str, list[str]]] = {}
        for name, part in zip(names, parts, strict=True):
            for words in part.meta[which]:
                # Errors that differ a little from epoch to epoch are one line, with the largest of them.
                alike = WITHIN.sub("", words)
                before, of = said.get(alike, (words, []))
                said[alike] = max(before, words, key=_error), [*of, name]
        for words, of in said.values():
            at = "every epoch" if len(of) == len(names) else f"epoch{'s' * (len(of) > 1)} {', '.join(of)}"
            tell(f"{words} ({at})")


def _error(words: str) -> float:
    """The error that a line tells, or 0."""
    found = WITHIN.search(words)
    return float(found[1]) if found else 0.0


def differing(told: Told, base: Told) -> dict[str, Any]:
    """What an epoch tells otherwise than all of them."""
    missing = object()
    found = {name: value for name, value in told.items() if name not in SHARED}
    return {name: plain(value) for name, value in found.items() if value != base.get(name, missing)}
