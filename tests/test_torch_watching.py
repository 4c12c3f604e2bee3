"""A PyTorch module is watched in the middle of its training, and goes on as if nobody had."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from notes import IMAGES, Notes

import explorer

torch = pytest.importorskip("torch")


def network() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Dropout(0.5)
    )


def trained(module: Any, watch: Any = None) -> tuple[list[float], dict[str, Any]]:
    """Three steps with dropout; the losses, and the weights at the end."""
    module.train()
    torch.manual_seed(1)
    optimiser = torch.optim.SGD(module.parameters(), 0.1)
    losses = []
    for step in range(3):
        loss = module(torch.from_numpy(np.moveaxis(IMAGES, -1, 1).copy())).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
        if watch is not None:
            watch.on_epoch(step)
            assert all(part.training for part in module.modules())
    return losses, {name: value.clone() for name, value in module.state_dict().items()}


def test_training_is_the_same_to_the_bit_whether_it_is_watched_or_not() -> None:
    alone = trained(network())
    module, notes = network(), Notes()
    watched = trained(module, explorer.watch(module, IMAGES, layers=["0", "1"], to=notes))
    assert watched[0] == alone[0]
    assert all(torch.equal(watched[1][name], value) for name, value in alone[1].items())
    assert not module[0]._forward_hooks


def test_each_step_shows_the_module_in_inference_mode() -> None:
    module, notes = network(), Notes()
    watch = explorer.watch(module, IMAGES, layers=["1"], to=notes)
    trained(module, watch)
    module.eval()
    expected = module[1](module[0](torch.from_numpy(np.moveaxis(IMAGES, -1, 1).copy()))).detach().numpy()
    expected = np.moveaxis(expected, 1, -1)
    rows = notes.embeddings["1", 2].rows
    assert np.allclose(rows, expected.reshape(-1, 4), atol=1e-5)
    assert not np.allclose(notes.embeddings["1", 0].rows, rows)
