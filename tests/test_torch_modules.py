"""PyTorch modules: their layers, values in inference mode, and what is left behind, which is nothing."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch_networks import ConvNeXtBlock, ResNet, UNet, ViT, filled  # noqa: E402

import explorer  # noqa: E402
from explorer.adapters.torch_modules import TorchModules  # noqa: E402
from explorer.capture.conformance import check_adapter  # noqa: E402
from explorer.capture.protocol import ModelOptions  # noqa: E402
from explorer.errors import InputError, LayerError, ModelError  # noqa: E402


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def opened(module: nn.Module, **options: Any) -> TorchModules:
    adapter = TorchModules.open(module, ModelOptions(**options))
    assert adapter is not None
    return adapter


def first(inputs: np.ndarray) -> torch.Tensor:
    """(batch, *spatial, channels) as PyTorch has it."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(inputs, -1, 1)))


def last(tensor: torch.Tensor) -> np.ndarray:
    """A tensor with channels first as we have it."""
    return np.moveaxis(tensor.detach().numpy(), 1, -1)


@contextmanager
def hooks_by_hand(module: nn.Module) -> Iterator[dict[str, list[torch.Tensor]]]:
    """What anybody would write: a copy of each module's answer, as often as it is called."""
    found: dict[str, list[torch.Tensor]] = {}

    def keep(name: str) -> Any:
        return lambda _module, _inputs, answer: found.setdefault(name, []).append(answer.clone())

    named = [(name, part) for name, part in module.named_modules() if name]
    handles = [part.register_forward_hook(keep(name)) for name, part in named]
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield found
    finally:
        module.train(training)
        for handle in handles:
            handle.remove()


NETWORKS = {
    "unet": (UNet, (8, 12, 3)),
    "resnet": (ResNet, (8, 8, 3)),
    "vit": (ViT, (12, 20, 3)),
    "convnext": (lambda: nn.Sequential(nn.Conv2d(3, 8, 4, 4), ConvNeXtBlock(8)), (32, 32, 3)),
    "signals": (lambda: nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.ReLU(True)), (16, 2)),
    "volumes": (lambda: nn.Sequential(nn.Conv3d(2, 4, 3), nn.ReLU(True), nn.MaxPool3d(2)), (6, 7, 8, 2)),
    "vectors": (lambda: nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.5)), (4,)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_keeps_the_contract(name: str) -> None:
    make, shape = NETWORKS[name]
    check_adapter(opened(filled(make()).train()), images(3, *shape))


@pytest.mark.parametrize("name", ["unet", "resnet", "convnext", "signals", "volumes", "vectors"])
def test_values_are_those_of_hooks_written_by_hand(name: str) -> None:
    make, shape = NETWORKS[name]
    module = filled(make())
    inputs = images(3, *shape)
    with hooks_by_hand(module) as expected:
        module(first(inputs))
    adapter = opened(module)
    infos = {info.name: info for info in adapter.layers(shape)}
    captured = adapter.capture(inputs, list(infos))
    for path, calls in expected.items():
        for number, tensor in enumerate(calls, start=1):
            layer = path if len(calls) == 1 else f"{path}#{number}"
            inside = name == "convnext" and path.split(".")[-1] in ("norm", "wide", "act", "thin")
            values = tensor.numpy() if inside else last(tensor)
            np.testing.assert_allclose(captured[layer].values, values, atol=1e-6, err_msg=layer)
            assert infos[layer].shape == values.shape[1:], layer


def test_layers_are_named_by_path_in_the_order_they_answer() -> None:
    infos = opened(ResNet()).layers((8, 8, 3))
    assert [info.name for info in infos] == [
        *("stem", "act#1"),
        *("blocks.0.conv", "blocks.0.norm", "blocks.0.drop", "blocks.0"),
        *("blocks.1.conv", "blocks.1.norm", "blocks.1.drop", "blocks.1"),
        *("twice#1", "act#2", "twice#2", "pool", "head", "output"),
    ]
    known = {info.name: info for info in infos}
    assert (known["stem"].kind, known["stem"].shape, known["stem"].parameters) == ("Conv2d", (4, 4, 4), 112)
    assert known["output"].parameters == sum(weight.numel() for weight in ResNet().parameters())


def test_outputs_in_dictionaries_and_lists_are_layers_each() -> None:
    module, inputs = filled(UNet()), images(2, 8, 12, 3)
    adapter = opened(module)
    names = [info.name for info in adapter.layers((8, 12, 3))][-3:]
    assert names == ["output.logits", "output.skips.0", "output.skips.1"]
    captured = adapter.capture(inputs, names)
    with torch.no_grad():
        expected = copy.deepcopy(module).eval()(first(inputs))
    np.testing.assert_allclose(captured["output.logits"].values, last(expected["logits"]), atol=1e-6)
    np.testing.assert_allclose(captured["output.skips.1"].values, last(expected["skips"][1]), atol=1e-6)


def test_a_place_in_an_answer_is_not_taken_for_a_module() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.__dict__["calls"] = 0
            self.add_module("0", nn.Linear(3, 4))

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            y = self.get_submodule("0")(x)
            return y, 2 * y

    names = [info.name for info in opened(nn.Sequential(Pair())).layers((3,))]
    assert names == ["0.0", "0[0]", "0.1", "output.0", "output.1"]


def state(module: nn.Module) -> tuple[Any, ...]:
    """Everything of a module that a careless capture would change."""
    return (
        [part.training for part in module.modules()],
        [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules()],
        {name: tensor.clone() for name, tensor in module.state_dict().items()},
        torch.random.get_rng_state(),
        torch.is_grad_enabled(),
        torch.backends.mha.get_fastpath_enabled(),
    )


def same(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    weights = all(torch.equal(before[2][name], after[2][name]) for name in before[2])
    return (
        weights and torch.equal(before[3], after[3]) and before[:2] == after[:2] and before[4:] == after[4:]
    )


def test_nothing_of_the_users_is_modified() -> None:
    module = filled(ResNet()).train()
    module.blocks[0].eval()  # frozen on its own, and to stay so
    before = state(module)
    adapter = opened(module)
    adapter.layers((8, 8, 3))
    adapter.capture(images(2, 8, 8, 3), ["blocks.1", "twice#1"])
    assert same(before, state(module))
    assert not any(weight.grad is not None for weight in module.parameters())


def test_hooks_and_modes_are_put_back_when_forward_raises() -> None:
    module = filled(ResNet()).train()
    adapter = opened(module)
    adapter.layers((8, 8, 3))
    broken = opened(module, call={"mood": "angry"})
    before = state(module)
    for fails in (lambda: broken.layers((8, 8, 3)), lambda: adapter.capture(images(2, 8, 8, 4), ["head"])):
        with pytest.raises(ModelError) as caught:
            fails()
        assert "\n" not in str(caught.value)
        assert same(before, state(module))
    with pytest.raises(ModelError, match=r"ResNet: does not take .* RuntimeError: boom$"):
        broken.layers((8, 8, 3))

    def refuse(*_: Any) -> None:
        raise KeyboardInterrupt

    handle = module.twice.register_forward_hook(refuse)
    before = state(module)
    with pytest.raises(KeyboardInterrupt):
        adapter.capture(images(2, 8, 8, 3), ["head"])
    assert same(before, state(module))
    handle.remove()


def test_an_early_layer_does_not_compute_the_rest() -> None:
    module = filled(ResNet())
    adapter = opened(module)
    adapter.layers((8, 8, 3))
    ran: list[str] = []
    for name, part in module.named_modules():
        part.register_forward_hook(lambda *_, name=name: ran.append(name))
    adapter.capture(images(2, 8, 8, 3), ["blocks.0.conv", "stem"])
    assert ran == ["stem", "act", "blocks.0.conv"]
    ran.clear()
    adapter.capture(images(2, 8, 8, 3), ["twice#1"])
    assert ran[-1] == "twice"
    ran.clear()
    adapter.capture(images(2, 8, 8, 3), ["twice#2"])
    assert ran.count("twice") == 2
    assert "pool" not in ran


def test_the_pass_is_ended_even_in_a_model_that_catches_everything() -> None:
    class Careless(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            try:
                return super().forward(x)
            except Exception:
                return x

    module = Careless(nn.Linear(3, 3), nn.Linear(3, 3))
    adapter = opened(module)
    adapter.layers((3,))
    went_on: list[bool] = []
    module.register_forward_hook(lambda *_: went_on.append(True))
    assert adapter.capture(images(2, 3), ["0"])["0"].values.shape == (2, 3)
    assert not went_on


def test_bfloat16_is_returned_as_float32_and_float16_as_it_is() -> None:
    for dtype, name in ((torch.bfloat16, "float32"), (torch.float16, "float16"), (torch.float64, "float64")):
        adapter = opened(filled(ResNet()).to(dtype))
        info = next(info for info in adapter.layers((8, 8, 3)) if info.name == "blocks.1")
        values = adapter.capture(images(2, 8, 8, 3), ["blocks.1"])["blocks.1"].values
        assert (values.dtype.name, info.dtype) == (name, name)
        assert torch.equal(
            torch.from_numpy(values).to(dtype).to(torch.float64), torch.from_numpy(values).double()
        )
    check_adapter(opened(filled(ResNet()).to(torch.bfloat16)), images(2, 8, 8, 3), tolerance=2**-6)


def test_the_values_are_the_captures_own() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))
    inputs = images(4, 3)
    adapter = opened(module)
    values = adapter.capture(inputs, ["0"])["0"].values
    assert values.min() < 0  # and not what the ReLU made of them in place
    kept = values.copy()
    adapter.capture(inputs + 1, ["0"])
    assert np.array_equal(values, kept)


def test_later_training_shows_in_the_values_and_in_the_digest() -> None:
    module = nn.Sequential(nn.Linear(3, 3))
    adapter = opened(module)
    before = adapter.capture(images(2, 3), ["0"])["0"].values
    digest = adapter.provenance["digest"]
    assert digest == opened(copy.deepcopy(module)).provenance["digest"]
    with torch.no_grad():
        module[0].bias.add_(1.0)
    np.testing.assert_allclose(adapter.capture(images(2, 3), ["0"])["0"].values, before + 1, atol=1e-6)
    assert adapter.provenance["digest"] != digest


def test_random_numbers_are_the_same_each_time() -> None:
    class Noisy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.dropout(x, 0.5, training=True)

    adapter = opened(nn.Sequential(Noisy()))
    one, two = (adapter.capture(images(2, 3), ["0"])["0"].values for _ in range(2))
    assert np.array_equal(one, two)


def test_wrappers_are_taken_off() -> None:
    module = filled(ResNet())
    expected = opened(module).capture(images(2, 8, 8, 3), ["blocks.0"])["blocks.0"].values
    wrapped = nn.DataParallel(module)
    assert np.array_equal(
        opened(wrapped).capture(images(2, 8, 8, 3), ["blocks.0"])["blocks.0"].values, expected
    )


def test_compiled_modules_are_run_as_they_were_written() -> None:
    module = filled(ResNet())
    expected = opened(module).capture(images(2, 8, 8, 3), ["blocks.0.conv"])["blocks.0.conv"].values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = torch.compile(module)
        module.blocks[0].compile()
        found = opened(whole).capture(images(2, 8, 8, 3), ["blocks.0.conv"])["blocks.0.conv"].values
    assert np.array_equal(found, expected)


def test_a_module_on_another_device_is_run_there() -> None:
    module = filled(ResNet()).to("meta")
    adapter = opened(module)
    assert adapter._forward.device.type == "meta"
    assert {info.name: info.shape for info in adapter.layers((8, 8, 3))}["stem"] == (4, 4, 4)


def test_what_cannot_be_followed_is_said() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scalar, self.fold, self.plain = nn.Identity(), nn.Identity(), nn.Linear(3, 3)
            self.norm = nn.BatchNorm1d(3, track_running_stats=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.scalar(x.mean())
            self.fold(x.reshape(-1, 1))
            return self.norm(self.plain(x))

    adapter = opened(Odd())
    assert [info.name for info in adapter.layers((3,))] == ["plain", "norm", "output"]
    said = "\n".join(adapter.notes)
    for words in ("not listed: scalar, fold", "norm: normalises each batch by itself", "torch.export"):
        assert words in said


def test_a_choice_that_depends_on_values_is_followed_by_computing() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.low, self.high = nn.Linear(3, 2), nn.Linear(3, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.high(x) if x.sum() > 0 else self.low(x)

    adapter = opened(Gate())
    assert [info.name for info in adapter.layers((3,))] == ["low", "output"]
    with pytest.raises(LayerError, match=r"with these inputs, layer 'low' is not reached"):
        adapter.capture(np.ones((2, 3), np.float32), ["low"])


def test_slashes_are_understood_and_unknown_layers_refused() -> None:
    adapter = opened(filled(ResNet()))
    captured = adapter.capture(images(2, 8, 8, 3), ["blocks/0/norm", "blocks.0.norm"])
    assert np.array_equal(captured["blocks/0/norm"].values, captured["blocks.0.norm"].values)
    with pytest.raises(LayerError, match="did you mean stem"):
        adapter.capture(images(2, 8, 8, 3), ["stemm"])
    with pytest.raises(InputError, match="expected \\(batch"):
        adapter.capture(images(2, 8, 8, 3)[:0], ["stem"])
    with pytest.raises(ModelError, match=r"give size under \[preprocessing\] or input_shape="):
        adapter.layers(None)


def test_scripted_modules_are_refused_and_other_objects_not_claimed() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        scripted = torch.jit.script(nn.Linear(3, 3))
    with pytest.raises(ModelError, match=r"give the nn\.Module it came from"):
        TorchModules.open(scripted, ModelOptions())
    assert TorchModules.open(object(), ModelOptions()) is None
    assert TorchModules.open(nn.Linear, ModelOptions()) is None


def test_load_model_takes_a_module() -> None:
    model = explorer.load_model(filled(ResNet()), input_shape=(8, 8, 3))
    assert model.adapter_name == "torch"
    assert model.default_layer() == "twice#2"
    assert model.provenance["framework"] == "torch"
    assert [info.name for info in model.find_layers(["blocks/0/conv", "stem"])] == ["blocks.0.conv", "stem"]
    with pytest.raises(LayerError, match=r"did you mean blocks\.0\.conv"):
        model.find_layers(["blocks/0/cnv"])
