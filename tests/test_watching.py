"""A training loop is watched: what is logged is what the network answers by then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from flax.training.train_state import TrainState
from notes import IMAGES, Notes
from numpy.typing import NDArray

import explorer
from explorer.activations import Activations
from explorer.errors import InputError, LayerError, ModelError
from explorer.reduce.channels import channel_statistics
from explorer.tracking.measures import figures, histogram

ROOT = Path(__file__).resolve().parents[1]


class Conv(linen.Module):
    """A convolution and batch normalisation."""

    @linen.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        x = linen.Conv(4, (3, 3), strides=(2, 2), name="conv")(x)
        x = linen.BatchNorm(use_running_average=not train, name="norm")(x)
        return linen.Dense(2, name="head")(x.mean(axis=(1, 2)))


class Nnx(nnx.Module):
    """The same with dropout."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(3, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.drop(self.norm(self.conv(x)))


def made(seed: int = 0) -> dict[str, Any]:
    return dict(Conv().init(jax.random.key(seed), jnp.zeros((1, 8, 8, 3))))


def by_hand(variables: Any, images: NDArray[Any] = IMAGES) -> NDArray[Any]:
    """What `conv` answers, by Flax itself."""
    _, state = Conv().apply(variables, images, capture_intermediates=True, mutable=["intermediates"])
    return np.asarray(state["intermediates"]["conv"]["__call__"][0])


def test_each_step_shows_what_the_network_answers_by_then() -> None:
    notes, seen = Notes(), [made(0), made(1), made(2)]
    with explorer.watch(Conv(), IMAGES, layers=["conv"], to=notes) as watch:
        for step, variables in enumerate(seen):
            watch.on_epoch(step, variables)
    for step, variables in enumerate(seen):
        expected = by_hand(variables)
        assert np.allclose(notes.embeddings["conv", step].rows, expected.reshape(-1, 4), atol=1e-5)
        assert notes.histograms["activations/conv", step].n == expected.size
        assert notes.histograms["activations/conv", step].sum == pytest.approx(expected.sum(), abs=1e-3)
        norm = np.linalg.norm(expected, axis=-1).mean()
        assert notes.scalars["mean_norm/conv", step] == pytest.approx(norm, rel=1e-5)
    assert {name for name, _ in notes.images} == {"feature_maps/conv", "grids/conv"}
    assert not np.array_equal(notes.images["grids/conv", 0], notes.images["grids/conv", 1])
    assert notes.closed


def test_the_time_it_took_is_measured_and_logged() -> None:
    notes = Notes()
    watch = explorer.watch(Conv(), IMAGES, layers=["conv"], to=notes, variables=made())
    watch.on_epoch(0, made())
    watch.on_epoch(1, made())
    logged = [notes.scalars["explorer/seconds", step] for step in (0, 1)]
    assert min(logged) > 0
    assert watch.seconds >= sum(logged)
    assert notes.flushed == 2
    assert watch.steps == [0, 1]


def test_every_names_the_steps_that_are_logged_and_others_cost_nothing() -> None:
    notes = Notes()
    watch = explorer.watch(Conv(), IMAGES, layers=["conv"], to=notes, every=3, embed_every=2)
    for step in range(7):
        watch.on_epoch(step, made() if step % 3 == 0 else object())
    assert sorted(step for name, step in notes.scalars if name == "zeros/conv") == [0, 3, 6]
    assert sorted(step for _, step in notes.embeddings) == [0, 6]


def test_variables_params_and_training_states_mean_the_same() -> None:
    import optax

    class State(TrainState):
        batch_stats: Any = None

    variables, notes = made(), Notes()
    state = State.create(
        apply_fn=Conv().apply,
        params=variables["params"],
        tx=optax.adam(0.1),
        batch_stats=variables["batch_stats"],
    )
    watch = explorer.watch(Conv(), IMAGES, layers=["norm"], to=notes)
    watch.on_epoch(0, variables)
    watch.on_epoch(1, state)
    assert np.array_equal(notes.embeddings["norm", 0].rows, notes.embeddings["norm", 1].rows)
    first = explorer.watch(Conv(), IMAGES, layers=["norm"], to=notes)
    first.on_epoch(2, state)
    assert np.array_equal(notes.embeddings["norm", 0].rows, notes.embeddings["norm", 2].rows)


def test_an_nnx_module_that_training_changes_is_read_anew_and_left_as_it_was() -> None:
    module, notes = Nnx(nnx.Rngs(0)), Notes()
    module.train()
    watch = explorer.watch(module, IMAGES, layers=["conv"], to=notes)
    watch.on_epoch(0)
    module.conv.kernel[...] *= 2
    module.conv.bias[...] *= 2
    before = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(module, nnx.Not(nnx.RngState))))
    watch.on_epoch(1)
    watch.on_epoch(2, module)
    first, second, third = (notes.embeddings["conv", step].rows for step in range(3))
    assert np.allclose(second, 2 * first, rtol=1e-4, atol=1e-5)
    assert np.array_equal(second, third)
    assert not module.drop.deterministic
    assert not module.norm.use_running_average
    after = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(module, nnx.Not(nnx.RngState))))
    assert jax.tree.all(jax.tree.map(np.array_equal, before, after))


def test_new_weights_are_not_compiled_anew() -> None:
    traced = []

    def forward(params: Any, inputs: Any) -> Any:
        traced.append(1)
        return {"hidden": jnp.maximum(inputs @ params["w"], 0)}

    notes = Notes()
    watch = explorer.watch(forward, IMAGES, layers=["hidden"], to=notes)
    watch.on_epoch(0, {"w": jnp.ones((3, 4))})
    first = len(traced)
    for step in range(1, 4):
        watch.on_epoch(step, {"w": jnp.ones((3, 4)) * step})
    assert len(traced) == first
    rows = [notes.embeddings["hidden", step].rows for step in range(4)]
    assert np.allclose(rows[3], 3 * rows[0], rtol=1e-4, atol=1e-5)


def test_positions_are_sampled_evenly_the_same_at_each_step_and_it_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    notes = Notes()
    watch = explorer.watch(Conv(), IMAGES, layers=["conv"], to=notes, positions=30, labels=list("aabbcc"))
    watch.on_epoch(0, made())
    watch.on_epoch(1, made())
    one, two = (notes.embeddings["conv", step] for step in (0, 1))
    assert np.array_equal(one.rows, two.rows)
    assert capsys.readouterr().err.count("conv: embeds 30 of 96 positions, evenly drawn") == 1
    places = zip(one.columns["image"], one.columns["row"], one.columns["column"], strict=True)
    expected = by_hand(made())
    for row, (image, down, across) in zip(one.rows, places, strict=True):
        assert np.allclose(row, expected[int(image), int(down), int(across)], atol=1e-5)
    assert [one.columns["image"].count(str(image)) for image in range(6)] == [5] * 6
    assert one.columns["label"][:5] == ["a"] * 5


def test_sprites_show_the_picture_around_their_position() -> None:
    pictures = np.zeros((2, 16, 16, 3), np.uint8)
    pictures[0, :8, :8], pictures[1, 8:, 8:] = (255, 0, 0), (0, 255, 0)

    def forward(params: Any, inputs: Any) -> Any:
        return {"coarse": inputs[:, ::4, ::4] * params}

    notes = Notes()
    watch = explorer.watch(forward, pictures, layers=["coarse"], to=notes, preprocessing={"size": [16, 16]})
    watch.on_epoch(0, jnp.ones(()))
    found = notes.embeddings["coarse", 0]
    assert found.sprites is not None
    places = zip(*(found.columns[name] for name in ("image", "row", "column")), strict=True)
    at = dict(zip(places, found.sprites, strict=True))
    assert at["0", 1, 1][2, 2].tolist() == at["0", 0, 0][-2, -2].tolist() == [255, 0, 0]
    assert at["0", 0, 0][2, 2].tolist() == [0, 0, 0]  # outside the picture
    assert at["0", 3, 3].max() == 0
    assert at["1", 3, 3][2, 2].tolist() == [0, 255, 0]


def test_of_many_images_some_are_taken_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    notes = Notes()
    many = np.repeat(IMAGES, 5, axis=0)
    watch = explorer.watch(Conv(), many, layers=["conv"], to=notes, most_images=4)
    watch.on_epoch(0, made())
    assert "takes 4 of 30 images, evenly" in capsys.readouterr().err
    assert notes.histograms["activations/conv", 0].n == 4 * 4 * 4 * 4


def test_a_vector_layer_has_histogram_and_cloud_and_no_maps() -> None:
    notes = Notes()
    watch = explorer.watch(Conv(), IMAGES, layers=["head"], to=notes)
    watch.on_epoch(0, made())
    assert not notes.images
    assert notes.embeddings["head", 0].rows.shape == (6, 2)


def test_figures_agree_with_the_statistics_of_the_whole_data_set() -> None:
    values = np.random.default_rng(1).normal(size=(5, 4, 4, 6))
    values[..., 2], values[..., 4] = 0, 3.5
    found = figures(values)
    assert found["dead_channels"] == len(channel_statistics(Activations("layer", values)).dead()) == 2
    assert found["zeros"] == pytest.approx(1 / 6)
    assert found["mean_norm"] == pytest.approx(np.linalg.norm(values, axis=-1).mean())
    values[0, 0, 0, 0] = np.nan
    assert figures(values)["not_finite"] == 1
    rest = np.delete(values.reshape(-1, 6), 0, axis=0)
    assert figures(values)["mean_norm"] == pytest.approx(np.linalg.norm(rest, axis=-1).mean())


def test_a_histogram_counts_every_finite_value() -> None:
    values = np.array([[0.0, 1.0, 1.0], [np.nan, np.inf, 3.0]])
    found = histogram(values, bins=3)
    assert found.counts.tolist() == [1, 2, 1]
    assert (found.n, found.low, found.high, found.sum, found.sum_squares) == (4, 0, 3, 5, 11)
    assert histogram(np.full((3, 2), 7.0)).counts.tolist() == [6]
    assert histogram(np.full((3, 2), np.nan)).n == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"every": 0}, "every 0: expected a whole number of at least 1"),
        ({"positions": 0}, "positions 0"),
        ({"shown": 1.5}, "shown 1.5"),
        ({"to": 3}, "to int: expected a folder"),
        ({"to": ""}, 'to "": name a folder'),
    ],
)
def test_wrong_arguments_are_told_before_training_begins(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said.replace("(", r"\(")):
        explorer.watch(Conv(), IMAGES, **{"to": Notes(), **wrong})


def test_a_wrong_layer_is_told_when_the_weights_are_known(tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="conv"):
        explorer.watch(Conv(), IMAGES, layers=["convv"], to=tmp_path / "logs", variables=made())
    assert not (tmp_path / "logs").exists()
    late = explorer.watch(Conv(), IMAGES, layers=["convv"], to=Notes())
    with pytest.raises(LayerError, match="did you mean conv"):
        late.on_epoch(0, made())
    with pytest.raises(ModelError, match="has no weights"):
        explorer.watch(Conv(), IMAGES, to=Notes()).on_epoch(0)


@pytest.mark.slow
def test_the_script_to_copy_runs(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    script = ROOT / "scripts" / "watch_training.py"
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "epoch 3: loss" in done.stdout
    assert "s for watching" in done.stdout
    assert list((tmp_path / "runs" / "digits").glob("events.out.tfevents.*"))
    assert (tmp_path / "runs" / "digits" / "projector" / "conv2" / "00003.tsv").is_file()
