"""Which axis is which, without names: channels first and last told apart, tokens laid out as grids."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch_networks import ConvNeXtBlock, Layer, ViT, filled  # noqa: E402

from explorer.adapters.torch_modules import TorchModules  # noqa: E402
from explorer.capture.conformance import check_adapter  # noqa: E402
from explorer.capture.protocol import ModelOptions  # noqa: E402
from explorer.errors import ModelError  # noqa: E402


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def opened(module: nn.Module, **options: Any) -> TorchModules:
    adapter = TorchModules.open(module, ModelOptions(**options))
    assert adapter is not None
    return adapter


def shapes(module: nn.Module, input_shape: tuple[int, ...], **options: Any) -> dict[str, tuple[int, ...]]:
    infos = opened(module, **options).layers(input_shape)
    return {info.name: info.shape for info in infos if info.shape is not None}


def test_tokens_lie_where_their_patches_lie_and_the_others_are_set_apart() -> None:
    module, inputs = filled(ViT(grid=(3, 5), registers=2)), images(2, 12, 20, 3)
    adapter = opened(module)
    infos = {info.name: info for info in adapter.layers((12, 20, 3))}
    assert infos["blocks.1"].shape == (3, 5, 6)
    tokens = [name for name in infos if name.startswith("blocks.1#")]
    assert tokens == ["blocks.1#token1", "blocks.1#token2", "blocks.1#token3"]
    assert infos["blocks.1#token1"].shape == (6,)
    found: list[torch.Tensor] = []
    module.eval()
    handle = module.blocks[1].register_forward_hook(lambda *given: found.append(given[-1]))
    with torch.no_grad():
        module(torch.from_numpy(np.moveaxis(inputs, -1, 1).copy()))
    handle.remove()
    captured = adapter.capture(inputs, ["blocks.1", *tokens])
    sequence = found[0].numpy()  # (batch, 3 + 15, channels)
    for number, name in enumerate(tokens):
        np.testing.assert_allclose(captured[name].values, sequence[:, number], atol=1e-5)
    for row in range(3):
        for column in range(5):
            expected = sequence[:, 3 + 5 * row + column]
            np.testing.assert_allclose(captured["blocks.1"].values[:, row, column], expected, atol=1e-5)


def test_a_patch_answers_at_the_place_where_it_lies() -> None:
    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 2, 4, stride=4), nn.LayerNorm(2, elementwise_affine=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(self.conv(x).flatten(2).transpose(1, 2))

    module = filled(Patches())
    picture = np.zeros((2, 8, 16, 1), np.float32)
    picture[0, 5, 14] = 9.0  # in the patch of row 1, column 3
    values = opened(module).capture(picture, ["norm"])["norm"].values
    assert values.shape == (2, 2, 4, 2)
    assert np.argwhere(np.abs(values[0] - values[1]).max(axis=-1) > 1e-3).tolist() == [[1, 3]]


@pytest.mark.parametrize("registers", [0, 4])
def test_no_and_many_registers(registers: int) -> None:
    found = shapes(ViT(grid=(2, 4), registers=registers), (8, 16, 3))
    assert found["norm"] == (2, 4, 6)
    assert sum(name.startswith("norm#") for name in found) == 1 + registers


def test_tokens_second_and_batch_first_are_told_apart() -> None:
    class Stack(nn.Module):
        """As in DETR: a convolution, then (tokens, batch, channels)."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 4, stride=4)
            layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            return self.encoder(x.flatten(2).permute(2, 0, 1)).permute(1, 2, 0).reshape(x.shape)

    module = filled(Stack())
    found = shapes(module, (8, 12, 3))
    assert found["encoder.layers.0"] == (2, 3, 8)
    assert found["output"] == (2, 3, 8)
    adapter = opened(module)
    check_adapter(adapter, images(3, 8, 12, 3))
    captured = adapter.capture(images(3, 8, 12, 3), ["encoder", "output"])
    np.testing.assert_allclose(captured["encoder"].values, captured["output"].values, atol=1e-6)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("length", [7, 8])
def test_sequences_are_given_as_the_model_takes_them(batch_first: bool, length: int) -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first)
    module = filled(nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)).eval()
    adapter, inputs = opened(module), images(3, length, 8)
    check_adapter(adapter, inputs)
    given = torch.from_numpy(inputs)
    with torch.no_grad():
        expected = module(given if batch_first else given.transpose(0, 1))
    expected = expected if batch_first else expected.transpose(0, 1)
    np.testing.assert_allclose(
        adapter.capture(inputs, ["output"])["output"].values, expected.numpy(), atol=1e-5
    )


@pytest.mark.parametrize("batch_first", [True, False])
def test_recurrent_layers_answer_sequences_and_states(batch_first: bool) -> None:
    module, inputs = filled(nn.LSTM(4, 3, num_layers=2, batch_first=batch_first)), images(5, 7, 4)
    adapter = opened(module)
    found = {info.name: info.shape for info in adapter.layers((7, 4))}
    assert found == {"output.0": (7, 3), "output.1.0": (2, 3), "output.1.1": (2, 3)}
    given = torch.from_numpy(inputs)
    with torch.no_grad():
        expected, (state, _) = module(given if batch_first else given.transpose(0, 1))
    captured = adapter.capture(inputs, ["output.0", "output.1.0"])
    right = expected if batch_first else expected.transpose(0, 1)
    np.testing.assert_allclose(captured["output.0"].values, right.numpy(), atol=1e-6)
    np.testing.assert_allclose(captured["output.1.0"].values, state.transpose(0, 1).numpy(), atol=1e-6)


def test_signals_come_with_channels_first_even_when_as_long_as_wide() -> None:
    module = filled(nn.Sequential(nn.Conv1d(6, 6, 1), nn.ReLU()))
    inputs = images(2, 6, 6)
    with torch.no_grad():
        expected = module(torch.from_numpy(inputs.transpose(0, 2, 1).copy())).numpy().transpose(0, 2, 1)
    np.testing.assert_allclose(opened(module).capture(inputs, ["1"])["1"].values, expected, atol=1e-6)


def test_channels_that_are_as_many_as_positions_are_told_by_growing_the_picture() -> None:
    module = filled(nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), ConvNeXtBlock(8)))
    inputs = images(2, 32, 32, 3)
    adapter = opened(module)
    values = adapter.capture(inputs, ["1", "1.norm", "1.depth"])
    with torch.no_grad():
        stem = module[0](torch.from_numpy(np.moveaxis(inputs, -1, 1).copy()))
        expected = {"1": module[1](stem), "1.depth": module[1].depth(stem)}
        inside = module[1].norm(expected["1.depth"].permute(0, 2, 3, 1))
    for name, tensor in expected.items():
        np.testing.assert_allclose(values[name].values, tensor.permute(0, 2, 3, 1).numpy(), atol=1e-5)
    np.testing.assert_allclose(values["1.norm"].values, inside.numpy(), atol=1e-5)


class Windows(nn.Module):
    """As in Swin: channels last throughout, layers on windows, patches merged by two."""

    def __init__(self, fixed: bool) -> None:
        super().__init__()
        self.patches, self.fixed = nn.Conv2d(3, 8, 4, stride=4), fixed
        self.norm, self.act, self.window = nn.LayerNorm(8), nn.Identity(), Layer(8)
        self.merge, self.drop = nn.Linear(32, 16, bias=False), nn.Dropout(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.fixed and x.shape[2:] != (32, 64):
            raise ValueError("of one size only")
        x = self.act(self.norm(self.patches(x).permute(0, 2, 3, 1)))
        b, h, w, c = x.shape
        windows = x.reshape(b, h // 4, 4, w // 4, 4, c).transpose(2, 3).reshape(-1, 16, c)
        windows = self.window(windows).reshape(b, h // 4, w // 4, 4, 4, c)
        x = x + windows.transpose(2, 3).reshape(b, h, w, c)
        merged = x.reshape(b, h // 2, 2, w // 2, 2, c).transpose(2, 3).reshape(b, h // 2, w // 2, 4 * c)
        return self.drop(self.merge(merged)).flatten(1, 2)


@pytest.mark.parametrize("fixed", [True, False])
def test_channels_last_windows_and_merged_patches(fixed: bool) -> None:
    adapter = opened(filled(Windows(fixed)))
    found = {info.name: info.shape for info in adapter.layers((32, 64, 3))}
    assert found["norm"] == found["act"] == (8, 16, 8)
    assert found["merge"] == found["drop"] == (4, 8, 16)
    assert found["output"] == (4, 8, 16)  # a sequence again, on half the grid
    assert not any(name.startswith("window") for name in found)
    assert any("not listed: window.norm1" in note for note in adapter.notes)
    check_adapter(adapter, images(3, 32, 64, 3))


@pytest.mark.parametrize("fixed", [True, False])
def test_patches_without_a_convolution(fixed: bool) -> None:
    class Rearranged(nn.Module):
        """Patches of 4 × 4 pixels cut out by hand, a class token in front."""

        def __init__(self) -> None:
            super().__init__()
            self.embed, self.layer = nn.Linear(48, 6), Layer(6)
            self.start = nn.Parameter(torch.zeros(1, 1, 6))
            self.places = nn.Parameter(torch.zeros(1, 6, 6)) if fixed else None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            b, c, h, w = x.shape
            x = x.reshape(b, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(b, -1, 16 * c)
            x = self.embed(x)
            x = x if self.places is None else x + self.places
            return self.layer(torch.cat([self.start.expand(b, -1, -1), x], dim=1))

    module = filled(Rearranged())
    found = shapes(module, (8, 12, 3))
    assert found["embed"] == found["layer"] == (2, 3, 6)
    assert found["layer#token"] == (6,)
    check_adapter(opened(module), images(3, 8, 12, 3))
    picture = np.zeros((2, 8, 12, 3), np.float32)
    picture[0, 2, 9] = 3.0
    values = opened(module).capture(picture, ["embed"])["embed"].values
    assert np.argwhere(np.abs(values[0] - values[1]).max(axis=-1) > 1e-3).tolist() == [[0, 2]]


def test_a_sequence_that_fits_no_grid_stays_one() -> None:
    class Queries(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 4, stride=4), nn.LayerNorm(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = self.conv(x).flatten(2).transpose(1, 2)
            return self.norm(tokens[:, :5].repeat(1, 20, 1))

    assert shapes(Queries(), (8, 12, 3))["norm"] == (100, 4)
    sequence = nn.Sequential(nn.Conv1d(2, 4, 3), nn.Flatten(2), nn.ReLU())
    assert shapes(sequence, (16, 2))["2"] == (14, 4)


def test_layout_decides_what_is_given_and_what_no_rule_is_sure_of() -> None:
    class Last(nn.Module):
        """Takes and answers channels last, as many as rows and columns."""

        def __init__(self) -> None:
            super().__init__()
            self.dense, self.act = nn.Linear(4, 4), nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.act(self.dense(x))

    module, inputs = filled(Last()), images(2, 4, 4, 4)
    with torch.no_grad():
        right = module(torch.from_numpy(inputs)).numpy()
    told = opened(module, layout="channels_last").capture(inputs, ["act", "dense"])
    np.testing.assert_allclose(told["act"].values, right, atol=1e-6)
    np.testing.assert_allclose(told["dense"].values, right, atol=1e-6)
    guessed = opened(module).capture(inputs, ["dense"])["dense"].values
    assert not np.allclose(guessed, right, atol=1e-3)  # either fits, and first is what PyTorch holds usual
    with pytest.raises(ModelError, match=r"layout chanels_last: did you mean channels_last"):
        opened(module, layout="chanels_last")


def test_channels_last_is_found_where_first_is_refused_and_said() -> None:
    adapter = opened(nn.Sequential(nn.Linear(3, 5), nn.GELU()))
    assert {info.shape for info in adapter.layers((6, 7, 3))} == {(6, 7, 5)}
    assert "inputs are given to the model with channels last" in adapter.notes


def test_volumes_and_attention_maps_have_up_to_three_spatial_axes() -> None:
    assert shapes(nn.Sequential(nn.Conv3d(2, 4, 2), nn.GELU()), (4, 5, 6, 2))["1"] == (3, 4, 5, 4)

    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.softmax, self.all = nn.Conv2d(3, 8, 4, stride=4), nn.Softmax(-1), nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            keys = self.conv(x).flatten(2).unflatten(1, (2, 4)).transpose(2, 3)
            maps = self.softmax(keys @ keys.transpose(2, 3))  # (batch, heads, tokens, tokens)
            return self.all(maps.mean(1))

    found = shapes(Heads(), (8, 12, 3))
    assert found["softmax"] == (6, 6, 2)  # heads are what does not grow with the picture
    assert found["all"] == (2, 3, 6)  # at each patch, how it looks at every patch
