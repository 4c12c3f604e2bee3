"""A training is followed in any framework: weights in files, Orbax steps, or models that stand alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer.demo import DIGITS

IMAGES = np.random.default_rng(0).normal(size=(6, 8, 8, 1)).astype(np.float32)
STEPS = (1, 9, 10)
Form = tuple[Any, Any, str]


def kernels() -> dict[int, np.ndarray[Any, Any]]:
    """(3, 3, 1, 4) of each step."""
    return {s: np.random.default_rng(s).normal(size=(3, 3, 1, 4)).astype(np.float32) for s in STEPS}


def linen_msgpack(folder: Path) -> Form:
    import flax.linen as nn
    import jax
    from flax import serialization

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            return nn.relu(nn.Conv(4, (3, 3), use_bias=False, name="conv")(x))

    for step, kernel in kernels().items():
        tree = {"params": {"conv": {"kernel": kernel}}}
        (folder / f"step{step}.msgpack").write_bytes(serialization.to_bytes(tree))
    return Net(), folder, "conv"


def linen_orbax(folder: Path) -> Form:
    import orbax.checkpoint as ocp

    with ocp.StandardCheckpointer() as saver:
        for step, kernel in kernels().items():
            saver.save(folder / str(step), {"params": {"conv": {"kernel": kernel}}})
    place = folder.parent / "other"
    place.mkdir()
    return linen_msgpack(place)[0], folder, "conv"


def jax_npz(folder: Path) -> Form:
    import jax

    def net(params: Any, x: jax.Array) -> jax.Array:
        with jax.named_scope("conv"):
            return jax.lax.conv_general_dilated(
                x, params["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )

    for step, kernel in kernels().items():
        np.savez(folder / f"w_{step}.npz", allow_pickle=False, kernel=kernel)
    return net, folder, "conv"


def torch_safetensors(folder: Path) -> Form:
    torch = pytest.importorskip("torch")
    save_file = pytest.importorskip("safetensors.numpy").save_file
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, padding=1, bias=False))
    for step, kernel in kernels().items():
        weight = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        save_file({"0.weight": weight}, folder / f"epoch{step}.safetensors")
    return net, folder, "0"


def torch_pt(folder: Path) -> Form:
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, padding=1, bias=False))
    for step, kernel in kernels().items():
        torch.save({"0.weight": torch.tensor(kernel.transpose(3, 2, 0, 1).copy())}, folder / f"e-{step}.pt")
    return net, folder, "0"


def onnx_alone(folder: Path) -> Form:
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    for step, kernel in kernels().items():
        weight = numpy_helper.from_array(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)), "w")
        node = helper.make_node("Conv", ["x", "w"], ["conv_out"], name="conv", pads=[1, 1, 1, 1])
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, 8, 8])
            for name, channels in (("x", 1), ("conv_out", 4))
        ]
        graph = helper.make_graph([node], "net", ends[:1], ends[1:], [weight])
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(made, folder / f"net_{step}.onnx")
    return folder, None, "conv"


FORMS = (linen_msgpack, linen_orbax, jax_npz, torch_safetensors, torch_pt, onnx_alone)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_each_epochs_values_are_those_of_its_weights(form: Any, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    model, checkpoints, layer = form(folder)
    found = explorer.evolve(
        model,
        IMAGES,
        checkpoints=checkpoints,
        layer=layer,
        method="pca",
        n_components=2,
        out=tmp_path / "out",
    )
    assert found.epochs == ("1", "9", "10")
    padded = np.pad(IMAGES, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, :, :, 0]
    for run, kernel in zip(found.runs, kernels().values(), strict=True):
        expected = np.einsum("nhwij,ijc->nhwc", windows, kernel[:, :, 0])
        np.testing.assert_allclose(run[found.layer].values, expected, atol=1e-4)


def test_activations_captured_elsewhere_are_epochs_too(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    values = {step: np.random.default_rng(step).normal(size=(5, 6, 6, 3)) for step in STEPS}
    for step, layer in values.items():
        np.savez(tmp_path / "kept" / f"{step}.npz", allow_pickle=False, layer=layer)
    found = explorer.evolve(tmp_path / "kept", method="pca", out=tmp_path / "out")
    assert found.epochs == ("1", "9", "10")
    np.testing.assert_allclose(found.runs[1]["layer"].values, values[9])
    (tmp_path / "kept" / "9.npz").write_bytes(b"PK\x03\x04 cut off")
    again = explorer.evolve(tmp_path / "kept", method="pca", out=tmp_path / "out")
    assert again.epochs == ("1", "10")
    assert again.left_out[0].startswith(f"9: {tmp_path / 'kept' / '9.npz'}")


def test_a_model_toml_brings_its_checkpoints(tmp_path: Path) -> None:
    images = sorted((DIGITS.parent / "images").glob("*/*.png"))[::40]
    found = explorer.evolve(DIGITS, images, layer="block1", method="pca", sample=200, out=tmp_path / "out")
    assert found.epochs == ("0", "1", "2", "4", "8", "16")
    assert found.runs[0].n_images == len(images)
    text = DIGITS.read_text(encoding="utf-8").replace("step = 16\n", "")
    place = (DIGITS.parent / "checkpoints" / "16").as_posix()
    (tmp_path / "model.toml").write_text(text.replace('"checkpoints"', f'"{place}"'), encoding="utf-8")
    one_step = explorer.evolve(
        tmp_path / "model.toml", images, layer="block1", method="pca", sample=200, out=tmp_path / "out"
    )
    assert one_step.epochs == found.epochs  # those beside the one that it names
    assert "there already: 0, 1, 2, 4, 8, 16" in one_step.notes
    one = explorer.load_model(DIGITS, step=4)
    same = explorer.capture(one, images, layers=["block1"])
    np.testing.assert_array_equal(found.runs[3]["block1"].values, same["block1"].values)


@pytest.mark.slow
def test_on_the_demo_the_digits_come_apart(tmp_path: Path) -> None:
    found = explorer.evolve(DIGITS, sample=3000, out=tmp_path / "out")
    separation = [one.separation or 0.0 for one in found.figures]
    assert separation == sorted(separation)
    assert separation[0] < 0.05 < 0.5 < separation[-1]
    assert all((one.trust or 0) > 0.9 for one in found.figures)
    moved = [one.moved or 0.0 for one in found.figures[1:]]
    assert max(moved[:2]) > 0.5 > moved[-1]
    labels = np.array(found.runs[0].labels)[found.projections[0].positions()[:, 0]]
    on_the_map = [
        explorer.reduce.representation.separation(one.coordinates, labels.tolist())  # type: ignore[attr-defined]
        for one in found.projections
    ]
    assert on_the_map[0] < 0.1 < 0.8 < on_the_map[-1]


def test_without_checkpoints_there_is_one_line(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", layer=IMAGES)
    with pytest.raises(explorer.InputError, match="name its checkpoints"):
        explorer.evolve(tmp_path / "a.npz", out=tmp_path / "out")
    (tmp_path / "model.toml").write_text('[model]\nfile = "a.npz"\n', encoding="utf-8")
    with pytest.raises(explorer.InputError, match=r"model\.toml: names no checkpoint"):
        explorer.evolve(tmp_path / "model.toml", out=tmp_path / "out")
