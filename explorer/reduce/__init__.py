"""Rows to 2D or 3D: PCA, t-SNE, UMAP, and what says how far to trust them."""

from explorer.reduce.align import align, movement
from explorer.reduce.project import project, saved_projections
from explorer.reduce.projection import Projection, load_projection

__all__ = ["Projection", "align", "load_projection", "movement", "project", "saved_projections"]
