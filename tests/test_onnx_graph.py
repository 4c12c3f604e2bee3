"""Capture from ONNX files: names, values, batches, inputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper
from onnx_nets import Net, branching_net, by_hand, own_output, residual_net, saved, transformer

import explorer
from explorer.adapters.onnx_graph import OnnxGraph
from explorer.capture.conformance import check_adapter
from explorer.capture.protocol import LayerInfo, ModelOptions
from explorer.errors import InputError, LayerError, ModelError


def opened(path: Path, **options: Any) -> OnnxGraph:
    adapter = OnnxGraph.open(path, ModelOptions(**options))
    assert adapter is not None
    return adapter


def pictures(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def listed(adapter: OnnxGraph, shape: tuple[int, ...]) -> Mapping[str, LayerInfo]:
    return {info.name: info for info in adapter.layers(shape)}


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return saved(residual_net(), tmp_path / "net.onnx")


def test_every_layer_is_what_onnxruntime_answers_when_asked_by_hand(net: Path) -> None:
    adapter, inputs = opened(net), pictures(3, 32, 24, 3)
    names = [*listed(adapter, (32, 24, 3))]
    captured = adapter.capture(inputs, names)
    tensors = [name if name == "logits" else f"{name}_out" for name in names]
    feeds = {"x": np.moveaxis(inputs, -1, 1)}
    expected = by_hand(net, tensors, feeds)
    for name, tensor in zip(names, tensors, strict=True):
        truth = np.moveaxis(expected[tensor], 1, -1)
        assert np.allclose(captured[name].values, truth, rtol=1e-5, atol=1e-6), name
    assert np.allclose(captured["logits"].values, own_output(net, feeds), rtol=1e-5, atol=1e-6)
    check_adapter(adapter, inputs)


def test_the_values_are_those_of_the_arithmetic_written_in_jax(net: Path) -> None:
    import jax.numpy as jnp
    import onnx
    from jax import lax, nn

    weights = {t.name: numpy_helper.to_array(t) for t in onnx.load(net).graph.initializer}

    def conv(x: Any, name: str, stride: int) -> Any:
        kernel = jnp.transpose(weights[f"{name}.w"], (2, 3, 1, 0))
        dimensions = ("NHWC", "HWIO", "NHWC")
        moved = lax.conv_general_dilated(
            x, kernel, (stride, stride), [(1, 1)] * 2, dimension_numbers=dimensions
        )
        return moved + weights[f"{name}.b"]

    inputs = pictures(2, 20, 28, 3)
    stem = conv(inputs, "stem", 2)
    shift = weights["bn.bias"] - weights["bn.mean"] * weights["bn.scale"] / np.sqrt(weights["bn.var"] + 1e-5)
    relu1 = nn.relu(stem * weights["bn.scale"] / np.sqrt(weights["bn.var"] + 1e-5) + shift)
    add = conv(nn.relu(conv(relu1, "a1", 1)), "a2", 1) + relu1
    captured = opened(net).capture(inputs, ["stem", "relu1", "add"])
    for name, truth in {"stem": stem, "relu1": relu1, "add": add}.items():
        assert np.allclose(captured[name].values, truth, rtol=1e-4, atol=1e-5), name


def test_a_layer_is_found_by_node_and_by_tensor(net: Path) -> None:
    adapter, inputs = opened(net), pictures(2, 16, 16, 3)
    captured = adapter.capture(inputs, ["add", "add_out", "fc", "logits"])
    assert np.array_equal(captured["add"].values, captured["add_out"].values)
    assert np.array_equal(captured["fc"].values, captured["logits"].values)
    assert captured["add_out"].layer == "add_out"
    with pytest.raises(LayerError, match=r"net\.onnx: no layer 'concta'; did you mean concat"):
        adapter.capture(inputs, ["concta"])


def test_names_that_nodes_share_are_not_used(tmp_path: Path) -> None:
    model = residual_net()
    for node in model.graph.node:
        node.name = "same"
    model.graph.node[0].name = ""
    adapter = opened(saved(model, tmp_path / "net.onnx"))
    assert [*listed(adapter, (16, 16, 3))][:2] == ["stem_out", "bn_out"]


def test_the_file_is_only_read(net: Path) -> None:
    before = net.read_bytes()
    opened(net).capture(pictures(1, 16, 16, 3), ["stem", "add"])
    assert net.read_bytes() == before
    assert [path.name for path in net.parent.iterdir()] == ["net.onnx"]


def test_an_early_layer_needs_nothing_behind_it(tmp_path: Path) -> None:
    net = Net()
    x = net.node("Relu", [net.conv("x", "conv", (3, 4, 3))], "relu")
    net.nodes.append(helper.make_node("Bar", [x], ["strange"], name="bar", domain="com.foo"))
    net.node("Sigmoid", ["strange"], "after")
    adapter = opened(saved(net.model(("N", 3, 8, 8), ["after_out"]), tmp_path / "net.onnx"))
    assert [*listed(adapter, (8, 8, 3))] == ["conv", "relu"]
    check_adapter(adapter, pictures(2, 8, 8, 3))
    reason = (
        r"after cannot be captured: it needs com\.foo\.Bar bar: operator com\.foo\.Bar is not known to this"
    )
    with pytest.raises(LayerError, match=reason):
        adapter.capture(pictures(1, 8, 8, 3), ["after"])


def test_what_is_asked_for_is_cut_out_of_the_graph(net: Path) -> None:
    cut = opened(net)._graph.cut(["relu1_out"])
    assert [node.op_type for node in cut.graph.node] == ["Conv", "BatchNormalization", "Relu"]
    assert "a1.w" not in {weight.name for weight in cut.graph.initializer}


@pytest.mark.parametrize("batch", [1, 4])
def test_a_batch_of_fixed_size_takes_any_number(tmp_path: Path, batch: int) -> None:
    fixed = opened(saved(residual_net((batch, 3, 16, 16)), tmp_path / "fixed.onnx"))
    free = opened(saved(residual_net(), tmp_path / "free.onnx"))
    inputs = pictures(6, 16, 16, 3)
    names = [*listed(free, (16, 16, 3))]
    assert [*listed(fixed, (16, 16, 3))] == names
    expected = free.capture(inputs, names)
    for name, activations in fixed.capture(inputs, names).items():
        assert np.allclose(activations.values, expected[name].values, rtol=1e-5, atol=1e-6)
    check_adapter(fixed, inputs[:3])
    assert any(f"runs {batch} at a time" in line for line in fixed.notes)


def test_a_batch_baked_in_against_the_declaration_is_found_out(tmp_path: Path) -> None:
    net = Net()
    x = net.conv("x", "conv", (3, 4, 3))
    flat = net.node("Reshape", [x, net.constant("to", np.array([1, 4 * 64]))], "flat")
    net.node("MatMul", [flat, net.weight("w", 256, 5)], "dense")
    adapter = opened(saved(net.model(("N", 3, 8, 8), ["dense_out"]), tmp_path / "net.onnx"))
    assert [*listed(adapter, (8, 8, 3))] == ["conv", "flat", "dense_out"]
    check_adapter(adapter, pictures(3, 8, 8, 3))


def test_rows_may_be_on_another_axis_than_the_first(tmp_path: Path) -> None:
    net = Net()
    x = net.node("Transpose", ["x"], "sequence_first", perm=[1, 0, 2])
    net.node("MatMul", [x, net.weight("w", 6, 4)], "dense")
    adapter = opened(saved(net.model(("N", 5, 6), ["dense_out"]), tmp_path / "net.onnx"))
    inputs = pictures(3, 5, 6)
    captured = adapter.capture(inputs, ["sequence_first", "dense"])
    assert np.array_equal(captured["sequence_first"].values, inputs)
    assert captured["dense"].values.shape == (3, 5, 4)
    check_adapter(adapter, inputs)


def test_an_input_without_a_batch_takes_one_picture_at_a_time(tmp_path: Path) -> None:
    net = Net()
    x = net.node("Unsqueeze", ["x", net.constant("axes", np.array([0]))], "batched")
    net.conv(x, "conv", (3, 4, 3))
    adapter = opened(saved(net.model((3, "H", "W"), ["conv_out"]), tmp_path / "net.onnx"))
    assert listed(adapter, (10, 12, 3))["conv_out"].shape == (10, 12, 4)
    check_adapter(adapter, pictures(3, 10, 12, 3))


def test_layers_are_listed_without_a_shape_where_none_is_declared(net: Path, tmp_path: Path) -> None:
    assert {info.shape for info in opened(net).layers(None)} == {None}
    fixed = opened(saved(residual_net(("N", 3, 16, 16)), tmp_path / "fixed.onnx"))
    assert fixed.layers(None) == fixed.layers((16, 16, 3))
    for options in ({}, {"size": [16, 16]}):
        assert explorer.load_model(net, preprocessing=options).layers((16, 16, 3))[0].shape == (8, 8, 8)


def test_an_input_of_another_shape_is_refused_in_words(tmp_path: Path) -> None:
    adapter = opened(saved(residual_net(("N", 3, 16, 16)), tmp_path / "net.onnx"))
    for shape in ((20, 16, 3), (16, 16, 1), (16, 16)):
        with pytest.raises(ModelError, match=r"net\.onnx: input x takes 16 × 16 × 3 .* NCHW; got") as caught:
            adapter.capture(pictures(1, *shape), ["stem"])
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="inputs have shape"):
        adapter.capture(np.zeros((0, 16, 16, 3), np.float32), ["stem"])


def test_an_input_of_bytes_is_given_whole_numbers(tmp_path: Path) -> None:
    net = Net()
    x = net.node("Cast", ["x"], "cast", to=TensorProto.FLOAT)
    net.conv(x, "conv", (1, 4, 3))
    adapter = opened(
        saved(net.model(("N", 1, 8, 8), ["conv_out"], kind=TensorProto.UINT8), tmp_path / "net.onnx")
    )
    assert adapter.default_preprocessing == {"size": [8, 8], "channels": "gray", "range": [0, 255]}
    whole = np.rint(pictures(2, 8, 8, 1) * 255)
    assert np.array_equal(adapter.capture(whole, ["cast"])["cast"].values, whole)
    check_adapter(adapter, whole)
    with pytest.raises(InputError, match=r"takes uint8.*set range = \[0, 255\]"):
        adapter.capture(whole / 255, ["cast"])
    with pytest.raises(InputError, match="takes uint8"):
        adapter.capture(whole + 1000, ["cast"])


def test_other_inputs_are_given_under_call(tmp_path: Path) -> None:
    net = Net()
    x = net.node("Mul", ["x", "gain"], "scaled")
    net.node("Add", [net.conv(x, "conv", (3, 4, 3)), "offset"], "sum")
    extra = [
        helper.make_tensor_value_info("gain", TensorProto.FLOAT, []),
        helper.make_tensor_value_info("offset", TensorProto.FLOAT, ["N", 4, 1, 1]),
    ]
    path = saved(net.model(("N", 3, 8, 8), ["sum_out"], extra=extra), tmp_path / "net.onnx")
    with pytest.raises(
        ModelError, match=r"which input takes the pictures.*gain float \(\), offset float \(any, 4, 1, 1\)"
    ):
        opened(path)
    with pytest.raises(ModelError, match="call names input 'gian'; did you mean gain"):
        opened(path, call={"gian": 1})
    adapter = opened(path, call={"gain": 2, "offset": np.zeros((1, 4, 1, 1))})
    inputs = pictures(3, 8, 8, 3)
    assert np.array_equal(adapter.capture(inputs, ["scaled"])["scaled"].values, inputs * 2)
    with pytest.raises(ModelError, match="no array of float"):
        opened(path, call={"gain": "loud", "offset": 0})


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


def test_a_model_toml_names_the_file_and_the_preprocessing(net: Path, folder: Path) -> None:
    table = net.parent / "model.toml"
    table.write_text('[model]\nfile = "net.onnx"\n[preprocessing]\nsize = [16, 16]\n', encoding="utf-8")
    run = explorer.capture(table, folder, layers=["relu1", "a1_out"], out=net.parent / "run")
    assert run["relu1"].values.shape == (10, 8, 8, 8)
    assert run["a1_out"].values.shape == (10, 8, 8, 8)
    again = explorer.capture(table, folder, layers=["add"], out=net.parent / "run")
    assert set(again.layers) >= {"relu1", "a1_out", "add"}


def test_a_file_alone_takes_pictures_of_any_size(tmp_path: Path, folder: Path) -> None:
    path = saved(residual_net(("N", 3, 16, 16)), tmp_path / "net.onnx")
    model = explorer.load_model(path)
    assert model.preprocessing is not None
    assert model.preprocessing.size == (16, 16)
    assert (
        explorer.capture(model, folder, layers=["stem"], out=tmp_path / "run")["stem"].values.shape[0] == 10
    )


def test_the_provenance_identifies_weights_and_graph(net: Path, tmp_path: Path) -> None:
    first, same = opened(net).provenance, opened(net).provenance
    assert first == same
    other = residual_net()
    other.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(np.zeros((8, 3, 3, 3), np.float32), other.graph.initializer[0].name)
    )
    changed = opened(saved(other, tmp_path / "other.onnx")).provenance
    assert (changed["digest"] == first["digest"], changed["graph"] == first["graph"]) == (False, True)
    other = residual_net()
    other.graph.node[2].op_type = "Sigmoid"
    changed = opened(saved(other, tmp_path / "other.onnx")).provenance
    assert (changed["digest"] == first["digest"], changed["graph"] == first["graph"]) == (True, False)
    assert first["threads"] >= 1
    assert first["input"]["layout"] == "channels_first"


def test_weights_and_other_sources_are_not_claimed(net: Path) -> None:
    assert OnnxGraph.open(net.with_suffix(".npz"), ModelOptions()) is None
    assert OnnxGraph.open("net.onnx", ModelOptions()) is None
    with pytest.raises(ModelError, match="brings its own weights"):
        opened(net, variables={})
