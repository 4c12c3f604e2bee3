"""Receptive fields measured where the graph does not tell them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

import explorer
from explorer.activations import Activations
from explorer.capture.measured_field import with_measured
from explorer.capture.model import Model
from explorer.capture.protocol import Adapter, LayerInfo
from explorer.commands.listing import print_layers
from explorer.demo import DIGITS


class Enlarging(nn.Module):
    """Layers that the graph does not tell: enlarged and rolled maps; beside one that it does."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(nn.Conv(4, (3, 3), (2, 2), name="down")(x))
        x = jax.image.resize(x, (len(x), 2 * x.shape[1], 2 * x.shape[2], 4), "nearest")
        self.sow("intermediates", "nearest", x)
        x = nn.Conv(4, (3, 3), name="up")(x)
        self.sow("intermediates", "signs", (x > 0).astype(jnp.int32))
        self.sow("intermediates", "rolled", jnp.roll(x, 5, axis=1))
        return x.mean(axis=(1, 2))


@pytest.fixture(scope="module")
def enlarging() -> Model:
    shapes = jax.eval_shape(Enlarging().init, jax.random.key(0), jnp.zeros((1, 16, 24, 2)))
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes["params"])
    return explorer.load_model(Enlarging(), params=variables, input_shape=(16, 24, 2))


class Patches(nn.Module):
    """Patches as tokens behind a class token, then a mix of all of them."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Conv(4, (4, 3), (4, 3), padding="VALID", name="patch")(x)
        x = x.reshape(len(x), -1, 4)
        first = jnp.broadcast_to(self.param("class", nn.initializers.ones, (4,)), (len(x), 1, 4))
        x = jnp.concatenate([first, x], axis=1)
        self.sow("intermediates", "embedded", x)
        return x + nn.Dense(x.shape[1], name="mix")(x.transpose(0, 2, 1)).transpose(0, 2, 1)


class NoDerivatives:
    """Another adapter, of which only the values can be had."""

    requires = ()

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter

    @classmethod
    def open(cls, source: object, options: object) -> None:
        return None

    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        return tuple(replace(info, receptive_field=None) for info in self._adapter.layers(input_shape))

    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        return self._adapter.capture(inputs, layers)


def fields(infos: Sequence[LayerInfo]) -> dict[str, Any]:
    return {info.name: info.receptive_field for info in infos}


def test_what_the_graph_does_not_tell_is_measured_and_says_what_was_not_followed(enlarging: Model) -> None:
    before, after = fields(enlarging.layers()), fields(enlarging.measured_layers())
    assert after["down"] is not None
    assert after["down"] == before["down"]
    assert (before["nearest"].how, before["nearest"].why) == ("unknown", "gather")
    nearest = after["nearest"]
    assert (nearest.how, nearest.why) == ("measured", "gather")
    assert (nearest.size, nearest.stride) == ((4, 4), (1, 1))
    assert after["up"].size == (6, 6)
    assert after["up"].stride == (1, 1)
    for position, box in {(4, 4): ((2, 7), (2, 7)), (5, 5): ((4, 9), (4, 9))}.items():
        for (low, high), (least, most) in zip(after["up"].box(position, (16, 24, 2)), box, strict=True):
            assert low <= least < most <= high


def test_what_does_not_move_evenly_is_covered_whole(enlarging: Model) -> None:
    rolled = fields(enlarging.measured_layers())["rolled"]
    assert rolled.stride[0] == 0
    assert rolled.size[0] == 16
    assert rolled.size[1] == 6


@pytest.mark.parametrize("wrap", [NoDerivatives, lambda adapter: adapter])
def test_measured_is_as_computed(wrap: Callable[[Adapter], Adapter]) -> None:
    model = explorer.load_model(DIGITS)
    computed = fields(model.layers())
    blank = [replace(info, receptive_field=None) for info in model.layers()]
    few = [info for info in blank if info.name in ("block1/conv", "block2", "block5", "output")]
    measured = fields(with_measured(wrap(model.adapter), few, (32, 32, 1)))
    for name in ("block1/conv", "block2"):
        assert measured[name] == replace(computed[name], how="measured")
    assert measured["output"].is_whole((32, 32, 1))
    for position in ((0, 0), (3, 5), (7, 7)):
        box = measured["block5"].box(position, (32, 32, 1))
        assert box == computed["block5"].box(position, (32, 32, 1))


def test_tokens_of_patches_see_their_patch_and_the_class_token_nothing() -> None:
    shapes = jax.eval_shape(Patches().init, jax.random.key(0), jnp.zeros((1, 8, 12, 2)))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes["params"])
    model = explorer.load_model(Patches(), params=params, input_shape=(8, 12, 2))
    told, measured = fields(model.layers()), fields(model.measured_layers())
    assert told["patch"].how == "computed"
    assert told["embedded"].how == "unknown"
    assert measured["embedded"].how == "measured"
    assert measured["embedded"].size == told["patch"].size == (4, 3)
    assert measured["embedded"].stride == (4, 3)
    assert measured["embedded"].offset == (0, 0)
    assert measured["embedded#token"].how == "unknown"
    assert told["output"].is_whole((8, 12, 2))
    assert told["output#token"].is_whole((8, 12, 2))


def test_whole_numbers_have_no_gradient_and_are_measured_by_changes(enlarging: Model) -> None:
    after = fields(enlarging.measured_layers())
    assert after["signs"].how == "measured"
    assert after["signs"].stride == (1, 1)


def test_the_command_measures_and_says_so_unless_told_not_to(
    enlarging: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    print_layers(enlarging)
    said = capsys.readouterr().out
    assert "~4 × 4" in said
    assert "~ measured on random inputs: up, nearest" in said
    assert "not followed: gather" in said
    print_layers(enlarging, measure=False)
    said = capsys.readouterr().out
    assert "~" not in said
    assert "? not known: up, nearest" in said


def test_a_layer_that_never_answers_is_said() -> None:
    class Silent(NoDerivatives):
        def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
            return {name: Activations(name, np.zeros((len(inputs), 4, 4, 1))) for name in layers}

    infos = [LayerInfo("flat", "Silent", (4, 4, 1))]
    told = fields(with_measured(Silent(explorer.load_model(DIGITS).adapter), infos, (8, 8, 1)))["flat"]
    assert (told.how, told.why) == ("unknown", "answered to no change of the input")


def test_fractions_of_a_pixel_a_position() -> None:
    class Tripled(NoDerivatives):
        def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
            values = np.repeat(np.repeat(inputs, 3, axis=1), 3, axis=2)
            return {name: Activations(name, values) for name in layers}

    infos = [LayerInfo("tripled", "Tripled", (24, 27, 1))]
    told = fields(with_measured(Tripled(explorer.load_model(DIGITS).adapter), infos, (8, 9, 1)))["tripled"]
    assert told.stride == (Fraction(1, 3), Fraction(1, 3))
    assert told.size == (1, 1)
    assert told.box((4, 26), (8, 9, 1)) == ((1, 2), (8, 9))


@pytest.mark.parametrize("wrap", [NoDerivatives, lambda adapter: adapter])
def test_what_takes_too_long_is_left_unknown_and_said(
    wrap: Callable[[Adapter], Adapter], enlarging: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    infos = [info for info in enlarging.layers() if info.name in ("up", "nearest", "down")]
    blank = [replace(info, receptive_field=None) for info in infos]
    left = with_measured(wrap(enlarging.adapter), blank, (16, 24, 2), seconds=0)
    assert [info.receptive_field for info in left] == [None] * 3
    assert "receptive fields of 3 layers not measured" in capsys.readouterr().err


def test_a_layer_that_sees_everything_is_found_by_one_look_at_a_few_positions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = explorer.load_model(DIGITS)
    looks: list[str] = []
    plain = type(model.adapter).gradient  # type: ignore[attr-defined]

    def gradient(self: Adapter, inputs: Any, layer: str, cotangent: Any) -> Any:
        looks.append(layer)
        return plain(self, inputs, layer, cotangent)

    monkeypatch.setattr(type(model.adapter), "gradient", gradient)
    infos = [
        replace(info, receptive_field=None) for info in model.layers() if info.name in ("block2", "output")
    ]
    with_measured(model.adapter, infos, (32, 32, 1))
    assert looks.count("output") == 1
    assert looks.count("block2") > 2
