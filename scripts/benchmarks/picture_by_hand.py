"""What one would write by hand for the demo's first picture, with flax, scikit-learn and matplotlib.

`bench.py` times this whole process against `activation-explorer explore … --method pca`: the same
checkpoint, the same 360 digits, the same layer, a 3D PCA of all positions coloured by digit, and
the image, the norm's heatmap and the PCA→RGB map beside it, in one PNG.
"""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import orbax.checkpoint as ocp
from PIL import Image
from sklearn.decomposition import PCA

from explorer.demo.networks import DigitsNet


def main(demo: Path, out: Path) -> None:
    """Read, capture, project and plot."""
    plt.switch_backend("Agg")
    paths = sorted((demo / "images").glob("*/*.png"))
    labels = np.array([int(path.parent.name) for path in paths])
    pictures = [Image.open(path).resize((32, 32), Image.Resampling.BILINEAR) for path in paths]
    raw = np.stack([np.asarray(picture, np.float32) / 255 for picture in pictures])[..., None]
    inputs = (raw - 0.3057) / 0.3235

    network = DigitsNet()
    variables = ocp.StandardCheckpointer().restore((demo / "checkpoints" / "16").resolve())
    variables = {key: variables[key] for key in ("params", "batch_stats")}

    @jax.jit
    def forward(variables: dict, x: jax.Array) -> jax.Array:
        only = lambda module, name: module.name == "block5"  # noqa: E731
        _, state = network.apply(variables, x, capture_intermediates=only, mutable=["intermediates"])
        return state["intermediates"]["block5"]["__call__"][0]

    batches = [forward(variables, jnp.asarray(inputs[i : i + 60])) for i in range(0, len(inputs), 60)]
    values = np.concatenate([np.asarray(batch) for batch in batches])
    np.savez(out.with_suffix(".npz"), values=values)

    rows = values.reshape(-1, values.shape[-1])
    scores = PCA(3).fit_transform(rows)
    low, high = np.percentile(scores, (2, 98), axis=0)
    colours = np.clip((scores - low) / (high - low), 0, 1).reshape(*values.shape[:3], 3)

    figure = plt.figure(figsize=(16, 9))
    axes = figure.add_subplot(1, 2, 1, projection="3d")
    per_image = values.shape[1] * values.shape[2]
    axes.scatter(*scores.T, c=np.repeat(labels, per_image), cmap="tab10", s=1)
    for place, image, title in (
        (2, raw[0, ..., 0], "image"),
        (4, np.linalg.norm(values[0], axis=-1), "norm"),
        (6, colours[0], "PCA→RGB"),
    ):
        beside = figure.add_subplot(3, 2, place)
        beside.imshow(image)
        beside.set_title(title)
        beside.axis("off")
    figure.savefig(out, dpi=100)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
