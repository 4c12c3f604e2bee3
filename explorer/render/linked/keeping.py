"""A scene kept in a file: map, camera, colours, filters and selection, to be brought back as they were."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from explorer.errors import ExplorerError, InputError, first_line
from explorer.reduce.projection import Projection
from explorer.render.cloud.camera import Camera
from explorer.render.cloud.views import Views
from explorer.render.files import save_text
from explorer.render.linked.quantities import Clustering
from explorer.render.linked.selection import Selection
from explorer.render.linked.state import State
from explorer.render.linked.steps import MAPS

FORMAT = 1
SIMPLE = ("theme", "colour", "colour_map", "size", "image", "channel", "map", "component")
SWITCHES = ("overlaid", "isolated")


class Keeping:
    """The part of a scene that is written to a file and read again.

    Attributes:
        state: what is shown, without any drawing.
        views: the cameras.
        named: whether classes are named at their centres.
        borrowed: the layer that has PCA→RGB colours of another run, or None.
    """

    state: State
    views: Views
    named: bool
    borrowed: str | None

    @property
    def projection(self) -> Projection:
        """What is shown."""
        raise NotImplementedError

    @projection.setter
    def projection(self, projection: Projection) -> None:
        raise NotImplementedError

    @property
    def beside(self) -> Projection | None:
        """What is shown beside it, or None."""
        raise NotImplementedError

    @beside.setter
    def beside(self, projection: Projection | None) -> None:
        raise NotImplementedError

    @property
    def camera(self) -> dict[str, Any]:
        """Where the cloud is seen from."""
        raise NotImplementedError

    @camera.setter
    def camera(self, content: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Everything that says what is shown, as what JSON can hold; data and pictures stay in the run."""
        state, projection = self.state, self.state.projection
        focus = state.focus
        kept: dict[str, Any] = {"format": FORMAT, "run": state.run.name}
        kept["projection"] = _named(projection)
        kept["beside"] = None if self.beside is None else _named(self.beside)
        kept |= {name: getattr(state, name) for name in (*SIMPLE, *SWITCHES)}
        kept |= {"named": self.named, "flat": self.views.flat, "slice": state.set_cut}
        kept["camera"] = None if self.views.chosen is None else self.views.chosen.to_dict()
        kept["views"] = [view.to_dict() for view in self.views.kept]
        kept["turn"] = None if self.views.turn is None else self.views.turn.tolist()
        kept["looking"] = state.looking
        kept["hidden"] = {mode: sorted(names) for mode, names in state.hidden.items()}
        kept["clustering"] = asdict(state.clustering)
        kept["focus"] = None if focus is None else [focus.image, *focus.position]
        chosen = state.kept_selection
        kept["selection"] = {"grid_shape": list(chosen.grid_shape), "runs": chosen.runs()}
        return kept

    def save_state(self, path: str | Path) -> Path:
        """Write `to_dict` as JSON.

        Raises:
            RenderError: the file cannot be written.
        """
        return save_text(json.dumps(self.to_dict(), indent=1), path)

    def load_state(self, path: str | Path) -> None:
        """Bring back what `save_state` wrote; the scene stays as it is where that cannot be.

        Raises:
            InputError: there is no such file, it holds no state, or one of another run.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{path}: not a saved state ({first_line(error)})") from None
        before = self.to_dict(), self.projection, self.beside
        try:
            self._restore(content)
        except (ExplorerError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            self.projection, self.beside = before[1:]
            self._restore(before[0])
            words = f"it lacks {error}" if isinstance(error, KeyError) else first_line(error)
            raise InputError(f"{path}: not a state of this run ({words}); `save_state` writes one") from None

    def _restore(self, content: Mapping[str, Any]) -> None:
        """Show what a dictionary says."""
        if not isinstance(content, Mapping) or content.get("format") != FORMAT:
            raise InputError(f"expected an object with format {FORMAT}")
        state = self.state
        self.projection = _found(state, self.projection, content["projection"])
        beside = content.get("beside")
        self.beside = None if beside is None else _found(state, self.beside or self.projection, beside)
        if content["map"] not in MAPS or not 0 <= content["component"] < self.projection.n_components:
            raise InputError(f"map {content['map']!r} with component {content['component']}")
        state.clear()
        state.set_cut = None
        state.clustering = Clustering(**content["clustering"])
        if content["focus"] is not None:
            state.look(*(int(at) for at in content["focus"]))
        for name in SIMPLE:
            setattr(state, name, content[name])
        if content.get("slice") is not None:
            state.cut = content["slice"]
        for name in SWITCHES:
            setattr(state, name, bool(content[name]))
        hidden = content["hidden"].items()
        state.hidden = {str(mode): frozenset(map(str, names)) for mode, names in hidden}
        chosen = content["selection"]
        grid = tuple(int(size) for size in chosen["grid_shape"])
        state.kept_selection = Selection.of_runs(grid, np.asarray(chosen["runs"], np.int64))
        state.looking = state.focus is not None and bool(content.get("looking", not state.wide))
        self.named, self.views.flat = bool(content["named"]), bool(content["flat"]) or self.views.cloud.flat
        self.views.chosen = None
        if "views" in content:  # kept in place: the scene holds on to the list
            self.views.kept[:] = [Camera.from_dict(view) for view in content["views"]]
        if "turn" in content:
            self.views.turn = content["turn"]
        if content["camera"] is not None:
            self.camera = content["camera"]

    def code(self) -> str:
        """Lines of Python that rebuild the view to the pixel: map, colours, filters, selection, camera."""
        from explorer.render.linked.rebuilding import code

        return code(self)


def _named(projection: Projection) -> dict[str, Any]:
    """What a projection is found by again."""
    return {
        "layer": projection.layer,
        "method": projection.method,
        "parameters": dict(projection.parameters),
    }


def _found(state: State, now: Projection, wanted: Mapping[str, Any]) -> Projection:
    """The projection that a saved state was of: the one that is shown, or one that the run keeps."""

    def fits(one: Projection) -> bool:
        same = (one.layer, one.method) == (wanted["layer"], wanted["method"])
        return same and json.loads(json.dumps(dict(one.parameters))) == wanted["parameters"]

    if fits(now):
        return now
    if getattr(state.run, "path", None) is not None:
        from explorer.reduce.project import saved_projections

        run: Any = state.run
        for one in saved_projections(run).values():
            if fits(one):
                return one
    raise InputError(f"{wanted['method']} of layer {wanted['layer']}: this run keeps no such map")
