"""Mouse and keys do what the help says; the window hands them on."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.errors import RenderError
from explorer.reduce.projection import Projection
from explorer.render import scene
from explorer.render.cloud.offscreen import can_render, quiet_display
from explorer.render.window.controls import Controls
from explorer.render.window.keys import KEYS, help_lines

SIZE = (800, 600)
MIDDLE = (250.0, 280.0)


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


def click(at: Controls, x: float, y: float, *, button: str = "left", shift: bool = False) -> None:
    at.press(button, x, y, shift=shift)
    at.release(button, x, y, shift=shift)


def centre_of(at: Controls, name: str) -> tuple[float, float]:
    """The middle of a button, opening the list of those without room where it is one of them."""
    place = next(placed.place for placed in at.placed() if placed.button.name == name)
    return place.left + place.width / 2, place.top + place.height / 2


def push(at: Controls, name: str) -> None:
    click(at, *centre_of(at, name))


def line(at: Controls, text: str) -> tuple[float, float]:
    """The middle of the line of the open list that says this."""
    assert at.popup is not None
    place = at.popup.place(at.layout)
    for y in range(place.top, place.bottom, 2):
        item = at.popup.item(at.layout, place.left + 20, y)
        if item is not None and item.text == text:
            return place.left + 20, y + at.layout.px(8)
    raise AssertionError(f"no line {text}: {[item.text for item in at.popup.items]}")


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
        assert at.message.startswith("writing")
        while at.waiting is not None:
            at.poll()
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
    assert not any(at.key(name) for name in ("e", "0", "F1", "Shift_L"))
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
    place = at.layout.cloud
    focus = np.array([at.scene.view.focal_point])
    drag(at, button, (30, -20), shift=shift)
    pixels, _ = at.scene.view.project(focus, (place.width, place.height))
    np.testing.assert_allclose(pixels[0], (place.width / 2 + 30, place.height / 2 - 20), atol=1e-6)


@pytest.mark.parametrize("components", [2, 3])
def test_the_wheel_comes_nearer_to_what_is_under_the_mouse(components: int) -> None:
    at = controls(components)
    place, view = at.layout.cloud, at.scene.view
    x, y = place.left + 100, place.top + 120
    right, up, _ = view.basis()
    from explorer.render.cloud.motion import half_height

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


def wide(size: tuple[int, int] = (1600, 900), **options: Any) -> Controls:
    at = controls(**options)
    at.size = size
    at.picture(rough=True)
    return at


def test_every_button_does_what_it_says_by_mouse() -> None:
    at = wide()
    push(at, "colour")
    click(at, *line(at, "norm"))
    assert (at.scene.colour, at.popup) == ("norm", None)
    push(at, "palette")
    click(at, *line(at, "diverging"))
    assert at.scene.state.colour_map == "diverging"
    scale = at.scene.colouring().legend.scale
    assert scale is not None
    assert scale.low == -scale.high
    push(at, "size")
    click(at, *line(at, "channel"))
    assert at.scene.state.size == "channel"
    push(at, "theme")
    assert at.scene.theme == "dark"
    push(at, "flat")
    assert at.scene.flat
    assert at.scene.camera["parallel_scale"] is not None
    push(at, "visible")
    assert at.visible
    push(at, "help")
    assert at.helping
    at.picture()


def test_a_list_closes_by_a_click_beside_it_and_by_escape() -> None:
    at = wide()
    for close in (lambda: click(at, 900, 700), lambda: at.key("Escape"), lambda: push(at, "colour")):
        push(at, "colour")
        assert at.popup is not None
        at.picture()
        close()
        assert at.popup is None
        assert not at.done
    assert at.scene.focus is None


def test_buttons_without_room_are_in_a_list_of_their_own() -> None:
    at = wide((700, 560))
    names = [placed.button.name for placed in at.placed()]
    assert names[-1] == "more"
    assert all(placed.place.right <= 700 for placed in at.placed())
    push(at, "more")
    at.picture()
    click(at, *line(at, "Export"))
    assert at.popup is not None
    assert at.popup.name == "export"


def test_classes_are_hidden_and_isolated_in_list_and_legend() -> None:
    at = wide()
    push(at, "classes")
    click(at, *line(at, "b"))
    assert at.scene.state.hidden == {"label": frozenset({"b"})}
    assert at.popup is not None  # the list stays open
    click(at, *line(at, "Show all"))
    assert not at.scene.state.hidden
    entry = next(one for one in at.scene.page(at.size, interactive=True).entries if one.name == "b")
    spot = entry.place.left + 5, entry.place.top + entry.place.height / 2
    click(at, *spot, button="right")
    assert at.scene.state.hidden == {"label": frozenset({"a"})}
    click(at, *spot, button="right")
    assert not at.scene.state.shown.sum() < 48
    click(at, *spot)
    assert at.scene.state.hidden == {"label": frozenset({"b"})}
    at.picture()


@pytest.mark.parametrize("tool", ["box", "lasso", "sphere"])
def test_tools_select_by_dragging_and_modifiers_add_and_remove(tool: str) -> None:
    at = wide()
    push(at, tool)
    place = at.layout.cloud
    if tool == "sphere":
        row = at.scene.pick(*next(p for p in (at.scene.pixel(r) for r in range(48)) if p is not None))
        start = at.scene.pixel(row or 0) or (0.0, 0.0)
        path = [start, (start[0] + 60, start[1] + 60), (start[0] + 120, start[1] + 60)]
    else:
        left, top = place.left + 200, place.top + 100
        path = [(left, top), (left + 20, top + 380), (left + 320, top + 400), (left + 300, top + 200)]

    def stroke(**held: bool) -> None:
        at.press("left", *path[0], **held)
        for spot in path[1:]:
            at.move(*spot)
            at.picture(rough=True)
        at.release("left", *path[-1])

    before = at.scene.camera
    stroke()
    n = len(at.scene.selection)
    assert 0 < n < 48
    assert at.scene.image in at.scene.selection.images
    assert at.message == f"{n} positions selected"
    assert at.scene.camera == before
    rest = ~at.scene.selection
    at.scene.selection = rest
    stroke(shift=True)
    assert len(at.scene.selection) == 48
    stroke(control=True)
    assert at.scene.selection == rest
    push(at, "clear")
    assert not at.scene.selection


def test_a_drag_over_a_heatmap_selects_cells_and_the_brush_paints_them() -> None:
    at = wide()
    box = at.scene.page(at.size, interactive=True).shown[1].box

    def middle(row: int, column: int) -> tuple[float, float]:
        left, top, right, bottom = box(row, column)
        return (left + right) / 2, (top + bottom) / 2

    at.press("left", *middle(2, 3))
    at.move(*middle(1, 1))
    at.picture(rough=True)
    at.release("left", *middle(1, 1))
    assert sorted(at.scene.selection) == [(0, row, column) for row in (1, 2) for column in (1, 2, 3)]
    push(at, "brush")
    at.press("left", *middle(0, 0))
    at.move(*middle(0, 2))
    at.move(*middle(2, 2))
    at.picture(rough=True)
    at.release("left", *middle(2, 2))
    assert sorted(at.scene.selection) == [(0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 1, 2), (0, 2, 2)]


def test_a_click_on_a_name_in_the_cloud_selects_its_class() -> None:
    at = wide()
    place, centre = at.scene.names()[0]
    middle = place.left + place.width / 2, place.top + place.height / 2
    at.move(*middle)
    assert at.hover is not None
    assert at.hover.name == centre.name
    at.picture()
    click(at, *middle)
    mine = [image for image in range(3) if TinyRun.labels[image] == centre.name]
    assert at.scene.selection.images.tolist() == mine
    assert len(at.scene.selection) == 16 * len(mine)
    at.picture()
    at.scene.named = False
    at.picture()
    assert at.scene.names() == ()


def test_selecting_at_once_by_list() -> None:
    at = wide()
    push(at, "how")
    click(at, *line(at, "this image"))
    assert at.scene.selection.ranked() == [(0, 1.0)]
    assert at.message == "16 positions selected"
    push(at, "how")
    click(at, *line(at, "the others instead"))
    assert at.scene.selection.images.tolist() == [1, 2]
    push(at, "how")
    click(at, *line(at, "Add"))
    at.scene.inspect(0, 1, 1)
    push(at, "how")
    click(at, *line(at, "similar to the ring, at least 0.9"))
    alike = at.scene.similarity() >= 0.9
    assert at.scene.selection.masks()[0][alike[0]].all()
    assert len(at.scene.selection) == 32 + alike[0].sum()
    push(at, "how")
    click(at, *line(at, "everything shown"))
    assert len(at.scene.selection) == 48


def test_channels_and_components_are_chosen_from_lists() -> None:
    at = wide()
    push(at, "colour")
    click(at, *line(at, "component 2"))
    assert (at.scene.colour, at.scene.state.component) == ("component", 1)
    push(at, "colour")
    click(at, *line(at, "another channel …"))
    assert at.popup is not None
    at.picture()
    at.key("1", "1")
    assert [item.text for item in at.popup.items] == ["channel 1"]
    at.key("Return")
    assert (at.scene.colour, at.scene.channel) == ("channel", 1)
    at.scene.inspect(0, 2, 2)
    push(at, "colour")
    click(at, *line(at, "another channel …"))
    strongest = int(at.scene.state.run.read("conv")[0, 2, 2].argmax())
    assert at.popup.items[0].text == f"channel {strongest}"


def test_a_picture_is_found_by_typing() -> None:
    at = wide()
    at.key("slash", "/")
    assert at.popup is not None
    assert any("Oddest" in item.text for item in at.popup.items)
    for letter in "2.p":
        assert at.key(letter, letter)
    assert [item.text for item in at.popup.items] == ["2.png"]
    at.picture()
    at.key("Return")
    assert at.scene.image == 2
    assert at.popup is None


def test_a_flight_ends_in_the_view_that_was_asked_for() -> None:
    from explorer.render.cloud.motion import between, orbit

    at = controls()
    opening = at.scene.view
    at.key("v")
    wanted = at.scene.view
    assert at.flight is not None
    assert at.moving
    while at.flight is not None:
        assert at.poll()
        assert np.isfinite(at.scene.view.position).all()
    assert at.scene.view == wanted
    assert not at.poll()
    at.key("r")
    while at.flight is not None:
        at.poll()
    assert at.scene.views.chosen is None
    assert at.scene.view == opening
    for turned in (orbit(opening, 0.3, 0.1), orbit(opening, 1.0, 0.0)):  # the second by half a turn
        half = between(opening, turned, 0.5)
        rows = half.basis()
        np.testing.assert_allclose(rows @ rows.T, np.eye(3), atol=1e-9)
        cosines = [float(np.dot(rows[2], other.basis()[2])) for other in (opening, turned)]
        np.testing.assert_allclose(*cosines, atol=1e-6)
        np.testing.assert_allclose(between(opening, turned, 0.999999).basis(), turned.basis(), atol=1e-4)


def test_the_resting_mouse_shows_what_is_under_it() -> None:
    at = wide()
    spot = next(p for p in (at.scene.pixel(row) for row in range(48)) if p is not None)
    row = at.scene.pick(*spot)
    plain = np.asarray(at.picture())
    assert at.move(*spot)
    assert not at.move(spot[0], spot[1])  # nothing new
    assert at.hover is not None
    assert at.hover.at == at.scene.state.position_of(row or 0)
    assert (np.asarray(at.picture()) != plain).any()
    left, top, right, bottom = at.scene.page(at.size, interactive=True).shown[1].box(2, 3)
    at.move((left + right) / 2, (top + bottom) / 2)
    assert at.hover.at == (0, 2, 3)
    cloud = at.layout.cloud
    own = at.scene.pixel(11)  # the row of image 0, row 2, column 3
    assert own is not None
    marked = np.asarray(at.picture())
    near = (slice(round(own[1]) - 12, round(own[1]) + 13), slice(round(own[0]) - 12, round(own[0]) + 13))
    assert (marked[near] != plain[near]).any()
    assert cloud.contains(*own)
    at.move(2, 2)
    assert at.hover is None


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
    monkeypatch.setattr("explorer.render.cloud.offscreen.TRIAL", "import os; os.abort()")
    works, how = can_render()
    assert not works
    assert "apt install" in how


def test_what_draws_is_imported_early_on_another_thread_and_its_lack_is_not_told_there() -> None:
    code = """if True:
        import sys
        from explorer.render.cloud.offscreen import importing
        sys.modules.update({"pyvista": None} if "without" in sys.argv else {})
        with importing():
            pass
        print("pyvista.plotting" in sys.modules)
    """
    for arguments, expected in (([], "True\n"), (["without"], "False\n")):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
        )
        assert (done.stdout, done.stderr) == (expected, "")
