"""Answers that a run keeps are found by what was asked, and only where they are the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from windowing import choose, entries, finish

import explorer
from explorer.demo import DIGITS
from explorer.explain.beside_run import FOLDER
from explorer.render.drawing.colours import theme
from explorer.render.linked.panels import panels
from explorer.render.linked.questions import Climbing, Salient
from explorer.render.linked.scene import Scene

LAYER, N = "block3", 8


@pytest.fixture(scope="module")
def model() -> explorer.Model:
    return explorer.load_model(DIGITS)


@pytest.fixture
def scene(model: explorer.Model, tmp_path: Path) -> Scene:
    place = tmp_path / "images"
    place.mkdir()
    found = sorted((DIGITS.parent / "images").rglob("*.png"))
    for path in found[:: len(found) // N][:N]:
        (place / path.name).write_bytes(path.read_bytes())
    run = explorer.capture(model, place, layers=[LAYER], out=tmp_path / "run")
    shown = explorer.scene(run, explorer.project(run, layer=LAYER, method="pca", n_components=2))
    shown.model = model
    return shown


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be computed from now on."""

    def computes(*_: object) -> None:
        raise AssertionError("it was computed")

    monkeypatch.setattr(Salient, "answer", computes)
    monkeypatch.setattr(Climbing, "answer", computes)


def kept(scene: Scene, method: str, **asked: Any) -> np.ndarray | None:
    found = scene.asks(method, **asked).kept()
    return None if found is None else found[1].values


def test_maps_of_all_pictures_are_found_for_all_and_for_each(scene: Scene) -> None:
    assert kept(scene, "integrated-gradients", every=True) is None
    found = scene.saliency("integrated-gradients", every=True)
    name, again = scene.asks("integrated-gradients", every=True).kept() or ("", found)
    assert name == "integrated-gradients-answered"
    np.testing.assert_array_equal(again.values, found.values)
    assert (again.target, again.method, again.layer) == (found.target, found.method, found.layer)
    assert (again.signed, again.averaged, again.labels) == (found.signed, found.averaged, found.labels)
    np.testing.assert_array_equal(again.scores, found.scores)
    np.testing.assert_array_equal(again.completeness, found.completeness)
    scene.image = 5
    one = scene.asks("integrated-gradients").kept()
    assert one is not None
    np.testing.assert_array_equal(one[1].values, found.values[[5]])
    assert one[1].target == found.target[5:6]
    assert one[1].names == found.names[5:6]


def test_another_question_is_not_answered_by_what_is_kept(scene: Scene) -> None:
    grid = scene.state.values.grid_shape
    masks = np.zeros(grid, bool)
    masks[2, 1:3, 2:4] = True
    scene.selection = masks
    found = scene.saliency("gradient", of="selection", every=True)
    scene.saliency("smoothgrad", of="class", every=True)
    np.testing.assert_array_equal(kept(scene, "gradient", of="selection", every=True), found.values)
    scene.image = 2
    np.testing.assert_array_equal(kept(scene, "gradient", of="selection"), found.values[[2]])
    assert kept(scene, "gradient", of="class", every=True) is None
    assert kept(scene, "gradient", of="channel", every=True) is None
    assert kept(scene, "gradient-x-input", of="selection", every=True) is None
    assert kept(scene, "gradient", target=3, every=True) is None
    assert kept(scene, "smoothgrad", of="class", every=True) is not None
    assert kept(scene, "smoothgrad", of="class") is None  # one picture's noise is drawn otherwise
    other = masks.copy()
    other[2, 1, 2], other[2, 5, 5] = False, True  # as many, elsewhere
    scene.selection = other
    assert kept(scene, "gradient", of="selection", every=True) is None


def test_other_settings_and_other_weights_are_not_taken_for_the_same(
    scene: Scene, model: explorer.Model
) -> None:
    run: Any = scene.state.run
    pictures = Path(run.path).parent / "images"
    explorer.saliency(model, pictures, method="integrated-gradients", steps=4).keep(run)
    assert kept(scene, "integrated-gradients", every=True) is None
    first = explorer.load_model(DIGITS, checkpoint=DIGITS.parent / "checkpoints" / "1")
    explorer.saliency(first, pictures).keep(run)
    explorer.maximize(first, layer=LAYER, channels=[3], steps=2).save(_made(run) / f"{LAYER} 1.npz")
    assert kept(scene, "gradient", every=True) is None
    scene.channel = 3
    assert scene.climbs().kept() is None
    explorer.saliency(model, pictures).keep(run)  # what the command line keeps is found as well
    assert kept(scene, "gradient", every=True) is not None


def _made(run: Any) -> Path:
    folder = Path(run.path) / FOLDER
    folder.mkdir(exist_ok=True)
    return folder


def test_damaged_and_older_files_are_passed_over(scene: Scene) -> None:
    scene.saliency("gradient", every=True)
    path = Path(scene.state.run.path) / "saliency" / "gradient-answered.npz"  # type: ignore[attr-defined]
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    assert kept(scene, "gradient", every=True) is None
    path.write_bytes(whole)
    with np.load(path) as file:
        arrays = dict(file)
    told = json.loads(str(arrays["description"]))
    del told["weights"]
    np.savez(path, **{**arrays, "description": np.array(json.dumps(told))})
    assert kept(scene, "gradient", every=True) is None
    told["weights"], arrays["scores"] = 7, arrays["scores"][:2]
    np.savez(path, **{**arrays, "description": np.array(json.dumps(told))})
    assert kept(scene, "gradient", every=True) is None


def test_a_grown_picture_is_found_with_the_real_ones(scene: Scene) -> None:
    scene.channel = 2
    assert scene.climbs().kept() is None
    found = scene.maximize(steps=4)
    scene.maximize(5, steps=4)
    scene.channel = 2
    again = scene.climbs().kept()
    assert again is not None
    assert again.names == ("channel 2",)
    np.testing.assert_array_equal(again.pictures, found.pictures)
    assert again.real is not None
    assert found.real is not None
    np.testing.assert_array_equal(again.real.images, found.real.images)
    assert again.real.n_images == N


def test_one_objective_of_many_stands_alone(scene: Scene, model: explorer.Model) -> None:
    run: Any = scene.state.run
    explorer.maximize(model, layer=LAYER, channels=[1, 6], steps=2, images=run).save(
        _made(run) / f"{LAYER} 1.npz"
    )
    scene.channel = 6
    again = scene.climbs().kept()
    both = explorer.maximize(model, layer=LAYER, channels=[1, 6], steps=2, images=run)
    assert again is not None
    assert again.finished == 1
    np.testing.assert_array_equal(again.pictures, both.pictures[1:])
    assert both.real is not None
    assert again.real is not None
    np.testing.assert_array_equal(again.real.values, both.real.values[1:])


def test_the_window_shows_what_is_kept_and_says_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    found, grown = scene.saliency("gradient", every=True), scene.maximize(2, steps=3)
    forbid(monkeypatch)
    scene.colour, scene.channel, scene.state.answer = "norm", 2, None
    at = scene.controls((1280, 720))
    choose(at, "saliency, this picture …", "gradient")
    assert at.message == f"gradient: what drives {found.target[0]} · kept in the run as gradient-answered"
    shown = panels(scene.state, theme(scene.theme), scene.basis)[3]
    np.testing.assert_array_equal(shown.values, found.values[0])
    assert scene.colour == "norm"
    choose(at, "saliency, all pictures …", "gradient")
    assert "kept in the run as gradient-answered" in at.message
    assert scene.colour == "saliency:gradient-answered"
    scene.map = "channel"
    choose(at, "maximise channel 2")
    assert at.message.endswith("kept in the run")
    shown = panels(scene.state, theme(scene.theme), scene.basis)[3]
    np.testing.assert_array_equal(shown.colours, grown.shown()[0, 0])


def test_what_is_kept_can_be_computed_anew(scene: Scene) -> None:
    scene.saliency("gradient", every=True)
    path = Path(scene.state.run.path) / "saliency" / "gradient-answered.npz"  # type: ignore[attr-defined]
    before = path.stat().st_mtime_ns
    at = scene.controls((1280, 720))
    choose(at, "saliency, all pictures …", "gradient")
    assert at.task is None
    choose(at, "the shown answer, computed anew")
    assert at.task is not None
    finish(at)
    assert path.stat().st_mtime_ns > before
    assert scene.state.answer is not None
    assert not scene.state.answer.again
    at.push("maps")
    assert "the shown answer, computed anew" not in [item.text for item in entries(at)]
