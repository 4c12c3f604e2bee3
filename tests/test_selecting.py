"""Selecting on the map and on heatmaps, and positions that keep their identity through everything."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_scene import SMALL, ArrayRun, cell_pixel, made, projected, run_of

from explorer.errors import InputError
from explorer.reduce.projection import Projection
from explorer.render import scene
from explorer.render.linked.colouring import hide, isolate
from explorer.render.linked.scene import Scene
from explorer.render.linked.selection import Selection


class TwoLayers(ArrayRun):
    """Four pictures with three layers: two of 4 × 6 positions and one of 2 × 3."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        shapes = {"block2": (4, 6, 5), "block3": (4, 6, 2), "block4": (2, 3, 3)}
        self.all = {name: rng.normal(size=(4, *shape)).astype(np.float32) for name, shape in shapes.items()}
        super().__init__(self.all["block2"])
        self.layers = tuple(self.all)
        self.manifest = {"layers": {name: {"chunk": 4} for name in self.all}}
        self.metadata = {"age": np.array([1.5, 2.5, 3.5, 9.5]), "site": np.array(["x", "y", "y", "x"])}

    def grid_shape(self, layer: str) -> tuple[int, ...]:
        return self.all[layer].shape[:-1]

    def channels(self, layer: str) -> int:
        return int(self.all[layer].shape[-1])

    def read(self, layer: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        return self.all[layer][start:stop]


RUN = TwoLayers()


def maps() -> list[Projection]:
    """One run's maps: methods, dimensions, layers and samples in turn."""
    found = []
    for index, (layer, components, every) in enumerate(
        (("block2", 3, 1), ("block2", 2, 1), ("block2", 3, 3), ("block3", 2, 2), ("block4", 3, 1))
    ):
        shape = RUN.grid_shape(layer)
        n = int(np.prod(shape))
        rows = None if every == 1 else np.arange(0, n, every, dtype=np.int64)
        rng = np.random.default_rng(index)
        coordinates = rng.normal(size=(n if rows is None else len(rows), components)).astype(np.float32)
        found.append(Projection(("umap", "pca", "tsne")[index % 3], coordinates, layer, shape, rows))
    return found


MAPS = maps()
STEPS = st.one_of(
    st.tuples(st.just("map"), st.integers(0, len(MAPS) - 1)),
    st.tuples(st.just("colour"), st.sampled_from(["label", "image", "norm", "cluster", "metadata:site"])),
    st.tuples(st.just("hide"), st.integers(0, 5)),
    st.tuples(st.just("isolate"), st.integers(0, 5)),
    st.tuples(st.just("image"), st.integers(0, 3)),
    st.tuples(st.just("flat"), st.booleans()),
    st.tuples(st.just("theme"), st.sampled_from(["light", "dark"])),
    st.tuples(st.just("only"), st.booleans()),
)


def take(shown: Scene, step: tuple[str, Any]) -> None:
    what, value = step
    state = shown.state
    if what == "map":
        shown.projection = MAPS[value]
    elif what == "colour":
        shown.colour = value
    elif what in ("hide", "isolate"):
        names = state.quantity(state.colour).names
        if names:
            (hide if what == "hide" else isolate)(state, names[value % len(names)])
    elif what == "image":
        shown.image = value
    elif what == "flat":
        shown.flat = value
    elif what == "theme":
        shown.theme = value
    else:
        state.isolated = value


@given(st.lists(STEPS, max_size=12), st.sets(st.integers(0, 95), min_size=2, max_size=40))
@settings(max_examples=40, deadline=None)
def test_positions_keep_their_identity_through_filters_and_switches(
    steps: list[tuple[str, Any]], places: set[int]
) -> None:
    shown = scene(RUN, MAPS[0])
    home = Selection((4, 4, 6), np.array(sorted(places)))
    shown.selection = home
    shown.inspect(1, 2, 3)
    for step in steps:
        take(shown, step)
        state, grid = shown.state, shown.projection.grid_shape
        assert shown.selection == home.to(grid)
        # Row by row: what is selected on the map is what the masks hold at that row's own position.
        masks = shown.selection.masks()
        for row, (image, *position) in enumerate(shown.projection.positions()):
            assert state.selected[row] == masks[(image, *position)]
            assert state.position_of(row) == (image, *position)
        look = shown.look()
        np.testing.assert_array_equal(
            look.emphasised, state.selected & ~(state.isolated & (state.image_of_row != state.image))
        )
        if grid == (4, 4, 6):
            assert shown.focus is not None
            assert (shown.focus.image, shown.focus.position) == (1, (2, 3))
    shown.projection = MAPS[0]
    assert shown.selection == home


def test_a_box_selects_exactly_the_points_in_it() -> None:
    shown = made()
    place = shown.layout.cloud
    pixels = np.array([shown.pixel(row) for row in range(144)])
    box = (place.left + 150, place.top + 90, place.left + 330, place.top + 260)
    chosen = shown.select_box((box[2], box[1], box[0], box[3]))
    inside = ((pixels >= box[:2]) & (pixels <= box[2:])).all(axis=1)
    assert 5 < inside.sum() < 140
    np.testing.assert_array_equal(chosen.places, np.flatnonzero(inside))
    more = shown.select_box((0, 0, 800, 600), how="add")
    assert len(more) == 144
    assert len(shown.select_box(box, how="remove")) == 144 - inside.sum()


def test_a_lasso_selects_exactly_the_points_inside() -> None:
    from matplotlib.path import Path as Outline

    shown = made()
    place = shown.layout.cloud
    middle = np.array([place.left + place.width / 2, place.top + place.height / 2])
    turns = np.linspace(0, 2 * np.pi, 9)[:-1]
    reach = np.where(np.arange(8) % 2, 60, 180)[:, None]  # a star: not convex
    star = middle + reach * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    chosen = shown.select_lasso([tuple(corner) for corner in star.tolist()])
    pixels = np.array([shown.pixel(row) for row in range(144)])
    inside = Outline(star).contains_points(pixels)
    assert 5 < inside.sum() < 140
    np.testing.assert_array_equal(chosen.places, np.flatnonzero(inside))
    with pytest.raises(InputError, match="at least 3"):
        shown.select_lasso([(0, 0), (1, 1)])


def test_a_sphere_selects_by_distance_on_the_map() -> None:
    shown = made(every=2)
    centre = shown.projection.coordinates[10]
    chosen = shown.select_sphere(centre.tolist(), 1.0)
    inside = np.linalg.norm(shown.projection.coordinates - centre, axis=1) <= 1.0
    assert 1 < inside.sum() < 72
    np.testing.assert_array_equal(chosen.places, shown.state.rows[inside])
    with pytest.raises(InputError, match="3 numbers"):
        shown.select_sphere((0, 0), 1)


def test_only_what_is_seen_can_be_selected_through_a_wall() -> None:
    rng = np.random.default_rng(0)
    wall = np.stack(np.meshgrid(np.linspace(-1, 1, 60), np.linspace(-1, 1, 60)), axis=-1).reshape(-1, 2)
    front = np.column_stack([wall, np.ones(3600)])
    behind = np.column_stack([rng.uniform(-0.5, 0.5, (800, 2)), -np.ones(800)])
    run = run_of((44, 100), images=1, labels=False)
    shown = scene(
        run, Projection("pca", np.concatenate([front, behind]).astype(np.float32), "block2", (1, 44, 100))
    )
    shown.frame(SMALL)
    from explorer.render.cloud.camera import Camera

    shown.view = Camera((0.0, 0.0, 12.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    everything = (0, 0, 800, 600)
    assert len(shown.select_box(everything)) == 4400
    seen = shown.select_box(everything, visible=True).places
    assert (seen < 3600).sum() > 3500
    assert (seen >= 3600).sum() < 40


def test_what_a_filter_hides_is_neither_selected_nor_picked() -> None:
    shown = made(colour="label")
    hide(shown.state, "b")
    chosen = shown.select_box((0, 0, 800, 600))
    assert len(chosen) == 72
    assert {shown.state.label(image) for image in chosen.images.tolist()} == {"a"}
    shown.frame(SMALL)
    for row in range(24, 48):  # picture 1 has label b
        pixel = shown.pixel(row)
        assert pixel is None or shown.pick(*pixel) not in range(24, 48)


def test_painting_a_heatmap_selects_its_positions_sampled_or_not() -> None:
    shown = made(every=3)
    chosen = shown.select_cells(2, (1, 4, 0, 2))
    assert list(chosen) == [(2, row, column) for row in (0, 1) for column in (2, 3, 4)]
    np.testing.assert_array_equal(shown.state.selected, np.isin(shown.state.rows, chosen.places))
    mask = np.zeros((4, 6), bool)
    mask[3, 3] = True
    assert (2, 3, 3) in shown.select_mask(2, mask, how="add")
    for box in ((0, 0, 4, 0), (-1, 0, 1, 1)):
        with pytest.raises(InputError, match="cells"):
            shown.select_cells(2, box)
    with pytest.raises(InputError, match="mask of shape"):
        shown.select_mask(2, np.zeros((3, 3), bool))


def test_signals_and_slices_of_volumes_are_painted_too() -> None:
    signal = made(run_of((9,)))
    assert list(signal.select_cells(1, (0, 2, 0, 4))) == [(1, 2), (1, 3), (1, 4)]
    volume = made(run_of((3, 4, 5)))
    volume.inspect(0, 2, 0, 0)  # its slice is the one that is shown
    assert list(volume.select_cells(1, (0, 1, 1, 1))) == [(1, 2, 0, 1), (1, 2, 1, 1)]
    volume.frame(SMALL)
    whole = np.zeros((3, 4, 5), bool)
    whole[0, 0, 0] = True
    assert list(volume.select_mask(4, whole)) == [(4, 0, 0, 0)]
    vectors = made(run_of(()))
    with pytest.raises(InputError, match="cells"):
        vectors.select_cells(0, (0, 0, 0, 0))


def test_a_click_keeps_a_wide_selection_and_replaces_a_single_one() -> None:
    shown = made()
    shown.select(0, 1, 1)
    shown.click(*cell_pixel(shown, 1, 2, 3))
    assert list(shown.selection) == [(0, 2, 3)]
    wide = shown.select_cells(0, (0, 0, 1, 1))
    shown.click(*cell_pixel(shown, 1, 3, 3))
    assert shown.selection == wide
    assert shown.focus is not None
    assert shown.focus.position == (3, 3)
    shown.clear_selection()
    assert not shown.selection
    assert shown.focus is None


def test_the_selection_can_be_set_in_every_form() -> None:
    shown = made()
    shown.selection = [[0, 1, 2], [3, 0, 0]]
    once = shown.selection
    shown.selection = once.masks()
    assert shown.selection == once
    shown.selection = None
    assert not shown.selection
    shown.selection = Selection((6, 2, 3), np.array([0]))
    assert list(shown.selection) == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]


def test_the_rest_is_greyed_and_the_pictures_show_the_mask() -> None:
    shown = made()
    plain = np.asarray(shown.frame(SMALL)).astype(int)
    shown.select_cells(0, (0, 0, 1, 2))
    marked = np.asarray(shown.frame(SMALL)).astype(int)
    accent = (marked == np.array([255, 42, 85])).all(axis=-1)
    for picture in shown.page(SMALL).shown:
        place = picture.place
        assert accent[place.top : place.bottom, place.left : place.right].sum() > 20
    place = shown.layout.cloud
    inside = (slice(place.top, place.bottom), slice(place.left, place.right))
    assert np.ptp(marked[inside], axis=-1).mean() < np.ptp(plain[inside], axis=-1).mean() / 2


def test_pictures_are_ranked_by_how_much_of_them_is_selected() -> None:
    from explorer.render.linked.strips import strips

    shown = made()
    shown.selection = [[4, 0, 0], [4, 0, 1], [2, 0, 0]]
    assert strips(shown.state, most=0, half=0) == ()
    strip = strips(shown.state, most=8, half=4)[0]
    assert [thumb.at for thumb in strip.thumbs] == [(4,), (2,)]
    assert [thumb.caption for thumb in strip.thumbs] == ["8 %", "4 %"]
    assert "2 of 6 pictures" in strip.title


def test_without_pictures_the_strip_shows_the_norm() -> None:
    from explorer.render.linked.strips import picture_of

    run = run_of(pictures=False)
    shown = made(run)
    drawn = picture_of(shown.state, 2)
    assert drawn is not None
    assert drawn.shape == (4, 6, 3)
    norms = np.linalg.norm(run.values[2].astype(float), axis=-1)
    brightest = np.unravel_index(norms.argmax(), norms.shape)
    assert tuple(drawn[brightest]) == (253, 231, 37)  # the upper end of viridis
    shown.selection = [[4, 0, 0], [4, 0, 1]]
    shown.frame(SMALL)
    signal = picture_of(made(run_of((9,), pictures=False)).state, 0)
    assert signal is not None
    assert signal.shape[1] == 9
    assert picture_of(made(run_of((), pictures=False)).state, 0) is None


def test_similar_positions_are_selected_by_their_cosine() -> None:
    shown = made()
    shown.inspect(1, 2, 3)
    grid = shown.similarity()
    assert grid.shape == (6, 4, 6)
    chosen = shown.select_similar(0.5)
    np.testing.assert_array_equal(chosen.masks(), grid >= 0.5)
    with pytest.raises(InputError, match="look at a position"):
        made().similarity()


def test_a_projection_of_another_run_is_refused() -> None:
    shown = made()
    with pytest.raises(InputError, match="make the projection from this run"):
        shown.projection = projected(run_of((5, 5)))
