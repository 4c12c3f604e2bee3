"""Activation maximisation: optima that are known, batches that change nothing, adjoints, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import explorer
from explorer.capture.preprocessing import Preprocessing
from explorer.demo import DIGITS
from explorer.explain.canvas import canvas_of
from explorer.explain.diversity import apart
from explorer.explain.maximised import load_maximised
from explorer.explain.moving import Robustness, random_move

STILL = Robustness(shift=0, turn=0, scale=1)
BARS = np.sin(np.arange(12) * np.pi / 3).astype(np.float32)[:, None] * np.ones((1, 12), np.float32)


def bars(x: jax.Array) -> dict[str, jax.Array]:
    """A channel that likes horizontal bars, and one that likes vertical ones; one that never answers."""
    both = jnp.stack([jnp.asarray(BARS), jnp.asarray(BARS.T)], axis=-1)
    answers = (x * both).mean(axis=(1, 2))
    return {"bars": jnp.concatenate([answers, 0 * answers[:, :1]], axis=-1), "squared": x[..., :1] ** 2}


@pytest.fixture(scope="module")
def model() -> explorer.Model:
    rule = Preprocessing(size=(12, 12), channels="gray", range=(-1, 1))
    return explorer.load_model(bars, preprocessing=rule, class_names=("across", "down", "nothing"))


@pytest.mark.parametrize("parametrisation", ["fourier", "pixels"])
def test_the_pattern_that_was_planted_is_climbed_to(model: explorer.Model, parametrisation: Any) -> None:
    found = explorer.maximize(
        model, layer="bars", channels=[0, 1], robustness=STILL, steps=60, parametrisation=parametrisation
    )
    for picture, pattern in zip(found.pictures[:, 0, :, :, 0], (BARS, BARS.T), strict=True):
        assert np.corrcoef(picture.ravel(), pattern.ravel())[0, 1] > 0.9
    assert (found.reached > 0.15).all()
    assert found.finished == 2


def test_many_together_come_out_as_each_alone(model: explorer.Model) -> None:
    both = explorer.maximize(model, layer="bars", channels=[0, 1], variants=2, steps=20)
    for channel in (0, 1):
        alone = explorer.maximize(model, layer="bars", channels=[channel], variants=2, steps=20)
        np.testing.assert_allclose(both.pictures[channel], alone.pictures[0], atol=1e-4)
    assert not np.allclose(both.pictures[0, 0], both.pictures[0, 1])
    again = explorer.maximize(model, layer="bars", channels=[0, 1], variants=2, steps=20)
    np.testing.assert_array_equal(both.pictures, again.pictures)
    other = explorer.maximize(model, layer="bars", channels=[0, 1], variants=2, steps=20, seed=1)
    assert not np.allclose(both.pictures, other.pictures)


def test_classes_directions_neurons_and_whole_layers(model: explorer.Model) -> None:
    found = explorer.maximize(
        model, layer="bars", classes=["down"], directions={"less of it": np.array([-1, 0, 0])}, steps=60,
        robustness=STILL,
    )  # fmt: skip
    assert found.names == ("class down", "less of it")
    down, less = found.pictures[:, 0, :, :, 0]
    assert np.corrcoef(down.ravel(), BARS.T.ravel())[0, 1] > 0.9
    assert np.corrcoef(less.ravel(), BARS.ravel())[0, 1] < -0.9
    one = explorer.maximize(model, layer="squared", channels=[0], position=(2, 3), steps=60, robustness=STILL)
    away = abs(one.pictures[0, 0, :, :, 0] - 0.5)
    assert away[2, 3] > 0.45
    whole = explorer.maximize(model, layer="squared", whole=True, steps=60, robustness=STILL)
    assert whole.reached[0, 0] > 0.5


def test_what_never_answers_is_said_by_its_value(model: explorer.Model) -> None:
    found = explorer.maximize(model, layer="bars", channels=[2], steps=8)
    assert found.reached[0, 0] == 0
    assert np.isfinite(found.pictures).all()


def test_the_demo_is_maximised_above_its_strongest_real_picture(tmp_path: Path) -> None:
    run = explorer.capture(DIGITS, DIGITS.parent / "images", layers=["block3"], out=tmp_path / "run")
    told = []
    found = explorer.maximize(
        DIGITS, layer="block3", channels=[1, 5], images=run, steps=48, watch=told.append
    )
    assert found.real is not None
    means = run["block3"].values.mean(axis=(1, 2))
    np.testing.assert_allclose(found.real.values[:, 0], means[:, [1, 5]].max(axis=0), rtol=1e-4)
    np.testing.assert_array_equal(found.real.images[:, 0], means[:, [1, 5]].argmax(axis=0))
    assert (found.reached[:, 0] > found.real.values[:, 0]).all()
    assert len(told) == 8
    assert np.isnan(told[0].reached).all()
    back = load_maximised(found.save(tmp_path / "found.npz"))
    assert back.names == found.names
    np.testing.assert_array_equal(back.real.boxes, found.real.boxes)
    sheet = explorer.sheet(back, theme="dark")
    assert any("real" in line for line in sheet.words)
    assert sheet.save(tmp_path / "sheet.png").stat().st_size > 5000


@pytest.mark.parametrize("kind", ["fourier", "pixels"])
@pytest.mark.parametrize("size", [(6, 7), (7, 8)])
def test_the_way_back_is_the_slope_of_the_way_there(kind: Any, size: tuple[int, int]) -> None:
    rule = Preprocessing(channels="bgr", mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    canvas = canvas_of((*size, 3), rule, bounds=None, kind=kind)
    rng = np.random.default_rng(0)
    numbers = rng.normal(scale=0.02, size=(2, *canvas.free)).astype(np.float32)
    step = (1e-3 * rng.normal(size=numbers.shape)).astype(np.float32)
    gradient = rng.normal(size=(2, *size, 3)).astype(np.float32)
    moved = (canvas.inputs(numbers + step) - canvas.inputs(numbers - step)).astype(np.float64)
    there = (moved * gradient).sum() / 2
    assert there == pytest.approx((canvas.slope(numbers, gradient) * step).sum(), rel=2e-3)


def test_inputs_stay_within_the_range_of_pictures() -> None:
    rule = Preprocessing(channels="rgb", range=(0, 255), mean=(10, 20, 30), std=(2, 2, 2))
    canvas = canvas_of((6, 6, 3), rule, bounds=None, kind="pixels")
    wild = np.random.default_rng(0).normal(scale=90, size=(1, 6, 6, 3)).astype(np.float32)
    inputs = canvas.inputs(wild)
    np.testing.assert_allclose(inputs.min(axis=(0, 1, 2)), [-5, -10, -15], atol=1e-3)
    np.testing.assert_allclose(inputs.max(axis=(0, 1, 2)), [122.5, 117.5, 112.5], atol=1e-3)


def test_a_move_and_its_way_back_are_adjoint() -> None:
    rng = np.random.default_rng(0)
    move = random_move((9, 11), Robustness(), rng)
    a, b = rng.normal(size=(2, 3, 9, 11, 2)).astype(np.float32)
    none = np.zeros(2, np.float32)
    assert (move.there(a, none) * b).sum() == pytest.approx((a * move.back(b)).sum(), rel=1e-4)
    gray = np.full((3, 9, 11, 2), 0.5, np.float32)
    np.testing.assert_allclose(move.there(gray, gray[0, 0, 0]), gray, atol=1e-5)


def test_variants_are_pushed_apart_along_the_slope_of_their_likeness() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 4, 2)).astype(np.float64)

    def likeness(values: np.ndarray) -> float:
        grams = np.einsum("npc,npd->ncd", values, values).reshape(3, -1)
        units = grams / np.linalg.norm(grams, axis=1, keepdims=True)
        return float((units @ units.T).sum() - 3)

    slope = apart(values.astype(np.float32))
    numeric = np.zeros_like(values)
    for place in np.ndindex(*values.shape):
        step = np.zeros_like(values)
        step[place] = 1e-5
        numeric[place] = (likeness(values + step) - likeness(values - step)) / 2e-5
    lengths = np.linalg.norm(numeric.reshape(3, -1), axis=1).reshape(3, 1, 1)
    np.testing.assert_allclose(slope, -numeric / lengths, atol=1e-4)


def test_an_interrupt_keeps_what_there_is(model: explorer.Model) -> None:
    def stop(found: Any) -> None:
        raise KeyboardInterrupt

    found = explorer.maximize(model, layer="bars", channels=[0, 1], steps=32, watch=stop)
    assert found.finished == 0
    assert (found.reached > 0).all()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"layer": "nothing"}, "no layer 'nothing'"),
        ({"layer": "bars", "channels": [3]}, "channel 3: bars has channels 0 to 2"),
        ({"layer": "squared", "channels": [0], "position": [12, 0]}, "has a grid 12 × 12"),
        ({"layer": "bars", "classes": ["up"]}, "no class 'up'"),
        ({"layer": "bars", "directions": {"d": np.zeros(3)}}, "d: is no direction"),
        ({"layer": "bars", "directions": {"d": np.ones(2)}}, "has 3 channels"),
        ({"layer": "bars", "steps": 0}, "expected at least 1"),
        ({"layer": "bars", "rate": 0.0}, "rate = 0"),
        ({"layer": "bars", "seed": -1}, "seed -1: expected a whole number from 0"),
        ({"layer": "bars", "seed": 2**32}, "seed 4294967296"),
        ({"layer": "bars", "size": (10**5, 10**5)}, "expected 4 × 4 to 4096 × 4096 pixels"),
        ({"layer": "bars", "parametrisation": "wavelets"}, "expected fourier or pixels"),
        ({"layer": "bars", "channels": []}, "nothing to maximise"),
        ({"layer": "bars", "bounds": (1.0, 0.0)}, "expected .low, high."),
        ({"layer": "bars", "bounds": (0.0, np.inf)}, "two finite numbers"),
        ({"layer": "bars", "channels": [1.5]}, "channel 1.5: expected a whole number"),
        ({"layer": "bars", "steps": 1.5}, "steps 1.5: expected a whole number"),
    ],
)
def test_what_cannot_be_asked_is_said(model: explorer.Model, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(explorer.ExplorerError, match=words):
        explorer.maximize(model, **asked)


def test_an_adapter_without_gradients_says_so(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", layer=np.zeros((2, 3, 3, 4), np.float32))
    with pytest.raises(explorer.ModelError, match="has no gradients"):
        explorer.maximize(tmp_path / "a.npz")


def test_a_model_without_preprocessing_needs_bounds() -> None:
    bare = explorer.load_model(bars, input_shape=(12, 12, 1))
    with pytest.raises(explorer.ModelError, match="what black and white are"):
        explorer.maximize(bare, layer="bars")
    found = explorer.maximize(bare, layer="bars", channels=[0], bounds=(-1, 1), steps=8)
    assert found.pictures.shape == (1, 1, 12, 12, 1)
