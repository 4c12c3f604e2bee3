"""What the page asks the model, without a browser: answers as the scene gives, one at a time, stopped."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_kept_answers import forbid

import explorer
from explorer.capture import open_inputs
from explorer.capture.model import Model
from explorer.demo import DIGITS
from explorer.errors import ExplorerError, InputError
from explorer.explain.beside_run import sought
from explorer.render.linked.scene import Scene
from explorer.web.asking import Asking
from explorer.web.server import answers_of

LAYER = "block3"


@pytest.fixture(scope="module")
def model() -> Model:
    return explorer.load_model(DIGITS)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight of the demo's pictures."""
    place = tmp_path_factory.mktemp("asked") / "images"
    place.mkdir()
    found = sorted((DIGITS.parent / "images").rglob("*.png"))
    for path in found[:: len(found) // 8][:8]:
        (place / path.name).write_bytes(path.read_bytes())
    return place


@pytest.fixture
def scene(model: Model, pictures: Path, tmp_path: Path) -> Scene:
    run = explorer.capture(model, pictures, layers=[LAYER], out=tmp_path / "run")
    shown = explorer.scene(run, explorer.project(run, layer=LAYER, method="pca", n_components=2))
    shown.model = model
    return shown


class Asked:
    """A page's side of the conversation."""

    def __init__(self, scene: Scene) -> None:
        self.answers = answers_of(scene, scene.state.run)  # type: ignore[arg-type]
        self.asking = Asking(self.answers, ThreadPoolExecutor(1))

    def __call__(self, question: str, *arguments: Any, shown: str | None = None) -> Any:
        return asyncio.run(self.asking(question, list(arguments), shown))

    def end(self, meanwhile: Callable[[dict[str, Any]], None] = lambda _: None) -> dict[str, Any]:
        until = time.monotonic() + 120
        while (told := self("asking"))["running"]:
            assert time.monotonic() < until
            meanwhile(told)
            time.sleep(0.005)
        return dict(told)


def seen(image: int = 0, channel: int = 0, focus: int | None = None, places: Any = ()) -> dict[str, Any]:
    return {"image": image, "slice": 0, "channel": channel, "focus": focus, "places": list(places)}


def wish(method: str = "gradient", of: str = "class", **others: Any) -> dict[str, Any]:
    return {"method": method, "of": of, "target": None, "every": False, **others}


def values(told: dict[str, Any]) -> np.ndarray:
    assert told["values"]["kind"] == "f4"
    return np.frombuffer(told["values"]["bytes"], "<f4").reshape(told["shape"])


def pixels(told: dict[str, Any]) -> np.ndarray:
    assert told["type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(told["bytes"])))


def test_a_selection_is_explained_as_the_scene_does(scene: Scene, model: Model) -> None:
    page, grid = Asked(scene), scene.state.values.grid_shape
    places = [3 * 64 + 10, 3 * 64 + 11, 4 * 64]
    page("ask_saliency", seen(3, places=places), wish("integrated-gradients", "selection"))
    end = page.end()
    assert end["error"] == ""
    told = page("answer", 3, 0)
    other = explorer.scene(scene.state.run, scene.projection)
    other.model, other.image = model, 3
    other.selection = np.stack(np.unravel_index(places, grid), axis=1)
    found = other.saliency("integrated-gradients")
    np.testing.assert_array_equal(values(told), found.values[0])
    assert (told["target"], told["method"], told["signed"]) == (found.target[0], found.method, True)
    assert told["short"] == "2 positions"
    assert told["missed"]
    assert scene.selection.places.tolist() == places
    assert page("answer", 4, 0)["image"] is None  # it is of another picture
    scene.image = 3
    assert scene.state.answer is not None
    assert scene.state.answer.holds(scene.state)  # and the window would show it


@pytest.mark.parametrize("of", ["channel", "position", "class", "named"])
def test_what_is_named_is_explained(scene: Scene, model: Model, pictures: Path, of: str) -> None:
    page = Asked(scene)
    target = "7" if of == "named" else None
    asked = wish("gradient", "class" if of == "named" else of, target=target)
    page("ask_saliency", seen(2, channel=5, focus=2 * 64 + 9, places=[0, 1]), asked)
    assert page.end()["error"] == ""
    told, opened = page("answer", 2, 0), open_inputs(model, pictures)
    named: dict[str, dict[str, Any]] = {
        "channel": {"channel": 5, "layer": LAYER},
        "position": {"position": (1, 1), "layer": LAYER},
        "class": {},
        "named": {"target": 7},
    }
    direct = explorer.saliency(model, opened.load(2).value[None], **named[of])
    np.testing.assert_allclose(values(told), direct.values[0], rtol=1e-5, atol=1e-6)
    assert told["target"] == direct.target[0]


def test_all_pictures_become_a_colour_and_each_shows_its_own_map(scene: Scene) -> None:
    page = Asked(scene)
    page("ask_saliency", seen(), wish("grad-cam", every=True))
    end = page.end()
    assert end["colour"] == "saliency:grad-cam-answered"
    assert end["colour"] in {told["name"] for told in page.answers.meta()["colours"]}
    assert (Path(scene.state.run.path) / "saliency" / "grad-cam-answered.npz").is_file()  # type: ignore[attr-defined]
    first, second = (values(page("answer", image, 0)) for image in (1, 6))
    assert not np.array_equal(first, second)
    assert page("answer", 6, 0)["images"] == list(range(8))


def test_what_the_run_keeps_is_shown_again_and_computed_anew_when_that_is_asked(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Asked(scene)
    page("ask_saliency", seen(), wish("gradient", every=True))
    assert page.end()["error"] == ""
    found = [values(page("answer", image, 0)) for image in (1, 6)]
    page("ask_maximise", seen(channel=4), "channel")
    assert page.end()["error"] == ""
    picture = pixels(page("answer", 0, 0)["picture"])
    page("ask_close")
    scene.colour = "label"
    with monkeypatch.context() as patch:
        forbid(patch)
        told = page("ask_saliency", seen(), wish("gradient", every=True))
        assert (told["running"], told["colour"]) == (False, "saliency:gradient-answered")
        assert told["number"] == page("asking")["number"] == 3
        for image, own in zip((1, 6), found, strict=True):
            told = page("answer", image, 0)
            np.testing.assert_array_equal(values(told), own)
            assert (told["again"], told["kept"]) == (True, "gradient-answered")
        assert pixels(page("answer_file", 6, "light")).shape[1] > 400
        page("ask_saliency", seen(6), wish("gradient"))  # one of them
        told = page("answer", 6, 0)
        np.testing.assert_array_equal(values(told), found[1])
        assert (told["images"], told["again"], told["colour"]) == ([6], True, None)
        page("ask_maximise", seen(channel=4), "channel")
        told = page("answer", 0, 0)
        np.testing.assert_array_equal(pixels(told["picture"]), picture)
        assert told["again"]
        assert len(told["real"]) == 4
        assert pixels(page("answer_file", 0, "dark")).shape[1] >= 400
    assert page("ask_again", seen(channel=4), True)["running"]
    assert page.end()["error"] == ""
    assert not page("answer", 0, 0)["again"]


def test_one_at_a_time_and_stopped(scene: Scene) -> None:
    page = Asked(scene)
    assert page("asking") == {"running": False, "number": 0}
    page("ask_saliency", seen(), wish("occlusion", every=True))
    with pytest.raises(InputError, match="is not done yet; stop it first"):
        page("ask_maximise", seen(), "channel")
    page("ask_stop")
    end = page.end()
    assert end["error"].endswith("stopped, nothing was kept")
    assert end["stopping"]
    assert page("answer", 0, 0) is None
    assert not (Path(scene.state.run.path) / "saliency").exists()  # type: ignore[attr-defined]


def test_a_channel_grows_is_kept_and_stands_beside_real_pictures(scene: Scene, model: Model) -> None:
    page, frames = Asked(scene), []
    page("ask_maximise", seen(1, channel=4), "channel")
    end = page.end(lambda told: frames.append(told) if "growing" in told else None)
    assert end["error"] == end["note"] == ""
    assert frames
    assert all(told["growing"]["reached"] is None for told in frames)
    told, direct = page("answer", 1, 0), explorer.maximize(model, layer=LAYER, channels=[4])
    assert np.abs(pixels(told["picture"]).astype(int) - direct.shown()[0, 0].astype(int)).max() <= 1
    assert told["reached"] == pytest.approx(float(direct.reached[0, 0]), rel=1e-3)
    run: Any = scene.state.run
    means = run.read(LAYER).reshape(8, -1, run.channels(LAYER)).mean(axis=1)[:, 4]
    assert [one["image"] for one in told["real"]] == np.argsort(-means, kind="stable")[:4].tolist()
    assert told["real"][0]["value"] == pytest.approx(float(means.max()), rel=1e-4)
    (image, *at), value = (told["real"][0]["image"], *told["real"][0]["position"]), run.read(LAYER)[..., 4]
    assert value[(image, *at)] == value[image].max()
    assert sought(run, LAYER, 4) is not None
    sheet = page("answer_file", 1, "dark")
    assert sheet["name"].endswith(".png")
    assert pixels(sheet).shape[1] >= 400


def test_a_picture_that_is_stopped_is_shown_and_not_kept(scene: Scene) -> None:
    page = Asked(scene)
    page("ask_maximise", seen(0, channel=2, places=[5, 6]), "selection")
    end = page.end(lambda told: page("ask_stop") if told["done"] else None)
    assert end["note"] == "stopped before the end, and not kept"
    assert page("answer", 0, 0)["name"] == "the selection's direction"
    assert not (Path(scene.state.run.path) / "maximised").exists()  # type: ignore[attr-defined]
    page("ask_close")
    assert page("answer", 0, 0) is None
    with pytest.raises(InputError, match="has not answered yet"):
        page("answer_file", 0, "light")


def test_a_framework_without_gradients_says_so_and_occlusion_goes_on(
    toy: Model, folder: Path, tmp_path: Path
) -> None:
    run = explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run")
    shown = explorer.scene(run, explorer.project(run, layer="half", method="pca", n_components=2))
    shown.model = toy
    page = Asked(shown)
    told = page.answers.meta()["model"]
    assert {"gradient", "grad-cam"} <= set(told["without"])
    assert "occlusion" not in told["without"]
    assert told["why"] == "toy: toy models give no gradients"
    for question, asked in (("ask_saliency", wish()), ("ask_maximise", "channel")):
        page(question, seen(), asked)
        error = page.end()["error"]
        assert "gradients" in error
        assert "\n" not in error
    page("ask_saliency", seen(), wish("occlusion", "channel"))
    assert page.end()["error"] == ""
    assert values(page("answer", 0, 0)).shape == (8, 8)


def test_nothing_is_imported_until_something_is_asked(scene: Scene) -> None:
    code = """
import sys
import explorer
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from explorer.web.answers import Answers
from explorer.web.asking import Asking
run = explorer.open_run(sys.argv[1])
shown = explorer.scene(run, explorer.saved_projections(run).popitem()[1])
shown.model = Path(sys.argv[2])
answers = Answers(shown, run)
assert answers.meta()["model"]["name"] == "model.toml", answers.meta()["model"]
assert answers.meta()["model"]["opened"] is False
assert Asking(answers, ThreadPoolExecutor(1)).told() == {"running": False, "number": 0}
print(sorted({"jax", "flax", "torch", "onnxruntime", "keras"} & set(sys.modules)))
"""
    path = str(scene.state.run.path)  # type: ignore[attr-defined]
    done = subprocess.run([sys.executable, "-c", code, path, str(DIGITS)], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_bad_questions_are_one_line(scene: Scene) -> None:
    page = Asked(scene)
    bad: list[tuple[str, tuple[Any, ...]]] = [
        ("ask_saliency", (seen(), wish("gradiant"))),
        ("ask_saliency", (seen(), wish(of="everything"))),
        ("ask_saliency", (seen(), wish(of="position"))),
        ("ask_saliency", (seen(), wish(of="selection"))),
        ("ask_saliency", (seen(99), wish())),
        ("ask_saliency", (seen(focus=10**9), wish())),
        ("ask_saliency", ({}, {})),
        ("ask_saliency", ()),
        ("ask_maximise", (seen(), "layer")),
        ("ask_maximise", (seen(), "selection")),
        ("ask_maximise", (seen(channel=99), "channel")),
    ]
    for question, arguments in bad:
        with pytest.raises(ExplorerError) as caught:
            page(question, *arguments)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no longer shown"):
        page("ask_saliency", seen(), wish(), shown="another")
    page("ask_saliency", seen(), wish(target="seven"))
    assert "class 'seven'" in page.end()["error"]


def test_without_a_model_the_page_is_told_of_none(scene: Scene) -> None:
    scene.model = None
    page = Asked(scene)
    assert page.answers.meta()["model"] is None
    with pytest.raises(InputError, match="no model to ask"):
        page("ask_saliency", seen(), wish())
