"""Values of a PyTorch pass are those at the time the layer answered, whatever is written later."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import explorer  # noqa: E402


class Net(torch.nn.Module):
    """A convolution, and something that is done to what it answered."""

    def __init__(self, after: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(1, 3, 3, padding=1)
        self.table = torch.nn.Parameter(torch.randn(8, 3, 6, 6))
        self.part = torch.nn.Identity()
        self.after = after

    def forward(self, x: Any) -> Any:
        return self.after(self, self.conv(x))


def in_place(net: Net, x: Any) -> Any:
    return x.clamp_(min=0)


def past_the_count(net: Net, x: Any) -> Any:
    x.data.clamp_(min=0)
    return x + 0


def sometimes(net: Net, x: Any) -> Any:
    return x.clamp_(min=0) if float(x.mean()) > 0 else x + 0


def not_at_all(net: Net, x: Any) -> Any:
    return x + 1


@pytest.mark.parametrize("after", [in_place, past_the_count, sometimes, not_at_all])
def test_later_writes_do_not_show(after: Any) -> None:
    net = Net(after).eval()
    model = explorer.load_model(net, input_shape=(6, 6, 1))
    rng = np.random.default_rng(0)
    kept = []
    for shift in (-9, -9, 9, -9, 9):
        inputs = (rng.normal(size=(4, 6, 6, 1)) + shift * float(net.conv.weight.detach().sum())).astype(
            np.float32
        )
        with torch.no_grad():
            expected = net.conv(torch.from_numpy(inputs.transpose(0, 3, 1, 2))).numpy().transpose(0, 2, 3, 1)
        captured = model.adapter.capture(inputs, ["conv"])["conv"].values
        np.testing.assert_array_equal(captured, expected)
        kept.append((captured, expected))
    for captured, expected in kept:  # nor does a later pass
        np.testing.assert_array_equal(captured, expected)


def test_weights_that_are_answered_are_copied() -> None:
    net = Net(lambda net, x: net.part(net.table[: len(x)]) + x).eval()
    model = explorer.load_model(net, input_shape=(6, 6, 1))
    inputs = np.zeros((4, 6, 6, 1), np.float32)
    for _ in range(2):
        captured = model.adapter.capture(inputs, ["part"])["part"].values
        before = captured.copy()
        with torch.no_grad():
            net.table += 1
        np.testing.assert_array_equal(captured, before)


def test_values_that_are_not_numbers_come_whole() -> None:
    net = Net(not_at_all).eval()
    model = explorer.load_model(net, input_shape=(6, 6, 1))
    inputs = np.full((2, 6, 6, 1), np.nan, np.float32)
    for _ in range(2):
        assert np.isnan(model.adapter.capture(inputs, ["conv"])["conv"].values).all()


def test_passes_in_inference_mode_are_copied() -> None:
    net = Net(in_place).eval()
    model = explorer.load_model(net, input_shape=(6, 6, 1))
    inputs = np.random.default_rng(0).normal(size=(4, 6, 6, 1)).astype(np.float32)
    expected = model.adapter.capture(inputs, ["conv"])["conv"].values
    with torch.inference_mode():
        for _ in range(2):
            captured = model.adapter.capture(inputs, ["conv"])["conv"].values
            np.testing.assert_array_equal(captured, expected)
