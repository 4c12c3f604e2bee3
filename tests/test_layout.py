"""Where things lie: panels follow the pictures' shape, nothing overlaps, views leave far points out."""

import numpy as np
import pytest
from numpy.typing import NDArray
from test_scene import SMALL, made, overlap, projected, run_of

from explorer.reduce.projection import Projection
from explorer.render import scene
from explorer.render.cloud.blocks import Blocks
from explorer.render.cloud.camera import Camera, core, frame, opening, principal
from explorer.render.drawing.layout import lay_out

SIZES = [(640, 480), (1024, 640), (1000, 1400), (1600, 900), (3840, 2160)]
ASPECTS = [0.25, 0.6, 1.0, 1.5, 2.5, 4.0]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("bar", [False, True])
def test_nothing_overlaps_whatever_shape_the_pictures_have(
    size: tuple[int, int], aspect: float, bar: bool
) -> None:
    layout = lay_out(size, aspect, bar=bar)
    places = [layout.header, layout.cloud, layout.legend, layout.axes, *layout.panels, layout.info]
    places += [place for place in (layout.bar, layout.strip) if place is not None]
    for index, one in enumerate(places):
        assert min(one.width, one.height) > 0
        assert min(one.left, one.top) >= 0
        assert one.right <= size[0]
        assert one.bottom <= size[1]
        assert not any(overlap(one, other) for other in places[index + 1 :])
    assert layout.cloud.width > 0.4 * size[0]
    for panel in layout.panels:
        assert panel.width / panel.height == pytest.approx(aspect, rel=0.12)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("alone", [False, True])
def test_two_clouds_and_a_slider_have_places_of_their_own(
    size: tuple[int, int], aspect: float, alone: bool
) -> None:
    layout = lay_out(size, aspect, bar=True, alone=alone, pair=True, slices=True)
    assert (layout.slider is None) == alone
    named = [
        layout.header,
        layout.bar,
        layout.cloud,
        layout.second,
        layout.slider,
        layout.legend,
        layout.axes,
    ]
    places = [one for one in (*named, *layout.panels, layout.info, layout.strip) if one is not None]
    for index, one in enumerate(places):
        assert min(one.width, one.height) > 0
        assert one.right <= size[0]
        assert one.bottom <= size[1]
        assert not any(overlap(one, other) for other in places[index + 1 :])
    assert layout.second is not None
    assert (layout.cloud.width, layout.cloud.height) == (layout.second.width, layout.second.height)
    assert layout.cloud.width > 0.2 * size[0]
    swapped = layout.swapped()
    assert (swapped.cloud, swapped.second) == (layout.second, layout.cloud)


def test_a_caption_has_its_column_and_a_number_on_a_scale_its_place() -> None:
    layout = lay_out((800, 500), 1.0)
    assert layout.caption > 1.4 * layout.panels[0].width
    assert layout.panels[1].left - layout.panels[0].left >= layout.caption


def test_wide_pictures_are_as_large_as_the_page_allows() -> None:
    square = lay_out((1600, 900), 1.0).panels[0]
    wide = lay_out((1600, 900), 1.5).panels[0]
    assert wide.height >= 0.95 * square.height  # a square place would have made it a third lower
    assert lay_out((1600, 900), 4.0).panels[0].width > 300


def test_maps_are_laid_over_pictures_of_another_shape() -> None:
    run = run_of((5, 5))  # the pictures are 18 × 12
    shown = scene(run, projected(run))
    shown.frame(SMALL)
    for one in shown.page(SMALL).shown:
        assert one.place.width / one.place.height == pytest.approx(1.5, rel=0.05)


@pytest.mark.parametrize("far", [np.array([300.0, 0, 0]), np.array([5000.0, 900, -20])])
def test_a_far_island_leaves_the_frame_filled_and_is_told(far: NDArray[np.float64]) -> None:
    rng = np.random.default_rng(0)
    run = run_of((10, 20), images=5)
    points = rng.normal(size=(1000, 3))
    points[:30] += far
    shown = scene(run, Projection("umap", points.astype(np.float32), "block2", (5, 10, 20)))
    shown.frame(SMALL)
    assert core(points).sum() == 970
    place = shown.layout.cloud
    pixels, _ = shown.view.project(points[30:], (place.width, place.height))
    assert (np.ptp(pixels, axis=0) / (place.width, place.height)).max() > 0.8
    assert shown.caveat() == "30 of 1,000 points far off, outside this view"
    shown.view = shown.views.along(np.eye(3), 1.0)
    assert shown.caveat() == ""  # a view of one's own is not commented on


def test_a_round_cloud_has_no_far_points() -> None:
    assert core(np.random.default_rng(0).normal(size=(100_000, 3))).all()
    assert core(np.zeros((5, 3))).all()


def test_the_flat_view_shows_the_two_widest_directions() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(500, 3)) * [1.0, 9.0, 4.0]
    basis = principal(points)
    np.testing.assert_allclose(np.abs(basis), [[0, 1, 0], [0, 0, 1], [1, 0, 0]], atol=0.1)
    shown = made()
    shown.flat = True
    assert shown.camera["parallel_scale"] is not None
    turned = shown.view
    shown.flat = False
    assert shown.camera["parallel_scale"] is None
    shown.view = Camera((0.0, 0.0, 20.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    shown.flat = True
    assert shown.view == turned  # either way of looking keeps its own camera
    flat_map = made(components=2)
    flat_map.flat = False
    assert flat_map.flat


def test_the_frame_holds_every_point_of_a_large_cloud() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(120_001, 3))
    points[-1] = [5.5, 0.0, 1.0]  # passed over where only every third point is looked at
    view = frame(points, np.eye(3), 1.6)
    pixels, depth = view.project(points, (1600, 1000))
    assert (depth > 0).all()
    assert pixels.min() >= 0
    assert (pixels.max(axis=0) <= (1600, 1000)).all()
    assert np.ptp(pixels, axis=0).max() > 850


@pytest.mark.parametrize("parallel", [None, 4.0])
def test_blocks_hold_every_point_near_a_pixel(parallel: float | None) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(20_000, 3)) * [3, 1, 1]
    blocks = Blocks(points)
    for index in range(12):
        eye = rng.normal(size=3) * (2 if index % 3 == 0 else 9)  # now and then from within the cloud
        camera = Camera(tuple(eye.tolist()), (0.3, 0.0, 0.1), (0.0, 1.0, 0.0), 50.0, parallel)  # type: ignore[arg-type]
        pixels, depth = camera.project(points, (800, 600))
        at = tuple(rng.uniform((0, 0), (800, 600)).tolist())
        true = np.flatnonzero((np.hypot(*(pixels - at).T) <= 12) & (depth > 0))
        found = blocks.near(camera, (800, 600), at, 12)
        assert set(true.tolist()) <= set(found.tolist())
    few = blocks.near(Camera((0.0, 0.0, 12.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0)), (800, 600), (400, 300), 8)
    assert 0 < len(few) < 4000


def test_fewer_points_move_and_the_resting_picture_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.render.cloud.cloud.MOST_WHILE_MOVING", 60)
    shown = made()
    resting = np.asarray(shown.frame(SMALL))
    moving = np.asarray(shown.frame(SMALL, rough=True))
    n = shown.cloud.drawn_while_moving()
    assert 30 < n < 100
    assert shown.caveat(rough=True) == f"moving: {n} of 144 points drawn"
    assert (moving != resting).any()
    home = shown.view
    shown.view = shown.views.along(np.eye(3), 1.0)
    shown.frame(SMALL, rough=True)
    shown.view = home
    shown.cloud._painted = None  # drawn anew, not kept
    np.testing.assert_array_equal(np.asarray(shown.frame(SMALL)), resting)


def test_near_points_are_drawn_larger() -> None:
    run = run_of((1, 2), images=1)
    points = np.array([[-1.0, 0.0, 3.0], [1.0, 0.0, -3.0]], np.float32)
    shown = scene(run, Projection("pca", points, "block2", (1, 1, 2)), colour="image")
    shown.named = False
    shown.view = Camera((0.0, 0.0, 12.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    picture = np.asarray(shown.frame(SMALL)).astype(int)
    place = shown.layout.cloud
    inked = (picture[place.top : place.bottom, place.left : place.right] != 255).any(axis=-1)
    near, far = inked[:, : place.width // 2].sum(), inked[:, place.width // 2 :].sum()
    assert near > 2.5 * far > 0


def test_the_opening_view_keeps_groups_apart_even_where_another_would_fill_more() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (4000, 3)) * [4.0, 4.0, 0.4]
    points[2000:, 2] += 3.0  # two plates, one over the other: seen along z they fill the frame and hide
    groups = np.repeat([0, 1], 2000)
    basis = opening(points, groups, 1.3)
    across = points @ basis[:2].T
    bins = np.floor(across * 4).astype(int)
    seen = {group: {tuple(cell) for cell in bins[groups == group]} for group in (0, 1)}
    assert len(seen[0] & seen[1]) < 0.05 * len(seen[0] | seen[1])
    assert abs(basis[2][2]) < 0.5
