"""The real window on a real (virtual) screen, used with a real mouse and real keys."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_beside import pair, projected, seen
from test_plane import Grids, shown
from test_window import centre_of, click, controls, line, push

from explorer.render.drawing.layout import track
from explorer.render.window.controls import Controls

TOOLS = ("Xvfb", "xdotool", "import")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}"),
]
SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from explorer.render.window.window import Window
{make}
window = Window(scene, {size})
{also}
window.controls.picture().save("expected.png")
window.run()
print({say})
"""
SCREENS = iter(range(90 + os.getpid() % 400, 1000, 7))


class Screen:
    """A window on a screen of its own: `do` moves mouse and keys, `grab` takes a picture."""

    def __init__(self, display: str, folder: Path) -> None:
        self.environment = {**os.environ, "DISPLAY": display}
        self.environment.pop("VTK_DEFAULT_OPENGL_WINDOW", None)
        self.folder = folder

    def do(self, *words: str) -> str:
        done = subprocess.run(["xdotool", *words], env=self.environment, capture_output=True, text=True)
        time.sleep(0.4)
        return done.stdout

    def press(self, at: tuple[float, float]) -> None:
        self.do("mousemove", *(str(round(part)) for part in at), "click", "1")

    def drag(self, *path: tuple[float, float]) -> None:
        first, *others = [tuple(str(round(part)) for part in at) for at in path]
        self.do("mousemove", *first, "mousedown", "1")
        for spot in others:
            self.do("mousemove", *spot)
        self.do("mouseup", "1")

    def grab(self, size: tuple[int, int]) -> Image.Image:
        command = ["import", "-window", "root", "screen.png"]
        subprocess.run(command, env=self.environment, cwd=self.folder, check=True)
        with Image.open(self.folder / "screen.png") as picture:
            return picture.convert("RGB").crop((0, 0, *size))


@contextmanager
def window(
    folder: Path,
    make: str,
    say: str,
    size: tuple[int, int] = (900, 600),
    *,
    also: str = "",
    name: str = "net",
) -> Iterator[tuple[Screen, list[str]]]:
    """Open a window over `scene`, which `make` makes; behind the block the list holds what it said.

    The run's name begins its title.
    """
    display = f":{next(SCREENS)}"
    server = subprocess.Popen(
        ["Xvfb", display, "-screen", "0", f"{size[0] + 40}x{size[1] + 40}x24", "-noreset"],
        stderr=subprocess.DEVNULL,
    )
    screen, opened, said = Screen(display, folder), None, []  # type: ignore[var-annotated]
    try:
        for _ in range(100):
            if screen.do("getdisplaygeometry"):
                break
        script = SCRIPT.format(tests=str(Path(__file__).parent), make=make, say=say, size=size, also=also)
        opened = subprocess.Popen(
            [sys.executable, "-c", script],
            env=screen.environment,
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(100):
            if screen.do("search", "--name", name):
                break
        time.sleep(2)
        yield screen, said
        screen.do("key", "q")
        said.extend(opened.communicate(timeout=60)[0].splitlines())
    finally:
        for process in (opened, server):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()


def test_a_real_window_shows_the_scene_and_takes_mouse_and_keys(tmp_path: Path) -> None:
    make = "from test_window import controls\nscene = controls().scene"
    say = "scene.image, scene.theme, scene.focus.row, scene.colour, len(scene.selection)"
    with window(tmp_path, make, say, (800, 600)) as (screen, said):
        picture = screen.grab((800, 600))
        screen.do("mousemove", "250", "280", "mousedown", "1")
        screen.do("mousemove", "300", "300", "mousemove", "320", "310", "mouseup", "1")
        for name in ("w", "e", "3", "p", "n", "n", "t"):
            screen.do("key", name)
        twin = controls()
        twin.key("p"), twin.picture()
        spot = twin.layout.panels[1]
        screen.press((spot.left + spot.width // 8, spot.top + spot.height // 8))
        screen.press(centre_of(twin, "colour"))
        push(twin, "colour")
        screen.press(line(twin, "norm"))
        click(twin, *line(twin, "norm"))
        screen.press(centre_of(twin, "box"))
        place = twin.layout.cloud
        screen.drag(
            (place.left + 4, place.top + 4),
            (place.left + 90, place.top + 90),
            (place.right - 4, place.bottom - 4),
        )
    image, theme, row, colour, selected = said[0].split()
    assert (image, theme, row, colour) == ("1", "dark", "16", "norm")
    assert int(selected) > 40  # all but those that turning took out of the box
    with Image.open(tmp_path / "expected.png") as expected:
        np.testing.assert_array_equal(np.asarray(expected), np.asarray(picture))


def test_two_maps_are_used_with_the_mouse(tmp_path: Path) -> None:
    make = "from test_beside import pair, projected\nscene = pair(projected(), projected('fine', 'umap'))"
    say = (
        "sorted(scene.selection.images.tolist()), scene.focus.image, scene.focus.position,"
        " scene.twin.focus.position, scene.views.chosen is not None, len(scene.kept_views), sep='|'"
    )
    twin = pair(projected(), projected("fine", "umap")).twin
    assert twin is not None
    model = Controls(twin.first, (900, 600))
    model.picture()
    row, pixel = seen(twin)
    with window(tmp_path, make, say) as (screen, said):
        picture = screen.grab((900, 600))
        screen.press(pixel)  # a point of the second cloud
        place = twin.layout.cloud
        screen.do("key", "a")
        screen.drag((place.left + 4, place.top + 40), (place.left + 60, place.top + 60))  # turn there
    images, image, position, fine, turned, kept = said[0].split("|")
    at = twin.state.position_of(row)
    assert images == f"[{at[0]}]"
    assert image == str(at[0])
    assert fine == str(at[1:])
    assert position == str((at[1] // 2, at[2] // 2))
    assert (turned, kept) == ("True", "1")
    with Image.open(tmp_path / "expected.png") as expected:
        np.testing.assert_array_equal(np.asarray(expected), np.asarray(picture))


def test_slices_are_gone_through_and_painted_with_the_mouse(tmp_path: Path) -> None:
    make = "from test_plane import Grids, shown\nscene = shown(Grids((9, 4, 6)), (900, 600))"
    model = Controls(shown(Grids((9, 4, 6)), (900, 600)), (900, 600))
    model.picture()
    left, right = track(model.layout)
    slider = model.layout.slider
    assert slider is not None
    middle = slider.top + slider.height / 2
    model.scene.slice = 7
    box = model.scene.page((900, 600), interactive=True).shown[1].box(1, 2)
    with window(tmp_path, make, "scene.slice, list(scene.selection), sep='|'") as (screen, said):
        screen.drag((left, middle), (left + 30, middle), (right, middle))
        screen.do("key", "Prior")
        screen.press(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))
    assert said == ["7|[(0, 7, 1, 2)]"]


def test_a_long_export_says_so_first_and_is_written(tmp_path: Path) -> None:
    make = "from test_window import controls\nscene = controls().scene"
    with window(tmp_path, make, "scene.image") as (screen, said):
        screen.do("key", "s")
        for _ in range(50):
            if (tmp_path / "conv-pca.png").is_file():
                break
            time.sleep(0.2)
    assert said == ["0"]
    with Image.open(tmp_path / "conv-pca.png") as picture:
        assert picture.size == (900, 600)


def test_where_all_points_take_long_some_come_first_and_that_is_said(tmp_path: Path) -> None:
    make = "from test_window import controls\nscene = controls().scene"
    also = """
import explorer.render.window.window as module
module.LONG, said, draws = -1.0, [], []
draw, say = window._draw, window._say
window._draw = lambda *, rough: (draws.append(rough), draw(rough=rough))
window._say = lambda words="": (said.append(words), say(words))
"""
    with window(tmp_path, make, "draws, said", also=also) as (screen, said):
        screen.do("key", "t")
        time.sleep(1)
    assert said == ["[False, True, False] ['drawing 48 points …', 'drawing 48 points …']"]
