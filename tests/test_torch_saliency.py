"""Saliency of PyTorch networks against captum, which knows nothing of this package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import explorer

torch: Any = pytest.importorskip("torch")
attr: Any = pytest.importorskip("captum.attr")

from torch import nn  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:captum")  # it says that it sets hooks
SIDE, CLASS = 16, 2


class Net(nn.Module):
    """Two convolutions with ReLUs and pooling, and a class for each of five."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.act1 = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.second, self.act2 = nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()
        self.head = nn.Linear(8 * 8 * 8, 5)

    def forward(self, x: Any) -> Any:
        x = self.pool(self.act1(self.first(x)))
        return self.head(self.act2(self.second(x)).flatten(1))


@pytest.fixture(scope="module")
def net() -> Any:
    torch.manual_seed(0)
    return Net().eval()


@pytest.fixture(scope="module")
def inputs() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(3, SIDE, SIDE, 3)).astype(np.float32)


def theirs(found: Any) -> NDArray[Any]:
    """(batch, channels, height, width) with channels last."""
    return np.moveaxis(found.detach().numpy(), 1, -1)


def given(inputs: NDArray[np.float32]) -> Any:
    return torch.from_numpy(np.moveaxis(inputs, -1, 1).copy())


def ours(net: Any, inputs: NDArray[np.float32], method: str, **settings: Any) -> Any:
    return explorer.saliency(net, inputs, method=method, target=CLASS, **settings)


def close(found: NDArray[Any], expected: NDArray[Any]) -> None:
    assert found.shape == expected.shape
    assert np.abs(expected).max() > 1e-3
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max() + 1e-7


def test_the_gradient_is_captums(net: Any, inputs: NDArray[np.float32]) -> None:
    expected = theirs(attr.Saliency(net).attribute(given(inputs), target=CLASS))
    close(ours(net, inputs, "gradient").values, expected.max(axis=-1))


def test_gradient_times_input_is_captums(net: Any, inputs: NDArray[np.float32]) -> None:
    expected = theirs(attr.InputXGradient(net).attribute(given(inputs), target=CLASS))
    close(ours(net, inputs, "gradient-x-input").values, expected.sum(axis=-1))


@pytest.mark.parametrize("steps", [8, 32])
def test_integrated_gradients_are_captums(net: Any, inputs: NDArray[np.float32], steps: int) -> None:
    found, delta = attr.IntegratedGradients(net).attribute(
        given(inputs), target=CLASS, n_steps=steps, method="gausslegendre", return_convergence_delta=True
    )
    result = ours(net, inputs, "integrated-gradients", steps=steps)
    close(result.values, theirs(found).sum(axis=-1))
    with torch.no_grad():
        gain = (net(given(inputs)) - net(torch.zeros_like(given(inputs))))[:, CLASS].numpy()
    assert np.allclose(result.completeness, np.abs(delta.numpy() / gain), rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("layer", ["second", "act2", "first"])
def test_grad_cam_is_captums(net: Any, inputs: NDArray[np.float32], layer: str) -> None:
    cam = attr.LayerGradCam(net, getattr(net, layer))
    expected = theirs(cam.attribute(given(inputs), target=CLASS, relu_attributions=True))[..., 0]
    result = ours(net, inputs, "grad-cam", at=layer)
    close(result.coarse, expected)
    assert result.values.shape == (3, SIDE, SIDE)


def test_guided_backpropagation_is_captums(net: Any, inputs: NDArray[np.float32]) -> None:
    expected = theirs(attr.GuidedBackprop(net).attribute(given(inputs), target=CLASS))
    plain = theirs(attr.Saliency(net).attribute(given(inputs), target=CLASS, abs=False))
    assert not np.allclose(expected, plain)
    close(ours(net, inputs, "guided-backprop").values, np.abs(expected).max(axis=-1))


def test_occlusion_is_captums(net: Any, inputs: NDArray[np.float32]) -> None:
    with torch.no_grad():
        found = attr.Occlusion(net).attribute(
            given(inputs), target=CLASS, sliding_window_shapes=(3, 4, 4), strides=(3, 2, 2), baselines=0
        )
    close(ours(net, inputs, "occlusion", window=4).values, theirs(found)[..., 0])


def test_nothing_is_left_in_the_module(inputs: NDArray[np.float32]) -> None:
    torch.manual_seed(0)
    net = Net()
    assert net.training
    net.first.weight.requires_grad_(False)
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    for method in ("gradient", "grad-cam", "guided-backprop", "integrated-gradients"):
        ours(net, inputs, method)
    with pytest.raises(explorer.LayerError, match="second does not depend on act2"):
        explorer.saliency(net, inputs, method="grad-cam", layer="second", channel=0, at="act2")
    assert net.training
    assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())
    for name, weight in net.named_parameters():
        assert weight.grad is None
        assert weight.requires_grad == (name != "first.weight")
    for part in net.modules():
        assert not part._forward_hooks
        assert not part._backward_hooks
        assert not part._forward_pre_hooks


def test_an_exported_program_has_the_same_maps(net: Any, inputs: NDArray[np.float32], tmp_path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(net, (given(inputs),), dynamic_shapes=({0: batch},))
    path = tmp_path / "net.pt2"
    torch.export.save(program, path)
    for method in ("gradient", "integrated-gradients", "grad-cam", "guided-backprop"):
        close(ours(path, inputs, method).values, ours(net, inputs, method).values)
