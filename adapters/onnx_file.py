"""Read an .onnx file: its graph without the weights, and the weights.

Weights that lie in files of their own are mapped, not read, and only from within the model's folder;
onnxruntime maps them from there as well, so that a model larger than memory can be opened. Those of
the file itself are held once, whatever number of sessions is made of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import CheckpointError, ModelError

from .limits import DAMAGE, check_memory, first_line
from .onnx_external import WeightFiles, stamp
from .onnx_repair import clear_shared_names, constants_to_weights, to_inference

SMALL = 1024
"""Bytes up to which a weight stays in the graph: shapes and axes must be there to be reasoned about."""
LARGEST = 2**31 - 1
"""Bytes that one protobuf message can have."""
LOCATION = "in the file itself"


@dataclass(frozen=True)
class GraphFile:
    """What an .onnx file holds.

    Attributes:
        path: the file.
        model: the ModelProto; weights larger than `SMALL` are declared in it, but not held.
        weights: those weights by name. bfloat16 is kept as uint16.
        mapped: which of them lie in files beside the model.
        stamps: size and time of those files when they were opened.
        quieted: nodes that were written for training, and are now as for inference.
    """

    path: Path
    model: Any
    weights: dict[str, NDArray[Any]]
    mapped: frozenset[str]
    stamps: dict[Path, tuple[int, int]]
    quieted: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where the files beside the model are."""
        return self.path.parent.resolve()

    def check_unchanged(self) -> None:
        """Hold the files beside the model against what they were: they are read again and again.

        Raises:
            CheckpointError: one is another now.
        """
        for file, before in self.stamps.items():
            if stamp(file) != before:
                raise CheckpointError(f"{file}: changed since {self.path} was opened; open it again")


def read_graph(path: Path) -> GraphFile:
    """Read and check an .onnx file; functions of its own are written out in the graph.

    Raises:
        ModelError: missing, damaged, or not ONNX.
        CheckpointError: weights that are missing, of another size, or outside the model's folder.
    """
    import onnx
    from google.protobuf.message import Error

    try:
        model = _parse(path)
        clear_shared_names(model.graph)
        quieted = to_inference(model.graph)
        constants_to_weights(model.graph)
        files = WeightFiles(path)
        weights, mapped = _take_weights(model, files)
        # A message keeps the memory of what was cleared in it; another one made from it does not.
        model = onnx.ModelProto.FromString(model.SerializeToString())
        if model.functions:
            from onnx import inliner

            model = inliner.inline_local_functions(model)
    except Error as error:
        raise ModelError(f"{path}: cannot be read as ONNX: {first_line(error)}") from None
    except DAMAGE as error:
        raise ModelError(f"{path}: cannot be read as ONNX: {first_line(error)}") from None
    return GraphFile(path, model, weights, mapped, files.stamps, quieted)


def weights_of(file: GraphFile) -> dict[tuple[str, ...], NDArray[Any]]:
    """Every weight of the graph as an array, or as its bytes where numpy has no such type."""
    held = {
        (tensor.name,): np.frombuffer(tensor.SerializeToString(deterministic=True), np.uint8)
        for tensor in file.model.graph.initializer
        if tensor.name not in file.weights
    }
    return held | {(name,): array for name, array in file.weights.items()}


def graphs(graph: Any) -> Iterator[Any]:
    """A graph and every graph inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                yield from graphs(inner)


def _parse(path: Path) -> Any:
    """The file as a ModelProto.

    Raises:
        ModelError: the file is missing, too large for one file, or holds no graph.
    """
    import onnx

    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    size = path.stat().st_size
    if size > LARGEST:
        raise ModelError(
            f"{path}: {size / 1e9:.1f} GB; an ONNX file of more than 2 GB keeps its weights apart"
        )
    check_memory(2 * size)
    model = onnx.ModelProto.FromString(path.read_bytes())
    if not model.graph.node or not model.opset_import:
        raise ModelError(f"{path}: cannot be read as ONNX: it holds no graph of nodes")
    for field in ("training_info", "metadata_props"):
        model.ClearField(field)
    return model


def _take_weights(model: Any, files: WeightFiles) -> tuple[dict[str, NDArray[Any]], frozenset[str]]:
    """Take the large weights out of the graph; say which of them lie in files of their own."""
    weights, mapped = {}, set()
    for tensor in model.graph.initializer:
        dtype = _dtype(tensor)
        if dtype is None or not tensor.name:
            _hold(tensor, files)
            continue
        array = _array(tensor, dtype, files)
        if array.nbytes <= SMALL:
            _store(tensor, array)
        else:
            weights[tensor.name] = array
            if _is_external(tensor):
                mapped.add(tensor.name)
            _declare(tensor, array)
    for tensor in _inner_tensors(model):
        _hold(tensor, files)
    return weights, frozenset(mapped)


def _inner_tensors(model: Any) -> Iterator[Any]:
    """Every tensor that is not a weight of the graph itself: in attributes, functions, inner graphs."""
    for graph in graphs(model.graph):
        if graph is not model.graph:
            yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
        yield from _attribute_tensors(graph.node)
    for function in model.functions:
        yield from _attribute_tensors(function.node)
        for node in function.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    for inner in graphs(attribute.g):
                        yield from inner.initializer
                        yield from _attribute_tensors(inner.node)


def _attribute_tensors(nodes: Any) -> Iterator[Any]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("sparse_tensor"):
                yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
            yield from attribute.tensors


def _dtype(tensor: Any) -> np.dtype[Any] | None:
    """The numpy type of a tensor's bytes; None for text and for numbers smaller than a byte."""
    from onnx import TensorProto

    if tensor.data_type == TensorProto.BFLOAT16:
        return np.dtype("<u2")
    names = {
        "FLOAT": "<f4",
        "FLOAT16": "<f2",
        "DOUBLE": "<f8",
        "BOOL": "?",
        **{f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
        **{f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    }
    for name, code in names.items():
        if tensor.data_type == getattr(TensorProto, name):
            return np.dtype(code)
    return None


def _array(tensor: Any, dtype: np.dtype[Any], files: WeightFiles) -> NDArray[Any]:
    """The values of a tensor, wherever they are kept.

    Raises:
        CheckpointError: the declared shape does not fit the bytes.
    """
    from onnx import numpy_helper

    shape = tuple(tensor.dims)
    if min(shape, default=0) < 0:
        raise CheckpointError(f"{files.path}: weight {tensor.name} declares shape {shape}")
    declared = math.prod(shape) * dtype.itemsize
    if _is_external(tensor):
        return files.read(tensor, declared).view(dtype).reshape(shape)
    if tensor.HasField("raw_data"):
        raw = tensor.raw_data
        if len(raw) != declared:
            raise CheckpointError(
                f"{files.path}: weight {tensor.name} declares shape {shape}, {declared:,} bytes, "
                f"but has {len(raw):,}"
            )
        return np.frombuffer(raw, dtype).reshape(shape)
    array: NDArray[Any] = np.asarray(numpy_helper.to_array(tensor))
    return array.view(dtype) if array.dtype != dtype else array


def _hold(tensor: Any, files: WeightFiles) -> None:
    """Bring a tensor's bytes into the graph when they lie in another file."""
    if _is_external(tensor):
        from onnx import helper

        bits = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}
        name = helper.tensor_dtype_to_string(tensor.data_type).split(".")[-1]
        dtype = _dtype(tensor)
        size = bits.get(name, 8 if dtype is None else 8 * dtype.itemsize)
        declared = -(-math.prod(tensor.dims) * size // 8)
        _store(tensor, files.read(tensor, declared))


def _is_external(tensor: Any) -> bool:
    return bool(tensor.data_location == type(tensor).EXTERNAL)


def _store(tensor: Any, array: NDArray[Any]) -> None:
    """Keep these bytes in the tensor itself."""
    for field in ("external_data", "data_location", "float_data", "int32_data", "int64_data"):
        tensor.ClearField(field)
    for field in ("double_data", "uint64_data"):
        tensor.ClearField(field)
    tensor.raw_data = array.tobytes()


def _declare(tensor: Any, array: NDArray[Any]) -> None:
    """Keep the shape and type, and where the bytes are; a session is given those of the file itself."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", LOCATION).replace("\\", "/")
    offset = entries.get("offset") or "0"
    _store(tensor, array[:0])
    tensor.ClearField("raw_data")
    tensor.data_location = type(tensor).EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", str(array.nbytes))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
