"""Explore a saved Flax network: copy this file, change the four names below, run it.

It opens the checkpoint of the demo's digit classifier, captures one layer for a folder of images,
projects the positions with UMAP, writes the picture, and opens the window where there is a screen.

    python explore_flax_checkpoint.py
"""

from pathlib import Path

import explorer
import explorer.demo
from explorer.demo.networks import DigitsNet  # your own module goes here

DEMO = Path(explorer.demo.__file__).parent / "digits"

# 1. Your network, built as for training, and where its weights are: an Orbax step folder or the
#    folder that holds the steps, a .msgpack, a .safetensors or an .npz.
network = DigitsNet(width=48)
checkpoint = DEMO / "checkpoints"

# 2. What was done to the pictures before they were given to the network. Keep this honest: another
#    size or scale shows another network. A model.toml holds the same keys under [preprocessing].
preprocessing = {"size": [32, 32], "channels": "gray", "mean": [0.3057], "std": [0.3235]}

# 3. The pictures: a folder (its sub-folders are taken as labels), or an array.
images = DEMO / "images"

# 4. The layer. `model.layers()` lists every name with its shape.
layer = "block5"


def main() -> None:
    """Capture, project, show."""
    model = explorer.load_model(network, checkpoint=checkpoint, preprocessing=preprocessing)
    for info in model.layers():
        print(f"{info.name:<24}{info.kind:<12}{info.shape}")

    # The run folder keeps everything: a second start opens it and computes nothing.
    run = explorer.capture(model, images, layers=[layer], out="runs/my-network")
    projection = explorer.project(run, layer=layer, method="umap", n_components=3, random_state=0)
    print(f"{projection.n_samples} of {projection.n_positions} positions, {dict(projection.quality)}")

    scene = explorer.scene(run, projection, colour="label")
    print("picture:", scene.screenshot("my-network.png"))
    try:
        scene.show()
    except explorer.RenderError as error:  # no screen here
        print(error)


if __name__ == "__main__":
    main()
