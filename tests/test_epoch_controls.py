"""The slider, the keys and playing: where they lead, and how smoothly."""

import os
import shutil
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from epoch_runs import evolution
from PIL import Image

from explorer.render.epochs.controls import EpochControls
from explorer.render.epochs.timeline import Timeline, timeline

SIZE = (1000, 700)
TOOLS = ("Xvfb", "xdotool", "import")


class Clock:
    """Time that a test lets go by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def wait(self, at: EpochControls, seconds: float, step: float = 0.05) -> list[float]:
        """Let time go by, and say where the scene was at each look."""
        places = []
        for _ in range(round(seconds / step)):
            self.now += step
            at.poll()
            places.append(at.scene.at)
        return places


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def made(**options: object) -> EpochControls:
    scene = evolution(**options).scene()  # type: ignore[arg-type]
    controls = scene.controls(SIZE)
    assert isinstance(controls, EpochControls)
    controls.picture()
    return controls


def line(at: EpochControls) -> Timeline:
    return timeline(at.layout, len(at.scene.curves))


def test_keys_go_to_the_epochs_beside_smoothly(clock: Clock) -> None:
    at = made()
    assert at.key("comma")
    places = clock.wait(at, 1.0)
    assert places[-1] == 1.0
    assert at.way is None
    assert any(1.0 < place < 2.0 for place in places)
    assert all(one >= other for one, other in pairwise(places))
    at.key("comma")
    clock.wait(at, 0.2)
    at.key("period")  # before it is there
    assert clock.wait(at, 1.5)[-1] == 1.0
    at.key("period")
    clock.wait(at, 1.0)
    at.key("period")
    assert clock.wait(at, 1.0)[-1] == 2.0


def test_the_knob_is_dragged_and_comes_to_rest_at_the_nearest_epoch(clock: Clock) -> None:
    at = made()
    place = line(at)
    y = place.slider.top + 5
    at.press("left", place.x(2, 3), y)
    assert at.move(place.x(0.8, 3), y)
    assert at.scene.at == pytest.approx(0.8, abs=0.01)
    assert at.moving
    at.move(place.x(0.6, 3), y + 300)  # the mouse may leave the slider
    assert at.scene.at == pytest.approx(0.6, abs=0.01)
    at.release("left", place.x(0.6, 3), y + 300)
    assert clock.wait(at, 1.0)[-1] == 1.0
    assert not at.moving
    assert not at.scene.selection


def test_a_click_on_a_plot_goes_to_its_epoch_and_selects_nothing(clock: Clock) -> None:
    at = made()
    at.scene.select(*at.scene.state.position_of(3))
    plot = line(at).plots[2]
    x, y = plot.left + plot.width * 0.03, plot.top + plot.height / 2
    at.press("left", x, y)
    at.release("left", x, y)
    assert clock.wait(at, 2.0)[-1] == 0.0
    assert len(at.scene.selection) == 1


def test_playing_goes_through_all_epochs_and_ends(clock: Clock) -> None:
    at = made()
    place = line(at).play
    assert place is not None
    x, y = place.left + 5, place.top + 5
    at.press("left", x, y)
    at.release("left", x, y)
    assert at.scene.playing
    assert at.scene.at == 0.0  # from the first, as the last was shown
    places = clock.wait(at, 6.0)
    assert {0.0, 1.0, 2.0} <= set(places)
    assert places[-1] == 2.0
    assert not at.scene.playing
    at.key("a")
    clock.wait(at, 1.0)
    at.key("a")
    assert not at.scene.playing
    clock.wait(at, 1.0)
    assert at.scene.at == round(at.scene.at)


def test_what_has_moved_is_shown_by_button_and_key() -> None:
    at = made()
    at.push("moved")
    assert at.scene.only_moved
    assert at.message == "in colour: what has moved since epoch 5 beyond another seed"
    assert next(one.button.lit for one in at.placed() if one.button.name == "moved")
    at.scene.epoch = 0
    at.key("e")
    at.key("e")
    assert "nothing comes before" in at.message
    assert "moved" not in [one.button.name for one in made(seeded=False).placed()]


def test_everything_else_is_as_in_any_window(clock: Clock) -> None:
    at = made()
    assert at.key("n")
    assert at.scene.image == 1
    at.press("left", 250, 200)
    at.move(300, 220)
    at.release("left", 300, 220)
    assert at.scene.views.chosen is not None
    at.key("h")
    assert at.helping
    assert (",  .", "epoch before or after") in at.help_lines()
    at.picture()
    at.key("q")
    assert not at.helping
    at.key("q")
    assert at.done


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from epoch_runs import evolution
from explorer.render.window.window import Window
scene = evolution().scene()
window = Window(scene, (1000, 700))
window.run()
print(scene.at, scene.playing, len(scene.selection))
"""


@pytest.mark.slow
@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}")
def test_in_a_real_window_the_knob_is_dragged_and_keys_go_on(tmp_path: Path) -> None:
    display = f":{500 + os.getpid() % 400}"
    environment = {**os.environ, "DISPLAY": display}
    environment.pop("VTK_DEFAULT_OPENGL_WINDOW", None)
    server = subprocess.Popen(
        ["Xvfb", display, "-screen", "0", "1000x700x24", "-noreset"], stderr=subprocess.DEVNULL
    )
    window = None

    def do(*words: str) -> str:
        done = subprocess.run(["xdotool", *words], env=environment, capture_output=True, text=True)
        time.sleep(0.5)
        return done.stdout

    def seen() -> np.ndarray[Any, Any]:
        grab = ["import", "-window", "root", "screen.png"]
        subprocess.run(grab, env=environment, cwd=tmp_path, check=True)
        with Image.open(tmp_path / "screen.png") as picture:
            return np.asarray(picture.convert("RGB"))

    twin = made()
    place = line(twin)
    y = str(place.slider.top + 5)
    try:
        while not do("getdisplaygeometry"):
            pass
        script = SCRIPT.format(tests=str(Path(__file__).parent))
        window = subprocess.Popen(
            [sys.executable, "-c", script], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True
        )
        for _ in range(100):
            if do("search", "--name", "net"):
                break
        time.sleep(2)
        do("mousemove", str(round(place.x(2, 3))), y, "mousedown", "1")
        do("mousemove", str(round(place.x(1.2, 3))), y)
        do("mousemove", str(round(place.x(0.2, 3))), y, "mouseup", "1")
        time.sleep(2)
        twin.scene.epoch = 0
        np.testing.assert_array_equal(seen(), np.asarray(twin.picture()))
        do("key", "period")
        time.sleep(2)
        twin.scene.epoch = 1
        np.testing.assert_array_equal(seen(), np.asarray(twin.picture()))
        do("key", "q")
        said, _ = window.communicate(timeout=30)
    finally:
        for process in (window, server):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
    assert said.split() == ["1.0", "False", "0"]
