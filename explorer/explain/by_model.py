"""What a model adds to the reasons of a selection: the pixels that drive it, and what lies along it."""

from __future__ import annotations

from dataclasses import replace

from explorer.capture import Model, load_model
from explorer.capture.protocol import LayerInfo
from explorer.explain import drivers as driving
from explorer.explain import objectives
from explorer.explain.maximised import Real
from explorer.explain.real import strongest
from explorer.explain.reasons import Reasons

DRIVEN = 4
"""Typical pictures whose driving pixels are shown."""


def with_drivers(found: Reasons, model: object, images: object = None) -> tuple[Reasons, Model | None]:
    """Add the pixels that drive the selection; without a model, say what would show them.

    Args:
        found: the reasons so far.
        model: a `Model`, anything `load_model` opens, or None.
        images: where the run's inputs are, as `capture` takes them; None where the model or the run tell.

    Returns:
        The reasons, and the model opened where it is the run's and gives gradients, else None.

    Raises:
        InputError: the model answers otherwise than the run holds, or its inputs are not to be had.
    """
    if model is None:
        words = "Not computed: give the model that the run was captured from (--model, or model=)."
        return replace(found, drivers_note=words, grown_note=words), None
    opened = model if isinstance(model, Model) else load_model(model)
    if driving.differentiable(opened) is None:
        words = f"Not computed: the adapter {opened.adapter_name} of {opened.name} gives no gradients."
        return replace(found, drivers_note=words, grown_note=words), None
    shown = _most_typical(found)
    inputs = driving.inputs_of(opened, found.run, shown, images)
    driving.check_same(opened, found.run, found.layer, inputs, shown)
    if inputs.ndim != 4:
        words = "Not computed: pixels are shown for pictures, and these inputs have other axes."
        return replace(found, drivers_note=words, grown_note=words), None
    made = driving.drivers(opened, found.chosen, found.direction, inputs=inputs, images=shown)
    return replace(found, drivers=made, drivers_note=driving.words(made)), opened


def furthest(found: Reasons, n: int) -> Real | None:
    """The real pictures whose positions lie furthest along the selection's direction, on average.

    None where the run keeps no pictures.
    """
    if found.run.picture(0) is None:
        return None
    shape = (*found.chosen.grid_shape[1:], len(found.channels))
    asked = objectives.direction(LayerInfo(found.layer, "", shape), found.direction, "direction")
    return strongest(found.run, found.layer, [asked], n)


def _most_typical(found: Reasons) -> list[int]:
    """Pictures to show what drives the selection: those of the most typical positions, each once."""
    order = [one.image for one in (*found.typical.nearest, *found.typical.kinds)]
    return list(dict.fromkeys(order))[:DRIVEN]
