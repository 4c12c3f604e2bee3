"""Train DigitsNet on scikit-learn's handwritten digits and write the `digits` demo.

    python scripts/train_digits.py --out explorer/demo/digits

Writes, under the folder given by --out:
  checkpoints/<epoch>/    Orbax checkpoints of {'params', 'batch_stats'}; 0 is untrained
  images/<digit>/NNNN.png the held-out fifth of the digits, 8x8 pixels, the number being the
                          row in scikit-learn's data set
  model.toml              what the explorer needs to load the network

Run it from a clone with the package installed (`pip install -e .`). Takes under half a minute on
two processor cores. The held-out digits are never trained on, but they come from the same
writers as the rest.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from demo_folder import clear, save_checkpoint
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from explorer.demo.networks import DigitsNet

Tree = dict[str, Any]

SIZE = 32  # side of the network's input; the images themselves are 8x8
WIDTH = 48
BATCH = 64
SHIFT = 2  # augmentation: random shifts of up to this many input pixels
SAVED_EPOCHS = (0, 1, 2, 4, 8, 16)

MODEL_TOML = """\
# Written by scripts/train_digits.py

[model]
factory = "explorer.demo.networks:DigitsNet"
arguments = {{ width = {width} }}

[checkpoint]
path = "checkpoints"
step = {step}

[preprocessing]
size = [{size}, {size}]
channels = "gray"
range = [0.0, 1.0]
mean = [{mean}]
std = [{std}]

[labels]
names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]

[explore]
layer = "block5"
images = "images"
"""


def load_images() -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return the digits as 8-bit images (1797, 8, 8) and their classes (1797,)."""
    digits = load_digits()
    images = np.rint(digits.images * (255.0 / 16.0)).astype(np.uint8)  # the values are 0..16
    return images, digits.target.astype(np.int32)


def preprocess(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Resize (N, 8, 8) to (N, 32, 32, 1) in 0..1, exactly as model.toml tells the explorer to."""
    resized = [
        np.asarray(Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BILINEAR)) for image in images
    ]
    return np.stack(resized).astype(np.float32)[..., None] / np.float32(255)


def shifted(batch: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Shift each image of (B, H, W, 1) by up to SHIFT pixels, repeating the edge."""
    padded = np.pad(batch, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="edge")
    offsets = rng.integers(0, 2 * SHIFT + 1, size=(len(batch), 2))
    return np.stack(
        [image[y : y + SIZE, x : x + SIZE] for image, (y, x) in zip(padded, offsets, strict=True)]
    )


class Trainer:
    """Holds the network's variables and takes optimiser steps."""

    def __init__(self, model: DigitsNet, steps: int, rate: float, decay: float, seed: int) -> None:
        self.model = model
        variables = model.init(jax.random.key(seed), jnp.zeros((1, SIZE, SIZE, 1)))
        self.variables: Tree = dict(variables)
        schedule = optax.cosine_onecycle_schedule(steps, rate, pct_start=0.2)
        self.optimiser = optax.adamw(schedule, weight_decay=decay)
        self.state = self.optimiser.init(self.variables["params"])
        self._step = jax.jit(self._make_step)
        self._answer = jax.jit(lambda variables, x: model.apply(variables, x))

    def _make_step(self, variables: Tree, state: Any, x: Any, y: Any) -> tuple[Tree, Any, Any]:
        def loss_of(params: Tree) -> tuple[Any, Tree]:
            tree = {"params": params, "batch_stats": variables["batch_stats"]}
            logits, updated = self.model.apply(
                tree, x, train=True, per_position=True, mutable=["batch_stats"]
            )
            # Every position must name the class: this is what groups positions by class.
            labels = jnp.broadcast_to(y[:, None, None], logits.shape[:-1])
            loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
            return jnp.mean(loss), updated["batch_stats"]

        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (loss, stats), grads = gradient(variables["params"])
        updates, state = self.optimiser.update(grads, state, variables["params"])
        params = optax.apply_updates(variables["params"], updates)
        return {"params": params, "batch_stats": stats}, state, loss

    def epoch(self, x: NDArray[Any], y: NDArray[Any], rng: np.random.Generator) -> float:
        """Run over the training set once, in random order; return the mean loss."""
        order = rng.permutation(len(x))[: len(x) // BATCH * BATCH].reshape(-1, BATCH)
        losses = []
        for rows in order:
            self.variables, self.state, loss = self._step(
                self.variables, self.state, shifted(x[rows], rng), y[rows]
            )
            losses.append(float(loss))
        return float(np.mean(losses))

    def accuracy(self, x: NDArray[Any], y: NDArray[Any]) -> float:
        """Return the fraction of images whose mean answer is right."""
        answers = np.asarray(self._answer(self.variables, x)).argmax(axis=1)
        return float((answers == y).mean())


def save_images(folder: Path, images: NDArray[np.uint8], classes: NDArray[Any], rows: NDArray[Any]) -> None:
    """Write the held-out images as folder/<digit>/<row>.png."""
    for image, digit, row in zip(images, classes, rows, strict=True):
        path = folder / str(digit) / f"{row:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, optimize=True)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the demo")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=4e-3, help="highest learning rate")
    parser.add_argument("--decay", type=float, default=1e-2, help="weight decay")
    return parser.parse_args()


def main() -> None:
    """Train, then write the demo's folder."""
    arguments = parse_arguments()
    started = time.perf_counter()
    out: Path = arguments.out
    clear(out, ("checkpoints", "images"), Path(__file__))

    images, classes = load_images()
    train, held = train_test_split(
        np.arange(len(images)), test_size=0.2, stratify=classes, random_state=arguments.seed
    )
    held = np.sort(held)
    x = preprocess(images)
    mean, std = round(float(x[train].mean()), 4), round(float(x[train].std()), 4)
    x = ((x - np.float32(mean)) / np.float32(std)).astype(np.float32)

    epochs = max(SAVED_EPOCHS)
    steps = epochs * (len(train) // BATCH)
    trainer = Trainer(DigitsNet(width=WIDTH), steps, arguments.rate, arguments.decay, arguments.seed)
    rng = np.random.default_rng(arguments.seed)
    for epoch in range(epochs + 1):
        loss = trainer.epoch(x[train], classes[train], rng) if epoch else float("nan")
        accuracy = trainer.accuracy(x[held], classes[held])
        seconds = time.perf_counter() - started
        print(f"epoch {epoch:2d}  loss {loss:.4f}  held-out {accuracy:.4f}  {seconds:.0f} s")
        if epoch in SAVED_EPOCHS:
            save_checkpoint(out / "checkpoints" / str(epoch), trainer.variables)

    save_images(out / "images", images[held], classes[held], held)
    text = MODEL_TOML.format(width=WIDTH, step=epochs, size=SIZE, mean=mean, std=std)
    (out / "model.toml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
