"""Capture from ONNX files: names, values, origin."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import helper, numpy_helper
from onnx_nets import Net, branching_net, by_hand, listed, opened, own_output, pictures, residual_net, saved

import explorer
from explorer.adapters.onnx_graph import OnnxGraph
from explorer.capture.conformance import check_adapter
from explorer.capture.protocol import ModelOptions
from explorer.cli import main
from explorer.errors import LayerError, MissingExtraError, ModelError


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
    assert model.made_to_fit
    assert not explorer.load_model(path, preprocessing={"size": [16, 16]}).made_to_fit
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


def test_layers_are_printed_with_how_the_graph_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(branching_net(), tmp_path / "net.onnx")
    assert main(["layers", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "input: x, float32, 8 × 8 × 3 (*spatial, channels), NCHW (told by Conv conv)" in printed
    assert "threads, graph optimisation all" in printed
    assert (
        "not captured: else_branch_conv, else_branch_out, then_branch_conv, then_branch_out: inside If if"
        in (printed)
    )
    assert "Conv (NCHW)" in printed
    path.write_bytes(b"no model")
    assert main(["layers", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_run_goes_on_with_another_number_of_threads(
    net: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer.capture(net, folder, layers=["stem"], out=tmp_path / "run")
    monkeypatch.setattr("explorer.adapters.onnx_session.processors", lambda: 3)
    run = explorer.capture(net, folder, layers=["add"], out=tmp_path / "run")
    assert {"stem", "add"} <= set(run.layers)


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_without_the_extra_the_error_names_it(
    net: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=rf"onnx needs {missing}: pip install '.*\[onnx\]'"):
        explorer.load_model(net)
