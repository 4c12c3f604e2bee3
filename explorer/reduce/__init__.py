"""Rows to 2D or 3D: PCA, t-SNE, UMAP, and what says how far to trust them."""

from explorer.reduce.align import Comparison, align, compare, movement
from explorer.reduce.frames import project_frames
from explorer.reduce.project import project, saved_projections
from explorer.reduce.projection import Projection, load_projection
from explorer.reduce.rgb_basis import RgbBasis, load_rgb, rgb

__all__ = [
    "Comparison",
    "Projection",
    "RgbBasis",
    "align",
    "compare",
    "load_projection",
    "load_rgb",
    "movement",
    "project",
    "project_frames",
    "rgb",
    "saved_projections",
]
