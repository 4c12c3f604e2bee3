"""What a page's view is written as, and what a page is told of a scene, without a browser."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer.capture.model import Model
from explorer.errors import InputError
from explorer.render.linked import quantities
from explorer.render.linked.quantities import Quantity
from explorer.render.values import LayerValues, similarity
from explorer.web.answers import Answers
from explorer.web.exports import endings, load, written
from explorer.web.material import Material


@pytest.fixture
def run(toy: Model, folder: Path, tmp_path: Path) -> explorer.Run:
    return explorer.capture(toy, folder, layers=["half", "flat"], out=tmp_path / "run")


@pytest.fixture
def scene(run: explorer.Run) -> Any:
    return explorer.scene(run, explorer.project(run, layer="half", method="pca"))


def test_every_writer_is_offered_once() -> None:
    told = [one["ending"] for one in endings()]
    assert len(told) == len(set(told))
    known = {point.name for point in entry_points(group="explorer.exports")}
    assert known - set(told) == {"htm", "jpg", "jpeg"}  # the same as .html and .png by another name


def test_a_view_is_written_with_its_selection(run: explorer.Run, scene: Any) -> None:
    scene.selection = np.array([[1, 2, 3], [4, 0, 1]])
    view = scene.to_dict()
    file = written(explorer.scene(run, scene.projection), view, "csv")
    lines = file["bytes"].decode().splitlines()
    assert len(lines) == 3
    back = written(explorer.scene(run, scene.projection), view, "json")
    assert json.loads(back["bytes"])["selection"] == view["selection"]
    assert back["name"].endswith(".json")
    with pytest.raises(InputError, match="ending 'docx'"):
        written(explorer.scene(run, scene.projection), view, "docx")
    with pytest.raises(InputError, match="nothing is selected"):
        written(
            explorer.scene(run, scene.projection),
            {**view, "selection": {"grid_shape": [10, 4, 4], "runs": []}},
            "csv",
        )


def test_a_view_that_is_none_is_refused_without_a_passing_folders_name(scene: Any) -> None:
    with pytest.raises(InputError, match="the page's view: not a state of this run"):
        load(scene, {"format": 1})


def test_what_positions_see_is_told_index_by_index(run: explorer.Run, scene: Any) -> None:
    told = Material(scene).receptive()
    box = run.receptive_box("half", (3, 1))
    if told is None:
        assert box is None
        return
    assert box is not None
    spans = [told["spans"][k][0 if axis is None else (3, 1)[axis]] for k, axis in enumerate(told["axes"])]
    assert [tuple(span) for span in spans] == [tuple(span) for span in box]
    assert told["of"] == list(run.manifest["layers"]["half"]["receptive_field"]["input"][:-1])


def test_a_new_quantity_of_the_scene_comes_to_the_page_by_itself(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.arange(len(scene.state.rows), dtype=np.float32)
    monkeypatch.setitem(quantities.MAKERS, "warmth", lambda state: Quantity("warmth in °C", values))
    monkeypatch.setattr(quantities, "COLOURS", (*quantities.COLOURS, "warmth"))
    meta = Material(scene).meta()
    assert "warmth" in [one["name"] for one in meta["colours"]]
    assert "warmth" not in meta["classed"]
    told = Answers(scene, scene.state.run)("rows", ["warmth"])
    assert told["title"] == "warmth in °C"
    assert np.array_equal(np.frombuffer(told["numbers"]["bytes"], "<f4"), values)


def test_another_map_is_told_for_the_place_beside(run: explorer.Run, scene: Any) -> None:
    other = explorer.project(run, layer="half", method="pca", n_components=2)
    answers = Answers(scene, run)
    found = [one["id"] for one in answers("meta", [])["projections"] if one["components"] == 2]
    told = answers("beside", found)
    shown = np.frombuffer(told["coordinates"]["bytes"], "<f4").reshape(-1, 2)
    np.testing.assert_array_equal(shown, other.coordinates.astype(np.float32))
    assert told["meta"]["spatial"] == [4, 4]
    assert told["named"] == {
        "layer": "half",
        "method": "pca",
        "parameters": json.loads(json.dumps(dict(other.parameters))),
    }
    with pytest.raises(InputError, match="keeps no such projection"):
        answers("beside", ["nonsense"])


@pytest.mark.parametrize("scale", [1.0, 1e30, 1e-30])
def test_quick_similarities_are_those_in_double_precision(scale: float) -> None:
    rows = (np.random.default_rng(0).normal(size=(6, 5, 5, 8)) * scale).astype(np.float32)
    rows[2, 1, 1] = 0

    class Held:
        name, labels, layers, n_images = "held", None, ("layer",), 6

        def grid_shape(self, layer: str) -> tuple[int, ...]:
            return rows.shape[:-1]

        def channels(self, layer: str) -> int:
            return 8

        def read(self, layer: str, start: int = 0, stop: int | None = None) -> np.ndarray:
            return rows[start:stop]

    values = LayerValues(Held(), "layer")  # type: ignore[arg-type]
    list(values.chunks())
    expected = similarity(rows, rows[4, 2, 3])
    np.testing.assert_allclose(values.similarity(4, (2, 3)), expected, atol=2e-6)
    assert np.isnan(values.similarity(4, (2, 3))[2, 1, 1])
    assert np.isnan(values.similarity(2, (1, 1))).all()


def test_views_that_the_page_keeps_are_those_of_the_scene(scene: Any) -> None:
    answers = Answers(scene, scene.state.run)
    seen = {**scene.camera, "view_up": [0.0, 0.0, 1.0]}
    assert answers("views", [[scene.camera, seen]], answers.shown) == 2
    assert [view.to_dict() for view in scene.kept_views] == [scene.camera, seen]
    assert answers("meta", [])["view"]["views"] == [scene.camera, seen]
    with pytest.raises(InputError, match="camera: expected"):
        answers("views", [[{"position": 3}]], answers.shown)
    assert len(scene.kept_views) == 2
