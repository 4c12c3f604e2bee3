"""What ONNX graphs are given: shapes, types, batches of fixed size, other inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper
from onnx_nets import Net, listed, opened, pictures, residual_net, saved

from explorer.capture.conformance import check_adapter
from explorer.errors import InputError, ModelError


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
