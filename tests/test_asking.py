"""What a scene asks its model, in Python and in the window: saliency and maximised pictures."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from windowing import choose, entries, finish

import explorer
from explorer.capture import open_inputs
from explorer.demo import DIGITS
from explorer.explain.beside_run import sought
from explorer.render.drawing.colours import theme
from explorer.render.linked.panels import Panel, channel_in_view, panels
from explorer.render.linked.scene import Scene

LAYER, N = "block3", 12


@pytest.fixture(scope="module")
def model() -> explorer.Model:
    return explorer.load_model(DIGITS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some of the demo's pictures."""
    place = tmp_path_factory.mktemp("asking") / "images"
    place.mkdir()
    found = sorted((DIGITS.parent / "images").rglob("*.png"))
    for path in found[:: len(found) // N][:N]:
        (place / path.name).write_bytes(path.read_bytes())
    return place


@pytest.fixture
def scene(model: explorer.Model, folder: Path, tmp_path: Path) -> Scene:
    run = explorer.capture(model, folder, layers=[LAYER], out=tmp_path / "run")
    shown = explorer.scene(run, explorer.project(run, layer=LAYER, method="pca", n_components=2))
    shown.model = model
    return shown


def last(scene: Scene) -> Panel:
    return panels(scene.state, theme(scene.theme), scene.basis)[3]


def inputs(model: explorer.Model, folder: Path, images: list[int]) -> np.ndarray:
    opened = open_inputs(model, folder)
    return np.stack([opened.load(index).value for index in images])


@pytest.mark.parametrize("method", ["gradient", "integrated-gradients", "occlusion"])
def test_the_class_of_the_picture_is_explained_where_nothing_is_selected(
    scene: Scene, model: explorer.Model, folder: Path, method: str
) -> None:
    scene.image = 5
    found = scene.saliency(method)
    direct = explorer.saliency(model, inputs(model, folder, [5]), method=method)
    np.testing.assert_allclose(found.values, direct.values, rtol=1e-5, atol=1e-6)
    assert found.target == direct.target
    shown = last(scene)
    exact = method == "integrated-gradients"
    assert shown.title == ("integrated" if exact else method)
    assert shown.detail.partition(" · ")[0] == direct.target[0].removesuffix(" (answered)" * exact)
    assert shown.values is not None
    np.testing.assert_array_equal(shown.values, found.values[0])
    assert ("off" in shown.detail) == exact


def test_selected_and_clicked_positions_are_explained(
    scene: Scene, model: explorer.Model, folder: Path
) -> None:
    grid = scene.state.values.grid_shape
    masks = np.zeros(grid, bool)
    masks[3, 1:3, 2:4] = True
    masks[4, 0, 0] = True
    scene.selection = masks
    scene.image = 3
    found = scene.saliency("integrated-gradients")
    given = inputs(model, folder, [3])
    direct = explorer.saliency(model, given, method="integrated-gradients", selection=masks[[3]], layer=LAYER)
    np.testing.assert_allclose(found.values, direct.values, rtol=1e-5, atol=1e-7)
    assert last(scene).detail.startswith("4 positions · off")
    scene.inspect(3, 2, 1)  # what was done last counts
    assert last(scene).title == "similarity"
    found = scene.saliency("gradient")
    direct = explorer.saliency(model, given, position=(2, 1), layer=LAYER)
    np.testing.assert_allclose(found.values, direct.values, rtol=1e-5, atol=1e-7)
    assert last(scene).detail == f"{LAYER} at 2, 1"
    found = scene.saliency("gradient", target=7)
    assert found.target[0].startswith("class")
    scene.image = 4
    assert last(scene).title != "gradient"  # it was of another picture
    scene.image = 0
    with pytest.raises(explorer.ExplorerError, match="no selected position lies in"):
        scene.saliency()


def test_maps_of_all_pictures_are_kept_as_a_colour(scene: Scene, model: explorer.Model, folder: Path) -> None:
    found = scene.saliency("gradient", every=True)
    direct = explorer.saliency(model, folder)
    assert found.names == direct.names
    np.testing.assert_allclose(found.values, direct.values, rtol=1e-5, atol=1e-6)
    assert scene.colour == "saliency:gradient-answered"
    grid = scene.state.values.spatial
    edge = direct.values.shape[1] // grid[0]
    cells = direct.values.reshape(N, grid[0], edge, grid[1], edge).mean(axis=(2, 4))
    np.testing.assert_allclose(
        scene.state.quantity(scene.colour).values, cells.reshape(-1)[scene.state.rows], rtol=1e-4, atol=1e-6
    )
    for image in (2, 9):  # each picture's own map is shown
        scene.image = image
        np.testing.assert_array_equal(last(scene).values, found.values[image])
    before = scene.colouring()
    assert scene.saliency("gradient", target=3, every=True).keep(scene.state.run, "gradient-answered")
    scene.forget("saliency:gradient-answered")
    scene.colour = "saliency:gradient-answered"
    assert not np.array_equal(before.colours, scene.colouring().colours)  # written anew: read anew


def test_a_channel_is_maximised_and_kept_and_a_selection_is_only_shown(
    scene: Scene, model: explorer.Model
) -> None:
    found = scene.maximize(4, steps=8)
    direct = explorer.maximize(model, layer=LAYER, channels=[4], steps=8)
    np.testing.assert_allclose(found.pictures, direct.pictures, atol=1e-5)
    np.testing.assert_allclose(found.reached, direct.reached, rtol=1e-4)
    shown = last(scene)
    assert shown.title == "maximised"
    np.testing.assert_array_equal(shown.colours, found.shown()[0, 0])
    kept = sought(scene.state.run, LAYER, 4)
    assert kept is not None
    np.testing.assert_array_equal(kept.picture, found.shown()[0, 0])
    assert found.real is not None
    assert shown.detail == f"{found.reached[0, 0]:.3g} · real {found.real.values[0, 0]:.3g}"
    scene.channel = 5
    assert last(scene).title != "maximised"
    values = scene.state.run.read(LAYER).astype(np.float64)
    masks = values[..., 2] > np.quantile(values[..., 2], 0.9)
    scene.selection = masks
    found = scene.maximize(selection=True, steps=8)
    gap = values[masks].mean(axis=0) - values.reshape(-1, values.shape[-1]).mean(axis=0)
    direct = explorer.maximize(model, layer=LAYER, directions={"way": gap / np.linalg.norm(gap)}, steps=8)
    np.testing.assert_allclose(found.pictures, direct.pictures, atol=1e-3)
    assert last(scene).detail == f"selection {found.reached[0, 0]:.3g}"
    assert len(list((scene.state.run.path / "maximised").iterdir())) == 1
    scene.clear_selection()
    assert not last(scene).detail.startswith("selection")
    with pytest.raises(explorer.ExplorerError, match="nothing is selected"):
        scene.maximize(selection=True)


def test_without_a_model_and_with_another_one_a_line_says_so(scene: Scene, folder: Path) -> None:
    scene.model = None
    at = scene.controls((1000, 700))
    choose(at, "saliency, this picture …", "gradient")
    assert at.task is None
    assert "--model" in at.message
    choose(at, f"maximise channel {channel_in_view(scene.state)}")
    assert at.task is None
    assert "--model" in at.message
    for ask in (scene.saliency, scene.maximize):
        with pytest.raises(explorer.ExplorerError, match="no model to ask"):
            ask()
    other = explorer.load_model(DIGITS)
    kernels = explorer.capture(other, folder, layers=[LAYER]).read(LAYER)
    assert np.array_equal(kernels, scene.state.run.read(LAYER))
    scene.model = DIGITS.parent.parent / "photos" / "model.toml"
    choose(at, "saliency, this picture …", "gradient")
    finish(at)
    assert "photos" in at.message or "layer" in at.message
    with pytest.raises(explorer.ExplorerError):
        scene.maximize()
    with pytest.raises(explorer.ExplorerError, match="integrated-gradients"):
        scene.saliency("integrated")


def test_the_window_lists_the_methods_and_shows_the_map(scene: Scene, model: explorer.Model) -> None:
    scene.model = DIGITS  # a path is opened once
    at = scene.controls((1280, 720))
    at.push("maps")
    choose(at, "saliency, this picture …")
    texts = [item.text for item in entries(at)]
    assert texts[0] == "What drives the class it is answered with"
    assert {"gradient", "grad-cam", "occlusion", "smoothgrad"} <= set(texts)
    at.popup = None
    choose(at, "saliency, this picture …", "integrated-gradients")
    assert at.message.startswith("integrated-gradients of ")
    assert at.message.endswith("Esc stops it")
    choose(at, "saliency, this picture …", "gradient")
    assert "Esc" in at.message  # one at a time
    finish(at)
    assert "the sum misses what the target gains by" in at.message
    assert isinstance(scene.model, explorer.Model)
    assert last(scene).title == "integrated"
    choose(at, "saliency, all pictures …", "grad-cam")
    finish(at)
    assert "kept as grad-cam-answered" in at.message
    assert scene.colour == "saliency:grad-cam-answered"
    assert at.picture(rough=True).size == (1280, 720)


def test_a_key_asks_by_the_method_that_was_asked_for_last(scene: Scene) -> None:
    at = scene.controls((1280, 720))
    assert ("shift a", "ask the model what drives it") in at.help_lines()
    for method in ("gradient", "occlusion"):
        if method == "occlusion":
            choose(at, "saliency, this picture …", method)
            finish(at)
            scene.state.answer = None
        assert at.key("A")
        assert at.message.startswith(f"{method} of ")
        finish(at)
        assert last(scene).title == method
    scene.model = None
    at.key("A")
    assert "--model" in at.message
    assert at.task is None


def test_a_picture_grows_in_the_panel_and_escape_stops_it(scene: Scene) -> None:
    at = scene.controls((1000, 700))
    scene.channel = 1
    choose(at, "maximise channel 1")
    seen, until = set(), time.monotonic() + 120
    while at.task is not None and time.monotonic() < until:
        if at.poll() and scene.state.answer is not None:
            seen.add(np.asarray(last(scene).colours).tobytes())
        time.sleep(0.002)
    assert len(seen) >= 2
    assert at.message.startswith(f"{LAYER}: channel 1 · reached")
    assert sought(scene.state.run, LAYER, 1) is not None
    scene.channel = 2
    choose(at, "maximise channel 2")
    while at.task is not None and not at.task.steps[0]:
        time.sleep(0.001)
    assert at.key("Escape")
    finish(at)
    assert at.message.endswith("stopped before the end, and not kept")
    assert last(scene).title == "maximised"
    assert sought(scene.state.run, LAYER, 2) is None
    choose(at, "saliency, this picture …", "gradient")
    scene.select(0, 1, 1)
    finish(at)
    assert at.message.endswith("not shown: something else is looked at now")
    assert last(scene).title == "similarity"
    choose(at, "saliency, all pictures …", "occlusion")
    at.key("Escape")
    finish(at)
    assert at.message.endswith("stopped, nothing was kept")
    assert not (scene.state.run.path / "saliency").exists()


@pytest.mark.slow
def test_of_a_training_each_epoch_is_asked_with_its_own_weights(tmp_path: Path, folder: Path) -> None:
    found = explorer.evolve(DIGITS, folder, layer=LAYER, method="pca", out=tmp_path / "training")
    shown = found.scene(epoch=1)
    with pytest.raises(explorer.InputError, match="no model to ask"):
        shown.saliency()
    shown.model = DIGITS
    n = len(found.epochs)
    for epoch in (1, n - 1):
        shown.epoch = epoch
        own = explorer.load_model(DIGITS, checkpoint=DIGITS.parent / "checkpoints" / found.epochs[epoch])
        asked, direct = shown.saliency("gradient"), explorer.saliency(own, inputs(own, folder, [0]))
        np.testing.assert_allclose(asked.values, direct.values, rtol=1e-5, atol=1e-6)
        assert asked.target == direct.target
        assert last(shown).title == "gradient"
    opened = shown.asks("gradient").model
    assert isinstance(opened, explorer.Model)  # kept open for the epoch that was asked
    shown.epoch = 0
    assert last(shown).title != "gradient"  # it was of another epoch
    grown = shown.maximize(0, steps=2)
    assert sought(found.runs[0], LAYER, 0) is not None
    assert sought(found.runs[1], LAYER, 0) is None
    assert grown.model == "digits"
    shown.select(0, 1, 1)
    assert "integrated gradients" in shown.why().drivers_note
    shown.epoch = 1
    shown.evolution.runs[1].manifest["model"]["checkpoint"] = "gone/1"
    shown.model = tmp_path / "model.toml"
    with pytest.raises(explorer.InputError, match="was captured from gone/1, which is not there"):
        shown.saliency()
