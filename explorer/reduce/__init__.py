"""Rows to 2D or 3D: PCA, t-SNE, UMAP, and what says how far to trust them."""
