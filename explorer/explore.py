"""explore(): the public steps composed, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from explorer.capture import capture, find_layers, load_model, open_inputs
from explorer.capture.model import Model
from explorer.reduce import project
from explorer.render import scene
from explorer.render.cloud.offscreen import importing

if TYPE_CHECKING:
    from explorer.render.linked.scene import Scene


def explore(
    model: object,
    images: object = None,
    *,
    layer: str | None = None,
    method: str = "umap",
    n_components: int = 3,
    random_state: int | None = 0,
    sample: int | str | None = None,
    masks: object = None,
    out: str | Path | None = None,
    overwrite: bool = False,
) -> Scene:
    """Capture one layer, project its positions, and return the scene that shows them.

    Args:
        model: a `Model`, or anything `load_model` opens.
        images: anything `capture` takes.
        layer: the layer; None for the one the model suggests, else the last spatial one.
        method: "pca", "tsne" or "umap".
        n_components: 2 or 3.
        random_state: seed of the projection and its sampling.
        sample: most positions to project, or "all"; None for the method's default.
        masks: what lies where in the images, as `capture` takes it.
        out: the run folder; None for a new one among the system's temporary files.
        overwrite: delete a run of something else that is in the way.

    Raises:
        ExplorerError: one line saying what is wrong.
    """
    opened = model if isinstance(model, Model) else load_model(model)
    found = find_layers(opened, open_inputs(opened, images), None if layer is None else [layer])[0]
    with importing():
        run = capture(opened, images, layers=[found.name], out=out, masks=masks, overwrite=overwrite)
        projection = project(
            run,
            layer=found.name,
            method=method,
            n_components=n_components,
            random_state=random_state,
            sample=sample,
        )
    shown = scene(run, projection)
    shown.model = opened  # `scene.why()` asks it
    return shown
