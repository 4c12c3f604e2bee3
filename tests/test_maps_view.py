"""All maps of the picture over the window: in their places, by the order asked for, and a click takes one."""

from pathlib import Path

import numpy as np
import pytest
from planted import planted_run

import explorer
from explorer.render.drawing.colours import table
from explorer.render.linked.scene import Scene
from explorer.render.window.controls import Controls
from explorer.render.window.maps_view import MOST, MapsView

SIZE = (1000, 700)


def view_of(values: np.ndarray, folder: Path) -> Scene:
    np.savez(folder / "layer.npz", block=values.astype(np.float32))
    run = explorer.capture(folder / "layer.npz", out=folder / "run", layers=["block"])
    return explorer.scene(run, explorer.project(run, layer="block", method="pca"))


@pytest.fixture
def at(tmp_path: Path) -> Controls:
    run = planted_run(tmp_path)
    return Controls(explorer.scene(run, explorer.project(run, layer="block", method="pca")), SIZE)


def click(at: Controls, x: float, y: float) -> None:
    at.press("left", x, y)
    at.release("left", x, y)


def test_a_key_lays_the_maps_over_the_window_and_a_click_takes_one(at: Controls) -> None:
    assert at.key("f")
    pixels = np.asarray(at.picture())
    assert at.maps is not None
    assert [channel for channel, _ in at.maps.found] == [0, 1, 2, 3, 4]
    for channel, place in at.maps.found:
        own = at.scene.state.run.read("block", 0, 1)[0, ..., channel]
        row, column = np.unravel_index(own.argmax(), own.shape)
        y = place.top + (2 * row + 1) * place.height // 12
        x = place.left + (2 * column + 1) * place.width // 12
        np.testing.assert_array_equal(pixels[y, x], table("viridis")[255])
    place = at.maps.found[3][1]
    click(at, place.left + 5, place.top + 5)
    assert at.maps is None
    assert at.scene.channel == 3
    at.key("f")
    at.key("Escape")
    assert at.maps is None
    assert not at.done


def test_it_follows_the_picture_and_nothing_beneath_is_touched(at: Controls) -> None:
    at.key("f")
    first = np.asarray(at.picture())
    at.key("n")
    assert at.scene.image == 1
    assert not np.array_equal(first, np.asarray(at.picture()))
    before = at.scene.camera
    at.use("box")
    at.press("left", 300, 300)
    at.move(500, 500)
    at.release("left", 500, 500)
    assert not at.scene.selection
    assert at.scene.camera == before
    assert at.hover is None
    click(at, 3, 690)
    assert at.maps is not None


def test_the_list_orders_them_by_the_data_set(at: Controls) -> None:
    at.push("maps")
    assert at.popup is not None
    at.choose(next(item for item in at.popup.items if item.text.startswith("by variance")))
    while at.waiting is not None:
        at.poll()
    at.picture()
    assert at.maps is not None
    values = at.scene.state.run.read("block").reshape(-1, 5)
    assert [channel for channel, _ in at.maps.found] == np.argsort(-values.var(axis=0)).tolist()
    at.show_maps("variance")
    assert at.maps is None


def test_more_maps_than_a_page_holds_go_on_the_next(tmp_path: Path) -> None:
    at = Controls(view_of(np.random.default_rng(0).normal(size=(3, 2, 2, MOST + 9)), tmp_path), (1600, 900))
    at.key("f")
    at.picture()
    assert at.maps is not None
    assert (len(at.maps.found), at.maps.pages) == (MOST, 2)
    assert at.wheel(-1, 500, 500)
    at.picture()
    assert [channel for channel, _ in at.maps.found] == list(range(MOST, MOST + 9))
    assert not at.wheel(-1, 500, 500)
    assert at.wheel(1, 500, 500)


@pytest.mark.parametrize("shape", [(3, 4), (3, 9, 4), (3, 5, 4, 6, 4)])
def test_vectors_signals_and_volumes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    scene = view_of(np.random.default_rng(0).normal(size=shape), tmp_path)
    at = Controls(scene, SIZE)
    at.key("f")
    assert at.picture().size == SIZE
    assert at.maps is not None
    assert len(at.maps.found) == (0 if len(shape) == 2 else 4)


@pytest.mark.parametrize("size", [(640, 480), (1600, 900), (3840, 2160)])
def test_maps_lie_inside_and_apart_at_any_size(at: Controls, size: tuple[int, int]) -> None:
    at.size = size
    at.key("f")
    at.picture()
    assert at.maps is not None
    places = [place for _, place in at.maps.found]
    assert len(places) == 5
    for index, place in enumerate(places):
        assert place.left >= 0
        assert place.top > at.layout.bar.bottom  # type: ignore[union-attr]
        assert place.right <= size[0]
        assert place.bottom <= size[1]
        assert not any(place.meets(other) for other in places[index + 1 :])


def test_constant_maps_are_plain_and_gaps_hatched(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(3, 4, 4, 3))
    values[0, ..., 0] = 7
    view = MapsView(view_of(values, tmp_path))
    assert view.channels() == [0, 1, 2]


def test_a_scene_gives_the_grid_of_what_it_shows(at: Controls) -> None:
    scene = at.scene
    scene.image = 3
    drawn = scene.grid(channels=[3, 1], order="variance")
    assert [(one.image, one.channel) for one in drawn.maps] == [(3, 3), (3, 1)]
    np.testing.assert_array_equal(drawn.maps[0].values, scene.state.run.read("block", 3, 4)[0, ..., 3])
