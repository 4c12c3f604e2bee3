"""What a scene shows, by name: image, channel, colours and theme."""

from __future__ import annotations

from explorer.render.linked.state import State


class Adjusting:
    """The simple settings of a scene; all are checked by its state.

    Attributes:
        state: what is shown, without any drawing.
    """

    state: State

    @property
    def image(self) -> int:
        """The input whose heatmaps are shown."""
        return self.state.image

    @image.setter
    def image(self, image: int) -> None:
        self.state.image = image

    @property
    def channel(self) -> int | None:
        """The channel the map shows, or None while it shows the norm or a component."""
        return self.state.channel if self.state.map == "channel" else None

    @channel.setter
    def channel(self, channel: int | None) -> None:
        if channel is not None:
            self.state.channel = channel
        self.state.map = "norm" if channel is None else "channel"

    @property
    def slice(self) -> int:
        """Which slice of a volume's heatmaps is shown; 0 where there are none."""
        return self.state.cut

    @slice.setter  # noqa: A003
    def slice(self, index: int) -> None:
        self.state.cut = index

    @property
    def colour(self) -> str:
        """What the points' colours mean."""
        return self.state.colour

    @colour.setter
    def colour(self, colour: str) -> None:
        self.state.colour = colour

    @property
    def theme(self) -> str:
        """The colours around the data: light or dark."""
        return self.state.theme

    @theme.setter
    def theme(self, name: str) -> None:
        self.state.theme = name
