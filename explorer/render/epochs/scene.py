"""EpochScene: the linked scene of one epoch, and the way of every point from epoch to epoch."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.errors import InputError
from explorer.reduce.projection import Projection
from explorer.render.cloud.camera import Camera, spatial
from explorer.render.cloud.cloud import Look
from explorer.render.drawing.layout import Layout
from explorer.render.drawing.text import number
from explorer.render.epochs.asking import AskingEpochs
from explorer.render.epochs.curves import Curve, curves
from explorer.render.epochs.epochs import EpochsLike, EpochViews, MovingCloud, places_at
from explorer.render.epochs.film import export_film
from explorer.render.epochs.timeline import carve, draw_timeline
from explorer.render.epochs.trails import Trail, draw_trail
from explorer.render.export.exporting import Options
from explorer.render.export.turntable import SIZES
from explorer.render.linked.page import Content
from explorer.render.linked.paper import Paper
from explorer.render.linked.scene import Scene

if TYPE_CHECKING:
    from PIL import Image

    from explorer.render.window.controls import Controls


class EpochScene(AskingEpochs):
    """A scene with a slider: its maps and heatmaps are those of one epoch, its cloud may be between two.

    Attributes:
        evolution: the epochs.
        only_moved: whether points that have not moved beyond what another seed does, since the epoch
            before, are greyed.
        playing: whether a window plays the epochs; it only changes the button.
    """

    def __init__(
        self,
        evolution: EpochsLike,
        *,
        epoch: int | None = None,
        image: int = 0,
        colour: str = "label",
        theme: str = "light",
    ) -> None:
        n = len(evolution.epochs)
        opened = n - 1 if epoch is None else epoch
        if not 0 <= opened < n:
            raise InputError(
                f"epoch {epoch}: expected a number from 0 to {n - 1}, of {', '.join(evolution.epochs)}"
            )
        self.evolution = evolution
        self._at = float(opened)
        self._kept: list[Camera] = []
        self.only_moved = False
        self.playing = False
        self._greyed: tuple[tuple[Look, int], Look] | None = None
        own = evolution.projections[opened]
        super().__init__(evolution.runs[opened], own, image=image, colour=colour, theme=theme)
        self._to_epochs()

    def _to_epochs(self) -> None:
        """Show the points of all epochs: after another map was shown, and at first."""
        self.cloud.close()
        maps = [one.coordinates for one in self.evolution.projections]
        cloud = MovingCloud(maps)
        cloud.move(places_at(maps, self._at))
        self.cloud, self.views = cloud, EpochViews(cloud, maps[-1])
        self.views.kept = self._kept  # whatever was shown in between

    @cached_property
    def curves(self) -> tuple[Curve, ...]:
        """The figures that were measured."""
        return curves(self.evolution)

    @property
    def seeded(self) -> bool:
        """Whether movement was held against another seed: PCA has none."""
        return any(one.moved is not None for one in self.evolution.figures)

    @property
    def epoch(self) -> int:
        """Number of the epoch whose maps are shown, from 0; set it to go to another at once."""
        return round(self._at)

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        n = len(self.evolution.epochs)
        if not 0 <= epoch < n:
            raise InputError(f"epoch {epoch}: expected a number from 0 to {n - 1}")
        self.at = float(epoch)

    @property
    def at(self) -> float:
        """Where among the epochs the cloud is: 1.5 is half-way from the second to the third."""
        return self._at

    @at.setter
    def at(self, at: float) -> None:
        before, now = self.epoch, float(np.clip(at, 0, len(self.evolution.epochs) - 1))
        away = self.state.projection is not self.evolution.projections[before]
        self._at = now
        if self.epoch != before or away:
            self._attach()
        if not isinstance(self.cloud, MovingCloud):
            self._to_epochs()
        if isinstance(self.cloud, MovingCloud):
            maps = [one.coordinates for one in self.evolution.projections]
            self.cloud.move(places_at(maps, now))
        self._centres = None

    def _attach(self) -> None:
        """Take the run and the map of the epoch; selection, focus, image and colours stay."""
        state: Any = self.state
        before = self.before()
        state.run, state.values = self.evolution.runs[self.epoch], None
        state.show(self.evolution.projections[self.epoch])
        self.repaint()
        self.recall(before)

    @property
    def projection(self) -> Projection:
        """What is shown; another map of the epoch's run takes the slider's away until it is moved again."""
        return self.state.projection

    @projection.setter
    def projection(self, projection: Projection) -> None:
        epoch = self._epoch_of(projection)
        if epoch is not None:
            self.epoch = epoch
            return
        set_other: Any = Scene.projection.fset  # type: ignore[attr-defined]
        set_other(self, projection)

    def _fitted_to(self) -> Any:
        """The last epoch's run, for all of them: the same features, the same colour."""
        return self.evolution.runs[-1]

    def laid_out(self, sheet: Paper) -> Layout:
        """Where everything lies on a sheet: the timeline comes below the cloud."""
        return self.spared(super().laid_out(sheet))

    def spared(self, layout: Layout) -> Layout:
        """A layout with room for the timeline."""
        return carve(layout)

    def look(self) -> Look:
        """What the points look like; greyed where they have not moved and that is asked for."""
        found = super().look()
        step = self.epoch - 1
        if not (self.only_moved and self.seeded) or step < 0 or not self._on_the_way():
            return found
        key = (found, step)
        if self._greyed is None or self._greyed[0] != key:
            beyond = self.evolution.beyond[step]
            kept = beyond if found.emphasised is None else found.emphasised & beyond
            self._greyed = key, replace(found, emphasised=kept)
        return self._greyed[1]

    def _on_the_way(self) -> bool:
        """Whether the maps of the epochs are shown, and not another one."""
        return isinstance(self.cloud, MovingCloud)

    def trail(self) -> Trail | None:
        """The way of the position that is looked at through all epochs; None where there is none."""
        focus = self.state.focus
        if focus is None or focus.nearest is None or not self._on_the_way():
            return None
        row = focus.nearest
        places = np.stack([spatial(one.coordinates[row : row + 1])[0] for one in self.evolution.projections])
        return Trail(places, tuple(bool(step[row]) for step in self.evolution.beyond))

    def pixel(self, row: int) -> tuple[float, float] | None:
        """Where a row is on the last picture, on its way between two epochs."""
        if not self._on_the_way():
            return super().pixel(row)
        place = self.layout.cloud
        pixels, depth = self.view.project(self.cloud.points[row : row + 1], (place.width, place.height))
        if not np.isfinite(pixels).all() or depth[0] <= 0:
            return None
        x, y = float(pixels[0, 0]) + place.left, float(pixels[0, 1]) + place.top
        return (x, y) if place.contains(x, y) else None

    def content(self, layout: Layout) -> Content:
        """All that a page says, with the epoch in its title."""
        found = super().content(layout)
        first, bar, other = found.header.title.partition("  |  ")
        passed = None if self.beside is None else self._epoch_of(self.beside)
        other = other if passed is None else f"epoch {self.evolution.epochs[passed]}"
        name = f"{first} · epoch {self.evolution.epochs[self.epoch]}{bar}{other}"
        facts = [one for one in found.header.facts.split(" · ") if not one.startswith(("frame", "continued"))]
        rows = (*found.info.rows, *self._moved_words())
        told = replace(found.header, title=name, facts=" · ".join(facts))
        return replace(found, header=told, info=replace(found.info, rows=rows))

    def _moved_words(self) -> tuple[tuple[str, str], ...]:
        """How far the position has moved since the epoch before, and whether that counts."""
        focus, step = self.state.focus, self.epoch - 1
        if focus is None or focus.row is None or step < 0 or not self._on_the_way():
            return ()
        far = number(float(self.evolution.movement[step, focus.row]), 2)
        counts = "beyond seed" if self.evolution.beyond[step, focus.row] else "as by seed"
        return (("moved", f"{far}, {counts}" if self.seeded else far),)

    def draw_marks(self, canvas: Image.Image, *, rough: bool = False) -> None:
        """Draw the trail, the names and the ring over the cloud, and the timeline below it."""
        layout, colours = self.layout, self.sheet.theme(self.state)
        trail = self.trail()
        if trail is not None:
            draw_trail(canvas, layout, colours, trail=trail, camera=self.view, at=self._at)
        super().draw_marks(canvas, rough=rough)
        draw_timeline(
            canvas, layout, colours, names=self.evolution.epochs, shown=self.curves, at=self._at,
            playing=self.playing,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Everything that says what is shown, with the epoch, and with that of the map beside it."""
        kept = super().to_dict()
        passed = None if self.beside is None else self._epoch_of(self.beside)
        if passed is not None:
            kept["beside"]["epoch"] = self.evolution.epochs[passed]
        return {**kept, "epoch": self.evolution.epochs[self.epoch], "only_moved": self.only_moved}

    def _epoch_of(self, projection: Projection) -> int | None:
        """Of which epoch a map is; None for another map of an epoch's run."""
        known = [one is projection for one in self.evolution.projections]
        return known.index(True) if any(known) else None

    def named_map(self, projection: Projection) -> str:
        """Which map it is, and of which epoch."""
        epoch = self._epoch_of(projection)
        name = super().named_map(projection)
        return name if epoch is None else f"epoch {self.evolution.epochs[epoch]} · {name}"

    def _restore(self, content: Mapping[str, Any]) -> None:
        """Show what a dictionary says, at its epoch where it names one."""
        if isinstance(content, Mapping) and "epoch" in content:
            if content["epoch"] not in self.evolution.epochs:
                raise InputError(f"epoch {content['epoch']!r}: there are {', '.join(self.evolution.epochs)}")
            self.epoch = self.evolution.epochs.index(content["epoch"])
            self.only_moved = bool(content.get("only_moved"))
        beside = content.get("beside") if isinstance(content, Mapping) else None
        passed = beside.get("epoch") if isinstance(beside, Mapping) else None
        if passed is None:
            super()._restore(content)
            return
        if passed not in self.evolution.epochs:
            raise InputError(f"epoch {passed!r} beside: there are {', '.join(self.evolution.epochs)}")
        super()._restore({**content, "beside": None})
        self.beside = self.evolution.projections[self.evolution.epochs.index(passed)]

    def code(self) -> str:
        """Lines of Python that rebuild the view to the pixel."""
        made = ("run = ", "projection = ", "scene = ")
        rest = [line for line in super().code().splitlines() if not line.startswith(made)]
        start = next(i for i, line in enumerate(rest) if not line) + 1
        names = self.evolution.epochs
        part = f".only({names!r})" if getattr(self.evolution, "part", False) else ""
        opened = [
            f"evolution = explorer.open_evolution({str(self.evolution.path)!r}){part}",
            f"scene = evolution.scene(epoch={self.epoch}, theme={self.theme!r})",
            *(["scene.only_moved = True"] if self.only_moved else []),
        ]
        passed = None if self.beside is None else self._epoch_of(self.beside)
        if passed is not None:
            other = f"scene.beside = evolution.projections[{passed}]"
            rest = [other if line.startswith("scene.beside = ") else line for line in rest]
        rest = [line.replace("explorer.project(run, ", "explorer.project(scene.state.run, ") for line in rest]
        return "\n".join([*rest[:start], *opened, *rest[start:]]) + "\n"

    def export(self, path: str | Path, options: Options | None = None) -> Path:
        """Write the scene as any other is; .mp4 and .gif show the way through all epochs, not a turn.

        `seconds` of the options is how long the whole film lasts, about.

        Raises:
            InputError, MissingExtraError, RenderError: as for any scene.
        """
        target, asked = Path(path), options or Options()
        if target.suffix.lower() not in SIZES:
            return super().export(target, asked)
        each = asked.seconds / len(self.evolution.epochs)
        return export_film(self, target, seconds=each, fps=asked.fps, size=asked.size)

    def _repr_html_(self) -> str:
        """All epochs in a notebook; the one that is shown where their points are too much for a cell."""
        try:
            return super()._repr_html_()
        except InputError:
            state, names = self.state, self.evolution.epochs
            one: Any = Scene(
                state.run, state.projection, image=state.image, colour=state.colour, theme=state.theme
            )
            shown = f"epoch {names[self.epoch]} alone: the points of all {len(names)}"
            told = f"{shown} are too much for a notebook; scene.export('cloud.html') writes them"
            return f"<p>{html.escape(told)}</p>{one._repr_html_()}"

    def controls(self, size: tuple[int, int]) -> Controls:
        """What mouse and keys do in a window over this scene."""
        from explorer.render.epochs.controls import EpochControls

        return EpochControls(self, size)
