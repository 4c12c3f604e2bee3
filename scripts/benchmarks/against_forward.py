"""Capture against the bare forward pass that returns just those tensors, written by hand, same batch.

One middle layer and five layers of the digit classifier, 1,024 inputs, in Flax Linen, Flax NNX, ONNX and
PyTorch.
Both sides end in numpy arrays (batch, height, width, channels) that hold the same values; by hand without
a copy where the framework has its channels first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import explorer
from benchmarks.activations import DEMO
from benchmarks.results import SETTLE, Result, race

LAYERS = {"one layer": ["block3"], "five layers": ["block1", "block2", "block3", "block4", "block5"]}
BATCH, ROUNDS = 1024, 15
Values = dict[str, np.ndarray]
Forward = Callable[[np.ndarray], Values]


def in_linen(_: Path) -> list[Result]:
    """Flax Linen: a jitted apply that captures only these modules' answers."""
    import jax
    import orbax.checkpoint as ocp

    from explorer.demo.networks import DigitsNet

    with ocp.PyTreeCheckpointer() as saved:
        tree = saved.restore(DEMO / "checkpoints" / "16")
    variables = {key: tree[key] for key in ("params", "batch_stats")}

    def by_hand(layers: list[str]) -> Forward:
        @jax.jit
        def forward(variables: Any, x: Any) -> Any:
            wanted = lambda module, name: module.name in layers and name == "__call__"  # noqa: E731
            _, state = DigitsNet().apply(
                variables, x, capture_intermediates=wanted, mutable=["intermediates"]
            )
            return {name: state["intermediates"][name]["__call__"][0] for name in layers}

        return lambda x: {name: np.asarray(value) for name, value in forward(variables, x).items()}

    return _compare("Flax Linen", explorer.load_model(DEMO), by_hand)


def in_nnx(_: Path) -> list[Result]:
    """Flax NNX: a jitted call of the blocks one after the other, up to the last one asked for."""
    import jax
    from flax import nnx

    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from write_digits_forms import code, read_weights

    network = code("nnx").DigitsNet(rngs=nnx.Rngs(0))
    for name, part in read_weights().items():
        module = getattr(network, name)
        for leaf, array in part.items():
            owner = module if name == "head" else module.conv if leaf == "kernel" else module.norm
            getattr(owner, leaf)[...] = array
    network.eval()
    graph, state = nnx.split(network)

    def by_hand(layers: list[str]) -> Forward:
        @jax.jit
        def forward(state: Any, x: Any) -> Any:
            module, found = nnx.merge(graph, state), {}
            for name in LAYERS["five layers"][: LAYERS["five layers"].index(layers[-1]) + 1]:
                x = found[name] = getattr(module, name)(x)
            return {name: found[name] for name in layers}

        return lambda x: {name: np.asarray(value) for name, value in forward(state, x).items()}

    return _compare("Flax NNX", explorer.load_model(network, input_shape=(32, 32, 1)), by_hand)


def in_onnx(folder: Path) -> list[Result]:
    """ONNX: a session of onnxruntime on the graph with these tensors as its outputs."""
    import onnx
    import onnxruntime

    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from export_onnx import write

    write(folder / "onnx")
    path = folder / "onnx" / "digits.onnx"
    model = explorer.load_model(path)
    tensors = {info.name: info for info in model.layers((32, 32, 1))}

    def by_hand(layers: list[str]) -> Forward:
        graph = onnx.load(path)
        del graph.graph.output[:]
        graph.graph.output.extend(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in layers
        )
        session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        first = session.get_inputs()[0].name

        def forward(x: np.ndarray) -> Values:
            found = session.run(layers, {first: np.ascontiguousarray(np.moveaxis(x, -1, 1))})
            pairs = zip(layers, found, strict=True)
            return {name: np.moveaxis(value, 1, -1) for name, value in pairs}

        return forward

    named = {name: name for name in LAYERS["five layers"] if name in tensors}
    if len(named) < 5:
        raise ValueError(f"the exported graph has no blocks among {', '.join(tensors)}")
    return _compare("ONNX", model, by_hand)


def in_torch(_: Path) -> list[Result]:
    """PyTorch: forward hooks by hand."""
    import torch

    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from digits_in_torch import trained

    network = trained()[0].eval()

    def by_hand(layers: list[str]) -> Forward:
        def forward(x: np.ndarray) -> Values:
            found: Values = {}
            hooks = [
                network.get_submodule(name).register_forward_hook(
                    lambda _, __, value, name=name: found.update({name: value.numpy().transpose(0, 2, 3, 1)})
                )
                for name in layers
            ]
            with torch.no_grad():
                network(torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2))))
            for hook in hooks:
                hook.remove()
            return found

        return forward

    return _compare("PyTorch", explorer.load_model(network, input_shape=(32, 32, 1)), by_hand)


def _compare(framework: str, model: explorer.Model, by_hand: Callable[[list[str]], Forward]) -> list[Result]:
    inputs = np.random.default_rng(0).normal(size=(BATCH, 32, 32, 1)).astype(np.float32)
    results = []
    for what, layers in LAYERS.items():
        bare = by_hand(layers)

        def ours(layers: list[str] = layers) -> Values:
            return {name: one.values for name, one in model.adapter.capture(inputs, layers).items()}

        ours(), bare(inputs)
        mine, theirs, captured, expected = race(ours, partial(bare, inputs), rounds=ROUNDS, rest=SETTLE)
        off = max(float(np.abs(captured[name] - expected[name]).max()) for name in layers)
        name = f"capture of {what}, {framework}, {BATCH:,} inputs"
        against, scores = "the bare forward pass by hand", (off, 0.0)
        results.append(Result(name, against, mine, theirs, 1 / 1.05, "off by", scores, off < 1e-3))
    return results
