"""Small ONNX graphs, built by hand, for the tests of the ONNX adapter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from explorer.adapters.onnx_graph import OnnxGraph  # noqa: E402
from explorer.capture.protocol import LayerInfo, ModelOptions  # noqa: E402

FLOAT = TensorProto.FLOAT
Node = helper.make_node


class Net:
    """Nodes and weights, put together node by node."""

    def __init__(self, seed: int = 0, dtype: Any = np.float32) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.rng = np.random.default_rng(seed)
        self.dtype = dtype

    def weight(self, name: str, *shape: int, scale: float = 0.3) -> str:
        """A random weight."""
        return self.constant(name, (self.rng.normal(size=shape) * scale).astype(self.dtype))

    def constant(self, name: str, values: Any) -> str:
        """A given weight."""
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], name: str, outputs: int = 1, **attributes: Any) -> str:
        """A node called `name`, whose outputs are `name`_out and so on."""
        made = [f"{name}_out" + (str(number) if number else "") for number in range(outputs)]
        self.nodes.append(Node(kind, list(inputs), made, name=name, **attributes))
        return made[0]

    def conv(self, x: str, name: str, sizes: tuple[int, int, int], **attributes: Any) -> str:
        """A convolution of (channels in, channels out, side), padded to keep the size at stride 1."""
        inside, out, side = sizes
        weights = [self.weight(f"{name}.w", out, inside, side, side), self.weight(f"{name}.b", out)]
        attributes.setdefault("pads", [side // 2] * 4)
        return self.node("Conv", [x, *weights], name, **attributes)

    def model(
        self,
        shape: Sequence[Any],
        outputs: Sequence[str],
        *,
        opset: int = 17,
        kind: int = FLOAT,
        extra: Any = (),
    ) -> Any:
        """The model with one input x of this shape."""
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("x", kind, list(shape)), *extra],
            [onnx.ValueInfoProto(name=name) for name in outputs],
            initializer=self.weights,
        )
        domains = {node.domain for node in self.nodes} - {""}
        imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
        return helper.make_model(graph, opset_imports=imports, ir_version=10)


def saved(model: Any, path: Path) -> Path:
    """The model in a file."""
    path.write_bytes(model.SerializeToString())
    return path


def by_hand(path: Path, tensors: Sequence[str], feeds: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """What onnxruntime answers when the tensors are added to the outputs of the whole graph."""
    model = onnx.load(path)
    known = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors if name not in known)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return dict(zip(tensors, session.run(list(tensors), feeds), strict=True))


def own_output(path: Path, feeds: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """What onnxruntime answers to the file as it is, with its own defaults."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    answer: NDArray[Any] = session.run(None, feeds)[0]
    return answer


def residual_net(shape: Sequence[Any] = ("N", 3, "H", "W"), dtype: Any = np.float32) -> Any:
    """Convolutions, batch normalisation, a residual sum, a concatenation, a head."""
    net = Net(dtype=dtype)
    x = net.conv("x", "stem", (3, 8, 3), strides=[2, 2])
    scale = [net.weight("bn.scale", 8), net.weight("bn.bias", 8), net.weight("bn.mean", 8)]
    variance = net.constant("bn.var", net.rng.uniform(0.5, 1.5, 8).astype(dtype))
    x = net.node("Relu", [net.node("BatchNormalization", [x, *scale, variance], "bn")], "relu1")
    y = net.node("Relu", [net.conv(x, "a1", (8, 8, 3))], "relu2")
    x = net.node("Add", [net.conv(y, "a2", (8, 8, 3)), x], "add")
    small = net.node("MaxPool", [x], "pool", kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4)
    x = net.node("Concat", [x, small, y], "concat", axis=1)
    x = net.node("GlobalAveragePool", [x], "gap")
    x = net.node("Flatten", [x], "flatten")
    net.nodes.append(
        Node("Gemm", [x, net.weight("fc.w", 24, 5), net.weight("fc.b", 5)], ["logits"], name="fc")
    )
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return net.model(shape, ["logits"], kind=kind)


def transposed_net(shape: Sequence[Any] = ("N", 20, 28, 3)) -> Any:
    """Channels last outside, transposes around its convolutions: what comes of a TensorFlow network."""
    net = Net(seed=1)
    x = net.node("Transpose", ["x"], "conv1/to_nchw", perm=[0, 3, 1, 2])
    x = net.node("Transpose", [net.conv(x, "conv1", (3, 6, 3))], "conv1/to_nhwc", perm=[0, 2, 3, 1])
    x = net.node("Add", [x, net.weight("bias", 6)], "bias_add")
    x = net.node("Relu", [x], "relu")
    x = net.node("Transpose", [x], "conv2/to_nchw", perm=[0, 3, 1, 2])
    x = net.node("Transpose", [net.conv(x, "conv2", (6, 4, 1))], "conv2/to_nhwc", perm=[0, 2, 3, 1])
    x = net.node("MatMul", [x, net.weight("dense.w", 4, 7)], "dense")
    return net.model(shape, ["dense_out"])


def quantised_net(shape: Sequence[Any] = ("N", 3, 16, 16)) -> Any:
    """Fake-quantised activations and weights: QuantizeLinear and DequantizeLinear around a convolution."""
    net = Net(seed=2)
    net.constant("s0", np.float32(0.01))
    net.constant("z0", np.uint8(0))
    net.constant("s1", np.float32(0.05))
    net.constant("z1", np.uint8(100))
    net.constant("sw", np.linspace(0.005, 0.01, 8).astype(np.float32))
    net.constant("w", net.rng.integers(-127, 127, (8, 3, 3, 3)).astype(np.int8))
    x = net.node("QuantizeLinear", ["x", "s0", "z0"], "quant0")
    x = net.node("DequantizeLinear", [x, "s0", "z0"], "dequant0")
    w = net.node("DequantizeLinear", ["w", "sw"], "weights", axis=0)
    x = net.node("Conv", [x, w], "conv", pads=[1, 1, 1, 1])
    x = net.node("QuantizeLinear", [x, "s1", "z1"], "quant1")
    x = net.node("MaxPool", [x], "pool", kernel_shape=[2, 2], strides=[2, 2])
    x = net.node("DequantizeLinear", [x, "s1", "z1"], "dequant1")
    x = net.node("Sigmoid", [x], "sigmoid")
    return net.model(shape, ["sigmoid_out"])


def integer_net() -> Any:
    """Convolution in whole numbers: QLinearConv, the input quantised as bytes."""
    net = Net(seed=3)
    scales = {"sx": 0.01, "sw": 0.004, "sy": 0.03}
    for name, value in scales.items():
        net.constant(name, np.float32(value))
    net.constant("zx", np.uint8(0))
    net.constant("zw", np.int8(0))
    net.constant("zy", np.uint8(120))
    net.constant("w", net.rng.integers(-127, 127, (8, 3, 3, 3)).astype(np.int8))
    x = net.node("QuantizeLinear", ["x", "sx", "zx"], "quant")
    x = net.node("QLinearConv", [x, "sx", "zx", "w", "sw", "zw", "sy", "zy"], "qconv", pads=[1, 1, 1, 1])
    x = net.node("DequantizeLinear", [x, "sy", "zy"], "dequant")
    return net.model(("N", 3, "H", "W"), [x])


def transformer(n_prefix: int = 1, shape: Sequence[Any] = ("N", 3, 16, 24), patch: int = 4) -> Any:
    """A vision transformer of one block: patches, class (and register) tokens, positions, attention, head."""
    net, width, heads = Net(seed=4), 8, 2
    rows, columns = shape[2] // patch, shape[3] // patch
    n_tokens = rows * columns + n_prefix
    x = net.conv("x", "patch", (3, width, patch), strides=[patch, patch], pads=[0] * 4)
    x = net.node("Reshape", [x, net.constant("flat", np.array([0, width, -1]))], "flatten")
    x = net.node("Transpose", [x], "tokens", perm=[0, 2, 1])
    if n_prefix:
        whole = net.node("Shape", ["x"], "shape")
        count = net.node("Gather", [whole, net.constant("zero", np.array([0]))], "count")
        rest = net.constant("rest", np.array([n_prefix, width]))
        target = net.node("Concat", [count, rest], "target", axis=0)
        prefix = net.node("Expand", [net.weight("prefix", 1, n_prefix, width), target], "expand")
        x = net.node("Concat", [prefix, x], "with_prefix", axis=1)
    x = net.node("Add", [x, net.weight("positions", 1, n_tokens, width)], "embedded")
    y = net.node(
        "LayerNormalization", [x, net.weight("ln.w", width), net.weight("ln.b", width)], "norm", axis=-1
    )
    split = net.constant("split", np.array([0, n_tokens, heads, width // heads]))
    parts = {}
    for part, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        dense = net.node("MatMul", [y, net.weight(f"{part}.w", width, width)], part)
        parts[part] = net.node(
            "Transpose", [net.node("Reshape", [dense, split], f"{part}_split")], f"{part}_heads", perm=order
        )
    scores = net.node(
        "Softmax", [net.node("MatMul", [parts["q"], parts["k"]], "scores")], "attention", axis=-1
    )
    mixed = net.node(
        "Transpose", [net.node("MatMul", [scores, parts["v"]], "mixed")], "mixed_t", perm=[0, 2, 1, 3]
    )
    joined = net.node("Reshape", [mixed, net.constant("join", np.array([0, n_tokens, width]))], "joined")
    x = net.node("Add", [x, net.node("MatMul", [joined, net.weight("o.w", width, width)], "proj")], "block")
    first = net.node("Gather", [x, net.constant("cls", np.array(0))], "cls_token", axis=1)
    net.nodes.append(Node("Gemm", [first, net.weight("h.w", width, 5)], ["logits"], name="head"))
    return net.model(shape, ["logits"])


def branching_net() -> Any:
    """A convolution, an If with two convolutions inside, and an operator after it."""
    net = Net(seed=5)
    x = net.conv("x", "conv", (3, 4, 3))
    branches = {}
    for name in ("then_branch", "else_branch"):
        inner = [
            Node("Conv", [x, net.weight(f"{name}.w", 4, 4, 1, 1)], [f"{name}_conv"], name=f"{name}/conv"),
            Node("Relu", [f"{name}_conv"], [f"{name}_out"]),
        ]
        output = helper.make_tensor_value_info(f"{name}_out", FLOAT, None)
        branches[name] = helper.make_graph(inner, name, [], [output])
    total = net.node("ReduceMax", ["x"], "largest", keepdims=0)
    test = net.node("Greater", [total, net.constant("limit", np.float32(0.5))], "test")
    net.nodes.append(Node("If", [test], ["chosen"], name="if", **branches))
    net.node("Sigmoid", ["chosen"], "after")
    return net.model(("N", 3, 8, 8), ["after_out"])


def opened(path: Path, **options: Any) -> OnnxGraph:
    """The adapter of a file, with these `ModelOptions`."""
    adapter = OnnxGraph.open(path, ModelOptions(**options))
    assert adapter is not None
    return adapter


def pictures(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    """Noise of 0 to 1."""
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def listed(adapter: OnnxGraph, shape: tuple[int, ...]) -> dict[str, LayerInfo]:
    """What is listed, by name."""
    return {info.name: info for info in adapter.layers(shape)}
