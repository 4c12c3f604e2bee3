"""Slices of volumes, signals as curves, and what of a picture a position sees."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import explorer
from explorer.activations import Activations
from explorer.capture.receptive_field import ReceptiveField, unknown
from explorer.errors import InputError
from explorer.reduce.projection import Projection
from explorer.render import grid, scene
from explorer.render.drawing.layout import track
from explorer.render.linked.plane import field_part
from explorer.render.linked.scene import Scene
from explorer.render.linked.words import sees
from explorer.render.window.controls import Controls

SIZE = (1000, 640)
WIDE = (1600, 900)


class Grids:
    """Four inputs of any spatial rank, with or without pictures and receptive fields, in memory."""

    name, n_images, labels, layers = "net", 4, ("a", "b", "a", "b"), ("conv",)
    image_names = tuple(f"{index}.nii.gz" for index in range(4))

    def __init__(self, spatial: tuple[int, ...], field: ReceptiveField | None = None, scale: int = 4) -> None:
        self.values = np.random.default_rng(0).normal(size=(4, *spatial, 5)).astype(np.float32)
        self.field = field
        self.input = (*(scale * size for size in spatial), 3)
        entry: dict[str, Any] = {"chunk": 4}
        if field is not None:
            entry["receptive_field"] = {"input": list(self.input), **field.as_table()}
        self.manifest: dict[str, Any] = {"layers": {"conv": entry}}

    def grid_shape(self, layer: str) -> tuple[int, ...]:
        return self.values.shape[:-1]

    def channels(self, layer: str) -> int:
        return 5

    def read(self, layer: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        return self.values[start:stop]

    def picture(self, image: int) -> NDArray[np.uint8] | None:
        return np.full(self.input, 90, np.uint8) if len(self.input) == 3 else None

    def receptive_field(self, layer: str) -> ReceptiveField | None:
        return self.field

    def receptive_box(self, layer: str, position: tuple[int, ...]) -> tuple[tuple[int, int], ...] | None:
        if self.field is None or self.field.how == "unknown":
            return None
        return self.field.box(position, self.input)


def shown(run: Grids, size: tuple[int, int] = SIZE) -> Scene:
    coordinates = np.random.default_rng(1).normal(size=(run.values[..., 0].size, 3)).astype(np.float32)
    made = scene(run, Projection("pca", coordinates, "conv", run.grid_shape("conv")))
    made.frame(size)
    return made


def square(size: int, stride: int, offset: int, axes: int = 2) -> ReceptiveField:
    return ReceptiveField((size,) * axes, (Fraction(stride),) * axes, (Fraction(offset),) * axes)


def test_the_receptive_field_is_framed_over_the_picture_where_it_lies() -> None:
    run = Grids((4, 6), square(9, 4, -2))
    at = shown(run, WIDE)
    plain = np.asarray(at.frame(WIDE)).astype(int)
    at.inspect(1, 2, 3)
    assert run.receptive_box("conv", (2, 3)) == ((6, 15), (10, 19))
    assert field_part(at.state) == (10 / 24, 6 / 16, 19 / 24, 15 / 16)
    assert ("sees", "rows 6–14, columns 10–18") in sees(at.state)
    marked = np.asarray(at.frame(WIDE)).astype(int)
    place = at.page(WIDE).shown[0].place
    left, top = place.left + place.width * 10 / 24, place.top + place.height * 6 / 16
    right, bottom = place.left + place.width * 19 / 24, place.top + place.height * 15 / 16
    ink = (np.abs(marked - 90).max(axis=2) > 50)[place.top : place.bottom, place.left : place.right]
    rows, columns = np.nonzero(ink)
    assert abs(rows.min() + place.top - top) <= 1
    assert abs(rows.max() + 1 + place.top - bottom) <= 1
    assert abs(columns.min() + place.left - left) <= 1
    assert abs(columns.max() + 1 + place.left - right) <= 1
    at.image = 0  # another picture: nothing of it is seen
    assert field_part(at.state) is None
    assert plain.shape == marked.shape


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (None, "not known of this layer"),
        (unknown("a loop"), "not known of this layer"),
        (square(100, 0, 0), "the whole input"),
        (square(3, 4, -9), "only padding"),
        (ReceptiveField((3, 3), (Fraction(4),) * 2, (Fraction(0),) * 2, "measured"), "measured"),
    ],
)
def test_what_a_position_sees_is_said_in_words(field: ReceptiveField | None, words: str) -> None:
    at = shown(Grids((4, 6), field))
    at.inspect(0, 0, 0)
    assert words in dict(sees(at.state))["sees"]
    framed = field_part(at.state)
    assert (framed is not None) == (words == "measured")
    at.frame(SIZE)


def test_the_field_is_in_vector_pages(tmp_path: Path) -> None:
    at = shown(Grids((4, 6), square(9, 4, -2)))
    at.inspect(1, 2, 3)
    at.export(tmp_path / "page.svg")
    place = at.page((1600, 900)).shown[0].place
    text = (tmp_path / "page.svg").read_text(encoding="utf-8")
    left = round(place.left + place.width * 10 / 24)
    assert f'x="{left}' in text
    assert "rows 6–14, columns 10–18" in text


def test_every_slice_of_a_volume_is_shown_and_clicked() -> None:
    run = Grids((5, 4, 6), square(9, 4, -2, 3))
    at = shown(run, WIDE)
    assert at.slice == 2
    norms = np.linalg.norm(run.values.astype(float), axis=-1)
    from explorer.render.linked.panels import panels

    for index in range(5):
        at.slice = index
        drawn = panels(at.state, at.sheet.theme(at.state), at.basis)[1]
        assert drawn.values is not None
        np.testing.assert_allclose(drawn.values, norms[0, index], rtol=1e-5)
        assert drawn.detail == f"slice {index}"
        left, top, right, bottom = at.page(WIDE).shown[1].box(3, 4)
        at.frame(WIDE)
        chosen = at.click((left + right) / 2, (top + bottom) / 2)
        assert chosen is not None
        assert chosen.position == (index, 3, 4)
    at.inspect(2, 0, 1, 1)
    assert at.slice == 0  # a position brings its slice
    assert field_part(at.state) is not None
    framed = np.asarray(at.frame(WIDE)).astype(int)
    at.state.run.field = None  # type: ignore[attr-defined]
    at._page = None
    changed = np.abs(np.asarray(at.frame(WIDE)).astype(int) - framed).max(axis=2) > 30
    panels_at = [one.place for one in at.page(WIDE).shown]
    met = [changed[p.top : p.bottom, p.left : p.right].any() for p in panels_at]
    assert met == [False, True, False, False]  # over the map: the cut across has other axes
    at.state.run.field = square(9, 4, -2, 3)  # type: ignore[attr-defined]
    at.slice = 4  # another slice does not show what is seen there
    assert field_part(at.state) is None
    assert ("sees", "slices 0–6, rows 2–10, columns 2–10") in sees(at.state)
    at.clear_selection()
    assert at.slice == 4
    for wrong in (-1, 5):
        with pytest.raises(InputError, match="slices 0 to 4"):
            at.slice = wrong
    with pytest.raises(InputError, match="no volume"):
        shown(Grids((4, 6))).slice = 0


def test_a_volume_is_shown_cut_across_with_a_line_where_the_slice_lies() -> None:
    from explorer.render.linked.panels import panels

    run = Grids((5, 4, 6))
    at = shown(run, WIDE)
    at.inspect(2, 1, 3, 4)
    at.slice = 4
    first = panels(at.state, at.sheet.theme(at.state), at.basis)[0]
    assert first.values is not None
    np.testing.assert_allclose(first.values, np.linalg.norm(run.values[2, :, 3].astype(float), axis=-1), 1e-5)
    assert first.detail == "slices at row 3"
    picture = np.asarray(at.frame(WIDE))
    place = at.page(WIDE).shown[0].place
    accent = (picture[:, place.left + 5] == at.sheet.theme(at.state).accent).all(axis=1)
    inside = np.flatnonzero(accent[place.top : place.bottom])
    assert inside.mean() == pytest.approx(0.9 * place.height, abs=2)
    assert at.page(WIDE).shown[0].cells is None  # its cells are no places of the shown slice


def test_slices_are_gone_through_by_slider_wheel_and_keys() -> None:
    controls = Controls(shown(Grids((9, 4, 6)), WIDE), WIDE)
    controls.picture()
    layout, at = controls.layout, controls.scene
    assert layout.slider is not None
    assert not any(layout.slider.meets(panel) for panel in layout.panels)
    left, right = track(layout)
    middle = layout.slider.top + layout.slider.height / 2
    controls.press("left", left, middle)
    assert at.slice == 0
    controls.move(left + (right - left) / 2, middle)
    assert at.slice == 4
    controls.move(right + 200, middle + 100)
    controls.release("left", right + 200, middle + 100)
    assert at.slice == 8
    assert not at.selection
    for name, expected in (("Prior", 7), ("Prior", 6), ("Next", 7)):
        controls.key(name)
        assert at.slice == expected
    panel = layout.panels[1]
    controls.wheel(-1, panel.left + 20, panel.top + 20)
    assert at.slice == 8
    controls.wheel(-1, panel.left + 20, panel.top + 20)
    assert at.slice == 8
    controls.picture()
    controls.use("brush")
    shown_map = at.page(WIDE, interactive=True).shown[1]
    box = shown_map.box(1, 2)
    spot = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    controls.press("left", *spot)
    controls.release("left", *spot)
    assert list(at.selection) == [(0, 8, 1, 2)]
    assert Controls(shown(Grids((4, 6))), SIZE).layout.slider is None


def test_a_slice_is_kept_in_states_and_lines_of_python(tmp_path: Path) -> None:
    run = Grids((5, 4, 6))
    at = shown(run)
    at.slice = 4
    at.save_state(tmp_path / "state.json")
    assert "scene.slice = 4" in at.code()
    other = shown(run)
    other.load_state(tmp_path / "state.json")
    assert other.slice == 4
    assert scene(run, at.projection, slice=1).slice == 1
    old = json.loads((tmp_path / "state.json").read_text(encoding="utf-8"))
    for name in ("slice", "beside", "views"):  # as states were written before there were any
        del old[name]
    (tmp_path / "old.json").write_text(json.dumps(old), encoding="utf-8")
    other.load_state(tmp_path / "old.json")
    assert other.slice == 2


def test_a_signal_is_drawn_as_a_curve_and_clicked_by_position() -> None:
    run = Grids((12,))
    run.values[0, :, :] = 0.0
    run.values[0, 3, 0] = 5.0
    at = shown(run, WIDE)
    at.channel = 0
    picture = np.asarray(at.frame(WIDE)).astype(int)
    panel = at.page(WIDE).shown[1]
    place = panel.place
    assert panel.cells == (1, 12)
    theme = at.sheet.theme(at.state)
    ink = np.abs(picture[place.top : place.bottom, place.left : place.right] - theme.text).max(axis=2) < 40
    columns = np.nonzero(ink[: place.height // 3].any(axis=0))[0]
    assert abs(columns.mean() - 3.5 / 12 * place.width) < 3  # the peak stands over its position
    left, top, right, bottom = panel.box(0, 7)
    chosen = at.click((left + right) / 2, (top + bottom) / 2)
    assert chosen is not None
    assert chosen.position == (7,)
    first = at.page(WIDE).shown[0]  # all channels, in place of a picture
    assert first.cells == (1, 12)
    at.frame(WIDE)


def test_a_grid_draws_one_slice_of_a_volume() -> None:
    values = np.random.default_rng(0).normal(size=(2, 5, 8, 9, 3)).astype(np.float32)
    whole = Activations("conv", values)
    for cut in (0, 4):
        volume = grid(whole, slice=cut, channels=[1]).picture()
        flat = grid(Activations("conv", values[:1, cut]), channels=[1])
        box = flat.maps[0].box
        ours = grid(whole, slice=cut, channels=[1]).maps[0].box
        assert ours[2:] == box[2:]
        one = np.asarray(volume)[ours[1] : ours[1] + ours[3], ours[0] : ours[0] + ours[2]]
        other = np.asarray(flat.picture())[box[1] : box[1] + box[3], box[0] : box[0] + box[2]]
        np.testing.assert_array_equal(one, other)
    middle = np.asarray(grid(whole, channels=[0]).picture())
    np.testing.assert_array_equal(middle, np.asarray(grid(whole, slice=2, channels=[0]).picture()))
    with pytest.raises(InputError, match="slices 0 to 4"):
        grid(whole, slice=5)
    with pytest.raises(InputError, match="no volume"):
        grid(Activations("conv", values[:, 0]), slice=0)


def test_explore_hands_masks_on(tmp_path: Path, toy: Any) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (6, 8, 8, 1)).astype(np.uint8)
    masks = (pictures[..., 0] > 128).astype(np.int64)
    made = explorer.explore(toy, pictures, layer="half", method="pca", masks=masks, out=tmp_path / "run")
    assert "mask" in made.state.colours
    made.colour = "mask"
    assert set(made.state.quantity("mask").names) == {"0", "1"}
