"""All feature maps of one picture, small enough to be sent at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.errors import InputError, suggest
from explorer.render.sheets.grid_source import ORDERS, Source, because, ordered
from explorer.web.material import Told
from explorer.web.packing import to_bytes, wire

if TYPE_CHECKING:
    from explorer.capture import Run


class AllMaps:
    """The maps of a run's layers; what is known of all pictures is found once a layer.

    Args:
        run: tells the run: of a training, that of the epoch that is shown.
    """

    def __init__(self, run: Callable[[], Run]) -> None:
        self._run = run
        self._held: tuple[Any, Source] | None = None

    def __call__(self, layer: str, image: int, cut: int, order: str) -> Told:
        """Maps of one picture, a byte a position, each from its least to its most.

        Args:
            layer: a layer of at least one spatial axis.
            image: the picture.
            cut: the slice of a volume.
            order: "index", "variance", "response" or "cluster".

        Returns:
            Channels in order, their bytes, least and most, and what each owes its place to.

        Raises:
            InputError: no such order, picture or slice, or a layer without positions.
        """
        run = self._run()
        if order not in ORDERS:
            raise InputError(f"order {order!r}: {suggest(str(order), ORDERS)}")
        if not 0 <= image < run.n_images:
            raise InputError(f"image {image}: the run has images 0 to {run.n_images - 1}")
        source = self._source(run, layer, cut)
        if not source.spatial:
            raise InputError(f"layer {layer}: has one vector a picture, so there are no maps")
        channels = ordered(source, list(range(source.channels)), order, image)
        planes = np.moveaxis(np.asarray(source.drawn(image))[..., channels], -1, 0)
        made = to_bytes(planes.reshape(len(channels), -1))
        return {
            "channels": wire(np.asarray(channels, np.uint32)),
            "values": wire(made.values),
            "low": wire(made.low),
            "high": wire(made.high),
            "because": because(source, channels, order, image),
        }

    def _source(self, run: Run, layer: str, cut: int) -> Source:
        deep = len(run.grid_shape(layer)) == 4
        key = run, layer, cut if deep else None
        if self._held is None or self._held[0] != key:
            self._held = key, Source(run, layer, None, cut=cut if deep else None)
        return self._held[1]
