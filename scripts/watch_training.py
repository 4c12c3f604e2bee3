"""Watch a Flax network while it is trained: copy this file, change what is marked, run it.

It trains a small network on scikit-learn's digits and logs, after each epoch, what two of its layers
answer to the same pictures: feature maps, histograms, dead channels, and a cloud of positions for
TensorBoard's projector.

    pip install 'activation-explorer[tensorboard]' tensorboard
    python watch_training.py
    tensorboard --logdir runs/digits
    activation-explorer explore runs/digits
"""

import time

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

import explorer

EPOCHS, BATCH = 4, 64


class Net(nn.Module):  # your own network goes here
    """Two convolutions and a head: (B, 8, 8, 1) -> logits (B, 10)."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the logits."""
        x = nn.relu(nn.Conv(16, (3, 3), name="conv1")(x))
        x = nn.relu(nn.Conv(32, (3, 3), strides=(2, 2), name="conv2")(x))
        return nn.Dense(10, name="head")(x.mean(axis=(1, 2)))


def main() -> None:
    """Train, and watch."""
    digits = load_digits()
    x = (digits.images[..., None] / 16).astype(np.float32)
    y = digits.target
    network = Net()
    params = network.init(jax.random.key(0), x[:1])["params"]
    optimiser = optax.adam(1e-2)
    state = optimiser.init(params)

    @jax.jit
    def step(params, state, x, y):
        def loss_of(params):
            logits = network.apply({"params": params}, x)
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

        loss, gradient = jax.value_and_grad(loss_of)(params)
        change, state = optimiser.update(gradient, state)
        return optax.apply_updates(params, change), state, loss

    # What is watched: which pictures (a folder does as well), which layers, and where it is written.
    # `to` may be "mlflow" or "wandb", too.
    watch = explorer.watch(
        network,
        x[:100],
        labels=[str(label) for label in y[:100]],
        layers=["conv1", "conv2"],
        to="runs/digits",
    )
    begun = time.perf_counter()
    rng = np.random.default_rng(0)
    for epoch in range(EPOCHS):
        for rows in np.array_split(rng.permutation(len(x)), len(x) // BATCH):
            params, state, loss = step(params, state, jnp.asarray(x[rows]), jnp.asarray(y[rows]))
        watch.on_epoch(epoch, params)  # the one line in your loop
        print(f"epoch {epoch}: loss {float(loss):.3f}")
    watch.close()
    print(f"{time.perf_counter() - begun:.1f} s, of which {watch.seconds:.1f} s for watching")


if __name__ == "__main__":
    main()
