"""Quantised graphs: what their small integers stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx_nets import Net, Node, by_hand, integer_net, opened, own_output, quantised_net, residual_net, saved

from explorer.capture.conformance import check_adapter

INPUTS = np.random.default_rng(0).random((3, 16, 16, 3), dtype=np.float32)
FEEDS = {"x": np.ascontiguousarray(np.moveaxis(INPUTS, -1, 1))}


def meant(raw: NDArray[Any], scale: Any, zero_point: int) -> NDArray[np.float32]:
    """What quantised values stand for, channels last."""
    return np.moveaxis((raw.astype(np.float32) - zero_point) * scale, 1, -1)


def test_fake_quantised_tensors_are_given_as_what_they_stand_for(tmp_path: Path) -> None:
    path = saved(quantised_net(), tmp_path / "net.onnx")
    adapter = opened(path)
    infos = {info.name: info for info in adapter.layers(None)}
    for name in ("quant0", "quant1", "pool"):
        assert "dequantised from uint8" in infos[name].kind
        assert infos[name].dtype == "float32"
    assert "dequantised" not in infos["conv"].kind
    raw = by_hand(path, ["quant1_out", "pool_out", "conv_out"], FEEDS)
    captured = adapter.capture(INPUTS, ["quant1", "pool", "conv", "dequant1"])
    assert raw["quant1_out"].dtype == np.uint8
    assert len(np.unique(raw["quant1_out"])) > 50
    assert np.allclose(captured["quant1"].values, meant(raw["quant1_out"], 0.05, 100), atol=1e-6)
    assert np.allclose(captured["pool"].values, meant(raw["pool_out"], 0.05, 100), atol=1e-6)
    assert np.array_equal(captured["pool"].values, captured["dequant1"].values)
    assert np.array_equal(captured["conv"].values, np.moveaxis(raw["conv_out"], 1, -1))
    check_adapter(adapter, INPUTS)


def test_the_final_output_is_onnxruntimes_own_to_a_step(tmp_path: Path) -> None:
    path = saved(quantised_net(), tmp_path / "net.onnx")
    values = opened(path).capture(INPUTS, ["sigmoid_out"])["sigmoid_out"].values
    # a step of 0.05 before the sigmoid, whose slope is at most a quarter
    assert np.abs(values - np.moveaxis(own_output(path, FEEDS), 1, -1)).max() <= 0.05 / 4 + 1e-6


def test_convolutions_of_whole_numbers_are_dequantised(tmp_path: Path) -> None:
    path = saved(integer_net(), tmp_path / "net.onnx")
    adapter = opened(path)
    raw = by_hand(path, ["qconv_out", "quant_out"], FEEDS)
    captured = adapter.capture(INPUTS, ["qconv", "quant", "dequant_out"])
    assert np.allclose(captured["qconv"].values, meant(raw["qconv_out"], 0.03, 120), atol=1e-6)
    assert np.allclose(captured["quant"].values, meant(raw["quant_out"], 0.01, 0), atol=1e-6)
    assert np.array_equal(captured["dequant_out"].values, captured["qconv"].values)
    assert np.array_equal(captured["dequant_out"].values, np.moveaxis(own_output(path, FEEDS), 1, -1))
    check_adapter(adapter, INPUTS)


def test_a_scale_for_each_channel_is_followed_along_its_axis(tmp_path: Path) -> None:
    net = Net()
    scales = net.constant("scales", np.linspace(0.01, 0.05, 4).astype(np.float32))
    zeros = net.constant("zeros", np.array([0, 10, -20, 5], np.int8))
    x = net.conv("x", "conv", (3, 4, 3))
    x = net.node("QuantizeLinear", [x, scales, zeros], "quant", axis=1)
    x = net.node("Reshape", [x, net.constant("to", np.array([0, 0, -1]))], "moved")  # loses the axis
    net.node("Cast", [x], "cast", to=1)
    path = saved(net.model(("N", 3, 16, 16), ["cast_out"]), tmp_path / "net.onnx")
    adapter = opened(path)
    raw = by_hand(path, ["quant_out"], FEEDS)["quant_out"]
    truth = meant(raw, 1, 0) - np.array([0, 10, -20, 5])
    captured = adapter.capture(INPUTS, ["quant", "moved"])
    assert np.allclose(captured["quant"].values, truth * np.linspace(0.01, 0.05, 4), atol=1e-6)
    assert captured["moved"].values.dtype == np.int8  # nothing tells its scale, so as it is
    check_adapter(adapter, INPUTS)


def test_scales_that_are_measured_are_measured_on_one_input(tmp_path: Path) -> None:
    net = Net()
    net.nodes.append(Node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"], name="dynamic"))
    net.node(
        "ConvInteger", ["q", net.constant("w", net.rng.integers(0, 9, (4, 3, 3, 3)).astype(np.uint8))], "conv"
    )
    adapter = opened(saved(net.model(("N", 3, 16, 16), ["conv_out"]), tmp_path / "net.onnx"))
    inputs = INPUTS * np.array([1, 5, 25], np.float32)[:, None, None, None]
    values = adapter.capture(inputs, ["dynamic"])["dynamic"].values
    for one, truth in zip(values, inputs, strict=True):
        assert np.abs(one - truth).max() <= truth.max() / 255
    assert any("runs one at a time" in line for line in adapter.notes)
    check_adapter(adapter, inputs)


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_networks_that_onnxruntime_has_quantised_conform(tmp_path: Path, form: str) -> None:
    quantization = pytest.importorskip("onnxruntime.quantization")

    class Examples(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = [FEEDS]

        def get_next(self) -> Any:
            return self._left.pop() if self._left else None

    plain = saved(residual_net(("N", 3, 16, 16)), tmp_path / "plain.onnx")
    path = tmp_path / "net.onnx"
    quantization.quantize_static(plain, path, Examples(), quant_format=quantization.QuantFormat[form])
    adapter = opened(path)
    check_adapter(adapter, INPUTS)
    exact = opened(plain).capture(INPUTS, ["add"])["add"].values
    name = "add_out_QuantizeLinear" if form == "QDQ" else "add_quant"
    found = adapter.capture(INPUTS, [name])[name].values
    assert np.abs(found - exact).max() < 0.05 * np.abs(exact).max()
    final = adapter.capture(INPUTS, ["logits"])["logits"].values
    step = np.abs(final).max() / 127
    assert np.abs(final - own_output(path, FEEDS)).max() <= step + 1e-6
