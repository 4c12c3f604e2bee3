"""The demo network as ONNX: the same layers, the same values as in Flax."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import explorer
from explorer.demo import DIGITS

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
ROOT = Path(__file__).resolve().parents[1]
BLOCKS = ("block1", "block2", "block3", "block4", "block5")
LAYERS = (*(f"{block}{part}" for block in BLOCKS for part in ("/conv", "/norm", "")), "head", "output")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("export_onnx", ROOT / "scripts" / "export_onnx.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-4), (np.float16, 5e-2)])
def test_every_layer_answers_as_in_flax(
    script: ModuleType, tmp_path: Path, dtype: type, tolerance: float
) -> None:
    exported = explorer.load_model(script.write(tmp_path, dtype))
    original = explorer.load_model(DIGITS)
    rng = np.random.default_rng(0)
    pictures = rng.normal(size=(4, 32, 32, 1)).astype(np.float32)
    expected = original.adapter.capture(pictures, LAYERS)
    found = exported.adapter.capture(pictures, LAYERS)
    for layer in LAYERS:
        values, truth = found[layer].values, expected[layer].values
        assert values.shape == truth.shape
        assert values.dtype == dtype
        assert np.abs(truth).max() > 1
        assert np.abs(values - truth).max() <= tolerance, layer


def test_the_exported_network_is_captured_from_pictures(script: ModuleType, tmp_path: Path) -> None:
    images = DIGITS.parent / "images"
    few = sorted(images.rglob("*.png"))[:6]
    exported = script.write(tmp_path)
    run = explorer.capture(exported, few, out=tmp_path / "run")
    truth = explorer.capture(DIGITS, few, layers=["block5"], out=tmp_path / "flax")
    assert np.allclose(run["block5"].values, truth["block5"].values, rtol=0, atol=1e-3)
    assert run["block5"].values.max() > 1
