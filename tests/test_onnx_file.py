"""Reading ONNX files: damaged and hostile ones, and weights kept beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx_nets import Net, opened, residual_net, saved  # noqa: E402

from explorer.adapters.onnx_file import read_graph  # noqa: E402
from explorer.errors import CheckpointError, ExplorerError, ModelError  # noqa: E402

SHAPE = (1, 3, 16, 16)
INPUTS = np.random.default_rng(0).random((2, 16, 16, 3), dtype=np.float32)


def refused(path: Path, pattern: str, kind: type[Exception] = ModelError) -> None:
    def used() -> None:
        opened(path).capture(INPUTS, ["stem"])

    with pytest.raises(kind, match=pattern) as caught:
        used()
    assert "\n" not in str(caught.value)
    assert str(path.name) in str(caught.value)


def changed(tmp_path: Path, change: Callable[[Any], None]) -> Path:
    model = residual_net(SHAPE)
    change(model)
    return saved(model, tmp_path / "net.onnx")


def test_what_is_no_onnx_is_refused(tmp_path: Path) -> None:
    path, whole = tmp_path / "net.onnx", residual_net().SerializeToString()
    refused(path, "no such file")
    for content in (whole[: len(whole) // 2], b"hello, no model at all\n" * 9, b"PK\x03\x04" + bytes(99)):
        path.write_bytes(content)
        refused(path, "cannot be read as ONNX")
    for content in (b"", helper.make_model(helper.make_graph([], "g", [], [])).SerializeToString()):
        path.write_bytes(content)
        refused(path, "holds no graph of nodes")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(residual_net(), tmp_path / "net.onnx")
    monkeypatch.setattr("explorer.adapters.limits.available_memory", lambda: 1000)
    refused(path, "GB of memory are free")
    with path.open("r+b") as file:
        file.truncate(2**31)  # takes no room on the disk
    refused(path, "more than 2 GB keeps its weights apart")


def test_shapes_that_do_not_fit_their_bytes_are_refused(tmp_path: Path) -> None:
    def huge(model: Any) -> None:
        model.graph.initializer[0].dims[:] = [2**40, 2**20, 3, 3]

    def negative(model: Any) -> None:
        model.graph.initializer[0].dims[:] = [-8, 3, 3, 3]

    refused(changed(tmp_path, huge), r"weight stem\.w declares shape .* but has 864", CheckpointError)
    refused(changed(tmp_path, negative), r"weight stem\.w declares shape \(-8, 3, 3, 3\)", CheckpointError)


def test_a_tensor_larger_than_memory_is_refused_before_it_is_made(tmp_path: Path) -> None:
    net = Net()
    x = net.node("GlobalAveragePool", [net.conv("x", "stem", (3, 4, 3))], "gap")
    net.node("Expand", [x, net.constant("to", np.array([1, 4, 10**7, 10**6]))], "huge")
    refused(saved(net.model(SHAPE, ["huge_out"]), tmp_path / "net.onnx"), "tensor huge_out of .* GB")


def test_graphs_that_hang_together_wrongly_are_refused(tmp_path: Path) -> None:
    def twice(model: Any) -> None:
        model.graph.node[1].output[0] = "stem_out"

    def circle(model: Any) -> None:
        model.graph.node[0].input[0] = "add_out"

    def nowhere(model: Any) -> None:
        model.graph.node[2].input[0] = "nothing"

    refused(changed(tmp_path, twice), "tensor stem_out is made by two nodes")
    refused(changed(tmp_path, circle), "Conv stem reads tensor add_out, which nothing has made before it")
    refused(changed(tmp_path, nowhere), "Relu relu1 reads tensor nothing, which nothing has made")


def test_versions_and_operators_that_onnxruntime_lacks_are_named(tmp_path: Path) -> None:
    def opset(model: Any) -> None:
        model.opset_import[0].version = 99

    def version(model: Any) -> None:
        model.ir_version = 99

    def foreign(model: Any) -> None:
        model.graph.node[0].op_type, model.graph.node[0].domain = "Bar", "com.foo"
        model.opset_import.append(helper.make_opsetid("com.foo", 1))

    def unknown(model: Any) -> None:
        model.graph.node[0].op_type = "Frobnicate"

    refused(changed(tmp_path, opset), r"is written for opset 99, not known to this onnxruntime")
    refused(changed(tmp_path, version), "IR version: 99")
    refused(changed(tmp_path, foreign), r"operator com\.foo\.Bar is not known to this onnxruntime")
    refused(changed(tmp_path, unknown), r"operator ai\.onnx\.Frobnicate is not known")


def beside(folder: Path, location: str, *, offset: int = 0) -> Path:
    """The network with its first weight said to lie in `location`."""
    model = residual_net(SHAPE)
    tensor = model.graph.initializer[0]
    length = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": offset, "length": length}.items():
        tensor.external_data.add(key=key, value=str(value))
    return saved(model, folder / "net.onnx")


@pytest.mark.parametrize("offset", [0, 4096, 6])
def test_weights_beside_the_file_are_the_same_as_in_it(tmp_path: Path, offset: int) -> None:
    whole = saved(residual_net(SHAPE), tmp_path / "whole.onnx")
    weight = residual_net(SHAPE).graph.initializer[0].raw_data
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(bytes(offset) + weight)
    path = beside(tmp_path, "sub/w.bin", offset=offset)
    first, second = opened(whole), opened(path)
    expected = first.capture(INPUTS, ["stem", "add"])
    for name, activations in second.capture(INPUTS, ["stem", "add"]).items():
        assert np.array_equal(activations.values, expected[name].values)
    assert second.provenance["digest"] == first.provenance["digest"]


def test_large_weights_beside_the_file_are_mapped_and_watched(tmp_path: Path) -> None:
    model = residual_net(SHAPE)
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    file = read_graph(tmp_path / "net.onnx")
    assert file.mapped == {"a1.w", "a2.w"}  # the others are small, and kept in the graph
    assert all(not file.weights[name].flags.owndata for name in file.mapped)
    adapter = opened(tmp_path / "net.onnx")
    adapter.capture(INPUTS, ["a1"])
    with (tmp_path / "w.bin").open("ab") as weights:
        weights.write(b"more")
    with pytest.raises(CheckpointError, match=r"w\.bin: changed since .*net\.onnx was opened"):
        adapter.capture(INPUTS, ["a2"])


def test_weights_are_read_from_the_folder_of_the_model_only(tmp_path: Path) -> None:
    folder, outside = tmp_path / "model", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "w.bin").write_bytes(bytes(4000))
    (folder / "link.bin").symlink_to(outside / "w.bin")
    (folder / "linked").symlink_to(outside)
    for location in (
        str(outside / "w.bin"),
        "../outside/w.bin",
        "C:\\w.bin",
        "..\\outside\\w.bin",
        "a\0b",
        "",
    ):
        refused(beside(folder, location), "expected a file in the model's folder", CheckpointError)
    for location in ("link.bin", "linked/w.bin"):
        refused(beside(folder, location), "a link that leads out of the model's folder", CheckpointError)
    for location in ("none.bin", ".", "*/_ORT_MEM_ADDR_/*"):
        refused(beside(folder, location), "are missing beside it", CheckpointError)


def test_weights_that_are_too_short_are_refused(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"1234")
    refused(beside(tmp_path, "w.bin"), r"stem\.w has 864 bytes; w\.bin \(4 bytes\)", CheckpointError)
    (tmp_path / "w.bin").write_bytes(bytes(900))
    refused(beside(tmp_path, "w.bin", offset=100), "has 864 bytes", CheckpointError)
    refused(beside(tmp_path, "w.bin", offset=-4), "has 864 bytes", CheckpointError)


def test_weights_in_constants_are_weights(tmp_path: Path) -> None:
    model = residual_net(SHAPE)
    expected = read_graph(saved(model, tmp_path / "net.onnx"))
    nodes = [
        helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in model.graph.initializer
    ]
    nodes += list(model.graph.node)
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    path = saved(model, tmp_path / "constants.onnx")
    assert read_graph(path).weights.keys() == expected.weights.keys()
    assert opened(path).layers((16, 16, 3))[0].parameters == 224


def test_weights_of_every_kind_are_read(tmp_path: Path) -> None:
    net = Net()
    net.conv("x", "stem", (3, 4, 3))
    values = {
        kind: np.arange(600).astype(kind)
        for kind in ("float16", "float64", "int8", "uint16", "int64", "bool")
    }
    for kind, array in values.items():
        net.weights.append(
            helper.make_tensor(kind, helper.np_dtype_to_tensor_dtype(array.dtype), [600], array)
        )
    net.weights.append(helper.make_tensor("words", TensorProto.STRING, [1], [b"text"]))
    net.weights.append(helper.make_tensor("halves", TensorProto.INT4, [4], [1, 2, 3, 4]))
    file = read_graph(saved(net.model(SHAPE, ["stem_out"]), tmp_path / "net.onnx"))
    for kind, array in values.items():
        if array.nbytes > 1024:
            assert np.array_equal(file.weights[kind], array)
            assert file.weights[kind].dtype == array.dtype
    held = {tensor.name: tensor for tensor in file.model.graph.initializer}
    assert np.array_equal(numpy_helper.to_array(held["int8"]), values["int8"])
    assert held["words"].string_data == [b"text"]


@pytest.mark.parametrize("seed", range(3))
def test_files_with_flipped_bytes_work_or_are_refused_in_one_line(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = np.frombuffer(residual_net(SHAPE).SerializeToString(), np.uint8)
    path = tmp_path / "net.onnx"
    refusals = []
    for _ in range(30):
        content = whole.copy()
        content[rng.integers(len(content), size=rng.integers(1, 6))] = rng.integers(256)
        path.write_bytes(content.tobytes())
        try:
            adapter = opened(path)
            adapter.capture(INPUTS, [info.name for info in adapter.layers(INPUTS.shape[1:])])
        except ExplorerError as error:
            refusals.append(str(error))
    assert refusals
    assert not [line for line in refusals if "\n" in line or len(line) > 700]
