"""State dicts are recognised in whatever wraps them and placed in a copy; what does not fit is named."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402
from torch_networks import ResNet, filled  # noqa: E402

from explorer.adapters.torch_modules import TorchModules  # noqa: E402
from explorer.adapters.torch_weights import numpy_type, to_numpy, to_torch  # noqa: E402
from explorer.capture.protocol import ModelOptions  # noqa: E402
from explorer.errors import CheckpointError, ModelError  # noqa: E402

State = dict[str, Any]
INPUTS = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)


def opened(module: nn.Module, **options: Any) -> TorchModules:
    adapter = TorchModules.open(module, ModelOptions(**options))
    assert adapter is not None
    return adapter


def head(adapter: TorchModules) -> np.ndarray:
    return adapter.capture(INPUTS, ["head"])["head"].values


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    return filled(ResNet(), seed=7)


def renamed(state: State, prefix: str) -> State:
    return {prefix + name: leaf for name, leaf in state.items()}


WRAPPED: dict[str, tuple[Callable[[State], Any], str]] = {
    "bare": (lambda state: state, ""),
    "nested": (lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"lr": 0.1}}, "state_dict"),
    "model": (lambda state: {"model": state, "args": None}, "model"),
    "data parallel": (lambda state: renamed(state, "module."), "module"),
    "nested and parallel": (lambda state: {"net": renamed(state, "module.")}, "net.module"),
    "compiled": (lambda state: renamed(state, "_orig_mod."), "_orig_mod"),
    "with an average": (lambda state: {"model_ema": renamed(state, ""), "model": state}, "model"),
    "in a lightning module": (
        lambda state: {"state_dict": {**renamed(state, "model."), "loss.weight": torch.ones(3)}},
        "state_dict.model",
    ),
}


@pytest.mark.parametrize("name", WRAPPED)
@pytest.mark.parametrize("old", [False, True])
def test_the_weights_are_found_and_said_where(
    name: str, old: bool, trained: nn.Module, tmp_path: Path
) -> None:
    wrap, place = WRAPPED[name]
    path = tmp_path / "net.pt"
    torch.save(wrap(dict(trained.state_dict())), path, _use_new_zipfile_serialization=not old)
    adapter = opened(ResNet(), checkpoint=path)
    assert np.array_equal(head(adapter), head(opened(trained)))
    found = adapter.provenance
    assert found["found_under"] == place
    assert (found["format"], found["checkpoint"]) == ("torch", str(path))
    assert found["digest"] == opened(trained).provenance["digest"]


def test_safetensors_and_weights_in_memory_give_the_same(trained: nn.Module, tmp_path: Path) -> None:
    save_file(trained.state_dict(), tmp_path / "net.safetensors")
    for options in (
        {"checkpoint": tmp_path / "net.safetensors"},
        {"variables": trained.state_dict()},
        {"variables": {name: leaf.numpy() for name, leaf in trained.state_dict().items()}},
        {"variables": {"params": renamed(trained.state_dict(), "module.")}},
    ):
        adapter = opened(ResNet(), **options)
        assert np.array_equal(head(adapter), head(opened(trained)))
        assert adapter.provenance["digest"] == opened(trained).provenance["digest"]


def test_the_module_that_was_given_keeps_its_own_weights(trained: nn.Module) -> None:
    module = filled(ResNet(), seed=1).train()
    before = {name: leaf.clone() for name, leaf in module.state_dict().items()}
    adapter = opened(module, variables=trained.state_dict())
    assert np.array_equal(head(adapter), head(opened(trained)))
    assert all(torch.equal(leaf, before[name]) for name, leaf in module.state_dict().items())
    with torch.no_grad():
        module.head.bias.add_(5.0)
    assert np.array_equal(head(adapter), head(opened(trained)))


def test_a_mismatch_names_the_counts_and_the_leaves(trained: nn.Module, tmp_path: Path) -> None:
    state = dict(trained.state_dict())
    state["extra.weight"] = torch.ones(2)
    state["head.bias"] = torch.ones(9)
    state["blocks.0.norm.running_var"] = torch.ones(4, dtype=torch.int32)
    del state["stem.weight"]
    torch.save({"state_dict": state}, tmp_path / "net.pth")
    with pytest.raises(CheckpointError) as caught:
        opened(ResNet(), checkpoint=tmp_path / "net.pth")
    assert str(caught.value) == (
        f"{tmp_path / 'net.pth'}, under state_dict: does not fit the model: 1 missing, 2 misshapen, 1 extra "
        "of 18 arrays (missing stem/weight (4, 3, 3, 3); misshapen blocks/0/norm/running_var of int32, "
        "the model has float32; misshapen head/bias (9,), the model has (3,); …)"
    )
    with pytest.raises(CheckpointError, match=r"16 missing, 0 misshapen, 1 extra"):
        opened(ResNet(), variables={"other": np.ones(3)})
    with pytest.raises(CheckpointError, match=r"absent\.pt: no such file"):
        opened(ResNet(), checkpoint=tmp_path / "absent.pt")


def test_tied_weights_may_be_kept_once(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
            self.two.weight = self.one.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.two(torch.relu(self.one(x)))

    weight = np.arange(9, dtype=np.float32).reshape(3, 3)
    inputs = INPUTS[:, 0, 0]
    expected = np.maximum(inputs @ weight.T, 0) @ weight.T
    for name in ("one.weight", "two.weight"):
        adapter = opened(Tied(), variables={name: weight})
        found = adapter.capture(inputs, ["two"])["two"].values
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        module = adapter._forward.module
        assert module.one.weight is module.two.weight


def test_precision_follows_the_module_and_bfloat16_survives(tmp_path: Path) -> None:
    trained = filled(ResNet(), seed=3).to(torch.bfloat16)
    for path in (tmp_path / "net.pt", tmp_path / "net.safetensors"):
        (save_file if path.suffix == ".safetensors" else torch.save)(trained.state_dict(), path)
        for dtype in (torch.bfloat16, torch.float32):
            adapter = opened(ResNet().to(dtype), checkpoint=path)
            expected = trained.state_dict()["stem.weight"].to(dtype)
            assert torch.equal(adapter._forward.module.stem.weight, expected)


def test_buffers_that_are_not_saved_and_extra_state_are_left_alone(trained: nn.Module) -> None:
    class Extra(ResNet):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("scale", torch.full((1,), 2.0), persistent=False)

        def get_extra_state(self) -> dict[str, int]:
            return {"version": 3}

        def set_extra_state(self, state: Any) -> None:
            raise AssertionError("not called")

    adapter = opened(Extra(), variables=trained.state_dict())
    assert np.array_equal(head(adapter), head(opened(trained)))
    assert adapter._forward.module.scale.item() == 2.0


def test_weights_of_before_batches_were_counted_fit(trained: nn.Module, tmp_path: Path) -> None:
    old = {name: leaf for name, leaf in trained.state_dict().items() if "num_batches" not in name}
    torch.save(old, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    adapter = opened(ResNet(), checkpoint=tmp_path / "pytorch_model.bin")
    assert np.array_equal(head(adapter), head(opened(trained)))


@pytest.mark.parametrize("name", ["weight_norm", "spectral_norm", "orthogonal"])
def test_parametrised_modules_are_copied_and_captured(name: str) -> None:
    make = getattr(nn.utils.parametrizations, name)
    one, other = (filled(nn.Sequential(make(nn.Linear(3, 3))), seed).train() for seed in (0, 1))
    inputs = INPUTS[:, 0, 0]
    with torch.no_grad():
        expected = one.eval()(torch.from_numpy(inputs)).numpy()
    adapter = opened(other, variables=one.state_dict())
    for _ in range(2):
        np.testing.assert_allclose(adapter.capture(inputs, ["0"])["0"].values, expected, atol=1e-5)


def test_a_state_that_is_no_tensor_is_refused() -> None:
    class Packed(nn.Linear):
        def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
            destination[prefix + "packed"] = (self.weight, self.bias)

    with pytest.raises(ModelError, match=r"Packed: packed is kept as tuple, expected a tensor"):
        opened(Packed(3, 3))


def test_a_module_that_cannot_be_copied_is_loaded_into(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # weight_norm is deprecated, and in every vocoder
        normed = nn.Sequential(nn.utils.weight_norm(nn.Linear(3, 3)))
        other = nn.Sequential(nn.utils.weight_norm(nn.Linear(3, 3)))
    inputs = INPUTS[:, 0, 0]
    expected = opened(normed).capture(inputs, ["0"])["0"].values
    adapter = opened(other, variables=normed.state_dict())
    np.testing.assert_allclose(adapter.capture(inputs, ["0"])["0"].values, expected, atol=1e-6)


def test_a_module_without_shapes_is_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lazy = nn.LazyLinear(3)
    with pytest.raises(ModelError, match=r"LazyLinear: weight has no shape yet; run the module once"):
        opened(lazy)


def test_tensors_and_arrays_are_the_same_both_ways() -> None:
    kinds = (torch.bfloat16, torch.float8_e4m3fn, torch.float16, torch.int64, torch.bool, torch.complex64)
    for dtype in kinds:
        tensor = torch.arange(6).reshape(2, 3).to(torch.float32).to(dtype)
        again = to_torch(to_numpy(tensor))
        assert again.dtype == dtype
        assert torch.equal(again.to(torch.complex64), tensor.to(torch.complex64))
    with pytest.raises(ModelError, match=r"quint8 have no counterpart"):
        numpy_type(torch.quint8)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
def test_weights_alone_are_no_model(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds weights and no model; .* factory ="):
        TorchModules.open(tmp_path / f"net{suffix}", ModelOptions())
    assert TorchModules.open(tmp_path / "net.onnx", ModelOptions()) is None


def test_torchscript_is_told_apart_from_weights(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "traced.pt"
    with zipfile.ZipFile(path, "w") as archive:  # as torch.jit.save lays it out
        archive.writestr("traced/code/__torch__.py", "raise SystemExit")
        archive.writestr("traced/data.pkl", b"")
    with pytest.raises(ModelError, match=r"TorchScript shows nothing of its parts; .*\.pt2"):
        TorchModules.open(path, ModelOptions())
