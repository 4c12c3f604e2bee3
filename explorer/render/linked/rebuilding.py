"""A scene as lines of Python that show the same again, to the pixel."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from explorer.reduce.projection import Projection
from explorer.reduce.settings import DEFAULT_SAMPLE, METHODS
from explorer.render.linked.quantities import Clustering
from explorer.render.linked.state import State

if TYPE_CHECKING:
    from explorer.render.linked.keeping import Keeping

SHORT = 100
"""Positions that are written one by one; more of them are written as stretches of the grid."""


def code(scene: Keeping) -> str:
    """The lines; only what differs from a new scene is set."""
    body = [*_looks(scene.state), *_chosen(scene.state), *_seen(scene)]
    if scene.beside is not None:
        body.append(f"scene.beside = {_projection(scene.state.run, scene.beside)}")
    if scene.borrowed == scene.state.values.layer:
        body.append("# PCA→RGB colours of another run are not in these lines: scene.use_rgb takes them")
    imports = ["import explorer"]
    if any("Clustering(" in line for line in body):
        imports.append("from explorer.render.linked.quantities import Clustering")
    if any("Selection." in line for line in body):
        imports.append("from explorer.render.linked.selection import Selection")
    run = str(getattr(scene.state.run, "path", "RUN"))
    opened = [
        f"run = explorer.open_run({run!r})",
        f"projection = {_projection(scene.state.run, scene.projection)}",
    ]
    return "\n".join([*imports, "", *opened, *body]) + "\n"


def _projection(run: Any, shown: Projection) -> str:
    """What makes or opens a projection."""
    own = shown.method == "precomputed" or shown.method not in METHODS
    if own or shown.parameters.get("random_state") is None:
        return _saved(run, shown)
    from explorer.reduce.project import project

    usual = {name: one.default for name, one in inspect.signature(project).parameters.items()}
    asked = dict(shown.parameters)
    sample = asked.pop("sample", None)
    if sample != DEFAULT_SAMPLE.get(shown.method):
        asked["sample"] = "all" if sample is None else sample
    words = [f"layer={shown.layer!r}", f"method={shown.method!r}", f"n_components={shown.n_components}"]
    words += [
        f"{name}={value!r}"
        for name, value in asked.items()
        if name in usual and name not in ("layer", "method", "n_components") and value != usual[name]
    ]
    return f"explorer.project(run, {', '.join(words)})"


def _saved(run: Any, shown: Projection) -> str:
    """What opens a projection that nothing makes again: coordinates or a reducer of the user's own."""
    from explorer.reduce.project import saved_projections

    path = getattr(run, "path", None)
    for name, one in ({} if path is None else saved_projections(run)).items():
        if (one.layer, one.method, one.parameters) == (shown.layer, shown.method, shown.parameters):
            return f"explorer.load_projection(run.path / 'projections' / {name!r})"
    return f"...  # {shown.method} of {shown.layer}, which the run does not keep"


def _looks(state: State) -> list[str]:
    """The scene, and what it shows how."""
    theme = "" if state.theme == "light" else f", theme={state.theme!r}"
    lines = [f"scene = explorer.scene(run, projection{theme})"]
    if state.clustering != Clustering():
        lines.append(f"scene.state.clustering = {state.clustering!r}")
    if state.focus is not None:
        place = ", ".join(map(str, (state.focus.image, *state.focus.position)))
        lines.append(f"scene.inspect({place})")
    if state.image != (0 if state.focus is None else state.focus.image):
        lines.append(f"scene.image = {state.image}")
    if state.colour != ("label" if state.run.labels is not None else "image"):
        lines.append(f"scene.colour = {state.colour!r}")
    fresh = (("channel", 0), ("map", "norm"), ("component", 0), ("colour_map", None), ("size", None))
    for name, usual in (*fresh, ("overlaid", True), ("isolated", False)):
        value = getattr(state, name)
        if value != usual:
            lines.append(f"scene.state.{name} = {value!r}")
    if state.set_cut is not None:
        lines.append(f"scene.slice = {state.set_cut}")
    hidden = {mode: names for mode, names in state.hidden.items() if names}
    if hidden:
        each = ", ".join(f"{mode!r}: frozenset({sorted(names)!r})" for mode, names in hidden.items())
        lines.append(f"scene.state.hidden = {{{each}}}")
    return lines


def _chosen(state: State) -> list[str]:
    """What is selected."""
    chosen = state.kept_selection
    lines = []
    if chosen and len(chosen) <= SHORT and chosen.grid_shape == state.values.grid_shape:
        lines.append(f"scene.selection = {chosen.positions().tolist()!r}")
    elif chosen:
        made = f"Selection.of_runs({chosen.grid_shape!r}, {chosen.runs()!r})"
        lines.append(f"scene.state.kept_selection = {made}")
    if state.looking and chosen:  # what was selected after it counts as the last thing that was done
        lines.append("scene.state.looking = True")
    if not state.looking and not chosen and state.focus is not None:
        lines.append("scene.state.looking = False")
    return lines


def _seen(scene: Keeping) -> list[str]:
    """From where it is seen."""
    lines = [] if scene.named else ["scene.named = False"]
    if scene.views.flat and not scene.views.cloud.flat:
        lines.append("scene.flat = True")
    if scene.views.chosen is not None:
        lines.append(f"scene.camera = {scene.camera!r}")
    elif scene.views.turn is not None and not scene.views.flat:
        lines.append(f"scene.views.turn = {scene.views.turn.tolist()!r}")
    return lines
