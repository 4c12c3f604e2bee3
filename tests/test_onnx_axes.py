"""Where the channels are: told by the graph, stated, and overridden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx_nets import Net, by_hand, opened, residual_net, saved, transposed_net

import explorer
from explorer.adapters.onnx_axes import Axes
from explorer.adapters.onnx_graph import OnnxGraph
from explorer.adapters.onnx_nodes import Graph
from explorer.capture.conformance import check_adapter
from explorer.errors import InputError


def made(model: Any, folder: Path, **options: Any) -> OnnxGraph:
    return opened(saved(model, folder / "net.onnx"), **options)


def layouts(adapter: OnnxGraph, shape: tuple[int, ...]) -> dict[str, str]:
    return {info.name: info.kind.partition(" (")[2].rstrip(")") for info in adapter.layers(shape)}


def test_transposes_around_convolutions_leave_channels_last_outside(tmp_path: Path) -> None:
    adapter = made(transposed_net(), tmp_path)
    assert adapter.layout == "channels_last"
    assert "NHWC (told by Conv conv1)" in adapter.notes[0]
    assert adapter.provenance["input"] == {"name": "x", "layout": "channels_last", "because": "Conv conv1"}
    found = layouts(adapter, (20, 28, 3))
    assert {name for name, layout in found.items() if layout == "NCHW"} == {
        *("conv1/to_nchw", "conv1", "conv2/to_nchw", "conv2")
    }
    assert set(found.values()) == {"NCHW", "NHWC"}
    inputs = np.random.default_rng(0).random((2, 20, 28, 3), dtype=np.float32)
    captured = adapter.capture(inputs, ["conv1", "relu", "dense_out"])
    expected = by_hand(tmp_path / "net.onnx", ["conv1_out", "relu_out", "dense_out"], {"x": inputs})
    assert np.allclose(captured["conv1"].values, np.moveaxis(expected["conv1_out"], 1, -1), atol=1e-5)
    assert np.allclose(captured["relu"].values, expected["relu_out"], atol=1e-5)
    assert np.allclose(captured["dense_out"].values, expected["dense_out"], atol=1e-5)
    check_adapter(adapter, inputs)


def test_a_convolution_makes_it_channels_first(tmp_path: Path) -> None:
    adapter = made(residual_net(), tmp_path)
    assert adapter.layout == "channels_first"
    assert set(layouts(adapter, (16, 16, 3)).values()) == {"NCHW", ""}


@pytest.mark.parametrize(
    ("dims", "layout"), [((3, 8, 10), "NCHW"), ((8, 10, 3), "NHWC"), ((5, 6, 7), "NCHW")]
)
def test_what_nothing_tells_of_is_assumed_and_said_to_be(
    tmp_path: Path, dims: tuple[int, ...], layout: str
) -> None:
    net = Net()
    net.node("Sigmoid", ["x"], "sigmoid")
    adapter = made(net.model(("N", *dims), ["sigmoid_out"]), tmp_path)
    assert f"{layout} (assumed: nothing in the graph tells)" in adapter.notes[0]
    assert {info.kind for info in adapter.layers(None)} == {f"Sigmoid ({layout} assumed)"}


def test_the_option_layout_has_the_last_word(tmp_path: Path) -> None:
    net = Net()
    net.node("Sigmoid", ["x"], "sigmoid")
    model = net.model(("N", 3, 8, 4), ["sigmoid_out"])
    inputs = np.random.default_rng(0).random((2, 3, 8, 4), dtype=np.float32)
    adapter = made(model, tmp_path, layout="channels_last")
    assert "NHWC (told by the option layout)" in adapter.notes[0]
    assert adapter.layers(None)[0].shape == (3, 8, 4)
    values = adapter.capture(inputs, ["sigmoid"])["sigmoid"].values
    assert np.allclose(values, 1 / (1 + np.exp(-inputs)), atol=1e-6)
    assert made(model, tmp_path, layout="channels_first").layers(None)[0].shape == (8, 4, 3)
    with pytest.raises(InputError, match="layout channels_frist: did you mean channels_first"):
        made(model, tmp_path, layout="channels_frist")


def test_the_layout_given_is_followed_through_the_graph(tmp_path: Path) -> None:
    adapter = made(residual_net(("N", 3, 16, 20)), tmp_path, layout="channels_last")
    shapes = {info.name: info.shape for info in adapter.layers(None)}
    assert shapes["stem"] == (8, 8, 10)  # channels, height and width as the file has them
    assert adapter.layout == "channels_last"
    same = made(transposed_net(), tmp_path, layout="channels_last")
    assert same.layers(None) == made(transposed_net(), tmp_path).layers(None)


def test_the_layout_may_be_given_in_a_model_toml(tmp_path: Path) -> None:
    net = Net()
    net.node("Sigmoid", ["x"], "sigmoid")
    saved(net.model(("N", 5, 6, 7), ["sigmoid_out"]), tmp_path / "net.onnx")
    table = tmp_path / "model.toml"
    table.write_text('[model]\nfile = "net.onnx"\nlayout = "channels_last"\n', encoding="utf-8")
    model = explorer.load_model(table)
    assert model.layers()[0].shape == (5, 6, 7)
    assert model.provenance["recipe"]["layout"] == "channels_last"
    assert explorer.load_model(tmp_path / "net.onnx").provenance["recipe"]["layout"] == "channels_first"


def test_signals_and_volumes_have_their_channels_last(tmp_path: Path) -> None:
    for spatial, letters in (((12,), "NCW"), ((6, 7, 8), "NCDHW")):
        net = Net()
        sides = [3] * len(spatial)
        net.node("Conv", ["x", net.weight("w", 4, 2, *sides)], "conv", pads=[1] * (2 * len(spatial)))
        adapter = made(net.model(("N", 2, *spatial), ["conv_out"]), tmp_path)
        assert adapter.layers(None)[0].shape == (*spatial, 4)
        assert adapter.layers(None)[0].kind == f"Conv ({letters})"
        check_adapter(adapter, np.random.default_rng(0).random((2, *spatial, 2), dtype=np.float32))


def test_dense_layers_and_normalisation_are_channels_last(tmp_path: Path) -> None:
    net = Net()
    x = net.node("Transpose", [net.conv("x", "conv", (3, 6, 3))], "moved", perm=[0, 2, 3, 1])
    x = net.node("LayerNormalization", [x, net.weight("scale", 6)], "norm", axis=-1)
    x = net.node(
        "Transpose", [net.node("MatMul", [x, net.weight("w", 6, 5)], "dense")], "back", perm=[0, 3, 1, 2]
    )
    found = layouts(made(net.model(("N", 3, 8, 8), [x]), tmp_path), (8, 8, 3))
    assert found == {"conv": "NCHW", "moved": "NHWC", "norm": "NHWC", "dense": "NHWC", "back_out": "NCHW"}


def test_internal_convolutions_that_are_channels_last_tell_so() -> None:
    net = Net()
    x = net.node("NhwcFusedConv", ["x", net.weight("w", 4, 3, 3, 3)], "conv", domain="com.microsoft")
    net.node("Relu", [x], "relu")
    graph = Graph(net.model(("N", 8, 10, 3), ["relu_out"]), "net.onnx")
    shapes = dict.fromkeys(("x", "conv_out", "relu_out"), (2, 8, 10, 3))
    found = Axes(graph, shapes, set(shapes)).resolve("x", None)
    assert {name: axis.index for name, axis in found.items()} == dict.fromkeys(shapes, 3)
    assert found["x"].why == "com.microsoft.NhwcFusedConv conv"


def test_a_graph_that_onnxruntime_has_rewritten_is_read_as_well(tmp_path: Path) -> None:
    import onnxruntime

    saved(residual_net(("N", 3, 16, 16)), tmp_path / "plain.onnx")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "net.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(tmp_path / "plain.onnx"), options, providers=["CPUExecutionProvider"])
    adapter = opened(tmp_path / "net.onnx")
    inputs = np.random.default_rng(0).random((2, 16, 16, 3), dtype=np.float32)
    names = [info.name for info in adapter.layers(None)]
    plan = adapter._plan((16, 16, 3))
    feeds = {"x": np.moveaxis(inputs, -1, 1)}
    for name in names:
        # blocks of channels, onnxruntime's own layout, are never handed out as a map
        assert adapter._graph.maker(plan.layers[name].tensor).op_type != "ReorderInput"
    logits = by_hand(tmp_path / "plain.onnx", ["logits"], feeds)["logits"]
    assert np.allclose(adapter.capture(inputs, ["logits"])["logits"].values, logits, atol=1e-5)
    check_adapter(adapter, inputs)
