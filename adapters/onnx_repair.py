"""What is set right in a graph that was read, in memory, before anything else looks at it."""

from __future__ import annotations

from collections import Counter
from typing import Any


def clear_shared_names(graph: Any) -> None:
    """Take the names away that several nodes have: they name nothing, and onnxruntime refuses them."""
    counts = Counter(node.name for node in graph.node)
    for node in graph.node:
        if counts[node.name] > 1:
            node.ClearField("name")


def to_inference(graph: Any) -> tuple[str, ...]:
    """Have dropout and batch normalisation infer where they were exported in training; names them."""
    quieted = []
    for node in graph.node:
        if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2]:
            del node.input[2:]  # training_mode, which is otherwise false
            quieted.append(node.name or node.output[0])
        modes = [entry for entry in node.attribute if entry.name == "training_mode" and entry.i]
        if node.op_type == "BatchNormalization" and modes:
            modes[0].i = 0
            del node.output[1:]
            quieted.append(node.name or node.output[0])
    return tuple(quieted)


def constants_to_weights(graph: Any) -> None:
    """Make weights of the graph's Constant nodes, which some exporters keep all of them in."""
    kept = []
    for node in graph.node:
        value = next((entry for entry in node.attribute if entry.name == "value"), None)
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx") and value is not None:
            tensor = graph.initializer.add()
            tensor.CopyFrom(value.t)
            tensor.name = node.output[0]
        else:
            kept.append(node)
    if len(kept) < len(graph.node):
        remaining = type(graph)()
        remaining.node.extend(kept)
        graph.ClearField("node")
        graph.node.extend(remaining.node)
