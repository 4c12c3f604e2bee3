"""Write the demo's digit classifier as an ONNX file, from the weights of its Orbax checkpoint.

The nodes are named as Flax names the layers, so that both can be compared layer by layer: block1/conv,
block1/norm, block1 and so on. A model.toml beside the file holds the preprocessing.

    python scripts/export_onnx.py [FOLDER] [--half]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import explorer.demo
from explorer.adapters.checkpoints import read_checkpoint

DIGITS = Path(explorer.demo.__file__).parent / "digits"
SIDE = 32
BLOCKS = {"block1": (2, 1), "block2": (2, 1), "block3": (1, 2), "block4": (1, 4), "block5": (1, 1)}
"""Stride and dilation of each block's convolution, as in explorer.demo.networks."""
EPSILON = 1e-5


class Writer:
    """Collects nodes and weights, all weights in one type."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def weight(self, name: str, values: Any) -> str:
        """A weight, returned by its name."""
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values, self.dtype), name))
        return name

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """A node whose one output is called as it is."""
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name


def block(writer: Writer, x: str, name: str, *, weights: dict[str, Any]) -> str:
    """A convolution, batch normalisation and ReLU; with a residual sum where the shape is kept."""
    stride, dilation = BLOCKS[name]
    params, stats = weights["params"][name], weights["batch_stats"][name]["norm"]
    # Flax's SAME: of a stride of 2 over an even side the odd pixel of padding goes to the end.
    pads = [0, 0, 1, 1] if stride == 2 else [dilation] * 4
    kernel = writer.weight(f"{name}/conv/kernel", np.transpose(params["conv"]["kernel"], (3, 2, 0, 1)))
    y = writer.node(
        "Conv",
        [x, kernel],
        f"{name}/conv",
        strides=[stride, stride],
        dilations=[dilation, dilation],
        pads=pads,
        kernel_shape=[3, 3],
    )
    norm = params["norm"]
    values = {"scale": norm["scale"], "bias": norm["bias"], "mean": stats["mean"], "var": stats["var"]}
    held = [writer.weight(f"{name}/norm/{key}", value) for key, value in values.items()]
    y = writer.node("BatchNormalization", [y, *held], f"{name}/norm", epsilon=EPSILON)
    if stride == 1:
        y = writer.node("Add", [x, y], f"{name}/sum")
    return writer.node("Relu", [y], name)


def build(weights: dict[str, Any], dtype: Any = np.float32) -> Any:
    """The ModelProto of the network: pictures (N, 1, 32, 32) to logits (N, 10).

    Args:
        weights: the variables of `DigitsNet`, nested as Flax nests them.
        dtype: float32 or float16, for weights, inputs and all that is computed.
    """
    writer = Writer(dtype)
    x = "image"
    for name in BLOCKS:
        x = block(writer, x, name, weights=weights)
    head = weights["params"]["head"]
    kernel = writer.weight("head/kernel", np.asarray(head["kernel"]).T[:, :, None, None])
    x = writer.node(
        "Conv", [x, kernel, writer.weight("head/bias", head["bias"])], "head", kernel_shape=[1, 1]
    )
    x = writer.node("GlobalAveragePool", [x], "mean")
    writer.node("Flatten", [x], "output", axis=1)
    kind = TensorProto.FLOAT16 if writer.dtype == np.float16 else TensorProto.FLOAT
    classes = int(np.shape(head["bias"])[0])
    graph = helper.make_graph(
        writer.nodes,
        "DigitsNet",
        [helper.make_tensor_value_info("image", kind, ["N", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("output", kind, ["N", classes])],
        initializer=writer.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def write(folder: Path, dtype: Any = np.float32) -> Path:
    """Write digits.onnx (or digits-half.onnx) and its model.toml; returns the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    weights, _ = read_checkpoint(DIGITS / "checkpoints")
    name = "digits-half" if np.dtype(dtype) == np.float16 else "digits"
    onnx.save(build(weights, dtype), folder / f"{name}.onnx")
    original = (DIGITS / "model.toml").read_text(encoding="utf-8")
    kept = original[original.index("[preprocessing]") : original.index("[explore]")]
    table = folder / f"{name}.toml"
    table.write_text(
        f'# Written by scripts/export_onnx.py\n\n[model]\nfile = "{name}.onnx"\n\n{kept}'
        '[explore]\nlayer = "block5"\n',
        encoding="utf-8",
    )
    return table


def main() -> None:
    """Write the files and say where."""
    parser = argparse.ArgumentParser(description="Write the demo's digit classifier as ONNX.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("digits-onnx"))
    parser.add_argument("--half", action="store_true", help="float16 in place of float32")
    arguments = parser.parse_args()
    print(write(arguments.folder, np.float16 if arguments.half else np.float32))


if __name__ == "__main__":
    main()
