"""Three maps of the same rows by this package. `bench.py` times the whole process."""

import sys

import numpy as np

import explorer

rows = np.load(sys.argv[1])
maps = {name: explorer.project(rows, method=name).coordinates for name in ("pca", "tsne", "umap")}
np.savez(sys.argv[2], **maps)
