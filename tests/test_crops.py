"""Crops: what a position sees of a picture, within bounds, said in words."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer.capture.model import Model
from explorer.capture.receptive_field import ReceptiveField, unknown
from explorer.explain.crops import Crops, cut
from explorer.render.sheets.grid_source import Source
from explorer.render.sheets.strongest import Strongest


def field(size: int, stride: int, offset: int) -> ReceptiveField:
    return ReceptiveField((size, size), (Fraction(stride),) * 2, (Fraction(offset),) * 2)


def test_a_crop_is_exactly_what_the_position_sees() -> None:
    crops = Crops((64, 96), (16, 24), field(11, 4, -3))
    assert crops.size == (11, 11)
    assert crops.spans((0, 0)) == ((-3, 8), (-3, 8))
    assert crops.spans((5, 7)) == ((17, 28), (25, 36))
    assert crops.words == "to the 11 × 11 pixels that it sees"


@pytest.mark.parametrize(
    ("own", "size", "words"),
    [
        (field(3, 4, 0), (8, 8), "to 8 × 8 pixels around the 3 × 3 that it sees"),
        (field(51, 4, -24), (32, 48), "to 48 × 32 pixels, the middle of the 51 × 51 that it sees"),
        (field(151, 4, -74), (32, 48), "beyond the picture's 96 × 64"),
        (field(64, 0, 0), (32, 48), "(the whole picture)"),
        (unknown("a loop"), (12, 12), "(3 times its cell)"),
        (None, (12, 12), "to 12 × 12 pixels around it (3 times its cell)"),
    ],
)
def test_too_small_too_large_and_unknown_fields_are_told(own: Any, size: Any, words: str) -> None:
    crops = Crops((64, 96), (16, 24), own)
    assert crops.size == size
    assert words in crops.words
    rows, columns = crops.spans((8, 12))
    assert (rows[1] - rows[0], columns[1] - columns[0]) == size
    assert rows[0] <= 34 < rows[1]  # the middle of the position's cell
    assert columns[0] <= 50 < columns[1]


def test_what_lies_outside_the_picture_is_filled() -> None:
    picture = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    found = cut(picture, ((-1, 3), (3, 7)), (9, 9, 9))
    np.testing.assert_array_equal(found[1:, :2], picture[0:3, 3:5])
    assert (found[0] == 9).all()
    assert (found[:, 2:] == 9).all()
    assert (cut(picture, ((-9, -5), (0, 4)), (9, 9, 9)) == 9).all()


def test_the_grid_crops_by_the_field_that_the_run_keeps(tmp_path: Path) -> None:
    demo = Path(explorer.__file__).parent / "demo" / "digits" / "model.toml"
    model: Model = explorer.load_model(demo)
    pictures = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    run = explorer.capture(model, pictures, layers=["block2"], out=tmp_path / "run")
    beside = Strongest(Source(run, "block2", None), 1, None)
    assert "cropped to the 7 × 7 pixels that it sees" in beside.words
    for position in ((0, 0), (3, 4), (7, 7)):
        box = run.receptive_box("block2", position)
        seen = run.picture(1)
        assert box is not None
        assert seen is not None
        rows, columns = beside._crop(position)
        found = beside._cut(1, position)
        (top, bottom), (left, right) = box
        assert found.shape == (7, 7, 3)
        inside = found[top - rows[0] : bottom - rows[0], left - columns[0] : right - columns[0]]
        np.testing.assert_array_equal(inside, seen[top:bottom, left:right])


def test_around_a_position_that_sees_everything_some_cells_are_shown() -> None:
    whole = ReceptiveField((224, 224), (Fraction(0),) * 2, (Fraction(0),) * 2)
    crops = Crops((224, 224), (112, 112), whole)
    assert crops.sees_all
    assert crops.size == (32, 32)  # 16 cells of 2 pixels
    assert crops.around((50, 3)) == ((42, 58), (0, 16))
    assert Crops((224, 224), (14, 14), whole).around((0, 13)) == ((0, 14), (0, 14))
