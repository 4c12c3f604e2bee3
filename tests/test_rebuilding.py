"""Lines of Python show the same picture again, pixel by pixel."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_scene import SMALL

import explorer
from explorer.capture.model import Model
from explorer.capture.store import Run
from explorer.render.linked.colouring import hide
from explorer.render.linked.quantities import Clustering
from explorer.render.linked.scene import Scene


@pytest.fixture
def run(toy: Model, folder: Path, tmp_path: Path) -> Run:
    return explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run")


def rebuilt(scene: Scene) -> Scene:
    names: dict[str, Any] = {}
    exec(scene.code(), names)
    again: Scene = names["scene"]
    return again


def nothing(scene: Scene) -> None:
    pass


def turned(scene: Scene) -> None:
    scene.frame(SMALL)
    scene.colour, scene.theme, scene.image = "norm", "dark", 2  # after the opening view was chosen


def one(scene: Scene) -> None:
    scene.select(1, 1, 1)


def looked_at_after(scene: Scene) -> None:
    scene.selection = [[0, 0, 0], [0, 0, 1], [1, 1, 1]]
    scene.inspect(2, 1, 0)
    scene.colour = "similarity"


def selected_after(scene: Scene) -> None:
    scene.inspect(2, 1, 0)
    scene.selection = [[0, 0, 0], [0, 0, 1], [1, 1, 1]]


def everything(scene: Scene) -> None:
    scene.state.clustering = Clustering("kmeans", "map", 3)
    scene.colour = "cluster"
    hide(scene.state, scene.state.quantity("cluster").names[0])
    scene.state.size, scene.state.colour_map = "norm", "Set2"
    scene.state.isolated, scene.state.overlaid, scene.named = True, False, False
    scene.state.map, scene.state.component, scene.image = "component", 1, 1
    scene.selection = ~np.zeros(scene.state.values.grid_shape, bool)
    scene.flat = True
    scene.view = scene.views.along(np.eye(3), 1.1)


@pytest.mark.parametrize("change", [nothing, turned, one, looked_at_after, selected_after, everything])
def test_the_lines_show_the_same_picture(run: Run, change: Callable[[Scene], None]) -> None:
    scene = explorer.scene(run, explorer.project(run, method="pca", sample=30))
    change(scene)
    expected = np.asarray(scene.frame(SMALL))
    again = rebuilt(scene)
    np.testing.assert_array_equal(np.asarray(again.frame(SMALL)), expected)
    assert again.to_dict() == scene.to_dict()


def test_nothing_is_projected_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {"method": "umap", "n_components": 2, "n_neighbors": 4, "sample": "all"}
    scene = explorer.scene(run, explorer.project(run, **asked))

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("projected again")

    monkeypatch.setattr("explorer.reduce.fit.fit", refuse)
    assert rebuilt(scene).projection.parameters == scene.projection.parameters
    assert "n_neighbors=4" in scene.code()
    assert "sample='all'" in scene.code()


def test_coordinates_of_ones_own_are_opened_from_the_run(run: Run) -> None:
    n = int(np.prod(run.grid_shape("half")))
    coordinates = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    scene = explorer.scene(run, explorer.project(run, layer="half", coordinates=coordinates))
    np.testing.assert_array_equal(rebuilt(scene).projection.coordinates, coordinates)


def test_colours_of_another_run_are_said_to_be_missing(run: Run) -> None:
    scene = explorer.scene(run, explorer.project(run, method="pca"))
    assert "use_rgb" not in scene.code()
    scene.use_rgb(scene.basis())
    assert scene.code().splitlines()[-1].startswith("# PCA→RGB colours of another run")
