"""How a scene's points look: their colours, legend and sizes, and where the classes have their centres."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.render.cloud.cloud import Look
from explorer.render.drawing.colours import theme as theme_named
from explorer.render.linked import near
from explorer.render.linked.centres import Centre, centres
from explorer.render.linked.colouring import Colouring, colouring, takes_long
from explorer.render.linked.paper import Paper
from explorer.render.linked.pictured import Pictured
from explorer.render.linked.quantities import steps_of
from explorer.render.linked.state import State

if TYPE_CHECKING:
    from explorer.reduce.rgb_basis import RgbBasis


class Painted(Pictured):
    """The part of a scene that paints its points; each thing is made when it is asked for, and kept.

    Attributes:
        sheet: what the last picture was drawn on.
        borrowed: the layer for which `use_rgb` took another run's colours, or None.
    """

    sheet: Paper
    borrowed: str | None = None
    _basis: tuple[str, Any] | None = None
    _colouring: tuple[tuple[Any, ...], Colouring] | None = None
    _look: tuple[tuple[Any, ...], Look] | None = None
    _centres: tuple[Look, tuple[Centre, ...]] | None = None

    def repaint(self) -> None:
        """Forget how the points look: colours, or the map itself, are others now."""
        self._colouring = self._look = self._centres = None

    def use_rgb(self, basis: RgbBasis) -> None:
        """Take PCA→RGB colours of another run, so that the same features have the same colour in both.

        Raises:
            InputError: they are of another number of channels than this layer's.
        """
        layer, channels = self.state.values.layer, len(basis.pca.mean)
        here = self.state.run.channels(layer)
        if here != channels:
            raise InputError(f"layer {layer} has {here} channels, the colours are of {channels}")
        self._basis, self.borrowed = (layer, basis), layer
        self.repaint()

    def basis(self) -> Any:
        """The layer's PCA→RGB colours, fitted when they are first needed."""
        layer = self.state.values.layer
        if self._basis is None or self._basis[0] != layer:
            from explorer.reduce.rgb_basis import rgb

            self._basis = layer, rgb(self._fitted_to(), layer)
        return self._basis[1]

    def _fitted_to(self) -> Any:
        """The run whose features the PCA→RGB colours are fitted to."""
        return self.state.run

    def forget(self, name: str) -> None:
        """A colouring has changed in the run: it is read again."""
        self.state.forget(name)
        self.repaint()

    def _colouring_key(self) -> tuple[Any, ...]:
        """What the colouring depends on."""
        state = self.state
        depends = {
            "channel": state.channel,
            "component": state.component,
            "similarity": state.focus,
            "cluster": state.clustering,
        }.get(state.colour)
        hidden = state.hidden.get(state.colour, frozenset())
        return (state.colour, state.theme, depends, hidden, state.colour_map)

    def pending(self) -> str:
        """What takes long and is to be computed before the next picture, in words; empty for nothing."""
        if self._colouring is not None and self._colouring[0] == self._colouring_key():
            return near.takes_long(self.state) if self.state.looking or not self.state.wide else ""
        return takes_long(self.state)

    def colouring(self) -> Colouring:
        """The points' colours and their legend as the state asks."""
        state, key = self.state, self._colouring_key()
        if self._colouring is None or self._colouring[0] != key:
            self._colouring = key, colouring(state, theme_named(state.theme), self.basis)
        return self._colouring[1]

    def look(self) -> Look:
        """What the points look like; the same object until something changes."""
        state, found = self.state, self.colouring()
        chosen = state.selection if state.wide else None
        isolated = state.image if state.isolated else None
        scaled = None if state.size is None else state.quantity(state.size)
        paper = self.sheet.paper
        key = (found, chosen, isolated, tuple(sorted(state.hidden.items())), scaled, paper)
        if self._look is None or any(a is not b and a != b for a, b in zip(self._look[0], key, strict=True)):
            shown = state.shown
            sizes = None if scaled is None else steps_of(scaled.values)
            seen = None if shown.all() else shown
            self._look = key, Look(found.colours, self.sheet.theme(state), seen, emphasised(state), sizes)
        return self._look[1]

    def centres(self) -> tuple[Centre, ...]:
        """Where the classes that the colours show have their centres in the cloud."""
        found, look = self.colouring(), self.look()
        if self._centres is None or self._centres[0] is not look:
            self._centres = look, centres(self.cloud, found, look)
        return self._centres[1]


def emphasised(state: State) -> NDArray[np.bool_] | None:
    """Which rows keep their colour while others fade, (n_samples,); None for all."""
    if not state.wide and not state.isolated:
        return None
    found = state.selected.copy() if state.wide else np.ones(len(state.rows), bool)
    if state.isolated:
        found &= state.image_of_row == state.image
    return found
