"""All maps of one picture, as they are sent to the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer.capture.model import Model
from explorer.errors import ExplorerError, InputError
from explorer.web.allmaps import AllMaps

KINDS = {"u1": "u1", "u4": "<u4", "f4": "<f4"}


def numbers(told: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(told["bytes"], KINDS[told["kind"]])


def maps(told: dict[str, Any]) -> np.ndarray:
    """(channels, positions) as the page brings them back."""
    low, high = numbers(told["low"])[:, None], numbers(told["high"])[:, None]
    parts = (numbers(told["values"]).reshape(len(low), -1).astype(float) - 1) / 254
    return np.asarray(low + parts * (high - low))


@pytest.fixture
def run(toy: Model, folder: Path, tmp_path: Path) -> explorer.Run:
    return explorer.capture(toy, folder, layers=["half", "flat"], out=tmp_path / "run")


def test_each_map_is_the_runs_in_the_order_that_is_asked_for(run: explorer.Run) -> None:
    ask, values = AllMaps(lambda: run), run.read("half")
    told = ask("half", 3, 0, "index")
    assert numbers(told["channels"]).tolist() == [0, 1, 2, 3, 4]
    assert told["because"] == []
    true = np.moveaxis(values[3], -1, 0).reshape(5, -1)
    spans = true.max(axis=1) - true.min(axis=1)
    assert (np.abs(maps(told) - true) <= spans[:, None] / 500).all()
    told = ask("half", 3, 0, "variance")
    order = numbers(told["channels"]).tolist()
    assert order == np.argsort(-values.reshape(-1, 5).var(axis=0), kind="stable").tolist()
    assert (np.abs(maps(told) - true[order]) <= spans[order][:, None] / 500).all()
    assert len(told["because"]) == 5
    assert sorted(numbers(ask("half", 3, 0, "response")["channels"])) == [0, 1, 2, 3, 4]
    assert sorted(numbers(ask("half", 3, 0, "cluster")["channels"])) == [0, 1, 2, 3, 4]


def test_of_a_volume_one_slice_is_sent(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 6)).astype(np.float32)
    np.savez(tmp_path / "deep.npz", deep=values)
    made = explorer.capture(
        tmp_path / "deep.npz", np.zeros((2, 3, 4, 5, 1), np.float32), out=tmp_path / "run"
    )
    ask = AllMaps(lambda: made)
    for cut in (0, 2):
        true = np.moveaxis(values[1, cut], -1, 0).reshape(6, -1)
        np.testing.assert_allclose(maps(ask("deep", 1, cut, "index")), true, atol=0.02)
    with pytest.raises(InputError, match="slices 0 to 2"):
        ask("deep", 1, 3, "index")


def test_a_layer_without_positions_an_unknown_order_and_picture_are_told(run: explorer.Run) -> None:
    ask = AllMaps(lambda: run)
    with pytest.raises(InputError, match="there are no maps"):
        ask("flat", 0, 0, "index")
    with pytest.raises(InputError, match="order 'size'"):
        ask("half", 0, 0, "size")
    with pytest.raises(InputError, match="images 0 to 9"):
        ask("half", 10, 0, "index")
    with pytest.raises(ExplorerError, match="nowhere"):
        ask("nowhere", 0, 0, "index")
