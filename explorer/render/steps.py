"""Going on to the next image, channel, map or colouring, round and round."""

from __future__ import annotations

from explorer.reduce.projection import Projection
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
    """

    run: RunLike
    projection: Projection
    values: LayerValues
    map: str
    component: int
    image: int
    channel: int
    colour: str

    @property
    def colours(self) -> tuple[str, ...]:
        """What the points can be coloured by just now."""
        raise NotImplementedError

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
