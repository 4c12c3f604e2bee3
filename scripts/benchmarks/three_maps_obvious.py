"""What one would write for three maps of the same rows. `bench.py` times the whole process."""

import sys

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from umap import UMAP

rows = np.load(sys.argv[1])
maps = {
    "pca": PCA(n_components=3).fit_transform(rows),
    "tsne": TSNE(n_components=3, n_jobs=-1, random_state=0).fit_transform(rows),
    "umap": UMAP(n_components=3).fit_transform(rows),
}
np.savez(sys.argv[2], **maps)
