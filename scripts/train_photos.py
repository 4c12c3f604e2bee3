"""Train PhotosNet to colour two grey photographs and write the `photos` demo.

    python scripts/train_photos.py --out explorer/demo/photos

Colourisation as feature learning (Zhang, Isola and Efros, "Colorful Image Colorization", 2016):
the network sees the luminance and names, per position, the bin of the colour. No labels are
used; the two photographs are those scikit-learn ships.

Writes, under the folder given by --out:
  checkpoint/             one Orbax checkpoint of {'params', 'batch_stats'}
  images/*.jpg            the two photographs, as scikit-learn ships them
  model.toml              what the explorer needs to load the network

Run it from a clone with the package installed (`pip install -e .`). Takes a few minutes on two
processor cores.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import sklearn.datasets
from demo_folder import clear, save_checkpoint
from numpy.typing import NDArray
from PIL import Image
from sklearn.cluster import KMeans

from explorer.demo.networks import PhotosNet

Tree = dict[str, Any]
Floats = NDArray[np.float32]

NAMES = ("china.jpg", "flower.jpg")
SIZE = (288, 432)  # height, width of the network's input
STRIDE = 4  # the network answers at a quarter of the resolution
WIDTH = 48
BINS = 24
CROP = 128
BATCH = 16
EPOCH = 50  # steps between two printed lines
ZOOM = (0.8, 1.25)

# Rows X, Y, Z, each divided by the white of D65.
RGB_TO_XYZ = np.array(
    [
        [0.4339, 0.3763, 0.1898],
        [0.2126, 0.7152, 0.0722],
        [0.0178, 0.1095, 0.8727],
    ]
)

MODEL_TOML = """\
# Written by scripts/train_photos.py

[model]
factory = "explorer.demo.networks:PhotosNet"
arguments = {{ width = {width}, bins = {bins} }}

[checkpoint]
path = "checkpoint"

[preprocessing]
size = [{height}, {wide}]
channels = "gray"
range = [0.0, 1.0]
mean = [{mean}]
std = [{std}]

[explore]
layer = "{layer}"
images = "images"
"""


def photo_folder() -> Path:
    """Return the folder of scikit-learn's sample photographs."""
    return Path(sklearn.datasets.__file__).parent / "images"


def load_photos() -> list[Image.Image]:
    """Return the photographs, in colour, at the network's input size."""
    photos = []
    for name in NAMES:
        with Image.open(photo_folder() / name) as photo:
            size = (SIZE[1], SIZE[0])
            photos.append(photo.convert("RGB").resize(size, Image.Resampling.BILINEAR))
    return photos


def chroma(rgb: Floats) -> Floats:
    """Turn sRGB values 0..1 (..., 3) into the a and b of CIELAB (D65), divided by 100: (..., 2)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = linear @ RGB_TO_XYZ.T
    cube = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    a = 5 * (cube[..., 0] - cube[..., 1])
    b = 2 * (cube[..., 1] - cube[..., 2])
    return np.stack([a, b], axis=-1).astype(np.float32)


def planes(photo: Image.Image) -> tuple[Floats, Floats]:
    """Split (H, W) into luminance 0..1 (H, W, 1), as the explorer reads it, and ab (H, W, 2)."""
    luminance = np.asarray(photo.convert("L"), np.float32) / np.float32(255)
    rgb = np.asarray(photo, np.float32) / np.float32(255)
    return luminance[..., None], chroma(rgb)


def coarse(colour: Floats) -> Floats:
    """Average (..., H, W, 2) over STRIDE x STRIDE cells: (..., H/STRIDE, W/STRIDE, 2)."""
    *lead, height, width, depth = colour.shape
    cells = colour.reshape(*lead, height // STRIDE, STRIDE, width // STRIDE, STRIDE, depth)
    mean: Floats = cells.mean(axis=(-4, -2))
    return mean


class ColourBins:
    """The colours the network chooses from, found by k-means, and how rare each is."""

    def __init__(self, photos: list[Image.Image], seed: int) -> None:
        colours = np.concatenate([coarse(planes(photo)[1]).reshape(-1, 2) for photo in photos])
        means = KMeans(BINS, n_init=4, random_state=seed).fit(colours)
        self.centres: Floats = means.cluster_centers_.astype(np.float32)
        frequency = np.bincount(means.labels_, minlength=BINS) / len(colours)
        # Rare colours weigh more, as in the paper: else the large dull areas decide alone.
        weights = 1.0 / (0.5 * frequency + 0.5 / BINS)
        self.weights: Floats = (weights / (weights * frequency).sum()).astype(np.float32)

    def encode(self, colour: Floats) -> NDArray[np.int32]:
        """Return the nearest bin: (..., 2) -> (...)."""
        distances = ((colour[..., None, :] - self.centres) ** 2).sum(axis=-1)
        nearest: NDArray[np.int32] = distances.argmin(axis=-1).astype(np.int32)
        return nearest


def random_crop(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Cut a square of a random place and size, scale it to CROP and flip half of them."""
    side = CROP / rng.uniform(*ZOOM)
    left = rng.uniform(0, photo.width - side)
    top = rng.uniform(0, photo.height - side)
    box = (left, top, left + side, top + side)
    crop = photo.resize((CROP, CROP), Image.Resampling.BILINEAR, box=box)
    return crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else crop


def random_batch(
    photos: list[Image.Image], bins: ColourBins, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.int32]]:
    """Return luminance (B, CROP, CROP, 1) in 0..1 and colour bins (B, CROP/4, CROP/4)."""
    luminances, colours = [], []
    for index in range(BATCH):
        luminance, colour = planes(random_crop(photos[index % len(photos)], rng))
        # Jitter of the exposure, so that brightness alone does not give the colour away.
        luminances.append(np.clip(luminance * rng.uniform(0.8, 1.2) + rng.uniform(-0.1, 0.1), 0, 1))
        colours.append(colour)
    return np.stack(luminances).astype(np.float32), bins.encode(coarse(np.stack(colours)))


class Trainer:
    """Holds the network's variables and takes optimiser steps."""

    def __init__(self, steps: int, rate: float, weights: Floats, seed: int) -> None:
        self.model = PhotosNet(width=WIDTH, bins=BINS)
        self.weights = jnp.asarray(weights)
        variables = self.model.init(jax.random.key(seed), jnp.zeros((1, CROP, CROP, 1)))
        self.variables: Tree = dict(variables)
        schedule = optax.cosine_onecycle_schedule(steps, rate, pct_start=0.1)
        self.optimiser = optax.adamw(schedule, weight_decay=1e-2)
        self.state = self.optimiser.init(self.variables["params"])
        self._step = jax.jit(self._make_step)

    def _make_step(self, variables: Tree, state: Any, x: Any, y: Any) -> tuple[Tree, Any, Any]:
        def loss_of(params: Tree) -> tuple[Any, Tree]:
            tree = {"params": params, "batch_stats": variables["batch_stats"]}
            logits, updated = self.model.apply(tree, x, train=True, mutable=["batch_stats"])
            loss = optax.softmax_cross_entropy_with_integer_labels(logits, y)
            return jnp.mean(loss * self.weights[y]), updated["batch_stats"]

        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (loss, stats), grads = gradient(variables["params"])
        updates, state = self.optimiser.update(grads, state, variables["params"])
        params = optax.apply_updates(variables["params"], updates)
        return {"params": params, "batch_stats": stats}, state, loss

    def step(self, x: Floats, y: NDArray[np.int32]) -> float:
        """Take one step on a batch; return the loss."""
        self.variables, self.state, loss = self._step(self.variables, self.state, x, y)
        return float(loss)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the demo")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=4e-3, help="highest learning rate")
    parser.add_argument("--epochs", type=int, default=20, help=f"of {EPOCH} batches each")
    return parser.parse_args()


def main() -> None:
    """Train, then write the demo's folder."""
    arguments = parse_arguments()
    started = time.perf_counter()
    out: Path = arguments.out
    clear(out, ("checkpoint", "images"), Path(__file__))
    photos = load_photos()
    luminance = np.stack([planes(photo)[0] for photo in photos])
    mean, std = round(float(luminance.mean()), 4), round(float(luminance.std()), 4)
    bins = ColourBins(photos, arguments.seed)
    trainer = Trainer(arguments.epochs * EPOCH, arguments.rate, bins.weights, arguments.seed)
    rng = np.random.default_rng(arguments.seed)
    for epoch in range(1, arguments.epochs + 1):
        losses = []
        for _ in range(EPOCH):
            x, y = random_batch(photos, bins, rng)
            losses.append(trainer.step((x - np.float32(mean)) / np.float32(std), y))
        seconds = time.perf_counter() - started
        print(f"epoch {epoch:2d}  loss {np.mean(losses):.4f}  {seconds:.0f} s", flush=True)

    save_checkpoint(out / "checkpoint", trainer.variables)
    (out / "images").mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        shutil.copyfile(photo_folder() / name, out / "images" / name)
    text = MODEL_TOML.format(
        width=WIDTH, bins=BINS, height=SIZE[0], wide=SIZE[1], mean=mean, std=std, layer="block6"
    )
    (out / "model.toml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
