"""Going on to the next image, channel, map or colouring, round and round."""

from __future__ import annotations

from explorer.errors import InputError
from explorer.reduce.projection import Projection
from explorer.render.linked.focus import Focus
from explorer.render.values import LayerValues, RunLike

MAPS = ("norm", "channel", "component")


class Steps:
    """The steps of a state; `State` brings what is stepped through.

    Attributes:
        run: the run.
        projection: the map that is shown.
        values: its layer's values.
        map: what the heatmap shows, one of `MAPS`.
        component: which axis of the projection, from 0.
        image: the input whose maps are shown.
        channel: the channel that maps and colours show.
        colour: what the points' colours mean.
        focus: the position that is looked at, or None.
        set_cut: the slice that was asked for; None for the one that is looked at, or the middle one.
    """

    run: RunLike
    projection: Projection
    values: LayerValues
    map: str
    component: int
    image: int
    channel: int
    colour: str
    focus: Focus | None
    set_cut: int | None

    @property
    def colours(self) -> tuple[str, ...]:
        """What the points can be coloured by just now."""
        raise NotImplementedError

    @property
    def cut(self) -> int:
        """Which slice of a volume is shown; 0 of a layer without slices.

        Until one is set it is that of the position looked at, or the middle one.
        """
        spatial = self.values.spatial
        if len(spatial) != 3:
            return 0
        if self.set_cut is not None:
            return self.set_cut
        return spatial[0] // 2 if self.focus is None else self.focus.position[0]

    @cut.setter
    def cut(self, index: int) -> None:
        spatial = self.values.spatial
        if len(spatial) != 3:
            raise InputError(f"slice {index}: layer {self.values.layer} is no volume; it has no slices")
        if not 0 <= index < spatial[0]:
            raise InputError(f"slice {index}: layer {self.values.layer} has slices 0 to {spatial[0] - 1}")
        self.set_cut = int(index)

    def next_slice(self, step: int = 1) -> None:
        """Show another slice of a volume; the first and the last one are its ends."""
        if len(self.values.spatial) == 3:
            self.cut = min(max(self.cut + step, 0), self.values.spatial[0] - 1)

    def next_image(self, step: int = 1) -> None:
        """Show another image; after the last comes the first."""
        self.image = (self.image + step) % self.run.n_images

    def next_channel(self, step: int = 1) -> None:
        """Show another channel, or another axis of the projection when the map shows those."""
        if self.map == "component":
            self.component = (self.component + step) % self.projection.n_components
        elif self.map == "channel":
            self.channel = (self.channel + step) % self.values.channels
        else:
            self.map = "channel"

    def next_map(self, step: int = 1) -> None:
        """Show the norm, a channel, or a component of the projection, in turn."""
        self.map = MAPS[(MAPS.index(self.map) + step) % len(MAPS)]

    def next_colour(self, step: int = 1) -> None:
        """Colour the points by the next thing that this run has."""
        known = self.colours
        self.colour = known[(known.index(self.colour) + step) % len(known)]
