"""The feature-map grid: every map in its place and scale, with gaps and constants marked."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.errors import InputError
from explorer.render import feature_maps, grid
from explorer.render.colours import table


def layer(values: NDArray[Any]) -> Activations:
    return Activations("block2", values)


def ramps(channels: int, height: int = 4, width: int = 4) -> Activations:
    """Channel c holds a ramp from 0 to c + 1."""
    ramp = np.linspace(0, 1, height * width).reshape(1, height, width, 1)
    return layer(ramp * np.arange(1, channels + 1))


def tiles(activations: Activations, **options: Any) -> tuple[NDArray[np.uint8], feature_maps.Plan]:
    """The picture of a grid, and where its maps lie."""
    picture = np.asarray(grid(activations, **options))
    shape = (activations.channels, *activations.spatial_shape)
    plan = feature_maps.make_plan(
        shape, strips=False, columns=options.get("columns"), size=options.get("size"), head=78
    )
    assert plan.size == (picture.shape[1], picture.shape[0])
    return picture, plan


def cell(
    picture: NDArray[np.uint8], plan: feature_maps.Plan, index: int, at: tuple[int, int]
) -> NDArray[np.uint8]:
    """The colour in the middle of one position of one map, for maps of 4 × 4."""
    x, y = plan.corner(index)
    step = plan.tile[0] // 4
    return picture[y + at[0] * step + step // 2, x + at[1] * step + step // 2]


@pytest.mark.parametrize(
    ("channels", "expected"),
    [(1, (1, 1)), (2, (2, 1)), (16, (4, 4)), (17, (5, 4)), (64, (8, 8)), (200, (15, 14))],
)
def test_the_grid_is_near_square(channels: int, expected: tuple[int, int]) -> None:
    _, plan = tiles(ramps(channels))
    assert (plan.columns, plan.rows) == expected


def test_sixteen_maps_stay_four_by_four_whatever_the_size() -> None:
    _, plan = tiles(ramps(16), size=(1600, 900))
    assert (plan.columns, plan.rows) == (4, 4)
    assert plan.size == (1600, 900)


def test_each_map_is_scaled_by_itself_or_all_together() -> None:
    lut = table("viridis")
    own, plan = tiles(ramps(4))
    for channel in range(4):
        np.testing.assert_array_equal(cell(own, plan, channel, (0, 0)), lut[0])
        np.testing.assert_array_equal(cell(own, plan, channel, (3, 3)), lut[255])
    together, plan = tiles(ramps(4), normalise="layer")
    np.testing.assert_array_equal(cell(together, plan, 3, (3, 3)), lut[255])
    np.testing.assert_array_equal(cell(together, plan, 0, (3, 3)), lut[64])


def test_minus_one_to_one_is_centred_on_zero() -> None:
    values = np.zeros((1, 4, 4, 1))
    values[0, 3, 3, 0], values[0, 0, 0, 0] = 4.0, -1.0
    picture, plan = tiles(layer(values), limits=(-1, 1))
    lut = table("diverging-light")
    np.testing.assert_array_equal(cell(picture, plan, 0, (1, 1)), lut[128])
    np.testing.assert_array_equal(cell(picture, plan, 0, (3, 3)), lut[255])
    np.testing.assert_array_equal(cell(picture, plan, 0, (0, 0)), lut[96])


def test_constant_maps_are_grey_and_named_and_gaps_are_hatched(monkeypatch: pytest.MonkeyPatch) -> None:
    words: list[str] = []
    real = feature_maps.write

    def listen(draw: Any, at: tuple[float, float], text: str, **style: Any) -> int:
        words.append(text)
        return real(draw, at, text, **style)

    monkeypatch.setattr(feature_maps, "write", listen)
    values = np.array(ramps(4).values)
    values[..., 0], values[..., 1], values[0, 0, 0, 2] = 0, np.nan, np.inf
    picture, plan = tiles(layer(values))
    assert "constant 0" in words
    assert "not a number" in words
    assert "channel 3" in " ".join(words)
    assert "each map scaled to 0 to 1 by its own minimum and maximum" in words
    np.testing.assert_array_equal(cell(picture, plan, 0, (0, 0)), feature_maps.THEME.panel)
    lut = {tuple(colour) for colour in table("viridis").tolist()}
    assert tuple(cell(picture, plan, 2, (0, 0)).tolist()) not in lut
    assert tuple(cell(picture, plan, 2, (3, 3)).tolist()) in lut


def test_chosen_channels_keep_their_order_and_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    words: list[str] = []
    monkeypatch.setattr(feature_maps, "write", lambda draw, at, text, **style: words.append(text) or 0)
    grid(ramps(8), channels=[5, 2], title="mine", picture=np.zeros((8, 8, 3), np.uint8))
    assert [word for word in words if "channel " in word] == ["block2 · channel 5", "block2 · channel 2"]
    assert "mine" in words
    assert "2 of 8 channels · 4 × 4 positions" in words


def test_signals_are_strips_and_hundreds_of_maps_are_drawn() -> None:
    rng = np.random.default_rng(0)
    strips = grid(layer(rng.normal(size=(2, 60, 24))), image=1)
    assert strips.width > 800
    many = grid(layer(rng.normal(size=(1, 7, 7, 512)).astype(np.float32)))
    assert many.width > 1000


@pytest.mark.parametrize("shape", [(1, 4), (1, 4, 4, 4, 2)])
def test_other_ranks_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="a grid draws 1 or 2"):
        grid(layer(np.zeros(shape)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image": 1}, "images 0 to 0"),
        ({"channels": [4]}, "channels 0 to 3"),
        ({"channels": []}, "no maps"),
        ({"columns": 0}, "columns"),
        ({"normalise": "both"}, "'map' or 'layer'"),
        ({"limits": (0, 2)}, "expected"),
        ({"colour_map": "virdis"}, "viridis"),
        ({"size": (100, 100)}, "too small"),
    ],
)
def test_wrong_arguments_are_told(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        grid(ramps(4), **options)
