"""See what a network has learned, and where: activations as 3D clouds linked with heatmaps.

>>> import explorer
>>> import numpy as np
>>> rows = np.random.default_rng(0).normal(size=(50, 8))
>>> explorer.project(rows, method="pca", n_components=2).coordinates.shape
(50, 2)
"""

from explorer.activations import Activations
from explorer.atlas import atlas
from explorer.capture import Model, Run, capture, load_model, open_run
from explorer.errors import (
    CheckpointError,
    ExplorerError,
    InputError,
    LayerError,
    MissingExtraError,
    ModelError,
    ReductionError,
    RenderError,
    RunError,
)
from explorer.evolution import EpochFigures, Evolution, open_evolution
from explorer.evolve import evolve
from explorer.explain.saliency import Saliency, saliency
from explorer.explore import explore
from explorer.maximize import maximize
from explorer.parity import Parity, parity
from explorer.reduce import (
    Comparison,
    Projection,
    RgbBasis,
    align,
    compare,
    load_projection,
    load_rgb,
    movement,
    project,
    project_frames,
    rgb,
    saved_projections,
)
from explorer.render import grid, saliency_page, scene, sheet, why
from explorer.samples import Samples, flatten
from explorer.tracking import Watch, log_run, watch

__all__ = [
    "Activations",
    "CheckpointError",
    "Comparison",
    "EpochFigures",
    "Evolution",
    "ExplorerError",
    "InputError",
    "LayerError",
    "MissingExtraError",
    "Model",
    "ModelError",
    "Parity",
    "Projection",
    "ReductionError",
    "RenderError",
    "RgbBasis",
    "Run",
    "RunError",
    "Saliency",
    "Samples",
    "Watch",
    "align",
    "atlas",
    "capture",
    "compare",
    "evolve",
    "explore",
    "flatten",
    "grid",
    "load_model",
    "load_projection",
    "load_rgb",
    "log_run",
    "maximize",
    "movement",
    "open_evolution",
    "open_run",
    "parity",
    "project",
    "project_frames",
    "rgb",
    "saliency",
    "saliency_page",
    "saved_projections",
    "scene",
    "sheet",
    "watch",
    "why",
]
