"""A pick at a resting camera gives what a pick by blocks gives."""

import numpy as np
import pytest

from explorer.render.cloud import cloud as clouds
from explorer.render.cloud.cloud import Cloud, Look
from explorer.render.cloud.motion import orbit
from explorer.render.cloud.views import Views
from explorer.render.drawing.colours import theme

SIZE = (500, 400)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("kind", ["all", "shown", "emphasised"])
def test_sorted_points_give_the_same_picks(monkeypatch: pytest.MonkeyPatch, flat: bool, kind: str) -> None:
    monkeypatch.setattr(clouds, "MANY", 10)
    rng = np.random.default_rng(0)
    points = rng.normal(size=(3000, 2 if flat else 3)) * [1, 2, 0.5][: 2 if flat else 3]
    points[7] = np.nan
    half = rng.random(3000) < 0.3
    look = Look(
        np.zeros((3000, 3), np.uint8),
        theme("light"),
        half if kind == "shown" else None,
        half if kind == "emphasised" else None,
    )
    made = Cloud(points)
    camera = Views(made).at(SIZE[0] / SIZE[1], lambda: np.zeros(2999, int))
    camera = camera if flat else orbit(camera, 0.1, 0.05)
    spots = [(float(x), float(y)) for x, y in rng.uniform((-5, -5), (505, 405), (300, 2))]
    fresh = Cloud(points)
    resting = made.rest(camera, SIZE)
    assert resting is not None
    found = [made.pick(camera, SIZE, at=spot, reach=8, look=look) for spot in spots]
    expected = []
    for spot in spots:
        fresh._picked = None  # each is the first pick of a view: by blocks
        expected.append(fresh.pick(camera, SIZE, at=spot, reach=8, look=look))
    assert found == expected
    assert len(set(found)) > 30


def test_few_points_are_not_sorted_and_a_moved_camera_is_sorted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(0).normal(size=(400, 3))
    made = Cloud(points)
    camera = Views(made).at(1.25, lambda: np.zeros(400, int))
    assert made.rest(camera, SIZE) is None
    monkeypatch.setattr(clouds, "MANY", 10)
    first = made.rest(camera, SIZE)
    assert first is not None
    assert made.rest(camera, SIZE) is first
    assert made.rest(orbit(camera, 0.2, 0), SIZE) is not first
