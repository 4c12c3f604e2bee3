"""Two saved forms of one network, compared."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import pytest

import explorer
from explorer.cli import main
from explorer.demo import DIGITS

ROOT = Path(__file__).resolve().parents[1]
RNG = np.random.default_rng(0)


def saved(path: Path, **layers: Any) -> Path:
    np.savez(path, **layers)
    return path


@pytest.fixture
def layers() -> dict[str, Any]:
    return {
        "one": RNG.normal(size=(5, 4, 4, 8)).astype(np.float32),
        "two": RNG.normal(size=(5, 2, 2, 8)).astype(np.float32),
        "three": RNG.normal(size=(5, 3)).astype(np.float32),
    }


def test_the_same_activations_are_equal(tmp_path: Path, layers: dict[str, Any]) -> None:
    a, b = (saved(tmp_path / f"{name}.npz", **layers) for name in "ab")
    found = explorer.parity(a, b, tolerance=0)
    assert found.equal
    assert found.first_apart is None
    assert found.n_images == 5
    assert [(layer.pair.a, layer.pair.b, layer.pair.how) for layer in found.layers] == [
        (name, name, "name") for name in ("one", "two", "three")
    ]
    assert {(layer.absolute, layer.relative) for layer in found.layers} == {(0.0, 0.0)}
    assert all(math.isclose(layer.correlation, 1) for layer in found.layers)


def test_the_figures_are_those_of_the_arrays(tmp_path: Path, layers: dict[str, Any]) -> None:
    other = layers | {"two": layers["two"] * 1.5 + RNG.normal(size=layers["two"].shape)}
    found = explorer.parity(saved(tmp_path / "a.npz", **layers), saved(tmp_path / "b.npz", **other))
    assert not found.equal
    apart = found.first_apart
    assert apart is not None
    assert (apart.pair.a, apart.shapes) == ("two", ((2, 2, 8), (2, 2, 8)))
    largest = np.abs(layers["two"] - other["two"]).max()
    assert math.isclose(apart.absolute, largest, rel_tol=1e-6)
    assert math.isclose(apart.relative, largest / np.abs(layers["two"]).max(), rel_tol=1e-6)
    correlation = np.corrcoef(layers["two"].ravel(), other["two"].ravel())[0, 1]
    assert math.isclose(apart.correlation, correlation, rel_tol=1e-6)
    assert [layer.equal for layer in found.layers] == [True, False, True]


def test_the_correlation_of_many_batches_with_a_large_mean(tmp_path: Path) -> None:
    one = (RNG.normal(size=(70, 3, 3, 2)) + 1e4).astype(np.float64)
    other = one + RNG.normal(size=one.shape)
    a, b = saved(tmp_path / "a.npz", x=one), saved(tmp_path / "b.npz", x=other)
    found = explorer.parity(a, b, tolerance=1)
    truth = np.corrcoef(one.ravel(), other.ravel())[0, 1]
    assert found.n_images == 70
    assert found.layers[0].correlation == pytest.approx(truth, rel=1e-6)


def test_shapes_and_infinities_that_differ_are_apart(tmp_path: Path, layers: dict[str, Any]) -> None:
    holes = layers["two"].copy()
    holes[0, 0, 0, 0] = np.nan
    other = layers | {"one": layers["one"][:, :2], "two": holes}
    found = explorer.parity(saved(tmp_path / "a.npz", **layers), saved(tmp_path / "b.npz", **other))
    one, two, three = found.layers
    assert not one.equal
    assert one.shapes == ((4, 4, 8), (2, 4, 8))
    assert one.absolute == math.inf
    assert not two.equal
    assert two.absolute == 0
    assert three.equal
    same = explorer.parity(tmp_path / "b.npz", tmp_path / "b.npz")
    assert same.equal


def test_other_names_are_matched_by_order_and_shape_and_by_likeness(
    tmp_path: Path, layers: dict[str, Any]
) -> None:
    between = {"before": layers["one"] * 0.3 + 1, "conv_a": layers["one"], "after": np.tanh(layers["one"])}
    other = between | {"conv_b": layers["two"], "dense": layers["three"] + 1e-7}
    found = explorer.parity(saved(tmp_path / "a.npz", **layers), saved(tmp_path / "b.npz", **other))
    assert [(layer.pair.a, layer.pair.b) for layer in found.layers] == [
        ("one", "conv_a"),
        ("two", "conv_b"),
        ("three", "dense"),
    ]
    assert {layer.pair.how for layer in found.layers} == {"order and shape"}
    assert found.only_b == ("before", "after")
    assert found.equal


def test_matches_that_are_given_come_first(tmp_path: Path, layers: dict[str, Any]) -> None:
    a = saved(tmp_path / "a.npz", **layers)
    b = saved(tmp_path / "b.npz", first=layers["one"], two=layers["two"], rest=layers["three"])
    found = explorer.parity(a, b, matches={"one": "first"})
    assert [(layer.pair.a, layer.pair.how) for layer in found.layers] == [("one", "given"), ("two", "name")]
    assert (found.only_a, found.only_b) == (("three",), ("rest",))
    with pytest.raises(explorer.LayerError, match="did you mean one"):
        explorer.parity(a, b, matches={"onne": "first"})


def test_what_cannot_be_compared_is_one_line(tmp_path: Path, layers: dict[str, Any]) -> None:
    a = saved(tmp_path / "a.npz", **layers)
    few = saved(tmp_path / "few.npz", **{name: values[:3] for name, values in layers.items()})
    with pytest.raises(explorer.InputError, match=r"a has 5 inputs and few has 3 inputs"):
        explorer.parity(a, few)
    with pytest.raises(explorer.LayerError, match="--map a=b"):
        explorer.parity(a, saved(tmp_path / "c.npz", other=RNG.normal(size=(5, 7, 7, 1))))
    with pytest.raises(explorer.InputError, match="tolerance"):
        explorer.parity(a, a, tolerance=-1)


def test_images_that_cannot_be_read_are_left_out_and_named(tmp_path: Path) -> None:
    good = sorted((DIGITS.parent / "images" / "3").iterdir())[:2]
    (tmp_path / "bad.png").write_bytes(b"no picture")
    found = explorer.parity(DIGITS, DIGITS, [good[0], tmp_path / "bad.png", good[1]])
    assert found.n_images == 2
    assert len(found.skipped) == 1
    assert "bad.png" in found.skipped[0]


def test_another_batch_normalisation_is_found_where_it_is() -> None:
    class Net(nn.Module):
        epsilon: float = 1e-5

        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            x = nn.Conv(4, (3, 3), name="conv")(x)
            x = nn.LayerNorm(epsilon=self.epsilon, name="norm")(x)
            return nn.relu(x)

    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(Net().init, jax.random.key(0), np.zeros((1, 8, 8, 1), np.float32))
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes["params"])
    images = rng.normal(size=(3, 8, 8, 1)).astype(np.float32)
    models = [explorer.load_model(Net(epsilon), params=params) for epsilon in (1e-5, 1e-2)]
    apart = explorer.parity(*models, images).first_apart
    assert apart is not None
    assert apart.pair.a == "norm"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModuleType, Path]:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    spec = importlib.util.spec_from_file_location("export_onnx", ROOT / "scripts" / "export_onnx.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("exported")
    return module, module.write(folder)


def test_the_demo_and_its_export_are_equal_to_1e_4(exported: tuple[ModuleType, Path]) -> None:
    few = DIGITS.parent / "images" / "7"
    found = explorer.parity(DIGITS, exported[1], few)
    assert found.equal
    assert found.n_images == len(list(few.iterdir()))
    assert len(found.layers) == 17
    assert found.only_a == ()
    assert set(found.only_b) == {"block3/sum", "block4/sum", "block5/sum", "mean"}
    assert {layer.shapes[0] for layer in found.layers} >= {(16, 16, 24), (8, 8, 48), (10,)}
    fields = [explorer.load_model(model).layers((32, 32, 1)) for model in (DIGITS, exported[1])]
    known = {info.name: info.receptive_field for info in fields[1]}
    for info in fields[0]:
        assert info.receptive_field == known[info.name]


def test_the_command_says_what_parts_and_exits_with_one(
    exported: tuple[ModuleType, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    picture = str(next((DIGITS.parent / "images" / "7").iterdir()))
    assert main(["parity", str(DIGITS), str(exported[1]), picture]) == 0
    said = capsys.readouterr().out
    for words in ("17 layers matched by name, compared on 1 images", "only in b: block3/sum", "equal: no"):
        assert words in said
    half = str(exported[0].write(tmp_path, np.float16))
    assert main(["parity", str(DIGITS), half, picture]) == 1
    said = capsys.readouterr().out
    assert "apart from block1/conv on: differs by" in said
    assert main(["parity", str(DIGITS), half, picture, "--tolerance", "0.02"]) == 0


def test_mistakes_of_the_command_are_one_line(
    tmp_path: Path, layers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    a = str(saved(tmp_path / "a.npz", **layers))
    for words, said in (
        (["--map", "one"], "--map one: expected a=b"),
        (["--map", "one=tow"], "did you mean two"),
        (["--tolerance", "-1"], "tolerance"),
        ([str(tmp_path / "absent")], "absent: no such file"),
    ):
        assert main(["parity", a, a, *words]) == 2
        printed = capsys.readouterr().err
        assert said in printed
        assert printed.count("\n") == 1
