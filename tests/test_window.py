"""Mouse and keys do what the help says; the window hands them on."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.errors import RenderError
from explorer.reduce.projection import Projection
from explorer.render import scene
from explorer.render.controls import KEYS, Controls, help_lines
from explorer.render.layout import lay_out
from explorer.render.offscreen import can_render, quiet_display

SIZE = (800, 600)
MIDDLE = (250.0, 280.0)
TOOLS = ("Xvfb", "xdotool", "import")


class TinyRun:
    """Three images of 4 × 4 positions with two channels, in memory."""

    name, n_images, labels = "net", 3, ("a", "b", "a")
    image_names, layers = ("0.png", "1.png", "2.png"), ("conv",)
    manifest: dict[str, Any] = {"layers": {"conv": {"chunk": 3}}}  # noqa: RUF012
    values = np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype(np.float32)

    def grid_shape(self, layer: str) -> tuple[int, ...]:
        return (3, 4, 4)

    def channels(self, layer: str) -> int:
        return 2

    def read(self, layer: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        return self.values[start:stop]

    def picture(self, image: int) -> None:
        return None


def controls(components: int = 3) -> Controls:
    coordinates = np.random.default_rng(1).normal(size=(48, components)).astype(np.float32)
    made = Controls(scene(TinyRun(), Projection("pca", coordinates, "conv", (3, 4, 4))), SIZE)
    made.picture(rough=True)
    return made


def drag(at: Controls, button: str, by: tuple[float, float], *, shift: bool = False) -> None:
    at.press(button, *MIDDLE, shift=shift)
    at.move(MIDDLE[0] + by[0] / 2, MIDDLE[1] + by[1] / 2)
    at.move(MIDDLE[0] + by[0], MIDDLE[1] + by[1])
    at.release(button, MIDDLE[0] + by[0], MIDDLE[1] + by[1])


def test_keys_walk_through_images_and_channels() -> None:
    at = controls()
    for name, image in (("n", 1), ("Right", 2), ("n", 0), ("p", 2), ("Left", 1)):
        assert at.key(name)
        assert at.scene.image == image
    assert at.scene.channel is None
    for name, channel in (("Up", 0), ("bracketright", 1), ("Up", 0), ("Down", 1), ("bracketleft", 0)):
        at.key(name)
        assert at.scene.channel == channel
    at.key("m")
    assert at.scene.state.map == "component"
    at.key("Up")
    assert at.scene.state.component == 1


def test_keys_choose_colours_and_the_map_follows() -> None:
    at = controls()
    at.key("c")
    assert at.scene.colour == "image"
    at.key("C")
    assert at.scene.colour == "label"
    at.key("6")
    assert (at.scene.colour, at.scene.state.map) == ("channel", "channel")
    at.key("8")
    assert at.scene.colour == "rgb"


def test_keys_for_looks_and_views() -> None:
    at = controls()
    first = at.scene.camera
    at.key("v")
    assert at.scene.camera != first
    at.key("r")
    assert at.scene.camera == first
    at.key("t")
    assert at.scene.theme == "dark"
    at.key("i")
    assert at.scene.state.isolated
    assert "0.png" in at.message
    at.key("o")
    assert not at.scene.state.overlaid
    at.picture()


def test_saved_files_are_named_and_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    at = controls()
    for _ in range(2):
        at.key("s")
        at.key("k")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "conv-pca-2.png",
        "conv-pca-camera-2.json",
        "conv-pca-camera.json",
        "conv-pca.png",
    ]
    assert at.message == "saved conv-pca-camera-2.json"


def test_help_lists_every_key_and_closes_before_the_window_does() -> None:
    shown = " ".join(key for key, _ in help_lines())
    assert all(key.shown in shown or key.shown.isdigit() for key in KEYS)
    names = [name for key in KEYS for name in key.names]
    assert len(names) == len(set(names))
    at = controls()
    at.key("h")
    assert at.helping
    assert at.picture().size == SIZE
    at.key("Escape")
    assert not at.helping
    assert not at.done
    at.key("q")
    assert at.done


def test_other_keys_do_nothing() -> None:
    at = controls()
    before = at.scene.camera, at.scene.image, at.scene.colour
    assert not any(at.key(name) for name in ("w", "e", "f", "a", "0", "F1", "Shift_L"))
    assert (at.scene.camera, at.scene.image, at.scene.colour) == before
    assert not at.done


def test_a_drag_turns_and_keeps_the_distance() -> None:
    at = controls()
    before = at.scene.view
    drag(at, "left", (60, 25))
    after = at.scene.view
    assert after.focal_point == before.focal_point
    assert after.position != before.position
    for view in (before, after):
        np.testing.assert_allclose(view.basis() @ view.basis().T, np.eye(3), atol=1e-9)
    distances = [np.linalg.norm(np.subtract(view.position, view.focal_point)) for view in (before, after)]
    np.testing.assert_allclose(*distances)
    assert at.scene.focus is None
    assert not at.scene.selection


@pytest.mark.parametrize(
    ("button", "shift", "components"), [("middle", False, 3), ("left", True, 3), ("left", False, 2)]
)
def test_a_shifting_drag_moves_the_cloud_with_the_mouse(button: str, shift: bool, components: int) -> None:
    at = controls(components)
    place = lay_out(SIZE).cloud
    focus = np.array([at.scene.view.focal_point])
    drag(at, button, (30, -20), shift=shift)
    pixels, _ = at.scene.view.project(focus, (place.width, place.height))
    np.testing.assert_allclose(pixels[0], (place.width / 2 + 30, place.height / 2 - 20), atol=1e-6)


@pytest.mark.parametrize("components", [2, 3])
def test_the_wheel_comes_nearer_to_what_is_under_the_mouse(components: int) -> None:
    at = controls(components)
    place, view = lay_out(SIZE).cloud, at.scene.view
    x, y = place.left + 100, place.top + 120
    right, up, _ = view.basis()
    from explorer.render.motion import half_height

    unit = 2 * half_height(view) / place.height
    offset = (x - place.left - place.width / 2) * right - (y - place.top - place.height / 2) * up
    under = np.array([view.focal_point + unit * offset])
    assert at.wheel(2, x, y)
    pixels, _ = at.scene.view.project(under, (place.width, place.height))
    np.testing.assert_allclose(pixels[0], (x - place.left, y - place.top), atol=1e-6)
    assert half_height(at.scene.view) < half_height(view)
    assert not at.wheel(1, SIZE[0] - 30, 200)


def test_a_click_selects_and_a_drag_does_not() -> None:
    at = controls()
    pixel = next(p for p in (at.scene.pixel(row) for row in range(48)) if p is not None)
    row = at.scene.pick(*pixel)
    at.press("left", *pixel)
    at.move(pixel[0] + 1, pixel[1])
    at.release("left", pixel[0] + 1, pixel[1])
    assert at.scene.focus is not None
    assert at.scene.focus.row == row
    assert list(at.scene.selection) == [at.scene.state.position_of(row)]
    at.key("n")
    assert at.scene.focus.row == row


def test_without_a_screen_the_window_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(RenderError, match=r"screenshot\(path\)"):
        controls().scene.show()


def test_without_a_screen_a_quiet_window_is_chosen_and_a_choice_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("VTK_DEFAULT_OPENGL_WINDOW", raising=False)
    quiet_display()
    assert os.environ["VTK_DEFAULT_OPENGL_WINDOW"] in ("vtkEGLRenderWindow", "vtkOSOpenGLRenderWindow")
    monkeypatch.setenv("VTK_DEFAULT_OPENGL_WINDOW", "mine")
    quiet_display()
    assert os.environ["VTK_DEFAULT_OPENGL_WINDOW"] == "mine"


def test_the_doctor_can_tell_whether_pictures_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    works, how = can_render()
    assert works, how
    monkeypatch.setenv("VTK_DEFAULT_OPENGL_WINDOW", "vtkWin32OpenGLRenderWindow")
    monkeypatch.setattr("explorer.render.offscreen.TRIAL", "import os; os.abort()")
    works, how = can_render()
    assert not works
    assert "apt install" in how


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from test_window import controls
from explorer.render.window import Window
scene = controls().scene
window = Window(scene, (800, 600))
window.controls.picture().save("expected.png")
window.run()
print(scene.image, scene.theme, scene.focus.row if scene.focus else None, scene.camera["position"])
"""


@pytest.mark.slow
@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}")
def test_a_real_window_shows_the_scene_and_takes_mouse_and_keys(tmp_path: Path) -> None:
    display = f":{90 + os.getpid() % 400}"
    environment = {**os.environ, "DISPLAY": display}
    environment.pop("VTK_DEFAULT_OPENGL_WINDOW", None)
    server = subprocess.Popen(["Xvfb", display, "-screen", "0", "900x700x24"], stderr=subprocess.DEVNULL)
    window = None

    def do(*words: str) -> str:
        done = subprocess.run(["xdotool", *words], env=environment, capture_output=True, text=True)
        time.sleep(0.4)
        return done.stdout

    try:
        time.sleep(1)
        script = SCRIPT.format(tests=str(Path(__file__).parent))
        window = subprocess.Popen(
            [sys.executable, "-c", script], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True
        )
        for _ in range(100):
            if do("search", "--name", "net"):
                break
        time.sleep(2)
        grab = ["import", "-window", "root", "screen.png"]
        subprocess.run(grab, env=environment, cwd=tmp_path, check=True)
        do("mousemove", "250", "280", "mousedown", "1")
        do("mousemove", "300", "300", "mousemove", "320", "310", "mouseup", "1")
        for name in ("w", "e", "3", "p", "n", "n", "t"):
            do("key", name)
        spot = lay_out(SIZE).panels[1]
        do("mousemove", str(spot.left + spot.width // 8), str(spot.top + spot.height // 8), "click", "1")
        do("key", "q")
        said, _ = window.communicate(timeout=30)
    finally:
        for process in (window, server):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
    image, theme, row, *_ = said.split()
    assert (image, theme, row) == ("1", "dark", "16")
    from PIL import Image

    with Image.open(tmp_path / "expected.png") as one, Image.open(tmp_path / "screen.png") as other:
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other.convert("RGB"))[:600, :800])
