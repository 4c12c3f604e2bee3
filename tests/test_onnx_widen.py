"""Graphs of float16 and bfloat16: rounded after each operator, whatever is asked for."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx_nets import opened, own_output, residual_net, saved

from explorer.adapters.onnx_widen import widened
from explorer.capture.conformance import check_adapter

INPUTS = np.random.default_rng(0).random((3, 16, 16, 3), dtype=np.float32)


@pytest.mark.parametrize(
    ("dtype", "captured_in", "tolerance"),
    [(np.float16, "float16", 4e-3), (ml_dtypes.bfloat16, "float32", 3e-2)],
)
def test_narrow_graphs_conform_and_are_near_their_wide_twin(
    tmp_path: Path, dtype: type, captured_in: str, tolerance: float
) -> None:
    adapter = opened(saved(residual_net(dtype=dtype), tmp_path / "narrow.onnx"))
    infos = adapter.layers((16, 16, 3))
    assert {info.dtype for info in infos} == {captured_in}
    assert ("widened from bfloat16" in infos[0].kind) == (captured_in == "float32")
    names = [info.name for info in infos]
    found = adapter.capture(INPUTS, names)
    expected = opened(saved(residual_net(), tmp_path / "wide.onnx")).capture(INPUTS, names)
    for name in names:
        values, truth = found[name].values.astype(np.float64), expected[name].values
        assert np.abs(values - truth).max() <= tolerance * max(1.0, np.abs(truth).max()), name
        rounded = values.astype(dtype).astype(np.float64)
        assert np.array_equal(values, rounded), f"{name} is finer than its type"
    check_adapter(adapter, INPUTS)


def test_the_output_of_a_float16_graph_is_onnxruntimes_own_within_its_rounding(tmp_path: Path) -> None:
    path = saved(residual_net(dtype=np.float16), tmp_path / "net.onnx")
    found = opened(path).capture(INPUTS, ["logits"])["logits"].values
    expected = own_output(path, {"x": np.moveaxis(INPUTS, -1, 1).astype(np.float16)})
    assert np.allclose(found, expected, rtol=2e-3, atol=2e-3)


def test_a_graph_of_float32_is_left_alone() -> None:
    model = residual_net()
    assert widened(model, {}) is model


def test_float16_is_left_to_onnxruntime_where_a_type_is_not_known() -> None:
    model = residual_net(dtype=np.float16)
    assert widened(model, {}) is model
    known = {name: 10 for node in model.graph.node for name in node.output}
    kinds = [node.op_type for node in widened(model, known | {"x": 10}).graph.node]
    assert kinds.count("Cast") > 10
    assert [kind for kind in kinds if kind != "Cast"] == [node.op_type for node in model.graph.node]
