"""What the server answers: the questions that a file answers from what it holds, answered from the run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.errors import ExplorerError, InputError, suggest
from explorer.render.cloud.camera import Camera
from explorer.render.drawing.text import plural
from explorer.render.linked.near import neighbourhood
from explorer.render.linked.quantities import METADATA
from explorer.render.linked.saliency_files import SALIENCY
from explorer.render.linked.selection import Selection
from explorer.render.linked.words import method_name
from explorer.render.values import length
from explorer.web.allmaps import AllMaps
from explorer.web.exports import endings, load
from explorer.web.material import Material, Told, plain, principal
from explorer.web.model import model_of
from explorer.web.packing import Bytes, png, wire

if TYPE_CHECKING:
    from explorer.capture import Run
    from explorer.reduce import Projection
    from explorer.render.linked.scene import Scene

NEIGHBOURS = 8
METHODS = ("pca", "umap", "tsne")
CHEAP = ("trust", "mask")
"""What is told of a position at once; anything dearer only when it is asked for."""


class Answers:
    """Answers about one run, one at a time: whoever asks from several threads takes turns.

    Attributes:
        scene: what is shown, with the selection.
        run: the run.
        material: what is shown as numbers and words.
        shown: the name of the map that is shown.
    """

    def __init__(self, scene: Scene, run: Run) -> None:
        self.scene = scene
        self.run = run
        self.material = Material(scene)
        self.shown = self.identify(self.material.projection)
        self._saved: dict[str, Projection] = {}
        self._known: dict[str, Callable[..., Any]] = {
            "meta": self.meta,
            "cloud": self.cloud,
            "grid": self.grid,
            "rgb": lambda: wire(self.material.rgb()),
            "rows": self.rows,
            "similarity": self.similarity,
            "neighbours": self.neighbours,
            "picture": self.picture,
            "show": self.show,
            "select": self.select,
            "selection": lambda: wire(self.scene.selection.places.astype(np.uint32)),
            "clusters": self.clusters,
            "views": self.keep_views,
            "code": self.code,
            "beside": self.beside,
            "endings": endings,
            "selection_file": self.selection_file,
            "typical": self.material.typical,
            "all_maps": AllMaps(lambda: self.run),
        }

    def __call__(self, question: str, arguments: list[Any], shown: str | None = None) -> Any:
        """Answer a question of the page.

        Args:
            question: one of those known here.
            arguments: what it takes.
            shown: the map that the page means; None for questions that are of no map.

        Raises:
            InputError: a question that there is not, arguments that it cannot take, or another map by now.
        """
        if shown is not None and shown != self.shown:
            raise InputError(f"question {question!r}: of a map that is no longer shown")
        if question not in self._known:
            raise InputError(f"question {question!r}: {suggest(question, self._known)}")
        try:
            return self._known[question](*arguments)
        except (TypeError, ValueError, IndexError, KeyError) as error:
            raise InputError(f"question {question!r} with {len(arguments)} arguments: {error}") from None

    def meta(self) -> Told:
        """Words and few numbers, with what the page can switch to."""
        own, focus = self.material.meta(), self.scene.focus
        own.update(
            layers=list(self.run.layers),
            methods=[{"key": key, "title": method_name(key)} for key in METHODS],
            projections=self.projections(),
            shown=self.shown,
            # Clusters are found when they are asked for, not for the sake of one position.
            figures=[
                told
                for told in own["figures"]
                if told["name"] in CHEAP or told["name"].startswith((METADATA, SALIENCY))
            ],
            focus=None if focus is None else self._place(focus.image, focus.position),
            model=model_of(self.scene),
        )
        return own

    def projections(self) -> list[Told]:
        """The run's kept projections, and the one that is shown."""
        from explorer.reduce import saved_projections

        shown = self.material.projection
        self._saved = {self.identify(one): one for one in saved_projections(self.run).values()}
        self._saved[self.identify(shown)] = shown
        return [self.about(key, one) for key, one in self._saved.items()]

    @staticmethod
    def about(key: str, one: Projection) -> Told:
        """A projection as the page lists it."""
        return {
            "id": key,
            "layer": one.layer,
            "method": one.method,
            "components": one.n_components,
            "parameters": plain(dict(one.parameters)),
            "title": f"{method_name(one.method)} {one.n_components}D",
        }

    def identify(self, projection: Projection) -> str:
        """The name of a projection on the page."""
        return identifier(projection)

    def epoch_of(self, run: object) -> Told:
        """Of which epoch of a training an answer is, under "epoch"; nothing for a run that is of none."""
        return {}

    def writing(self) -> Scene:
        """A scene of its own that shows the same map, so that this one can be asked meanwhile."""
        from explorer.render import scene as make

        return make(self.run, self.material.projection)

    def cloud(self) -> Told:
        """Coordinates as they are, and the places they belong to."""
        projection = self.material.projection
        places = None if projection.rows is None else wire(projection.rows.astype(np.uint32))
        return {"coordinates": wire(projection.coordinates.astype(np.float32)), "places": places}

    def grid(self, name: str) -> Told:
        """A number of every position of the layer: "norm", or "channel:3"."""
        if name == "norm":
            title = f"norm of {plural(self.scene.state.values.channels, 'channel')}"
            made = self.material.norms()
        else:
            channel = int(name.removeprefix("channel:"))
            if not 0 <= channel < self.scene.state.values.channels:
                raise InputError(f"{name}: the layer has channels to {self.scene.state.values.channels - 1}")
            made, title = self.material.channel(channel), f"channel {channel}"
        return {"title": title, **_ranges(made)}

    def rows(self, name: str) -> Told:
        """A number or class of every projected position."""
        quantity = self.scene.state.quantity(name)
        told: Told = {"title": quantity.title, "note": quantity.note, "names": list(quantity.names)}
        if quantity.names:
            return {**told, "numbers": wire(np.asarray(quantity.values, np.uint16))}
        limits = None if quantity.limits is None or quantity.signed else list(quantity.limits)
        numbers = wire(np.asarray(quantity.values, np.float32))
        return {**told, "numbers": numbers, "limits": limits, "signed": quantity.signed}

    def similarity(self, place: int) -> Told:
        """Cosine of every position of every picture with one, which is looked at from now on; its norm."""
        image, *position = self._position(place)
        self.scene.inspect(image, *position)
        values = self.scene.state.values
        norm = float(length(np.asarray(values.image(image)[tuple(position)])))
        return {"numbers": wire(values.similarity(image, tuple(position)).reshape(-1)), "norm": norm}

    def neighbours(self, place: int) -> Told:
        """The nearest of a position in the original space, and what found them."""
        self.scene.inspect(*self._position(place))
        found = neighbourhood(self.scene.state, NEIGHBOURS)
        recall = found.truth.recall
        note = "" if recall >= 1 else f"{recall:.0%} of the true ones were found"
        distances = [float(f"{one:.4g}") for one in found.truth.distances]
        return {"original": found.truth.rows.tolist(), "distances": distances, "note": note}

    def picture(self, image: int) -> Told | None:
        """An input as PNG, or None where the run keeps no pictures."""
        pixels = self.run.picture(image)
        return None if pixels is None else png(pixels)

    def show(self, name: str) -> None:
        """Show another kept projection; what is selected and looked at stays."""
        if name not in self._saved:
            raise InputError(f"projection {name!r}: the run keeps no such projection any more")
        self.take(self._saved[name])

    def keep(self, projection: Projection) -> str:
        """Know a projection of the run from now on; returns its name."""
        self._saved[self.identify(projection)] = projection
        return self.identify(projection)

    def take(self, projection: Projection) -> None:
        """Show a projection of the run."""
        self.keep(projection)
        self.scene.projection = projection
        self.material = Material(self.scene)
        self.shown = self.identify(projection)

    def select(self, places: list[int]) -> int:
        """Take the page's selection, so that `scene.selection` is it; returns how many it holds."""
        chosen = Selection(self.scene.state.values.grid_shape, np.asarray(places, np.int64))
        self.scene.selection = chosen
        return len(chosen)

    def clusters(self, method: str, on: str, n: int) -> None:
        """Find other clusters from now on."""
        from explorer.render.linked.quantities import Clustering

        self.scene.state.clustering = Clustering(method, on, n)  # type: ignore[arg-type]

    def beside(self, name: str) -> Told:
        """Coordinates and words of another kept projection, to be shown beside the first."""
        if name not in self._saved:
            raise InputError(f"projection {name!r}: the run keeps no such projection any more")
        return self.about_beside(name, self._saved[name])

    def about_beside(self, name: str, other: Projection) -> Told:
        """A projection's coordinates and words."""
        grid = self.run.grid_shape(other.layer)
        told = {
            "layer": other.layer,
            "method": method_name(other.method),
            "methodKey": other.method,
            "components": other.n_components,
            "nRows": other.n_samples,
            "spatial": list(grid[1:]),
            "flat": principal(other.coordinates).tolist(),
        }
        places = None if other.rows is None else wire(other.rows.astype(np.uint32))
        coordinates = wire(other.coordinates.astype(np.float32))
        named = {"layer": other.layer, "method": other.method, "parameters": plain(dict(other.parameters))}
        return {"id": name, "meta": told, "coordinates": coordinates, "places": places, "named": named}

    def keep_views(self, views: list[Told]) -> int:
        """Let these be the kept views of the shown map, where the window keeps its own; returns how many."""
        self.scene.views.kept[:] = [Camera.from_dict(view) for view in views]
        return len(views)

    def code(self, view: Told) -> str:
        """Lines of Python that rebuild what the page shows.

        Args:
            view: the page's state, as `save_state` writes one.
        """
        load(self.scene, view)
        return self.scene.code()

    def selection_file(self, ending: str) -> Told:
        """The selection as a file: .csv, .parquet, or .npz of masks."""
        if ending not in (".csv", ".parquet", ".npz"):
            raise InputError(f"selection as {ending!r}: expected .csv, .parquet or .npz")
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"selection{ending}"
            try:
                self.scene.save_selection(path)
            except ExplorerError as error:  # a passing folder's name helps nobody
                raise InputError(str(error).replace(str(path), path.name)) from None
            return {"type": "application/octet-stream", "bytes": path.read_bytes()}

    def _position(self, place: int) -> tuple[int, ...]:
        return tuple(int(at) for at in np.unravel_index(int(place), self.scene.state.values.grid_shape))

    def _place(self, image: int, position: tuple[int, ...]) -> int:
        return int(np.ravel_multi_index((image, *position), self.scene.state.values.grid_shape))


def identifier(projection: Projection) -> str:
    """A short name of a projection: of what it was asked for."""
    asked = json.dumps([projection.layer, dict(projection.parameters)], sort_keys=True, default=str)
    return hashlib.sha256(asked.encode("utf-8")).hexdigest()[:12]


def _ranges(made: Bytes) -> Told:
    return {"values": wire(made.values), "low": made.low.tolist(), "high": made.high.tolist()}
