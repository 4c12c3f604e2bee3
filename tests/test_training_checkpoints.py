"""Checkpoints as training loops leave them: train states, items, splits, half precision, shards."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from flax import nnx
from flax.training.train_state import TrainState

from explorer.adapters.checkpoints import read_checkpoint
from explorer.adapters.flax_linen import FlaxLinen
from explorer.adapters.flax_nnx import FlaxNNX
from explorer.capture.protocol import ModelOptions

SHAPE = (6, 5, 2)
X = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float32)


class Net(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array, train: bool = True) -> jax.Array:
        return nn.BatchNorm(use_running_average=not train)(nn.Conv(3, (3, 3))(x))


class State(TrainState):
    """What people make of a train state: statistics and a random key beside the params."""

    batch_stats: Any = None
    key: Any = None


@pytest.fixture(scope="module")
def variables() -> Any:
    made = Net().init(jax.random.key(0), jnp.ones((1, *SHAPE)))
    return jax.tree.map(lambda leaf: leaf + 0.25, made)


@pytest.fixture(scope="module")
def state(variables: Any) -> State:
    return State.create(
        apply_fn=Net().apply,
        params=variables["params"],
        tx=optax.adamw(1e-3),
        batch_stats=variables["batch_stats"],
        key=jax.random.PRNGKey(1),
    )


def save(root: Path, tree: Any) -> None:
    with ocp.StandardCheckpointer() as saver:
        saver.save(root / "checkpoint", tree)


def save_items(root: Path, **items: Any) -> None:
    with ocp.CheckpointManager(root / "checkpoint") as manager:
        manager.save(2, args=ocp.args.Composite(**items))


def save_tree(root: Path, tree: Any) -> None:
    with ocp.CheckpointManager(root / "checkpoint") as manager:
        manager.save(2, args=ocp.args.PyTreeSave(tree))


@pytest.mark.parametrize("form", ["state", "item", "items", "scores", "configuration"])
def test_a_train_states_weights_are_those_of_the_model(
    form: str, state: State, variables: Any, tmp_path: Path
) -> None:
    item = ocp.args.StandardSave
    if form == "state":
        save(tmp_path, state)
    elif form == "item":
        save_items(tmp_path, state=item(state), notes=ocp.args.JsonSave({"epoch": 3}))
    elif form == "items":
        stats, moments = item(state.batch_stats), item(state.opt_state)
        save_items(tmp_path, params=item(state.params), batch_stats=stats, opt_state=moments)
    elif form == "scores":
        save_tree(tmp_path, {"model": state, "epoch": 3, "best": 0.5})
    else:
        save_tree(tmp_path, {"train_state": state, "config": {"rate": 0.1, "name": "first"}})
    direct = FlaxLinen.open(Net(), ModelOptions(variables=variables))
    opened = FlaxLinen.open(Net(), ModelOptions(checkpoint=tmp_path / "checkpoint"))
    assert opened.provenance["digest"] == direct.provenance["digest"]
    expected = direct.capture(X, ["output"])["output"].values
    assert np.array_equal(opened.capture(X, ["output"])["output"].values, expected)


class NetNNX(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(2, 3, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(3, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.scale = nnx.Param(jnp.array(1.5))

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.drop(self.norm(self.conv(x))) * self.scale


@pytest.mark.parametrize("form", ["split", "parts", "items", "tuple", "named", "pair", "half"])
def test_what_nnx_split_saves_fits_another_module(form: str, tmp_path: Path) -> None:
    module = NetNNX(nnx.Rngs(0))
    graph, params, stats, rest = nnx.split(module, nnx.Param, nnx.BatchStat, ...)
    optimiser = nnx.Optimizer(module, optax.adam(1e-3), wrt=nnx.Param)
    if form == "split":
        save(tmp_path, nnx.split(module)[1])
    elif form == "parts":
        save(tmp_path, {"params": params, "batch_stats": stats, "rest": rest})
    elif form == "items":
        item = ocp.args.StandardSave
        save_items(tmp_path, params=item(params), batch_stats=item(stats))
    elif form == "tuple":
        save_tree(tmp_path, (params, stats))
    elif form == "named":
        save(tmp_path, {"model": nnx.state(module), "optimizer": nnx.state(optimiser)})
    elif form == "pair":
        save(tmp_path, nnx.state((module, optimiser)))
    else:
        halves = [jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), part) for part in (params, stats)]
        module = nnx.merge(graph, *(jax.tree.map(jnp.float32, half) for half in halves), rest)
        save(tmp_path, tuple(halves))
    expected = FlaxNNX.open(module, ModelOptions())
    opened = FlaxNNX.open(NetNNX(nnx.Rngs(1)), ModelOptions(checkpoint=tmp_path / "checkpoint"))
    assert opened.provenance["digest"] == expected.provenance["digest"]
    values = opened.capture(X, ["output"])["output"].values
    assert np.array_equal(values, expected.capture(X, ["output"])["output"].values)


def test_half_precision_stays_what_it_is(variables: Any, tmp_path: Path) -> None:
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), variables)
    save(tmp_path, half)
    read, _ = read_checkpoint(tmp_path / "checkpoint")
    assert read["params"]["Conv_0"]["kernel"].dtype == jnp.bfloat16
    jax.tree.map(np.testing.assert_array_equal, read, jax.tree.map(np.asarray, half))


SHARDED = """
import sys, jax, jax.numpy as jnp, numpy as np, orbax.checkpoint as ocp
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
assert len(jax.devices()) == 4
mesh = Mesh(np.array(jax.devices()).reshape(2, 2), ("a", "b"))
put = lambda array, spec: jax.device_put(jnp.asarray(array), NamedSharding(mesh, spec))
kernel = np.arange(2 * 8 * 12.0, dtype=np.float32).reshape(2, 8, 12)
tree = {"params": {"split": put(kernel, P(None, "a", "b")), "rows": put(kernel[0], P("a")),
                   "whole": put(kernel[0, 0], P())}, "step": 3}
for name, chosen in (("ocdbt", {}), ("files", {"use_ocdbt": False}), ("zarr3", {"use_zarr3": True})):
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler(**chosen)) as saver:
        saver.save(f"{sys.argv[1]}/{name}", tree)
"""


def test_what_four_devices_wrote_is_read_on_one(tmp_path: Path) -> None:
    variables = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", SHARDED, str(tmp_path)], check=True, env=variables)
    kernel = np.arange(2 * 8 * 12.0, dtype=np.float32).reshape(2, 8, 12)
    for name in ("ocdbt", "files", "zarr3"):
        params = read_checkpoint(tmp_path / name)[0]["params"]
        np.testing.assert_array_equal(params["split"], kernel, err_msg=name)
        np.testing.assert_array_equal(params["rows"], kernel[0], err_msg=name)
        np.testing.assert_array_equal(params["whole"], kernel[0, 0], err_msg=name)
