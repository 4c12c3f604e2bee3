"""Saliency: maps of networks whose answers are known, their promises, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import explorer
from explorer.cli import main
from explorer.demo import DIGITS
from explorer.explain.cam import enlarged, weights_plus
from explorer.explain.rollout import token_grid
from explorer.explain.saliency import METHODS
from explorer.render.linked.selection import Selection

PATCH = (slice(4, 8), slice(8, 12))
GRADIENTS = [name for name in METHODS if name not in ("occlusion", "rollout")]


def patch_net(params: Any, x: jax.Array) -> Any:
    """Class 1 asks for what is in PATCH alone; the layer `maps` keeps where it is."""
    maps = jax.nn.relu(jax.lax.conv_general_dilated(
        x, params["maps"], (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    ))  # fmt: skip
    answers = (maps * params["where"]).sum(axis=(1, 2))
    return answers @ params["head"], {"maps": maps}


def patch_model() -> explorer.Model:
    where = np.zeros((1, 8, 8, 1), np.float32)
    where[:, 2:4, 4:6] = 1
    params = {
        "maps": np.full((2, 2, 1, 3), 0.25, np.float32) * np.array([1.0, 0.6, 1.4], np.float32),
        "where": where,
        "head": np.array([[0.1, 1.0], [-0.2, 0.8], [0.0, 1.2]], np.float32),
    }
    return explorer.load_model(patch_net, params=params, input_shape=(16, 16, 1), class_names=["no", "yes"])


@pytest.fixture(scope="module")
def model() -> explorer.Model:
    return patch_model()


@pytest.fixture(scope="module")
def digits() -> explorer.Model:
    return explorer.load_model(DIGITS)


@pytest.fixture(scope="module")
def pictures(digits: explorer.Model) -> np.ndarray:
    from explorer.capture import open_inputs

    inputs = open_inputs(digits, None)
    return np.stack([inputs.load(index).value for index in (0, 100, 200)])


def inputs(n: int = 3) -> np.ndarray:
    """Noise that is brighter in PATCH."""
    drawn = np.random.default_rng(0).uniform(0.1, 0.3, (n, 16, 16, 1)).astype(np.float32)
    drawn[:, *PATCH] += 0.6
    return drawn


@pytest.mark.parametrize("method", [*GRADIENTS, "occlusion"])
def test_the_map_peaks_in_the_patch_that_decides(model: explorer.Model, method: str) -> None:
    found = explorer.saliency(model, inputs(), method=method, target="yes", at="maps", window=1)
    assert found.values.shape == (3, 16, 16)
    assert found.target == ("class yes",) * 3
    inside = np.zeros((16, 16), bool)
    inside[PATCH] = True
    for values in found.values:
        assert inside.flat[values.argmax()]
        if not method.startswith("grad-cam"):  # enlarged bilinearly, it reaches beyond by a pixel or two
            assert not values[~inside].any()
            assert (values[inside] > 0).all()


def test_integrated_gradients_sum_up_to_what_the_class_gains(
    digits: explorer.Model, pictures: np.ndarray
) -> None:
    coarse = explorer.saliency(digits, pictures, method="integrated-gradients", target=3, steps=4)
    fine = explorer.saliency(digits, pictures, method="integrated-gradients", target=3, steps=256)
    logits = digits.adapter.capture(np.concatenate([pictures, np.zeros_like(pictures)]), ["output"])
    gains = np.subtract(*np.split(logits["output"].values[:, 3].astype(np.float64), 2))
    assert fine.completeness is not None
    assert coarse.completeness is not None
    assert np.allclose(fine.values.sum(axis=(1, 2)), gains, rtol=0.02)
    errors = np.abs(fine.values.sum(axis=(1, 2), dtype=np.float64) - gains) / np.abs(gains)
    assert np.allclose(fine.completeness, errors, atol=1e-4)
    assert fine.completeness.max() < 0.02 < coarse.completeness.max()


def test_a_linear_answer_is_split_exactly(model: explorer.Model) -> None:
    given = inputs()
    by_steps = explorer.saliency(model, given, method="integrated-gradients", target=1, steps=3)
    by_input = explorer.saliency(model, given, method="gradient-x-input", target=1)
    assert np.allclose(by_steps.values, by_input.values, atol=1e-6)
    assert np.allclose(by_steps.values.sum(axis=(1, 2)), by_steps.scores, rtol=1e-5)
    assert by_steps.signed
    assert not explorer.saliency(model, given).signed


def test_the_gradient_is_the_slope_of_the_class(digits: explorer.Model, pictures: np.ndarray) -> None:
    found = explorer.saliency(digits, pictures, target="7")
    step = 3e-3
    for row, column in ((10, 12), (20, 16)):
        moved = np.repeat(pictures[:1], 2, axis=0)
        moved[:, row, column, 0] += (step, -step)
        up, down = digits.adapter.capture(moved, ["output"])["output"].values[:, 7].astype(np.float64)
        assert abs(up - down) / (2 * step) == pytest.approx(found.values[0, row, column], rel=0.05, abs=2e-3)


@pytest.mark.parametrize("method", ["smoothgrad", "integrated-gradients", "occlusion", "grad-cam++"])
def test_batches_and_repeats_change_nothing(
    digits: explorer.Model, pictures: np.ndarray, method: str
) -> None:
    whole = explorer.saliency(digits, pictures, method=method, samples=5, steps=5, window=16)
    again = explorer.saliency(digits, pictures, method=method, samples=5, steps=5, window=16)
    small = explorer.saliency(digits, pictures, method=method, samples=5, steps=5, window=16, memory=1)
    assert np.array_equal(whole.values, again.values)
    assert np.allclose(whole.values, small.values, atol=1e-5)


def test_another_seed_is_another_noise(digits: explorer.Model, pictures: np.ndarray) -> None:
    one, other = (
        explorer.saliency(digits, pictures, method="smoothgrad", samples=3, seed=seed) for seed in (0, 1)
    )
    assert not np.array_equal(one.values, other.values)


def test_the_class_left_out_is_the_one_answered(digits: explorer.Model, pictures: np.ndarray) -> None:
    found = explorer.saliency(digits, pictures)
    best = digits.adapter.capture(pictures, ["output"])["output"].values
    assert found.target == tuple(f"class {k} (answered)" for k in best.argmax(axis=1))
    assert np.allclose(found.scores, best.max(axis=1))


def test_a_position_is_driven_by_its_receptive_field_alone(
    digits: explorer.Model, pictures: np.ndarray
) -> None:
    (info,) = digits.find_layers(["block2"])
    assert info.receptive_field is not None
    (top, bottom), (left, right) = info.receptive_field.box((3, 4), (32, 32, 1))
    for method in ("gradient", "occlusion"):
        found = explorer.saliency(digits, pictures, method=method, layer="block2", position=(3, 4), window=1)
        outside = found.values.copy()
        outside[:, top:bottom, left:right] = 0
        assert not outside.any()
        assert found.values.any()
    values = digits.adapter.capture(pictures, ["block2"])["block2"].values
    assert np.allclose(found.scores, np.linalg.norm(values[:, 3, 4], axis=-1), rtol=1e-5)


def test_a_selection_is_the_mean_of_its_positions(
    digits: explorer.Model, pictures: np.ndarray, tmp_path: Path
) -> None:
    places = [(2, 3), (5, 5)]
    masks = np.zeros((3, 8, 8), bool)
    masks[:, *zip(*places, strict=True)] = True
    given = {"layer": "block2", "method": "gradient-x-input"}
    found = explorer.saliency(digits, pictures, selection=masks, **given)
    each = [explorer.saliency(digits, pictures, position=place, **given).values for place in places]
    assert np.allclose(found.values, np.mean(each, axis=0), atol=1e-5)
    chosen = Selection.of_masks(masks)
    assert np.array_equal(explorer.saliency(digits, pictures, selection=chosen, **given).values, found.values)
    np.savez(tmp_path / "chosen.npz", masks=masks[::-1], image_names=np.array(found.names[::-1]))
    read = explorer.saliency(digits, pictures, selection=tmp_path / "chosen.npz", **given)
    assert np.array_equal(read.values, found.values)
    lines = ["image,name,row,column"]
    lines += [f"{image},{found.names[image]},{row},{column}" for image in range(3) for row, column in places]
    (tmp_path / "chosen.csv").write_text("\n".join(lines), encoding="utf-8")
    read = explorer.saliency(digits, pictures, selection=tmp_path / "chosen.csv", **given)
    assert np.array_equal(read.values, found.values)


def test_gradcam_weighs_maps_by_their_mean_slope(digits: explorer.Model, pictures: np.ndarray) -> None:
    found = explorer.saliency(digits, pictures, method="grad-cam", target=3, at="block3")
    maps = digits.adapter.capture(pictures, ["block3"])["block3"].values
    adapter: Any = digits.adapter
    one = np.zeros((3, 10), np.float32)
    one[:, 3] = 1
    slopes = adapter.gradient(pictures, "output", one, at="block3")
    assert found.coarse is not None
    assert np.allclose(found.coarse, np.maximum((maps * slopes.mean(axis=(1, 2), keepdims=True)).sum(-1), 0))
    assert np.array_equal(found.values, enlarged(found.coarse, (32, 32)))
    assert explorer.saliency(digits, pictures, method="grad-cam").facts["at"] == "block5"


def test_gradcam_plus_has_the_published_weights() -> None:
    rng = np.random.default_rng(0)
    maps, slopes = rng.uniform(0, 1, (1, 3, 3, 2)), rng.normal(size=(1, 3, 3, 2))
    expected = np.zeros((1, 3, 3, 2))
    for k in range(2):
        total = maps[0, :, :, k].sum()
        for place in np.ndindex(3, 3):
            slope = slopes[(0, *place, k)]
            expected[(0, *place, k)] = slope**2 / (2 * slope**2 + total * slope**3) * max(slope, 0)
    assert np.allclose(weights_plus(maps, slopes), expected, rtol=1e-5)


def test_rollout_multiplies_the_attention_of_all_blocks() -> None:
    from flax import linen as nn

    class Vit(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            x = nn.Conv(6, (4, 4), (4, 4))(x).reshape(len(x), -1, 6)
            x = jnp.concatenate([self.param("cls", nn.initializers.ones, (1, 1, 6)).repeat(len(x), 0), x], 1)
            for number in range(2):
                x = x + nn.MultiHeadDotProductAttention(2, name=f"block{number}")(x, x, sow_weights=True)
            return nn.Dense(3)(x[:, 0])

    given = np.random.default_rng(0).normal(size=(2, 8, 12, 1)).astype(np.float32)
    variables = Vit().init(jax.random.key(0), given)
    model = explorer.load_model(Vit(), variables={"params": variables["params"]}, input_shape=(8, 12, 1))
    found = explorer.saliency(model, given, method="rollout")
    _, state = Vit().apply(variables, given, mutable=["intermediates"])
    kept = [state["intermediates"][f"block{k}"]["attention_weights"][0] for k in range(2)]
    first, second = (0.5 * np.asarray(one).mean(axis=1) + 0.5 * np.eye(7) for one in kept)
    reached = np.einsum("nk,nkl->nl", second[:, 0], first)[:, 1:].reshape(2, 2, 3)
    assert found.coarse is not None
    assert np.allclose(found.coarse, reached / reached.sum(axis=(1, 2), keepdims=True), atol=1e-5)
    assert found.facts == {"blocks": 2}


def test_tokens_lie_on_the_grid_of_the_picture() -> None:
    assert token_grid(197, (224, 224), "vit") == ((14, 14), 1)
    assert token_grid(201, (224, 224), "vit") == ((14, 14), 5)
    with pytest.raises(explorer.LayerError, match="do not lie on a grid"):
        token_grid(7, (224, 200), "vit")


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"method": "gradcam"}, explorer.InputError, "did you mean grad-cam"),
        ({"target": "maybe"}, explorer.InputError, "class 'maybe': there are: no, yes"),
        ({"target": 2}, explorer.InputError, "has classes 0 to 1"),
        ({"target": 1, "channel": 1}, explorer.InputError, "a class and a channel"),
        ({"channel": 3, "layer": "maps"}, explorer.InputError, "channels 0 to 2"),
        ({"position": (8, 0), "layer": "maps"}, explorer.InputError, r"the layer's grid is \(8, 8\)"),
        ({"selection": np.ones((2, 8, 8), bool), "layer": "maps"}, explorer.InputError, "expected bool"),
        ({"selection": "no.csv", "layer": "maps"}, explorer.InputError, "no such file"),
        ({"layer": "mapz"}, explorer.LayerError, "did you mean maps"),
        ({"method": "integrated-gradients", "steps": 0}, explorer.InputError, "steps 0"),
        ({"method": "smoothgrad", "noise": 0}, explorer.InputError, "noise 0"),
        ({"method": "occlusion", "window": 40}, explorer.InputError, "window 40: the picture is 16 × 16"),
        ({"method": "occlusion", "baseline": "median"}, explorer.InputError, "baseline 'median'"),
        ({"method": "rollout"}, explorer.LayerError, "no self-attention is found"),
        ({"method": "grad-cam", "channel": 0, "layer": "maps"}, explorer.LayerError, "no layer before maps"),
    ],
)
def test_what_cannot_be_asked_is_one_line(
    model: explorer.Model, given: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as raised:
        explorer.saliency(model, inputs(), **given)
    assert "\n" not in str(raised.value)


def test_a_framework_without_derivatives_says_so_and_is_explained_by_occlusion(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weights = np.zeros((64, 2), np.float32)
    weights[27:29, 1] = 1
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", kind, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info("y", kind, ["n", 2])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, tmp_path / "net.onnx")
    given = np.random.default_rng(0).uniform(0.5, 1, (2, 8, 8, 1)).astype(np.float32)
    np.save(tmp_path / "x.npy", given)
    model = explorer.load_model(tmp_path / "net.onnx")
    with pytest.raises(explorer.ModelError, match="give no gradients; use the method occlusion"):
        explorer.saliency(model, given, target=1)
    found = explorer.saliency(model, given, method="occlusion", target=1, window=1)
    expected = np.zeros((2, 64), np.float32)
    expected[:, 27:29] = given.reshape(2, 64)[:, 27:29]
    assert np.allclose(found.values.reshape(2, 64), expected, atol=1e-6)
    command = [
        "saliency",
        str(tmp_path / "net.onnx"),
        str(tmp_path / "x.npy"),
        "--out",
        str(tmp_path / "m.png"),
    ]
    assert main(command) == 2
    assert main([*command, "--method", "occlusion"]) == 0
    with pytest.raises(explorer.ModelError, match="cannot be drawn anew"):
        found.sanity()


def test_saved_maps_are_arrays_and_a_description(model: explorer.Model, tmp_path: Path) -> None:
    import json

    found = explorer.saliency(model, inputs(), method="integrated-gradients", target=1)
    with np.load(found.save(tmp_path / "maps.npz"), allow_pickle=False) as read:
        assert np.array_equal(read["values"], found.values)
        assert read["names"].tolist() == list(found.names)
        described = json.loads(str(read["description"]))
    assert described["method"] == "integrated-gradients"
    assert described["target"] == "class yes"
    assert described["facts"] == {"steps": 32, "baseline": 0.0}
    with pytest.raises(explorer.InputError, match=r"written as \.npz"):
        found.save(tmp_path / "maps.npy")


def test_a_seed_that_no_generator_takes_is_refused(model: explorer.Model) -> None:
    with pytest.raises(explorer.InputError, match="seed -1: expected a whole number from 0"):
        explorer.saliency(model, inputs(), method="smoothgrad", seed=-1)


@pytest.mark.parametrize(("words", "code"), [(["--out", "page.png"], 0), ([], 2)])
def test_a_run_that_takes_no_maps_costs_no_page(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    run = explorer.capture(DIGITS, DIGITS.parent / "images" / "3", layers=["block3"], out="run")
    (run.path / "saliency").write_text("in the way")
    asked = ["saliency", str(DIGITS), str(DIGITS.parent / "images" / "3"), "--layer", "block3"]
    assert main([*asked, "--channel", "1", "--run", "run", *words]) == code
    assert "saliency: File exists" in (said := capsys.readouterr().err) or "not kept in the run" in said
    assert Path("page.png").exists() == (code == 0)


@pytest.mark.parametrize(
    "asked",
    [
        {"target": 1.5}, {"target": float("nan")}, {"layer": "maps", "channel": 1.5},
        {"layer": "maps", "position": (1.5, 2)}, {"method": "smoothgrad", "seed": 0.5},
        {"method": "smoothgrad", "samples": 2.5}, {"method": "occlusion", "window": 1.5},
    ],
)  # fmt: skip
def test_a_fraction_where_a_whole_number_is_due_is_refused_and_not_cut_off(
    model: explorer.Model, asked: dict[str, Any]
) -> None:
    with pytest.raises(explorer.InputError, match=r"^\w+ [\d.nan]+: expected a whole number$"):
        explorer.saliency(model, inputs(), **asked)
