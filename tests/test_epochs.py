"""A cloud on its way between epochs: every point where it should be, one camera for all of them."""

import numpy as np
import pytest
from epoch_runs import evolution

from explorer.render.cloud.camera import spatial
from explorer.render.cloud.cloud import Look
from explorer.render.drawing.colours import theme
from explorer.render.epochs.epochs import EpochViews, MovingCloud, places_at, smooth

MAPS = [one.coordinates for one in evolution().projections]
SIZE = (300, 200)


def test_places_are_those_of_the_maps_and_between_them_on_a_straight_line() -> None:
    for epoch, own in enumerate(MAPS):
        np.testing.assert_array_equal(places_at(MAPS, float(epoch)), own)
    np.testing.assert_allclose(places_at(MAPS, 1.5), (MAPS[1] + MAPS[2]) / 2, rtol=1e-6)
    early = places_at(MAPS, 1.1)
    np.testing.assert_allclose(early, MAPS[1] + (MAPS[2] - MAPS[1]) * smooth(0.1), atol=1e-6)
    np.testing.assert_array_equal(places_at(MAPS, 9.0), MAPS[2])
    np.testing.assert_array_equal(places_at(MAPS, -1.0), MAPS[0])


def test_points_start_and_end_at_rest() -> None:
    steps = np.diff([smooth(part) for part in np.linspace(0, 1, 101)])
    assert (steps > 0).all()
    assert steps[0] < 0.1 * steps.max()
    assert steps[-1] < 0.1 * steps.max()


@pytest.mark.parametrize("components", [2, 3])
def test_what_is_drawn_is_what_a_cloud_that_never_moved_draws(components: int) -> None:
    maps = [one.coordinates for one in evolution(components=components).projections]
    colours = np.random.default_rng(0).integers(0, 255, (len(maps[0]), 3), dtype=np.uint8)
    look = Look(colours, theme("light"))
    moved, still = MovingCloud(maps), MovingCloud(maps)
    views = EpochViews(moved, maps[-1])
    camera = views.at(1.5, lambda: np.zeros(len(maps[0]), int))
    last = moved.paint(camera, SIZE, look=look)
    moved.move(maps[0])
    first = moved.paint(camera, SIZE, look=look)
    assert (first != last).any(axis=-1).mean() > 0.002
    still.move(maps[0])
    np.testing.assert_array_equal(first, still.paint(camera, SIZE, look=look))
    moved.move(maps[2])
    np.testing.assert_array_equal(last, moved.paint(camera, SIZE, look=look))


@pytest.mark.parametrize("components", [2, 3])
def test_the_camera_holds_the_clouds_of_all_epochs(components: int) -> None:
    maps = [one.coordinates for one in evolution(components=components).projections]
    cloud = MovingCloud(maps)
    views = EpochViews(cloud, maps[-1])
    camera = views.at(1.5, lambda: np.zeros(len(maps[0]), int))
    for own in maps:
        pixels, depth = camera.project(spatial(own), SIZE)
        inside = ((pixels >= 0) & (pixels <= SIZE)).all(axis=1)
        assert (depth > 0).all()
        assert inside.mean() > 0.95
        cloud.move(own)
        assert views.at(1.5, lambda: np.zeros(len(maps[0]), int)) == camera


def test_picking_follows_the_points() -> None:
    cloud = MovingCloud(MAPS)
    camera = EpochViews(cloud, MAPS[-1]).at(1.5, lambda: np.zeros(len(MAPS[0]), int))
    look = Look(np.zeros((len(MAPS[0]), 3), np.uint8), theme("light"))
    for own in (MAPS[2], MAPS[0]):
        cloud.move(own)
        pixels, depth = camera.project(spatial(own), SIZE)
        nearest = int(np.argmin(depth))
        at = (float(pixels[nearest, 0]), float(pixels[nearest, 1]))
        assert cloud.pick(camera, SIZE, at=at, reach=3, look=look) == nearest
