"""The feature-map grid: every map in its place, order and scale, with gaps and constants marked."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import explorer
from explorer.activations import Activations
from explorer.errors import InputError
from explorer.render import grid
from explorer.render.drawing.colours import THEMES, table
from explorer.render.drawing.heatmap import MISSING
from explorer.render.sheets import feature_maps

PANEL = THEMES["light"].panel


def layer(values: NDArray[Any]) -> Activations:
    return Activations("block2", values)


def ramps(channels: int, height: int = 4, width: int = 4, batch: int = 1) -> Activations:
    """Channel c holds a ramp from 0 to c + 1; picture b that of picture 0 times b + 1."""
    ramp = np.linspace(0, 1, height * width).reshape(1, height, width, 1)
    return layer(ramp * np.arange(1, channels + 1) * np.arange(1, batch + 1).reshape(-1, 1, 1, 1))


def cell(drawn: feature_maps.Grid, index: int, at: tuple[int, int], n: int = 4) -> tuple[int, ...]:
    """The colour in the middle of one position of one map of n × n."""
    x, y, wide, tall = (part * drawn.sheet.zoom for part in drawn.maps[index].box)
    down, across = (2 * at[0] + 1) * tall // (2 * n), (2 * at[1] + 1) * wide // (2 * n)
    return tuple(np.asarray(drawn)[y + down, x + across].tolist())


def colour(name: str, entry: int) -> tuple[int, ...]:
    return tuple(table(name)[entry].tolist())


def rows_of(drawn: feature_maps.Grid) -> tuple[int, int]:
    return drawn.columns, len({one.box[1] for one in drawn.maps})


@pytest.mark.parametrize(
    ("channels", "expected"),
    [(1, (1, 1)), (2, (2, 1)), (16, (4, 4)), (17, (5, 4)), (64, (8, 8)), (200, (15, 14))],
)
def test_the_grid_is_near_square(channels: int, expected: tuple[int, int]) -> None:
    assert rows_of(grid(ramps(channels))) == expected


def test_sixteen_maps_stay_four_by_four_whatever_the_size() -> None:
    drawn = grid(ramps(16), size=(1600, 900))
    assert rows_of(drawn) == (4, 4)
    assert drawn.picture().size == drawn.size == (1600, 900)


@pytest.mark.parametrize("size", [(1600, 900), (900, 1600), (3840, 2161)])
def test_no_map_leaves_the_sheet_or_covers_another(size: tuple[int, int]) -> None:
    drawn = grid(ramps(48, batch=2), image=[0, 1], size=size)
    seen = np.zeros((size[1] // drawn.sheet.zoom, size[0] // drawn.sheet.zoom), int)
    for one in drawn.maps:
        x, y, wide, tall = one.box
        seen[y - 16 : y + tall, x : x + wide] += 1
        assert min(x, y) >= 0
    assert seen.max() == 1
    assert seen.sum() == sum(one.box[2] * (one.box[3] + 16) for one in drawn.maps)
    assert drawn.sheet.zoom == (2 if size[0] == 3840 else 1)


def test_each_map_is_scaled_by_itself_or_all_together() -> None:
    own = grid(ramps(4))
    for channel in range(4):
        assert cell(own, channel, (0, 0)) == colour("viridis", 0)
        assert cell(own, channel, (3, 3)) == colour("viridis", 255)
    together = grid(ramps(4), normalise="layer")
    assert cell(together, 3, (3, 3)) == colour("viridis", 255)
    assert cell(together, 0, (3, 3)) == colour("viridis", 64)


def test_the_data_set_scales_a_channel_or_the_whole_layer() -> None:
    each = grid(ramps(4, batch=3), image=0, normalise="channel")
    assert [cell(each, channel, (3, 3)) for channel in range(4)] == [colour("viridis", 85)] * 4
    whole = grid(ramps(4, batch=3), image=1, normalise="data")
    assert cell(whole, 3, (3, 3)) == colour("viridis", 170)
    assert cell(whole, 0, (3, 3)) == colour("viridis", round(255 * 2 / 12))
    assert "minimum and maximum of the layer over 3 pictures: 0 to 12" in " ".join(whole.sheet.words)


@pytest.mark.parametrize("normalise", ["map", "layer", "channel", "data"])
def test_percentiles_leave_a_stray_value_out(normalise: Any) -> None:
    values = np.random.default_rng(0).uniform(size=(2, 40, 40, 3))
    values[0, 0, 0, 1] = 1000
    scale = grid(layer(values), normalise=normalise, percentiles=(5, 95), channels=[1]).maps[0].scale
    if normalise in ("map", "layer"):
        expected = np.percentile(values[0, ..., 1], [5, 95])
        np.testing.assert_allclose([scale.low, scale.high], expected)
    else:
        assert 0 <= scale.low < 0.2
        assert 0.8 < scale.high < 2  # to 1/1024 of the channel's range
    assert scale.clipped


def test_minus_one_to_one_is_centred_on_zero() -> None:
    values = np.zeros((1, 4, 4, 1))
    values[0, 3, 3, 0], values[0, 0, 0, 0] = 4.0, -1.0
    drawn = grid(layer(values), limits=(-1, 1))
    assert cell(drawn, 0, (1, 1)) == colour("diverging-light", 128)
    assert cell(drawn, 0, (3, 3)) == colour("diverging-light", 255)
    assert cell(drawn, 0, (0, 0)) == colour("diverging-light", 96)


def test_constant_maps_are_grey_and_named_and_gaps_are_hatched() -> None:
    values = np.array(ramps(4).values)
    values[..., 0], values[..., 1], values[0, 0, 0, 2] = 0, np.nan, np.inf
    drawn = grid(layer(values))
    words = drawn.sheet.words
    assert {"constant 0", "not a number", "block2 · channel 3"} <= set(words)
    assert "each map scaled to 0 to 1 by its own minimum and maximum" in words
    assert "hatched: not a number, or infinite" in words
    assert cell(drawn, 0, (0, 0)) == PANEL
    lut = {tuple(entry) for entry in table("viridis").tolist()}
    assert cell(drawn, 2, (0, 0)) not in lut
    assert cell(drawn, 2, (3, 3)) in lut


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_gaps_stay_gaps_with_every_filter_and_size(method: str) -> None:
    values = np.array(ramps(1, 120, 120).values)
    values[0, 30:90, 30:90] = np.nan
    for size, zoomed in ((None, 240), ((700, 600), 360), ((400, 360), 0)):
        drawn = grid(layer(values), method=method, size=size)
        x, y, wide, tall = drawn.maps[0].box
        assert wide == zoomed or wide < 120
        inner = slice(y + tall * 3 // 8, y + tall * 5 // 8), slice(x + wide * 3 // 8, x + wide * 5 // 8)
        middle = np.asarray(drawn)[inner]
        assert (middle == MISSING["light"]).all(axis=2).mean() > 0.5
        assert not (middle[..., None, :] == table("viridis")).all(axis=-1).any()


def test_values_are_interpolated_before_they_are_coloured() -> None:
    values = np.zeros((1, 1, 2, 1))
    values[0, 0, 1, 0] = 1
    x, y, wide, tall = grid(layer(values), method="bilinear").maps[0].box
    line = np.asarray(grid(layer(values), method="bilinear"))[y + tall // 2, x : x + wide]
    assert {tuple(entry) for entry in line.tolist()} <= {tuple(e) for e in table("viridis").tolist()}
    np.testing.assert_array_equal(line[0], table("viridis")[0])
    assert len(np.unique(line, axis=0)) > 50


def test_chosen_channels_keep_their_order_and_their_names() -> None:
    drawn = grid(ramps(8), channels=[5, 2], title="mine", picture=np.zeros((8, 8, 3), np.uint8))
    words = drawn.sheet.words
    assert [word for word in words if "channel " in word] == ["block2 · channel 5", "block2 · channel 2"]
    assert "mine" in words
    assert "2 of 8 channels · 4 × 4 positions" in words


def test_titles_are_all_of_one_form() -> None:
    drawn = grid(ramps(256, 64, 64))
    titles = [word for word in drawn.sheet.words if word.startswith(("ch ", "channel ", "block2 · ch"))]
    assert titles == [f"ch {channel}" for channel in range(256)]


def test_orders_are_by_variance_answer_and_likeness() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20, 6, 6, 4)) * [1, 4, 2, 3]
    values[7, ..., 2] += 30
    by_variance = grid(layer(values), order="variance")
    variances = values.var(axis=(0, 1, 2))
    assert [one.channel for one in by_variance.maps] == np.argsort(-variances).tolist()
    answer = grid(layer(values), image=7, order="response")
    assert answer.maps[0].channel == 2
    means = values.mean(axis=(1, 2))
    strength = (means[7, 2] - means[:, 2].mean()) / means[:, 2].std()
    assert f"block2 · channel 2 · +{strength:.1f} sd" in answer.sheet.words
    values[..., 3] = values[..., 0] + 0.1 * rng.normal(size=(20, 6, 6))
    places = [one.channel for one in grid(layer(values), order="cluster").maps]
    assert abs(places.index(0) - places.index(3)) == 1


def test_several_pictures_have_the_same_channels_under_each_other() -> None:
    drawn = grid(ramps(6, batch=3), image=[2, 0])
    assert [one.image for one in drawn.maps] == [2] * 6 + [0] * 6
    assert [one.box[0] for one in drawn.maps[:6]] == [one.box[0] for one in drawn.maps[6:]]
    assert {"image 2", "image 0", "block2 · 2 pictures"} <= set(drawn.sheet.words)


def test_dead_and_duplicate_channels_are_told_with_their_definition() -> None:
    values = np.random.default_rng(0).normal(size=(3, 8, 8, 60))
    values[..., 10:50], values[..., 3] = 0, 2 * values[..., 1]
    drawn = grid(layer(values))
    dead, alike = drawn.findings
    assert dead.items == tuple(map(str, range(10, 50)))
    assert alike.words() == "duplicate channels: 1 = 3 (correlation of 0.999 or more over 192 positions)"
    line = next(word for word in drawn.sheet.words if word.startswith("dead channels: 10, 11"))
    left_out = 40 - line.partition(" …")[0].count(",")
    assert f"… and {left_out} more (constant over all 3 pictures" in line
    assert grid(layer(values[:1])).findings == ()  # one picture tells nothing of a data set


def test_an_overlay_shows_the_picture_through_the_map() -> None:
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[:, 16:] = 255
    full = grid(ramps(1), picture=picture, overlay=1.0)
    half = grid(ramps(1), picture=picture, overlay=0.5)
    none = grid(ramps(1), picture=picture, overlay=0.0)
    assert cell(full, 0, (3, 3)) == colour("viridis", 255)
    assert cell(none, 0, (3, 3)) == (255, 255, 255)
    mixed = np.array(colour("viridis", 255)) / 2
    np.testing.assert_allclose(cell(half, 0, (3, 3)), mixed + 127.5, atol=1)
    assert cell(half, 0, (0, 0)) == pytest.approx(np.array(colour("viridis", 0)) / 2, abs=1)
    words = " ".join(half.sheet.words)
    assert "maps at 50% over the picture in grey, upsampled by repeating each position (nearest)" in words


def test_the_strongest_pictures_stand_beside_each_map() -> None:
    values = np.zeros((4, 4, 4, 2))
    values[2, 1, 3, 0], values[3, 0, 0, 1] = 5, 5
    pictures = [np.full((16, 16, 3), 40 * number, np.uint8) for number in range(4)]
    pictures[2][4:8, 12:16] = (255, 0, 0)
    asked: list[tuple[int, ...]] = []

    def crop(position: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
        asked.append(position)
        row, column = position
        return (4 * row, 4 * row + 4), (4 * column, 4 * column + 4)

    drawn = grid(layer(values), picture=pictures, strongest=1, crop=crop, image=1)
    assert asked == [(1, 3), (0, 0)]
    for one, expected in zip(drawn.maps, [(255, 0, 0), (120, 120, 120)], strict=True):
        x, y, wide, tall = one.box
        beside = np.asarray(drawn)[y + 3 : y + tall - 3, x + wide + 7 : x + wide + 4 + tall - 3]
        assert (beside == expected).all()


def test_a_crop_at_the_border_is_filled_and_its_size_told() -> None:
    values = np.zeros((2, 4, 4, 1))
    values[1, 0, 0, 0] = 5
    pictures = [np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 200, np.uint8)]
    drawn = grid(layer(values), picture=pictures, strongest=1)
    x, y, wide, tall = drawn.maps[0].box
    picture = np.asarray(drawn)
    assert tuple(picture[y + 4, x + wide + 8]) == THEMES["light"].rule  # beyond the picture's corner
    assert tuple(picture[y + tall - 8, x + wide + tall - 8]) == (200, 200, 200)
    assert "cropped to 48 × 48 pixels around it (3 times its cell)" in " ".join(drawn.sheet.words)


def test_a_run_brings_its_names_pictures_and_data_set(toy: Any, folder: Path, tmp_path: Path) -> None:
    run = explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run")
    drawn = explorer.grid(run, image=[1, 4], order="response", strongest=4, overlay=0.5)
    assert {run.image_names[1], run.image_names[4]} <= set(drawn.sheet.words)
    np.testing.assert_array_equal(drawn.maps[0].values, run.read("half")[1, ..., drawn.maps[0].channel])
    assert drawn.findings[1].items == ("0 = 1 = 2 = 3 = 4",)
    assert (run.path / "channels" / "half.npz").is_file()
    with pytest.raises(InputError, match="activations of block2"):
        grid(ramps(2), "half")


def test_signals_are_strips_and_hundreds_of_maps_are_drawn() -> None:
    rng = np.random.default_rng(0)
    strips = grid(layer(rng.normal(size=(2, 60, 24))), image=1)
    assert strips.size[0] > 800
    assert {one.box[3] for one in strips.maps} == {26}
    assert strips.picture().height < 24 * 40 + 200
    many = grid(layer(rng.normal(size=(1, 7, 7, 512)).astype(np.float32)))
    assert many.size[0] > 1000
    assert len(many.maps) == 512


def test_the_same_sheet_is_written_as_pixels_and_as_drawings(tmp_path: Path) -> None:
    drawn = grid(ramps(4), title="a $title$ & <more>")
    for name in ("a.png", "a.jpg"):
        with Image.open(drawn.save(tmp_path / name)) as read:
            assert read.size == drawn.size
    svg = drawn.save(tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "a $title$ &amp; &lt;more&gt;" in svg
    assert all(f"block2 · channel {channel}" in svg for channel in range(4))
    assert svg.count("<image") == 5  # four maps and the colour bar
    assert drawn.save(tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    again = grid(ramps(4), title="a $title$ & <more>").save(tmp_path / "b.svg")
    assert again.read_text(encoding="utf-8") == svg
    assert drawn._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(InputError, match=r"a\.docx"):
        drawn.save(tmp_path / "a.docx")


def test_the_figure_has_an_axes_a_map_with_its_values_and_limits(tmp_path: Path) -> None:
    drawn = grid(ramps(5, batch=2), image=[0, 1], normalise="layer")
    figure = drawn.figure()
    axes = [place for place in figure.axes if place.images]
    assert len(axes) == 10
    for place, one in zip(axes, drawn.maps, strict=True):
        np.testing.assert_array_equal(place.images[0].get_array(), one.values)
        assert place.images[0].get_clim() == (one.scale.low, one.scale.high)
    assert axes[7].get_title() == "block2 · channel 2 · image 1"
    figure.savefig(tmp_path / "figure.png")


def test_vectors_are_refused() -> None:
    with pytest.raises(InputError, match="a grid draws 1 to 3"):
        grid(layer(np.zeros((1, 4))))


def test_of_a_volume_the_middle_slice_or_the_one_asked_for_is_drawn_and_said() -> None:
    values = np.random.default_rng(0).normal(size=(2, 5, 4, 6, 3))
    middle, last = grid(layer(values), image=1), grid(layer(values), image=1, slice=4)
    for drawn, index in ((middle, 2), (last, 4)):
        for one in drawn.maps:
            np.testing.assert_array_equal(one.values, values[1, index, ..., one.channel])
    assert any("slice 2, of 0 to 4, the middle one" in line for line in middle.sheet.words)
    assert any(line.endswith("slice 4, of 0 to 4") for line in last.sheet.words)
    whole = grid(layer(values), normalise="data").maps[0].scale
    assert (whole.low, whole.high) == (values.min(), values.max())
    with pytest.raises(InputError, match="slices 0 to 4"):
        grid(layer(values), slice=5)
    with pytest.raises(InputError, match="no volume"):
        grid(ramps(2), slice=0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image": 1}, "images 0 to 0"),
        ({"image": []}, "at least one"),
        ({"channels": [4]}, "channels 0 to 3"),
        ({"channels": []}, "no maps"),
        ({"columns": 0}, "columns"),
        ({"normalise": "both"}, "map, layer, channel, data"),
        ({"limits": (0, 2)}, "expected"),
        ({"percentiles": (99, 1)}, "rising"),
        ({"percentiles": (0, 101)}, "0 to 100"),
        ({"colour_map": "virdis"}, "viridis"),
        ({"size": (100, 100)}, "too small"),
        ({"size": (100_000, 100_000)}, "at most 16384 × 16384"),
        ({"order": "varianze"}, "variance"),
        ({"order": "response"}, "single picture"),
        ({"method": "bicubik"}, "bicubic"),
        ({"overlay": 0.5}, "no picture to lay"),
        ({"overlay": 2}, "overlay 2"),
        ({"strongest": 4}, "no pictures"),
        ({"strongest": 17}, "1 to 16"),
    ],
)
def test_wrong_arguments_are_told(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        grid(ramps(4), **options)
