"""An atlas over the window: its cells, what a click on one selects, and pictures that grow."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from planted import planted_run
from test_maps_view import click
from windowing import choose, finish

import explorer
from explorer.demo import DIGITS
from explorer.render.window.atlas_view import AtlasView
from explorer.render.window.controls import Controls

SIZE = (1000, 700)


@pytest.fixture
def at(tmp_path: Path) -> Controls:
    run = planted_run(tmp_path)
    return Controls(explorer.scene(run, explorer.project(run, layer="block", n_components=2)), SIZE)


def laid(at: Controls) -> AtlasView:
    choose(at, "by typical patches")
    finish(at)
    at.picture()
    assert isinstance(at.maps, AtlasView)
    return at.maps


def test_a_click_selects_the_positions_of_a_cell(at: Controls) -> None:
    view = laid(at)
    atlas, state = view.atlas, at.scene.state
    expected = explorer.atlas(state.run, state.projection, cells=max(atlas.shape))
    np.testing.assert_array_equal(atlas.cells, expected.cells)
    assert atlas.n_positions == 24 * 36
    cell = int(atlas.counts.argmax())
    place = view.found[cell]
    click(at, place.left + 2, place.top + 2)
    assert at.maps is None  # the cloud shows it
    inside = state.projection.samples.grid_rows()[atlas.of == cell]
    np.testing.assert_array_equal(at.scene.selection.places, np.sort(inside))
    assert at.message == f"{atlas.counts[cell]} positions selected"
    choose(at, "by typical patches")
    assert at.maps is view  # it was kept
    at.picture()
    other = view.found[(cell + 1) % len(view.found)]
    at.press("left", other.left + 2, other.top + 2, shift=True)
    at.release("left", other.left + 2, other.top + 2, shift=True)
    assert at.maps is view
    assert len(at.scene.selection) == atlas.counts[[cell, (cell + 1) % len(view.found)]].sum()
    assert at.key("Escape")
    assert at.maps is None
    assert not at.done


@pytest.mark.parametrize("size", [(640, 480), (1600, 900), (2560, 1440)])
def test_cells_lie_inside_and_apart_at_any_size(at: Controls, size: tuple[int, int]) -> None:
    at.size = size
    view = laid(at)
    assert len(view.found) == len(view.atlas.cells) > 8
    for index, place in enumerate(view.found):
        assert place.left >= 0
        assert place.top > at.layout.bar.bottom  # type: ignore[union-attr]
        assert place.right <= size[0]
        assert place.bottom <= size[1]
        assert not any(place.meets(other) for other in view.found[index + 1 :])


def test_the_cell_under_the_mouse_is_told(at: Controls) -> None:
    view = laid(at)
    before = np.asarray(at.picture())
    place = view.found[3]
    assert at.move(place.left + 1, place.top + 1)
    assert view.hot == 3
    assert not np.array_equal(before, np.asarray(at.picture()))
    lines = view._lines(3)
    assert lines[0] == f"{view.atlas.counts[3]} positions"
    assert sum(int(line.split(": ")[1].removesuffix(" %")) for line in lines[2:]) in (99, 100, 101)
    click(at, 3, 690)
    assert at.maps is view
    assert not at.scene.selection


def test_an_atlas_goes_with_its_layer(at: Controls) -> None:
    laid(at)
    run = at.scene.state.run
    at.scene.projection = explorer.project(run, layer="coarse", n_components=2)
    at.picture()
    assert at.maps is None
    view = laid(at)
    assert view.atlas.layer == "coarse"


def test_a_3d_map_takes_the_atlas_of_the_2d_one_where_there_is_one(at: Controls, tmp_path: Path) -> None:
    run = at.scene.state.run
    at.scene.projection = explorer.project(run, layer="block", n_components=3)
    view = laid(at)
    place = view.found[0]
    click(at, place.left + 2, place.top + 2)
    assert len(at.scene.selection) == view.atlas.counts[0]
    at.scene.projection = explorer.project(run, layer="block", method="tsne", n_components=3)
    choose(at, "by typical patches")
    assert at.message == "an atlas is of a 2D map: show t-SNE 2D first, from the list t-SNE 3D"
    choose(at, "by what each direction grows into")
    assert "t-SNE 2D first" in at.message
    at.scene.projection = explorer.project(run, layer="block", n_components=2)
    choose(at, "by what each direction grows into")
    assert "--model" in at.message
    assert at.task is None


@pytest.mark.slow
def test_pictures_grow_in_its_cells_and_escape_stops_them(tmp_path: Path) -> None:
    images = sorted((DIGITS.parent / "images").rglob("*.png"))[::30]
    for path in images:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    run = explorer.capture(DIGITS, tmp_path, layers=["block3"], out=tmp_path / "run")
    shown = explorer.scene(run, explorer.project(run, layer="block3", n_components=2))
    shown.model = DIGITS
    at = Controls(shown, SIZE)
    choose(at, "by what each direction grows into")
    seen, until = set(), time.monotonic() + 120
    while at.task is not None and time.monotonic() < until:
        if at.poll() and isinstance(at.maps, AtlasView):
            seen.add(at.maps.atlas.pictures[0].tobytes())
        time.sleep(0.002)
    assert len(seen) >= 2
    view = at.maps
    assert isinstance(view, AtlasView)
    assert view.atlas.drawn_by == "the picture that its mean direction grows into"
    assert at.atlases["grown"] is view
    assert isinstance(shown.model, explorer.Model)  # opened once
    again = explorer.atlas(run, shown.projection, cells=max(view.atlas.shape), model=shown.model)
    np.testing.assert_array_equal(view.atlas.pictures[0], again.pictures[0])
    at.maps = None
    del at.atlases["grown"]
    choose(at, "by what each direction grows into")
    while at.task is not None and not at.task.steps[0]:
        time.sleep(0.001)
    assert at.key("Escape")
    finish(at)
    assert at.message.startswith("stopped before the end")
    assert not at.atlases
    at.picture()
