"""Gradients of PyTorch modules and exported programs, and saliency against captum on the same network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import explorer
from explorer.capture.conformance import check_adapter
from explorer.capture.protocol import Differentiable

torch = pytest.importorskip("torch")
nn = torch.nn


class Net(nn.Module):  # type: ignore[name-defined,misc]
    """ReLUs as a module that works in place, as a function, and as a method; dropout; tuples."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.inplace = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.second = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        x = self.drop(self.inplace(self.first(x)))
        x = torch.relu(self.norm(self.second(x))).mean((2, 3))
        return self.head(x.relu())


@pytest.fixture
def net() -> Iterator[Any]:
    torch.manual_seed(0)
    made = Net().eval()
    made.norm.running_mean.uniform_(-0.2, 0.2)
    return made


def inputs() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 8, 10, 3)).astype(np.float32)


def given(net: Any, kind: str) -> Any:
    if kind == "program":
        batch = torch.export.Dim("batch", min=1, max=64)
        example = torch.zeros(2, 3, 8, 10)
        net = torch.export.export(net, (example,), dynamic_shapes={"x": {0: batch}})
    return explorer.load_model(net, input_shape=(8, 10, 3)).adapter


@pytest.mark.parametrize("kind", ["module", "program"])
def test_they_are_autograds(net: Any, kind: str) -> None:
    adapter = given(net, kind)
    assert isinstance(adapter, Differentiable)
    counts = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)
    x = torch.tensor(inputs()).permute(0, 3, 1, 2).requires_grad_()
    first = net.first(x)
    first.retain_grad()
    second = net.second(torch.relu(first))
    second.retain_grad()
    out = net.head(torch.relu(net.norm(second)).mean((2, 3)).relu())
    (out * torch.tensor(counts)).sum().backward()
    expected = {None: x.grad, "first": first.grad, "second": second.grad}
    for at, gradient in expected.items():
        found = adapter.gradient(inputs(), "head", counts, at=at)
        assert found.dtype == np.float32
        assert np.allclose(found, gradient.permute(0, 2, 3, 1).numpy(), atol=1e-6), at


@pytest.mark.parametrize("kind", ["module", "program"])
def test_an_adapter_with_them_conforms(net: Any, kind: str) -> None:
    check_adapter(given(net, kind), inputs())


@pytest.mark.parametrize("kind", ["module", "program"])
def test_guided_relus_pass_only_what_is_positive(net: Any, kind: str) -> None:
    counts = np.zeros((3, 5), np.float32)
    counts[:, 2] = 1
    found = given(net, kind).gradient(inputs(), "output", counts, guided=True)

    class Guided(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            context.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(context: Any, back: Any) -> Any:
            (x,) = context.saved_tensors
            return back.clamp(min=0) * (x > 0)

    x = torch.tensor(inputs()).permute(0, 3, 1, 2).requires_grad_()
    relu = Guided.apply
    out = net.head(relu(relu(net.norm(net.second(relu(net.first(x))))).mean((2, 3))))
    out[:, 2].sum().backward()
    assert np.allclose(found, x.grad.permute(0, 2, 3, 1).numpy(), atol=1e-6)


def test_the_module_is_left_as_it_was(net: Any) -> None:
    net.train()
    net.first.weight.requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    adapter = given(net, "module")
    adapter.gradient(inputs(), "output", np.ones((3, 5)), at="second", guided=True)
    net.second.weight.data = net.second.weight.data[:, :5]  # so that the pass breaks midway
    with pytest.raises(explorer.ModelError):
        adapter.gradient(inputs(), "output", np.ones((3, 5)), at="first")
    assert net.training
    assert net.drop.training
    assert all(not part._forward_hooks for part in net.modules())
    assert all(weight.grad is None for weight in net.parameters())
    assert [weight.requires_grad for weight in net.parameters()] == [False] + [True] * 7
    after = net.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items() if name != "second.weight")


def test_what_has_no_gradient_is_one_line(net: Any) -> None:
    adapter = given(net, "module")
    with pytest.raises(explorer.LayerError, match="first does not depend on second"):
        adapter.gradient(inputs(), "first", np.zeros((3, 8, 10, 6)), at="second")
    with pytest.raises(explorer.LayerError, match="no ReLU lies before first"):
        adapter.gradient(inputs(), "first", np.zeros((3, 8, 10, 6)), guided=True)
    with pytest.raises(explorer.InputError, match="cotangent has shape"):
        adapter.gradient(inputs(), "first", np.zeros((3, 8, 10)))


def test_tokens_and_answers_in_tuples_have_gradients() -> None:
    class Attention(nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.patch = nn.Conv2d(1, 4, 4, 4)
            self.token = nn.Parameter(torch.full((1, 1, 4), 0.3))
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
            self.head = nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            x = self.patch(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
            return self.head(x + self.attention(x, x, x)[0])[:, 0]

    torch.manual_seed(0)
    adapter: Any = explorer.load_model(Attention(), input_shape=(8, 12, 1)).adapter
    infos = {info.name: info for info in adapter.layers((8, 12, 1))}
    x = np.random.default_rng(0).normal(size=(2, 8, 12, 1)).astype(np.float32)
    for name in [name for name in infos if name.startswith(("attention", "patch"))]:
        assert infos[name].shape is not None
        counts = np.random.default_rng(1).normal(size=(2, *infos[name].shape)).astype(np.float32)
        step = np.zeros_like(x)
        step[:, 3, 5] = 1e-2
        ends = [adapter.capture(x + way * step, [name])[name].values.astype(np.float64) for way in (-1, 1)]
        slope = ((ends[1] - ends[0]) * counts).reshape(2, -1).sum(axis=1) / 2e-2
        assert np.allclose(adapter.gradient(x, name, counts)[:, 3, 5, 0], slope, atol=2e-3), name


def test_integrated_gradients_are_captums(net: Any) -> None:
    attr = pytest.importorskip("captum.attr")
    found = explorer.saliency(net, inputs(), method="integrated-gradients", target=3, steps=40, baseline=0.1)
    theirs = attr.IntegratedGradients(net).attribute(
        torch.tensor(inputs()).permute(0, 3, 1, 2),
        baselines=torch.full((1, 3, 8, 10), 0.1).expand(3, -1, -1, -1),
        target=3,
        n_steps=40,
        method="gausslegendre",
    )
    assert np.allclose(found.values, theirs.sum(dim=1).detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("at", ["first", "second", "norm"])
def test_gradcam_is_captums(net: Any, at: str) -> None:
    attr = pytest.importorskip("captum.attr")
    net.inplace.inplace = False  # captum keeps the very tensor that would be written over
    found = explorer.saliency(net, inputs(), method="grad-cam", target=3, at=at)
    x = torch.tensor(inputs()).permute(0, 3, 1, 2)
    theirs = attr.LayerGradCam(net, getattr(net, at)).attribute(x, target=3, relu_attributions=True)
    assert found.coarse is not None
    assert np.allclose(found.coarse, theirs[:, 0].detach().numpy(), atol=1e-6)


def test_guided_backpropagation_is_captums() -> None:
    attr = pytest.importorskip("captum.attr")
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 5)
    )
    x = torch.tensor(inputs()).permute(0, 3, 1, 2).requires_grad_()
    with pytest.warns(UserWarning, match="backward hooks"):
        theirs = attr.GuidedBackprop(net.eval()).attribute(x, target=3)
    found = explorer.saliency(net, inputs(), method="guided-backprop", target=3)
    assert np.allclose(found.values, theirs.abs().amax(dim=1).detach().numpy(), atol=1e-6)


def test_weights_are_drawn_anew_in_a_copy(net: Any) -> None:
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = explorer.saliency(net, inputs(), target=3).sanity()
    assert found.stages == ("head", "second", "first")
    assert (np.abs(found.correlations) < 0.999).all()
    assert all(torch.equal(net.state_dict()[name], value) for name, value in before.items())
