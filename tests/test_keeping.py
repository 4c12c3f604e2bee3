"""A scene's state goes into a file and comes back; a state of something else changes nothing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_scene import SMALL, made, run_of
from test_selecting import MAPS, RUN

import explorer
from explorer.capture.model import Model
from explorer.errors import InputError
from explorer.render import scene
from explorer.render.linked.colouring import hide
from explorer.render.linked.quantities import Clustering
from explorer.render.linked.scene import Scene
from explorer.render.linked.selection import Selection


def changed() -> Scene:
    shown = made(every=2)
    shown.theme, shown.image, shown.channel = "dark", 3, 2
    shown.state.clustering = Clustering("kmeans", "map", 3)
    hide(shown.state, "b")
    shown.inspect(3, 1, 2)
    shown.colour = "similarity"
    shown.state.size, shown.state.colour_map = "norm", "magma"
    shown.state.isolated, shown.named = True, False
    shown.select_cells(4, (1, 0, 2, 3))
    shown.flat = True
    shown.view = shown.views.along(np.eye(3), 1.3)
    return shown


def test_everything_comes_back_and_looks_the_same(tmp_path: Path) -> None:
    shown = changed()
    path = shown.save_state(tmp_path / "state.json")
    other = made(every=2)
    other.load_state(path)
    assert other.to_dict() == shown.to_dict() == json.loads(path.read_text())
    assert other.selection == shown.selection
    np.testing.assert_array_equal(np.asarray(shown.frame(SMALL)), np.asarray(other.frame(SMALL)))


def test_the_map_is_found_among_those_that_the_run_keeps(toy: Model, folder: Path, tmp_path: Path) -> None:
    run = explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run")
    three, two = (explorer.project(run, method="pca", n_components=n) for n in (3, 2))
    shown = scene(run, two)
    shown.select(4, 1, 1)
    path = shown.save_state(tmp_path / "state.json")
    other = scene(run, three)
    other.load_state(path)
    assert other.projection.n_components == 2
    assert list(other.selection) == [(4, 1, 1)]
    lines = other.code()
    names: dict[str, Any] = {}
    exec(lines, names)
    again = names["scene"]
    assert again.camera == other.camera
    assert again.selection == other.selection
    assert again.projection.n_components == 2


def test_a_selection_made_on_another_grid_comes_back_on_that_one(tmp_path: Path) -> None:
    shown = scene(RUN, MAPS[0])
    shown.selection = [[0, 1, 1], [2, 3, 5]]
    home = shown.selection
    shown.projection = MAPS[4]
    path = shown.save_state(tmp_path / "state.json")
    other = scene(RUN, MAPS[4])
    other.load_state(path)
    other.projection = MAPS[0]
    assert other.selection == home


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"projection": {"layer": "other", "method": "pca", "parameters": {}}},
        {"colour": "lable"},
        {"image": 99},
        {"map": "nothing"},
        {"component": 7},
        {"focus": [0, 99, 0]},
        {"camera": {"position": [0, 0, 0]}},
        {"selection": {"grid_shape": [9, 9, 9], "runs": [[0, 1]]}},
        {"selection": {"grid_shape": [6, 4, 6], "runs": [[0, 10**9]]}},
        {"selection": {"grid_shape": [6, 4, 6], "runs": [[140, 9]]}},
        {"clustering": {"method": "x"}},
        {"hidden": 3},
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    shown = changed()
    path = tmp_path / "state.json"
    path.write_text(json.dumps({**shown.to_dict(), **change}))
    other = made(run_of(), every=2)
    other.select(1, 1, 1)
    before = other.to_dict()
    with pytest.raises(InputError, match="not a state of this run"):
        other.load_state(path)
    assert other.to_dict() == before


@pytest.mark.parametrize("text", ["", "[1]", "{}", "[" * 100_000])
def test_what_is_no_state_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"state\.json: not a"):
        made().load_state(path)
    with pytest.raises(InputError, match="not a saved state"):
        made().load_state(tmp_path / "missing.json")


def test_stretches_say_the_same_as_places() -> None:
    chosen = Selection((4, 5), np.array([0, 1, 2, 7, 9, 10, 19]))
    assert chosen.runs() == [[0, 3], [7, 1], [9, 2], [19, 1]]
    assert Selection.of_runs((4, 5), np.array(chosen.runs())) == chosen
    assert Selection.of_runs((4, 5), np.array(Selection((4, 5)).runs())) == Selection((4, 5))
