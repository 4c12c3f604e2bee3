"""What the page asks of a training, without a browser: each epoch with its own weights, never mixed up."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_evolve_frameworks import onnx_alone
from test_kept_answers import forbid
from test_web_asking import Asked, pixels, seen, values, wish

import explorer
from explorer.capture import open_inputs
from explorer.demo import DIGITS
from explorer.errors import InputError
from explorer.evolution import open_evolution
from explorer.explain.beside_run import sought
from explorer.render.epochs.scene import EpochScene
from explorer.web.server import Service

LAYER, EPOCHS = "block3", ("1", "4", "16")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, three of its checkpoints, eight pictures, and the training."""
    place = tmp_path_factory.mktemp("made") / "digits"
    place.mkdir()
    shutil.copy(DIGITS, place / "model.toml")
    for name in EPOCHS:
        shutil.copytree(DIGITS.parent / "checkpoints" / name, place / "checkpoints" / name)
    (place / "images").mkdir()
    found = sorted((DIGITS.parent / "images").rglob("*.png"))
    for path in found[:: len(found) // 8][:8]:
        shutil.copy(path, place / "images" / path.name)
    explorer.evolve(place / "model.toml", place / "images", layer=LAYER, method="pca", out=place / "training")
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """A copy of it to write into."""
    return Path(shutil.copytree(made, tmp_path / "digits"))


@pytest.fixture
def page(place: Path) -> Asked:
    scene = open_evolution(place / "training").scene()
    scene.model = place / "model.toml"
    return Asked(scene)


def scene_of(page: Asked) -> EpochScene:
    scene = page.answers.scene
    assert isinstance(scene, EpochScene)
    return scene


def direct(place: Path, epoch: int, image: int, **asked: Any) -> explorer.Saliency:
    """What `explorer.saliency` says with an epoch's weights."""
    model = explorer.load_model(place / "model.toml", checkpoint=place / "checkpoints" / EPOCHS[epoch])
    return explorer.saliency(model, open_inputs(model, place / "images").load(image).value[None], **asked)


def go(page: Asked, epoch: int) -> None:
    page.answers("epoch", [epoch])


def test_each_epoch_is_asked_with_its_own_weights_and_named(page: Asked, place: Path) -> None:
    found = {}
    for epoch in (2, 0):
        go(page, epoch)
        begun = page("ask_saliency", seen(3), wish("gradient"))
        assert begun["words"].endswith(f" at epoch {EPOCHS[epoch]}")
        assert page.end()["error"] == ""
        told = page("answer", 3, 0)
        assert told["epoch"] == {"name": EPOCHS[epoch], "at": epoch}
        own = direct(place, epoch, 3)
        np.testing.assert_allclose(values(told), own.values[0], rtol=1e-5, atol=1e-6)
        assert told["target"] == own.target[0]
        found[epoch] = values(told)
    assert np.abs(found[0] - found[2]).max() > 0.01
    # The epoch between was not asked: the answer stays, and is said to be of the epoch that gave it.
    go(page, 1)
    told = page("answer", 3, 0)
    assert told["epoch"]["at"] == 0
    np.testing.assert_array_equal(values(told), found[0])
    sheet = page("answer_file", 3, "light")
    assert sheet["name"].startswith("digits-at-epoch-1-gradient")
    assert pixels(sheet).shape[1] > 400
    # The last one has answered the same: its own answer is shown again.
    go(page, 2)
    told = page("answer", 3, 0)
    assert told["epoch"]["at"] == 2
    np.testing.assert_array_equal(values(told), found[2])


def test_what_was_asked_is_asked_again_of_the_epoch_that_is_shown(page: Asked, place: Path) -> None:
    places = [3 * 64 + 10, 3 * 64 + 11]
    page("ask_saliency", seen(3, places=places), wish("gradient-x-input", "selection"))
    assert page.end()["error"] == ""
    go(page, 1)
    page("ask_again", seen(3, places=places), False)
    assert page.end()["error"] == ""
    told = page("answer", 3, 0)
    masks = np.zeros((1, 8, 8), bool)
    masks.reshape(-1)[[10, 11]] = True
    own = direct(place, 1, 3, method="gradient-x-input", selection=masks, layer=LAYER)
    assert told["epoch"]["at"] == 1
    np.testing.assert_allclose(values(told), own.values[0], rtol=1e-5, atol=1e-6)
    assert told["short"] == "2 positions"
    # Another question than the last epoch was asked: its answer does not come up for this one.
    page("ask_saliency", seen(3, places=places), wish("gradient"))
    page.end()
    go(page, 2)
    told = page("answer", 3, 0)
    assert (told["epoch"]["at"], told["method"]) == (1, "gradient")
    page("ask_close")
    go(page, 1)
    assert page("answer", 3, 0) is None
    with pytest.raises(InputError, match="nothing was asked"):
        page("ask_again", seen(3), False)


def test_an_answer_that_comes_when_another_epoch_is_shown_is_kept_with_its_own(page: Asked) -> None:
    scene = scene_of(page)
    colour = scene.colour
    page("ask_saliency", seen(), wish("gradient", every=True))
    go(page, 0)
    end = page.end()
    assert end["error"] == ""
    assert "colour" not in end
    assert scene.colour == colour
    told = page("answer", 0, 0)
    assert told["epoch"]["at"] == 2
    folders = [Path(run.path) / "saliency" for run in scene.evolution.runs]  # type: ignore[attr-defined]
    assert [folder.exists() for folder in folders] == [False, False, True]


def test_a_picture_grows_for_the_channel_of_its_epoch(page: Asked, place: Path) -> None:
    scene, frames = scene_of(page), []
    go(page, 1)
    page("ask_maximise", seen(1, channel=4), "channel")
    go(page, 2)  # while it grows
    end = page.end(lambda told: frames.append(told["growing"]) if "growing" in told else None)
    assert end["error"] == end["note"] == ""
    assert {one["epoch"]["name"] for one in frames} == {"4"}
    told = page("answer", 1, 0)
    assert told["epoch"] == {"name": "4", "at": 1}
    model = explorer.load_model(place / "model.toml", checkpoint=place / "checkpoints" / "4")
    own = explorer.maximize(model, layer=LAYER, channels=[4])
    assert np.abs(pixels(told["picture"]).astype(int) - own.shown()[0, 0].astype(int)).max() <= 1
    assert [sought(run, LAYER, 4) is not None for run in scene.evolution.runs] == [False, True, False]


def test_the_window_shows_again_what_an_epoch_has_answered(page: Asked) -> None:
    scene = scene_of(page)
    first = scene.saliency("gradient")
    scene.epoch = 0
    assert scene.state.answer is not None
    assert not scene.state.answer.holds(scene.state)  # of another epoch: not in the panel
    second = scene.saliency("gradient")
    for epoch, found in ((2, first), (0, second)):
        scene.epoch = epoch
        answer: Any = scene.state.answer
        assert answer.holds(scene.state)
        np.testing.assert_array_equal(answer.found.values, found.values)
        assert answer.found.question is None  # no epoch's model is held on to
        assert answer.found.scores == pytest.approx(found.scores)


def test_what_each_epoch_keeps_is_its_own(page: Asked, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for epoch in (2, 1):
        go(page, epoch)
        page("ask_saliency", seen(), wish("gradient", every=True))
        assert page.end()["colour"] == "saliency:gradient-answered"
        found[epoch] = values(page("answer", 6, 0))
        np.testing.assert_allclose(found[epoch], direct(place, epoch, 6).values[0], rtol=1e-4, atol=1e-6)
    shutil.rmtree(place / "checkpoints")  # what is kept needs no model
    other = open_evolution(place / "training").scene()  # another day
    other.model = place / "model.toml"
    later = Asked(other)
    forbid(monkeypatch)
    go(later, 1)
    later("ask_saliency", seen(), wish("gradient", every=True))
    for epoch in (1, 2, 1):
        go(later, epoch)
        told = later("answer", 6, 0)
        assert (told["epoch"]["at"], told["again"], told["colour"]) == (
            epoch,
            True,
            "saliency:gradient-answered",
        )
        np.testing.assert_array_equal(values(told), found[epoch])
    go(later, 0)
    assert later("answer", 6, 0)["epoch"]["at"] == 1  # nothing is kept there


def test_without_gradients_the_page_is_told_after_the_first_question_of_any_epoch(page: Asked) -> None:
    assert page.answers.meta()["model"]["opened"] is False
    page("ask_saliency", seen(), wish("occlusion"))
    told = page.end()["model"]
    assert (told["opened"], told["without"]) == (True, [])
    go(page, 0)
    assert page.answers.meta()["model"]["opened"] is True


def test_a_checkpoint_that_is_gone_is_one_line_and_the_others_go_on(page: Asked, place: Path) -> None:
    shutil.rmtree(place / "checkpoints" / "4")
    go(page, 1)
    page("ask_saliency", seen(), wish())
    error = page.end()["error"]
    assert "checkpoints/4, which is not there" in error
    assert "\n" not in error
    assert page("answer", 0, 0) is None
    go(page, 2)
    page("ask_saliency", seen(), wish())
    assert page.end()["error"] == ""


def test_models_that_stand_alone_are_asked_by_their_folder_and_say_that_they_have_no_gradients(
    tmp_path: Path,
) -> None:
    (tmp_path / "nets").mkdir()
    (tmp_path / "images").mkdir()
    onnx_alone(tmp_path / "nets")
    for number, picture in enumerate(np.random.default_rng(0).integers(0, 255, (4, 8, 8), np.uint8)):
        Image.fromarray(picture).save(tmp_path / "images" / f"{number}.png")
    made = explorer.evolve(
        *(tmp_path / "nets", tmp_path / "images"), layer="conv", method="pca", out=tmp_path / "out"
    )
    scene = made.scene(epoch=1)
    scene.model = tmp_path / "nets"
    page = Asked(scene)
    for question, asked in (("ask_saliency", wish("gradient", "channel")), ("ask_maximise", "channel")):
        page(question, seen(), asked)
        error = page.end()["error"]
        assert "gradients" in error
        assert "\n" not in error
    page("ask_saliency", seen(2, channel=3), wish("occlusion", "channel"))
    end = page.end()
    assert end["error"] == ""
    assert end["model"]["why"] == "net_9: onnx models give no gradients"
    assert "gradient" in end["model"]["without"]
    own = explorer.saliency(
        tmp_path / "nets" / "net_9.onnx", tmp_path / "images", method="occlusion", channel=3, layer="conv"
    )
    np.testing.assert_allclose(values(page("answer", 2, 0)), own.values[2], rtol=1e-5, atol=1e-6)


def test_the_report_on_a_selection_is_of_the_epochs_own_model(page: Asked, place: Path) -> None:
    service = Service(scene_of(page), scene_of(page).state.run)  # type: ignore[arg-type]
    asyncio.run(service("epoch", [1], None))
    told = asyncio.run(service("why", [list(range(20))], None))["answer"]
    assert told["name"].startswith("epoch-4-")
    run: Any = scene_of(page).evolution.runs[1]
    model = explorer.load_model(place / "model.toml", checkpoint=place / "checkpoints" / "4")
    at = np.stack(np.unravel_index(np.arange(20), (8, 8, 8)), axis=1)
    found = explorer.why(run, at, LAYER, model=model, projection=scene_of(page).projection)
    assert "integrated gradients" in found.drivers_note
    assert told["bytes"].decode() == found.html()
    shutil.rmtree(place / "checkpoints" / "1")
    asyncio.run(service("epoch", [0], None))
    assert "checkpoints/1, which is not there" in asyncio.run(service("why", [[1, 2]], None))["error"]
