"""Small multiples of the epochs' clouds, and the feature maps of an image over the epochs."""

import math
from typing import Any

import numpy as np
import pytest
from epoch_runs import evolution

from explorer.errors import InputError
from explorer.render.epochs.maps import CELL, GAP, LEFT, TOP, strongest
from explorer.render.epochs.sheet import MOST, WIDTH, arrange, shown_epochs


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7, 9, 12, 24])
@pytest.mark.parametrize("n_curves", [3, 6])
def test_everything_has_a_place_of_its_own(n: int, n_curves: int) -> None:
    sheet = arrange(n, n_curves)
    places = [*sheet.clouds, *sheet.plots, sheet.legend]
    assert (len(sheet.clouds), len(sheet.plots)) == (n, n_curves)
    for index, one in enumerate(places):
        assert one.left >= 0
        assert one.right <= WIDTH
        assert one.bottom <= sheet.size[1]
        assert not any(one.meets(other) for other in places[index + 1 :])
    rows = len({place.top for place in sheet.clouds})
    columns = len({place.left for place in sheet.clouds})
    assert rows == math.ceil(n / columns)


def test_of_many_epochs_some_are_drawn_with_both_ends() -> None:
    assert shown_epochs(5) == [0, 1, 2, 3, 4]
    many = shown_epochs(200)
    assert len(many) == MOST
    assert (many[0], many[-1]) == (0, 199)


@pytest.mark.parametrize("components", [2, 3])
def test_a_sheet_shows_each_epochs_cloud(components: int) -> None:
    made = evolution(components=components)
    scene = made.scene()
    picture = np.asarray(made.picture())
    sheet = arrange(3, len(scene.curves))
    assert picture.shape == (*sheet.size[::-1], 3)
    clouds = [picture[p.top : p.bottom, p.left : p.right].astype(int) for p in sheet.clouds]
    for cloud in clouds:
        assert (cloud != 255).any(axis=-1).mean() > 0.005
    assert (np.abs(clouds[0] - clouds[2]).max(axis=-1) > 60).mean() > 0.003
    trail = np.asarray(made.picture(trail=(0, 0, 5))).astype(int)
    assert (trail != picture).any()
    moved = np.asarray(made.picture(only_moved=True))
    greyed = [
        (moved[p.top : p.bottom, p.left : p.right] != picture[p.top : p.bottom, p.left : p.right]).any(
            axis=-1
        )
        for p in sheet.clouds
    ]
    assert greyed[0].sum() == 0  # nothing comes before
    assert greyed[1].sum() > 0
    assert greyed[2].sum() > 0


def test_a_sheet_leaves_the_scene_where_it_was() -> None:
    from explorer.render.epochs.sheet import epoch_sheet

    scene = evolution().scene()
    scene.at = 1.0
    epoch_sheet(scene)
    assert scene.at == 1.0


def test_a_trail_of_no_position_is_refused() -> None:
    with pytest.raises(InputError):
        evolution().picture(trail=(0, 99, 0))


def test_channels_come_by_how_much_they_vary() -> None:
    values = np.arange(16.0).reshape(4, 4, 1) * [1, -5, 0, 3, 2]
    assert strongest(values, 3) == [1, 3, 4]
    values[3, 3, 1] = np.nan
    assert strongest(values, 9) == [1, 3, 4, 0, 2]


def test_maps_have_a_row_a_channel_and_a_column_an_epoch() -> None:
    made = evolution()
    runs: Any = made.runs
    for epoch, run in enumerate(runs):
        run.values = np.abs(runs[0].values) * np.float32(1 + epoch)
    for scale in ("map", "channel"):
        picture = np.asarray(made.maps(2, channels=4, scale=scale))
        cells = [
            [
                picture[top : top + CELL, left : left + CELL]
                for left in (LEFT + column * (CELL + GAP) for column in range(3))
            ]
            for top in (TOP + row * (CELL + GAP) for row in range(4))
        ]
        # Each epoch's values are a multiple of the first's: the same shape, and more of it.
        for row in cells:
            same = [np.array_equal(row[0], one) for one in row[1:]]
            assert all(same) if scale == "map" else not any(same)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"image": 6}, "images 0 to 5"),
        ({"scale": "layer"}, "'map' or 'channel'"),
        ({"channels": 0}, "1 or more"),
    ],
)
def test_what_cannot_be_shown_is_refused(asked: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        evolution().maps(**asked)  # type: ignore[arg-type]


def test_a_layer_without_two_axes_has_no_maps() -> None:
    with pytest.raises(InputError, match="maps need two"):
        evolution(spatial=(24,)).maps()
