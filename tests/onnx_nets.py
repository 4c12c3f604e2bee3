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
        self, shape: Sequence[Any], outputs: Sequence[str], *, opset: int = 17, kind: int = FLOAT, extra: Any = ()
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
    net.nodes.append(Node("Gemm", [x, net.weight("fc.w", 24, 5), net.weight("fc.b", 5)], ["logits"], name="fc"))
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return net.model(shape, ["logits"], kind=kind)
