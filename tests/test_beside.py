"""Two maps side by side: cameras tied, selection, focus and colours shared by position."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.reduce.projection import Projection
from explorer.render import scene
from explorer.render.cloud.motion import half_height, orbit, zoom
from explorer.render.linked.beside import same_places
from explorer.render.linked.scene import Scene
from explorer.render.window.controls import Controls

SMALL = (900, 600)
GRIDS = {"deep": (3, 4, 4), "fine": (3, 8, 8), "vector": (3,)}


class TwoLayers:
    """Three images, a layer of 4 × 4 positions, one of 8 × 8 and one of vectors, in memory."""

    name, n_images, labels = "net", 3, ("a", "b", "a")
    image_names, layers = ("0.png", "1.png", "2.png"), tuple(GRIDS)
    manifest: dict[str, Any] = {"layers": {layer: {"chunk": 3} for layer in GRIDS}}  # noqa: RUF012

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.held = {layer: rng.normal(size=(*grid, 3)).astype(np.float32) for layer, grid in GRIDS.items()}

    def grid_shape(self, layer: str) -> tuple[int, ...]:
        return GRIDS[layer]

    def channels(self, layer: str) -> int:
        return 3

    def read(self, layer: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        return self.held[layer][start:stop]

    def picture(self, image: int) -> None:
        return None


def projected(
    layer: str = "deep", method: str = "pca", *, n: int = 3, rows: NDArray[np.int64] | None = None
) -> Projection:
    grid = GRIDS[layer]
    size = int(np.prod(grid)) if rows is None else len(rows)
    seed = {"pca": 1, "umap": 2}[method]
    points = np.random.default_rng(seed).normal(size=(size, n)).astype(np.float32)
    return Projection(method, points, layer, grid, rows)


def pair(first: Projection | None = None, second: Projection | None = None, **options: Any) -> Scene:
    made = scene(TwoLayers(), first or projected(), beside=second or projected(method="umap"), **options)
    made.frame(SMALL)
    return made


def seen(shown: Scene) -> tuple[int, tuple[float, float]]:
    """A row of a cloud and its pixel, at which it is the one that is picked."""
    for row in range(len(shown.state.rows)):
        at = shown.pixel(row)
        if at is not None and shown.pick(*at) == row:
            return row, at
    raise AssertionError("no point is seen")


def test_each_cloud_has_its_half_and_its_points_are_picked_there() -> None:
    at = pair()
    second = at.layout.second
    assert second is not None
    assert at.twin is not None
    assert not at.layout.cloud.meets(second)
    _, pixel = seen(at)
    assert at.layout.cloud.contains(*pixel)
    assert at.side(*pixel) is at
    _, pixel = seen(at.twin)
    assert second.contains(*pixel)
    assert at.side(*pixel) is at.twin
    assert at.pick(*pixel) is None


def test_a_click_in_either_cloud_looks_at_the_position_in_both() -> None:
    at = pair()
    assert at.twin is not None
    controls = Controls(at, SMALL)
    controls.picture()
    for clicked in (at, at.twin):
        row, pixel = seen(clicked)
        controls.press("left", *pixel)
        controls.release("left", *pixel)
        controls.picture()
        place = clicked.state.position_of(row)
        for one in (at, at.twin):
            assert one.focus is not None
            assert (one.focus.image, *one.focus.position) == place
        assert list(at.selection) == [place]
        assert at.image == place[0]


def test_a_lasso_in_the_second_cloud_selects_what_lies_in_it_there() -> None:
    at = pair()
    twin = at.twin
    assert twin is not None
    controls = Controls(at, SMALL)
    controls.picture()
    place = twin.layout.cloud
    corners = [(place.left + 20, place.top + 30), (place.right - 60, place.top + 30)]
    corners += [(place.right - 60, place.bottom - 90), (place.left + 20, place.bottom - 90)]
    controls.use("lasso")
    controls.press("left", *corners[0])
    for corner in corners[1:]:
        controls.move(*corner)
    controls.release("left", *corners[-1])
    inside = set()
    for row in range(48):
        spot = twin.pixel(row)
        if spot and corners[0][0] <= spot[0] <= corners[1][0] and corners[0][1] <= spot[1] <= corners[2][1]:
            inside.add(twin.state.position_of(row))
    assert 0 < len(inside) < 48
    assert set(at.selection) == inside
    controls.picture()
    assert set(twin.selection) == inside


def test_on_a_finer_layer_the_same_area_is_selected_and_comes_back_whole() -> None:
    at = pair(second=projected("fine", "umap"))
    twin = at.twin
    assert twin is not None
    at.selection = [[1, 2, 3]]
    at.selection = at.selection | at.selection  # the same again
    at.frame(SMALL)
    assert sorted(twin.selection) == [(1, row, column) for row in (4, 5) for column in (6, 7)]
    assert list(at.selection) == [(1, 2, 3)]
    at.inspect(2, 1, 1)
    at.frame(SMALL)
    assert twin.focus is not None
    assert (twin.focus.image, twin.focus.position) == (2, (3, 3))
    twin.inspect(0, 5, 2)  # what is looked at in the finer one stays that position
    twin.report()
    at.frame(SMALL)
    assert at.focus is not None
    assert (at.focus.image, at.focus.position) == (0, (2, 1))
    assert (twin.focus.image, twin.focus.position) == (0, (5, 2))


def test_colours_are_those_of_the_same_place_in_the_first_map_and_what_it_lacks_is_grey() -> None:
    rows = np.arange(0, 48, 2)
    at = pair(projected(rows=rows), projected(method="umap"), colour="component")
    twin = at.twin
    assert twin is not None
    ours, theirs = at.colouring().colours, twin.colouring().colours
    np.testing.assert_array_equal(theirs[rows], ours)
    faint = twin.sheet.theme(twin.state).faint
    assert (theirs[1::2] == faint).all()
    assert "grey: 24 of 48 points not in the left map" in twin.caption()
    fine = pair(projected(), projected("fine", "umap"), colour="row").twin
    assert fine is not None
    np.testing.assert_array_equal(fine.rows(), same_places(np.arange(192), GRIDS["fine"], GRIDS["deep"]))
    middle = fine.state.projection.positions()
    np.testing.assert_array_equal(fine.first.state.projection.positions()[fine.rows()], middle // [1, 2, 2])


def test_a_filter_hides_the_same_positions_in_both() -> None:
    at = pair(second=projected("fine", "umap"))
    assert at.twin is not None
    at.state.hidden = {"label": frozenset({"b"})}
    at.frame(SMALL)
    shown = at.twin.look().shown
    assert shown is not None
    np.testing.assert_array_equal(shown, at.twin.state.image_of_row != 1)


def test_both_turn_and_come_nearer_together() -> None:
    at = pair()
    twin = at.twin
    assert twin is not None
    homes = at.view, twin.view
    at.view = orbit(zoom(at.view, 2.0), 0.2, 0.1)
    np.testing.assert_allclose(at.view.basis(), twin.view.basis(), atol=1e-9)
    for home, now in zip(homes, (at.view, twin.view), strict=True):
        assert half_height(now) == pytest.approx(half_height(home) / 2)
    before = at.view
    controls = Controls(at, SMALL)
    controls.picture()
    place = twin.layout.cloud
    start = place.left + 4, place.top + 40
    controls.press("left", *start)
    controls.move(start[0] + 60, start[1] + 10)
    controls.release("left", start[0] + 60, start[1] + 10)
    assert at.view != before
    np.testing.assert_allclose(at.view.basis(), twin.view.basis(), atol=1e-9)


def test_a_flat_map_beside_one_in_space_keeps_its_side_and_comes_nearer_with_it() -> None:
    at = pair(second=projected(method="umap", n=2))
    twin = at.twin
    assert twin is not None
    home = twin.view
    at.view = orbit(zoom(at.view, 3.0), 0.4, 0.2)
    np.testing.assert_allclose(twin.view.basis(), home.basis())
    assert twin.view.parallel_scale == pytest.approx((home.parallel_scale or 0) / 3)


def test_vectors_of_images_stand_beside_their_positions() -> None:
    at = pair(second=projected("vector", "umap"))
    twin = at.twin
    assert twin is not None
    at.selection = [[2, 0, 0], [2, 3, 3]]
    at.frame(SMALL)
    assert list(twin.selection) == [(2,)]

    twin.select(1)
    twin.report()
    assert at.image == 1


def test_pair_is_in_screenshots_and_vector_pages_and_goes_away(tmp_path: Path) -> None:
    from PIL import Image

    at = pair()
    both = np.asarray(Image.open(at.screenshot(tmp_path / "pair.png", size=SMALL)))
    at.export(tmp_path / "pair.svg")
    text = (tmp_path / "pair.svg").read_text(encoding="utf-8")
    assert "UMAP 3D" in text
    assert "PCA 3D" in text
    place = at.layout.cloud
    assert np.ptp(both[place.top + 40 : place.bottom, at.layout.second.left : at.layout.second.right]) > 50  # type: ignore[union-attr]
    at.beside = None
    assert at.layout.second is None
    at.frame(SMALL)
    assert at.layout.second is None


def test_what_cannot_stand_beside_is_refused() -> None:
    at = pair()
    with pytest.raises(InputError, match="shown already"):
        at.beside = at.projection
    other = Projection("pca", np.zeros((8, 3), np.float32), "deep", (2, 2, 2))
    with pytest.raises(InputError, match="make the projection from this run"):
        at.beside = other


def test_a_state_that_cannot_be_opened_leaves_both_maps_as_they_are(tmp_path: Path) -> None:
    at = pair()
    at.select(1, 2, 2)
    path = at.save_state(tmp_path / "state.json")
    broken = path.read_text(encoding="utf-8").replace('"map": "norm"', '"map": "no"')
    path.write_text(broken, encoding="utf-8")
    before, beside = at.to_dict(), at.beside
    with pytest.raises(InputError, match="not a state of this run"):
        at.load_state(path)
    assert at.to_dict() == before
    assert at.beside is beside
