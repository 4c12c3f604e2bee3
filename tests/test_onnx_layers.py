"""Which tensors of an ONNX graph are layers: tokens, control flow, functions, what is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import helper
from onnx_nets import Net, branching_net, by_hand, listed, opened, pictures, residual_net, saved, transformer

import explorer
from explorer.capture.conformance import check_adapter
from explorer.errors import LayerError


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return saved(residual_net(), tmp_path / "net.onnx")


def test_layers_are_listed_without_a_shape_where_none_is_declared(net: Path, tmp_path: Path) -> None:
    assert {info.shape for info in opened(net).layers(None)} == {None}
    fixed = opened(saved(residual_net(("N", 3, 16, 16)), tmp_path / "fixed.onnx"))
    assert fixed.layers(None) == fixed.layers((16, 16, 3))
    for options in ({}, {"size": [16, 16]}):
        assert explorer.load_model(net, preprocessing=options).layers((16, 16, 3))[0].shape == (8, 8, 8)


def test_what_is_inside_control_flow_is_said_not_to_be_captured(tmp_path: Path) -> None:
    path = saved(branching_net(), tmp_path / "net.onnx")
    adapter = opened(path)
    infos = listed(adapter, (8, 8, 3))
    assert [*infos] == ["conv", "if", "after_out"]
    assert "4 tensors inside cannot be captured" in infos["if"].kind
    assert any("then_branch_conv" in line and "inside If if" in line for line in adapter.notes)
    with pytest.raises(LayerError, match="then_branch_conv is inside If if, which cannot be followed"):
        adapter.capture(pictures(1, 8, 8, 3), ["then_branch_conv"])
    inputs = pictures(2, 8, 8, 3)
    expected = by_hand(path, ["chosen"], {"x": np.moveaxis(inputs, -1, 1)})["chosen"]
    assert np.allclose(adapter.capture(inputs, ["if"])["if"].values, np.moveaxis(expected, 1, -1), atol=1e-6)


def test_functions_of_the_file_are_looked_into(tmp_path: Path) -> None:
    inner = [
        helper.make_node("Relu", ["a"], ["positive"]),
        helper.make_node("Add", ["positive", "a"], ["b"]),
    ]
    opsets = [helper.make_opsetid("", 17)]
    function = helper.make_function("local", "Twice", ["a"], ["b"], inner, opsets)
    net = Net()
    x = net.conv("x", "conv", (3, 4, 3))
    net.nodes.append(helper.make_node("Twice", [x], ["y"], name="twice", domain="local"))
    model = net.model(("N", 3, 8, 8), ["y"])
    model.functions.append(function)
    adapter = opened(saved(model, tmp_path / "net.onnx"))
    infos = adapter.layers((8, 8, 3))
    assert [info.kind for info in infos] == ["Conv (NCHW)", "Relu (NCHW)", "Add (NCHW)"]
    values = adapter.capture(pictures(2, 8, 8, 3), [info.name for info in infos])
    conv, relu, _ = (values[info.name].values for info in infos)
    assert np.array_equal(relu, np.maximum(conv, 0))


@pytest.mark.parametrize("n_prefix", [0, 1, 5])
def test_patch_tokens_are_a_grid_and_the_others_layers_of_their_own(tmp_path: Path, n_prefix: int) -> None:
    path = saved(transformer(n_prefix), tmp_path / "vit.onnx")
    adapter, inputs = opened(path), pictures(2, 16, 24, 3)
    infos = listed(adapter, (16, 24, 3))
    assert infos["block"].shape == (4, 6, 8)
    assert infos["patch"].shape == (4, 6, 8)
    tokens = [name for name in infos if name.startswith("block#token")]
    assert len(tokens) == n_prefix
    assert all(infos[name].shape == (8,) for name in tokens)
    raw = by_hand(path, ["block_out", "patch_out"], {"x": np.moveaxis(inputs, -1, 1)})
    captured = adapter.capture(inputs, ["block", "block_out", *tokens])
    grid = raw["block_out"][:, n_prefix:].reshape(2, 4, 6, 8)
    assert np.allclose(captured["block"].values, grid, atol=1e-5)
    assert np.array_equal(captured["block_out"].values, captured["block"].values)
    for number, name in enumerate(tokens):
        assert np.allclose(captured[name].values, raw["block_out"][:, number], atol=1e-5)
    flat = adapter.capture(inputs, ["flatten", "patch"])
    assert np.allclose(flat["flatten"].values, flat["patch"].values, atol=1e-6)
    check_adapter(adapter, inputs)


def test_a_name_of_a_token_may_be_the_tensors(tmp_path: Path) -> None:
    adapter = opened(saved(transformer(1), tmp_path / "vit.onnx"))
    captured = adapter.capture(pictures(2, 16, 24, 3), ["block#token", "block_out#token"])
    assert np.array_equal(captured["block#token"].values, captured["block_out#token"].values)


def test_random_tensors_are_no_layers(tmp_path: Path) -> None:
    net = Net()
    x = net.conv("x", "conv", (3, 4, 3))
    noise = net.node("RandomNormalLike", [x], "noise")
    net.node("Add", [x, noise], "noisy")
    adapter = opened(saved(net.model(("N", 3, 8, 8), ["noisy_out"]), tmp_path / "net.onnx"))
    assert [*listed(adapter, (8, 8, 3))] == ["conv"]
    with pytest.raises(LayerError, match="noisy cannot be captured: it depends on RandomNormalLike noise"):
        adapter.capture(pictures(1, 8, 8, 3), ["noisy"])


def test_a_network_exported_in_training_infers(tmp_path: Path) -> None:
    net = Net()
    x = net.conv("x", "conv", (3, 4, 3))
    statistics = [net.weight(f"bn.{name}", 4) for name in ("scale", "bias", "mean")]
    variance = net.constant("bn.var", np.ones(4, np.float32))
    x = net.node("BatchNormalization", [x, *statistics, variance], "bn", outputs=3, training_mode=1)
    training = [net.constant("ratio", np.float32(0.5)), net.constant("training", np.array(True))]
    net.node("Dropout", [x, *training], "dropout")
    adapter = opened(saved(net.model(("N", 3, 8, 8), ["dropout_out"]), tmp_path / "net.onnx"))
    captured = adapter.capture(pictures(2, 8, 8, 3), ["bn", "dropout_out"])
    assert np.array_equal(captured["dropout_out"].values, captured["bn"].values)
    assert "written for training, run as for inference: bn, dropout" in adapter.notes
    check_adapter(adapter, pictures(3, 8, 8, 3))


def test_tensors_that_are_no_layers_are_said(tmp_path: Path) -> None:
    net = Net()
    x = net.conv("x", "conv", (3, 4, 3))
    net.node("ReduceMax", [x], "largest", keepdims=0)
    adapter = opened(saved(net.model(("N", 3, 8, 8), ["largest_out"]), tmp_path / "net.onnx"))
    assert [*listed(adapter, (8, 8, 3))] == ["conv"]
    assert any(line.startswith("not captured: largest_out: no row for each input") for line in adapter.notes)
    with pytest.raises(
        LayerError, match=r"largest \(shape of one number\) cannot be captured: no row for each input"
    ):
        adapter.capture(pictures(1, 8, 8, 3), ["largest"])


def test_tokens_and_their_grid_are_written_and_read_again(tmp_path: Path) -> None:
    path = saved(transformer(2), tmp_path / "vit.onnx")
    inputs = pictures(3, 16, 24, 3)
    run = explorer.capture(path, inputs, layers=["block", "block#token2"], out=tmp_path / "run")
    again = explorer.open_run(run.path)
    assert again["block"].values.shape == (3, 4, 6, 8)
    assert again["block#token2"].values.shape == (3, 8)
    assert explorer.project(again, layer="block", method="pca", n_components=2).n_samples == 3 * 24


def test_pictures_that_a_loop_prepares_one_by_one_are_followed(tmp_path: Path) -> None:
    net = Net()
    values = [helper.make_tensor_value_info(*what) for what in (("i", 7, []), ("on", 9, []))]
    results = [
        helper.make_tensor_value_info("on_out", 9, []),
        helper.make_tensor_value_info("scaled", 1, None),
    ]
    inner = [
        helper.make_node("Identity", ["on"], ["on_out"]),
        helper.make_node("Gather", ["x", "i"], ["one"], axis=0),
        helper.make_node("Mul", ["one", net.constant("two", np.float32(2))], ["scaled"]),
    ]
    count = net.node("Gather", [net.node("Shape", ["x"], "shape"), net.constant("0", np.array(0))], "count")
    body = helper.make_graph(inner, "body", values, results)
    net.nodes.append(
        helper.make_node(
            "Loop", [count, net.constant("go", np.array(True))], ["each"], name="loop", body=body
        )
    )
    x = net.node("Transpose", ["each"], "to_nchw", perm=[0, 3, 1, 2])
    net.conv(x, "conv", (3, 4, 3))
    adapter = opened(saved(net.model(("N", "H", "W", 3), ["conv_out"]), tmp_path / "net.onnx"))
    infos = listed(adapter, (8, 10, 3))
    assert infos["loop"].shape == (8, 10, 3)
    assert infos["loop"].kind == "Loop (NHWC, 3 tensors inside cannot be captured)"
    inputs = pictures(2, 8, 10, 3)
    assert np.array_equal(adapter.capture(inputs, ["loop"])["loop"].values, inputs * 2)
    check_adapter(adapter, inputs)


def test_files_of_an_early_version_list_their_weights_as_inputs(tmp_path: Path) -> None:
    model = residual_net(("N", 3, 16, 16))
    model.ir_version, model.opset_import[0].version = 3, 8
    for tensor in model.graph.initializer:
        value = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        model.graph.input.append(value)
    early = opened(saved(model, tmp_path / "early.onnx"))
    late = opened(saved(residual_net(("N", 3, 16, 16)), tmp_path / "late.onnx"))
    inputs = pictures(2, 16, 16, 3)
    assert np.array_equal(
        early.capture(inputs, ["add"])["add"].values, late.capture(inputs, ["add"])["add"].values
    )
    check_adapter(early, inputs)


def test_a_size_that_a_late_node_does_not_take_leaves_the_early_layers(tmp_path: Path) -> None:
    net = Net()
    x = net.conv("x", "conv", (3, 4, 3), strides=[2, 2])
    scales = net.constant("scales", np.array([1, 1, 2, 2], np.float32))
    back = net.node("Resize", [x, "", scales], "resize", mode="nearest")
    net.node("Relu", [net.node("Concat", [back, "x"], "concat", axis=1)], "last")
    path = saved(net.model(("N", 3, "H", "W"), ["last_out"]), tmp_path / "net.onnx")
    assert [*listed(opened(path), (8, 8, 3))] == ["conv", "resize", "concat", "last_out"]
    adapter = opened(path)
    odd = pictures(2, 7, 8, 3)
    assert [*listed(adapter, (7, 8, 3))] == ["conv", "resize"]
    assert adapter.capture(odd, ["conv"])["conv"].values.shape == (2, 4, 4, 4)
    with pytest.raises(LayerError, match=r"last_out cannot be captured: .*Concat.*\(for x of .* 3 × 7 × 8\)"):
        adapter.capture(odd, ["last_out"])
    assert adapter.capture(pictures(2, 8, 8, 3), ["last_out"])["last_out"].values.shape == (2, 8, 8, 7)
