"""A model is asked in the real window with a real mouse: saliency, a picture that grows, and stopping one."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from test_atlas_view import laid
from test_window import centre_of, click, line, push
from test_window_on_screen import Screen, pytestmark, window  # noqa: F401  the same marks

import explorer
from explorer.demo import DIGITS
from explorer.explain.beside_run import sought
from explorer.render.window.controls import Controls

LAYER, SIZE, STILL = "block3", (1280, 720), (4.0, 716.0)
MAKE = """
import explorer
run = explorer.open_run("run")
scene = explorer.scene(run, explorer.project(run, layer="block3", method="pca", n_components=2))
scene.model = {model!r}
"""
HEARD = """
from pathlib import Path
heard = []
def hear(*_):
    if not heard or heard[-1] != window.controls.message:
        heard.append(window.controls.message)
        Path("heard.txt").write_text("\\n".join(heard), encoding="utf-8")
window._interactor.AddObserver("TimerEvent", hear)

import time
from explorer.explain.climbing import Climber
step = Climber.step
Climber.step = lambda self, number: (time.sleep(0.04), step(self, number))[1]  # so that it is seen to grow
"""


def heard(folder: Path, words: str) -> str:
    """The last message of the window, once it holds these words."""
    until = time.monotonic() + 300
    while time.monotonic() < until:
        file = folder / "heard.txt"
        last = file.read_text(encoding="utf-8").splitlines()[-1:] if file.is_file() else []
        if last and words in last[0]:
            return last[0]
        time.sleep(0.05)
    raise AssertionError(f"it never said {words!r}: {last}")


def choose(screen: Screen, twin: Controls, *lines: str) -> None:
    """Open the list of maps by its button and take these lines, in the window and in its twin."""
    screen.press(centre_of(twin, "maps"))
    push(twin, "maps")
    for index, words in enumerate(lines):
        at = line(twin, words)
        screen.press(at)
        if index + 1 < len(lines):
            click(twin, *at)
    twin.popup = None
    screen.do("mousemove", *(str(round(part)) for part in STILL))


def shows(screen: Screen, twin: Controls) -> None:
    """The window comes to show what its twin does, pixel by pixel."""
    expected, until = np.asarray(twin.picture()), time.monotonic() + 60
    while time.monotonic() < until:
        if np.array_equal(np.asarray(screen.grab(SIZE)), expected):
            return
        time.sleep(0.2)
    np.testing.assert_array_equal(np.asarray(screen.grab(SIZE)), expected)


def panel(screen: Screen, twin: Controls) -> bytes:
    """What the last panel shows on the screen."""
    place = twin.layout.panels[3]
    grabbed = screen.grab(SIZE).crop((place.left, place.top, place.right, place.bottom))
    return grabbed.tobytes()


@pytest.fixture
def run(tmp_path: Path) -> explorer.Run:
    folder = tmp_path / "images"
    folder.mkdir()
    for path in sorted((DIGITS.parent / "images").rglob("*.png"))[::30]:
        (folder / path.name).write_bytes(path.read_bytes())
    made = explorer.capture(DIGITS, folder, layers=[LAYER], out=tmp_path / "run")
    explorer.project(made, layer=LAYER, method="pca", n_components=2)
    return made


def test_the_model_is_asked_with_the_mouse(run: explorer.Run, tmp_path: Path) -> None:
    shown = explorer.scene(run, explorer.project(run, layer=LAYER, method="pca", n_components=2))
    shown.model = explorer.load_model(DIGITS)
    twin = Controls(shown, SIZE)
    twin.picture()
    make, say = MAKE.format(model=str(DIGITS)), "scene.channel, scene.state.answer is None"
    with window(tmp_path, make, say, SIZE, also=HEARD, name=run.name) as (screen, said):
        choose(screen, twin, "saliency, this picture …", "integrated-gradients")
        words = heard(tmp_path, "the sum misses")
        shown.saliency("integrated-gradients")
        twin.message = words
        shows(screen, twin)

        before = panel(screen, twin)
        screen.do("key", "bracketright"), twin.key("bracketright")
        choose(screen, twin, "maximise channel 0")
        heard(tmp_path, "of 128")
        seen = set()
        while (time.sleep(0.2), (last := heard(tmp_path, "")))[1].endswith("Esc stops it"):
            seen.add(panel(screen, twin))
        assert last.startswith(f"{LAYER}: channel 0 · reached"), last
        assert len(seen - {before}) >= 2  # it was seen to grow
        assert sought(run, LAYER, 0) is not None

        screen.do("key", "bracketright"), twin.key("bracketright")
        choose(screen, twin, "maximise channel 1")
        heard(tmp_path, "of 128")
        screen.do("key", "Escape")
        heard(tmp_path, "stopped before the end, and not kept")
        assert sought(run, LAYER, 1) is None
    assert said == ["1 False"]  # Escape has stopped the question, and not closed the window


def test_a_cell_of_the_atlas_is_taken_with_the_mouse(run: explorer.Run, tmp_path: Path) -> None:
    shown = explorer.scene(run, explorer.project(run, layer=LAYER, method="pca", n_components=2))
    twin = Controls(shown, SIZE)
    twin.picture()
    make, say = MAKE.format(model=str(DIGITS)), "list(scene.selection)"
    with window(tmp_path, make, say, SIZE, also=HEARD, name=run.name) as (screen, said):
        choose(screen, twin, "by typical patches")
        heard(tmp_path, "Esc stops it")
        view = laid(twin)
        shows(screen, twin)
        place = view.found[int(view.atlas.counts.argmax())]
        spot = place.left + place.width // 2, place.top + place.height // 2
        screen.press(spot)
        click(twin, *spot)
    assert said == [str(list(shown.selection))]
    assert len(shown.selection) == view.atlas.counts.max()
