"""What the page is told of the model that can be asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from explorer.web.material import Told

if TYPE_CHECKING:
    from explorer.render.linked.scene import Scene

ANY = ("occlusion", "rollout")
"""Methods that need no gradients."""


def model_of(scene: Scene) -> Told | None:
    """What the page is told of a scene's model, without opening it; None where there is none to ask."""
    model = scene.model
    if model is None:
        return None
    from explorer.explain.saliency import METHODS

    name = Path(model).name if isinstance(model, str | Path) else str(getattr(model, "name", ""))
    name = name or type(model).__name__
    told: Told = {"name": name, "methods": list(METHODS), "opened": False, "without": [], "why": ""}
    opened = cast("Any", scene.opened)
    if opened is not None:  # what its framework cannot do is known
        from explorer.explain.drivers import differentiable

        told["opened"] = True
        if differentiable(opened) is None:
            told["without"] = [one for one in METHODS if one not in ANY]
            told["why"] = f"{opened.name}: {opened.adapter_name} models give no gradients"
    return told
