"""The demo's digit classifier, written in every framework on JAX, answers as the Flax one does."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import explorer
import explorer.demo
from explorer.capture import Model
from explorer.cli import main

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "write_digits_forms.py"
FRAMEWORKS = {"jax": "jax", "nnx": "flax", "equinox": "equinox", "haiku": "haiku", "keras": "keras"}
BLOCKS = [f"block{number}" for number in range(1, 6)]


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("write_digits_forms", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def linen() -> Model:
    return explorer.load_model(explorer.demo.DIGITS)


@pytest.fixture(scope="module")
def images(linen: Model) -> np.ndarray:
    assert linen.preprocessing is not None
    paths = sorted((explorer.demo.DIGITS.parent / "images").glob("*/*.png"))[::72]
    return np.stack([linen.preprocessing.apply(Image.open(path))[0] for path in paths])


@pytest.mark.parametrize("form", FRAMEWORKS)
def test_every_block_answers_as_in_flax(
    form: str, script: Any, linen: Model, images: np.ndarray, tmp_path: Path
) -> None:
    pytest.importorskip(FRAMEWORKS[form])
    model = explorer.load_model(script.write_form(form, tmp_path))
    infos = {info.name: info for info in model.layers()}
    theirs = {info.name: info for info in linen.layers()}
    expected = linen.adapter.capture(images, [*BLOCKS, "output"])
    for name, activations in model.adapter.capture(images, [*BLOCKS, "output"]).items():
        assert infos[name].shape == theirs[name].shape, name
        difference = np.abs(activations.values - expected[name].values).max()
        assert difference < 1e-4, f"{name} differs by {difference}"
    trained = theirs["block3"].parameters
    # what plain JAX and nobody else counts: mean and variance, which are params like any other there
    assert infos["block3"].parameters == trained + (96 if form == "jax" else 0)


@pytest.mark.parametrize("form", ["jax", "equinox", "haiku", "keras"])
def test_the_command_line_lists_every_form(
    form: str, script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(FRAMEWORKS[form])
    assert main(["layers", str(script.write_form(form, tmp_path))]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in BLOCKS)
    assert "8 × 8 × 48" in printed
