"""What a page shows of a run and one of its projections, the same for a file and for a server."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.render.cloud.camera import spatial
from explorer.render.drawing.colours import QUALITATIVE, categorical, table
from explorer.render.drawing.text import plural
from explorer.render.linked.quantities import METADATA, MOST_CLASSES, natural
from explorer.render.linked.saliency_files import SALIENCY
from explorer.render.linked.words import MEANINGS, METHODS, QUALITIES, header, method_name
from explorer.web.packing import Bytes, to_bytes

if TYPE_CHECKING:
    from explorer.render.linked.scene import Scene

FORMAT = 1
TABLES = ("viridis", "cividis", "magma", "diverging-light", "diverging-dark", "gray")
DERIVED = frozenset(("label", "image", "row", "column", "norm", "channel", "component", "rgb", "similarity"))
"""Colourings that the page makes by itself of what it holds; any other comes to it as a column."""
CLASSED = ("mask", "cluster")
MOST_COLOURS = 64
"""Classes that get a colour of their own; more of them come round again."""
Told = dict[str, Any]


class Material:
    """A scene as numbers and words.

    Attributes:
        scene: the scene: run, projection, and what is shown first.
        run: the run.
        projection: coordinates of some of its positions.
        each: positions of one image.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.run = scene.state.run
        self.projection = scene.state.projection
        self.each = max(1, math.prod(scene.state.values.spatial))
        self._rgb: NDArray[np.uint8] | None = None

    @property
    def places(self) -> NDArray[np.int64]:
        """Each projected position's place in the layer's grid, (n_samples,), increasing."""
        return self.scene.state.rows

    def norms(self) -> Bytes:
        """Euclidean length of every position's vector, (n_images, each) as bytes."""
        return to_bytes(self.scene.state.values.norms().reshape(-1, self.each))

    def channel(self, channel: int) -> Bytes:
        """One channel at every position, (n_images, each) as bytes."""
        return to_bytes(self.scene.state.values.channel(channel).reshape(-1, self.each))

    def rgb(self) -> NDArray[np.uint8]:
        """PCA→RGB of every position, (n_images · each, 3)."""
        if self._rgb is None:
            values, basis = self.scene.state.values, self.scene.basis()
            grid = np.empty((*values.grid_shape, 3), np.uint8)
            self._rgb = values.reduced(basis.colours, grid).reshape(-1, 3)
        return self._rgb

    def columns(self) -> tuple[str, ...]:
        """What else is told of every projected position: what the scene knows and the page cannot derive."""
        return tuple(name for name in self.scene.state.colours if name not in DERIVED)

    def classed(self) -> list[str]:
        """Columns that are classes, so that they cannot be sizes."""
        state = self.scene.state
        words = [name for name in self.columns() if name.startswith(METADATA) and state.quantity(name).names]
        return [*(name for name in self.columns() if name in CLASSED), *words]

    def receptive(self) -> Told | None:
        """What positions see of the inputs: for each axis of the input the pixels of every index, or None."""
        run: Any = self.run  # a run in memory knows no fields
        find = getattr(run, "receptive_field", None)
        field = None if find is None else find(self.projection.layer)
        if field is None or field.how == "unknown":
            return None
        shape, layer = self.scene.state.values.spatial, self.projection.layer
        whole = run.receptive_box(layer, (0,) * len(shape))
        axes = [(field.axes[k] if field.axes else k) if field.stride[k] else None for k in range(len(whole))]
        spans = []
        for k, axis in enumerate(axes):
            steps = range(1 if axis is None else shape[axis])
            at = [[step if other == axis else 0 for other in range(len(shape))] for step in steps]
            spans.append([list(run.receptive_box(layer, one)[k]) for one in at])
        entry = run.manifest["layers"][layer]["receptive_field"]
        return {"axes": axes, "spans": spans, "of": list(entry["input"][:-1]), "how": field.how}

    def classes(self) -> tuple[str, ...]:
        """The labels, as legends order them."""
        return tuple(sorted(set(self.run.labels or ()), key=natural))

    def colours(self) -> list[Told]:
        """What points can be coloured by: name, title and group."""
        spatial_axes, channels = len(self.scene.state.values.spatial), self.scene.state.values.channels
        names = ["label"] if self.run.labels is not None else []
        names += ["image"] + ["row"] * (spatial_axes > 1) + ["column"] * (spatial_axes > 0)
        told = [{"name": name, "title": name, "group": "Where it is"} for name in names]
        told += [
            {
                "name": name,
                "title": name.removeprefix(METADATA).replace(SALIENCY, "saliency, ", 1),
                "group": "Metadata" if name.startswith(METADATA) else "This map",
            }
            for name in self.columns()
        ]
        told += [
            {"name": f"component:{axis}", "title": f"component {axis + 1}", "group": "This map"}
            for axis in range(self.projection.n_components)
        ]
        told += [
            {"name": "rgb", "title": "PCA → RGB", "group": "Activation"},
            {"name": "norm", "title": f"norm of {plural(channels, 'channel')}", "group": "Activation"},
        ]
        return told + self.channel_names(range(channels), "Channels")

    @staticmethod
    def channel_names(channels: Any, group: str) -> list[Told]:
        """Channels as a page lists them."""
        return [{"name": f"channel:{k}", "title": f"channel {k}", "group": group} for k in channels]

    def colour(self) -> str:
        """What the points are coloured by first, as the page names it."""
        state = self.scene.state
        own = {"component": f"component:{state.component}", "channel": f"channel:{state.channel}"}
        return own.get(state.colour, state.colour)

    def typical(self) -> list[float]:
        """How far each image's mean vector lies from its label's, over the mean of that: 1 is usual."""
        means = self.scene.state.values.means()
        labels = np.array(self.run.labels or [""] * self.run.n_images)
        apart = np.zeros(self.run.n_images)
        for label in np.unique(labels):
            own = labels == label
            gaps = np.sqrt(((means[own] - means[own].mean(axis=0)) ** 2).sum(axis=1))
            apart[own] = gaps / (gaps.mean() or 1.0)
        return [round(float(one), 3) for one in np.nan_to_num(apart)]

    def maps(self) -> list[Told]:
        """What the heatmap can show."""
        channels = self.scene.state.values.channels
        return [{"name": "norm", "title": "Norm"}, *self.channel_names(range(channels), "")]

    def _tables(self) -> tuple[str, ...]:
        """Colour maps of the page, with the one that the scene was given."""
        own = self.scene.state.colour_map
        return TABLES if own in (None, "diverging", *QUALITATIVE, *TABLES) else (*TABLES, str(own))

    def whole_meta(self) -> Told:
        """What `meta` says and a server is asked for later; for a file, whose numbers are still to come."""
        return {**self.meta(), "typical": self.typical(), "grids": {}, "rows": {}}

    def meta(self) -> Told:
        """Everything about the scene that is words and few numbers."""
        state, projection = self.scene.state, self.projection
        told = header(state)
        classes = self.classes()
        number = {name: index for index, name in enumerate(classes)}
        most = min(MOST_COLOURS, max(len(classes), 2 * MOST_CLASSES))
        picture = self.run.picture(0) if self.run.n_images else None
        return {
            "format": FORMAT,
            "title": self.run.name,
            "facts": told.facts,
            "layer": projection.layer,
            "method": method_name(projection.method),
            "methodKey": projection.method,
            "components": projection.n_components,
            "nRows": projection.n_samples,
            "nPositions": projection.n_positions,
            "sampled": projection.rows is not None,
            "nImages": self.run.n_images,
            "spatial": list(state.values.spatial),
            "channels": state.values.channels,
            "names": list(self.run.image_names),
            "labels": None if self.run.labels is None else [number[label] for label in self.run.labels],
            "classes": list(classes),
            "pictures": None if picture is None else {"width": picture.shape[1], "height": picture.shape[0]},
            "palette": {name: categorical(most, name).tolist() for name in ("light", "dark")},
            "tables": {name: _encoded(table(name)) for name in self._tables()},
            "parameters": plain(dict(projection.parameters)),
            "view": plain(self.scene.to_dict()),
            "receptive": self.receptive(),
            "classed": self.classed(),
            "opening": self.scene.view.basis().tolist(),
            "flat": principal(projection.coordinates).tolist(),
            "mostClasses": MOST_CLASSES,
            "colours": self.colours(),
            "colour": self.colour(),
            "maps": self.maps(),
            "figures": [{"name": name, "title": name.removeprefix(METADATA)} for name in self.columns()],
            "quality": quality(projection.quality, projection.method),
            "theme": state.theme,
            "image": state.image,
            "hasRgb": True,
            "vectors": {},
            "notes": [],
            "left": [],
        }


def plain(value: Any) -> Any:
    """A value as JSON brings it back, NaN and infinities as null."""
    import json

    return json.loads(json.dumps(value, default=str), parse_constant=lambda _: None)


def _encoded(array: NDArray[np.uint8]) -> str:
    import base64

    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def principal(coordinates: NDArray[Any]) -> NDArray[np.float64]:
    """Right, up and back of the plane on which a cloud (n, 2 or 3) is widest, as rows."""
    points = spatial(coordinates)
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < 2 or coordinates.shape[1] == 2:
        return np.eye(3)
    basis = np.linalg.eigh(np.cov(points.T))[1].T[::-1]
    # Of the two ways round, the one whose largest part is positive: equal clouds lie equally.
    basis = basis * np.sign(basis[np.arange(3), np.abs(basis).argmax(axis=1)])[:, None]
    basis[2] = np.cross(basis[0], basis[1])
    return np.asarray(basis)


def quality(measured: Any, method: str) -> list[Told]:
    """The figures of a map, with what a random map and PCA would score."""
    told = []
    for name in dict.fromkeys((*MEANINGS, *QUALITIES)):
        if name not in measured:
            continue
        beside = {
            other: float(measured[other][name])
            for other in ("random", "pca")
            if other != method and name in measured.get(other, {})
        }
        words = ", ".join(f"{METHODS.get(other, other)} {value:.3g}" for other, value in beside.items())
        title = QUALITIES.get(name, name.replace("_", " ").replace("shepard", "Shepard"))
        means = MEANINGS.get(name, "")
        own = {"title": title, "value": float(measured[name]), "beside": words, "means": means}
        told.append({**own, **beside})
    return told
