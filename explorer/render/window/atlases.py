"""The window's atlases: of what is typical of each part of a map, or of what each part would like best."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from explorer.errors import InputError
from explorer.reduce.projection import Projection, load_projection
from explorer.render.linked.state import State
from explorer.render.linked.task import Task
from explorer.render.linked.words import method_name
from explorer.render.window.atlas_view import AtlasView, rows_that_fit
from explorer.render.window.maps import choices
from explorer.render.window.tasks import start
from explorer.render.window.widgets import Item

if TYPE_CHECKING:
    from explorer.render.sheets.atlas import Atlas
    from explorer.render.window.actions import Actions

ATLASES = {"patches": "by typical patches", "grown": "by what each direction grows into"}


def atlas_items(controls: Actions) -> list[Item]:
    """The atlases, for the list of maps."""
    shown = None if controls.maps is None else controls.maps.order
    return [
        Item("Atlas of this map", None),
        *(
            Item(words, partial(lay_atlas, controls, order), chosen=order == shown)
            for order, words in ATLASES.items()
        ),
    ]


def lay_atlas(controls: Actions, order: str) -> None:
    """Lay an atlas of the shown map over the window, or take it away again; it is made meanwhile.

    Args:
        controls: the window's.
        order: one of `ATLASES`.

    Raises:
        InputError: there is no 2D map, no model where one is needed, or something else is being made.
    """
    if controls.maps is not None and controls.maps.order == order:
        controls.maps = None
        return
    scene, projection = controls.scene, flat_map(controls.scene.state)
    kept = controls.atlases.get(order)
    if kept is not None and _same(kept.projection, projection):
        controls.maps, controls.message = kept, ""
        return
    rows = rows_that_fit(controls.layout)
    asked = scene.charts(projection, grown=order == "grown", rows=rows)
    laid: list[AtlasView] = []

    def show(found: Atlas) -> None:
        if laid:
            laid[0].atlas = found
            return
        laid.append(AtlasView(scene, projection, found, order=order))
        controls.maps = laid[0]

    def does(task: Task) -> tuple[Atlas, object, bool]:
        return *asked.answer(task.show, task.at), task.stopped()

    def then(result: tuple[Atlas, object, bool]) -> str:
        found, opened, stopped = result
        show(found)
        if opened is not None:
            scene.remember(asked.model, opened)
        if stopped:
            return "stopped before the end: pictures as they were by then"
        controls.atlases[order] = laid[0]
        return "" if controls.maps is laid[0] else "the atlas is made: it is in the list Maps"

    start(controls, partial(Task, grows=show), f"atlas of {projection.layer}", does, then)


def flat_map(state: State) -> Projection:
    """The shown map, where it is 2D; else the run's 2D map by the same method.

    Raises:
        InputError: it keeps none.
    """
    shown = state.projection
    if shown.n_components == 2:
        return shown
    for choice in choices(state.run, shown.layer):
        if (choice.method, choice.n_components) == (shown.method, 2) and choice.folder is not None:
            return load_projection(choice.folder)
    name = method_name(shown.method)
    here = f"{name} {shown.n_components}D"
    raise InputError(f"an atlas is of a 2D map: show {name} 2D first, from the list {here}")


def _same(one: Projection, other: Projection) -> bool:
    """Whether two maps are the same one."""
    return one is other or (one.layer == other.layer and np.array_equal(one.coordinates, other.coordinates))
