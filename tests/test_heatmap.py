"""Heatmaps show each position as it is, mark what is missing, and leave hues to the map."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from explorer.errors import InputError
from explorer.render.drawing.colours import THEMES, Scale, table
from explorer.render.drawing.heatmap import MISSING, drawn, heatmap, outline, overlay, resize

LIGHT = THEMES["light"]
UNIT = Scale(0.0, 1.0, "viridis")


def test_one_pixel_a_position() -> None:
    values = np.array([[0.0, 1.0], [0.5, np.nan]])
    picture = heatmap(values, UNIT, LIGHT)
    lut = table("viridis")
    np.testing.assert_array_equal(picture[0], lut[[0, 255]])
    np.testing.assert_array_equal(picture[1, 1], MISSING["light"])


def test_enlarged_maps_have_hard_edges_unless_asked_otherwise() -> None:
    values = np.array([[0.0, 1.0]])
    hard = drawn(values, UNIT, LIGHT, size=(64, 32))
    assert len(np.unique(hard.reshape(-1, 3), axis=0)) == 2
    soft = drawn(values, UNIT, LIGHT, size=(64, 32), method="bilinear")
    assert len(np.unique(soft.reshape(-1, 3), axis=0)) > 10


def test_missing_values_are_hatched_and_nothing_else_is() -> None:
    picture = drawn(np.array([[0.0, np.nan]]), UNIT, LIGHT, size=(40, 20))
    np.testing.assert_array_equal(np.unique(picture[:, :20].reshape(-1, 3), axis=0), table("viridis")[:1])
    assert len(np.unique(picture[:, 20:].reshape(-1, 3), axis=0)) == 2


def test_an_overlay_has_no_hue_of_the_picture() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[..., 0] = 200
    colours = np.full((4, 4, 3), 100, np.uint8)
    mixed = overlay(picture, colours, alpha=0.5)
    assert (mixed == mixed[..., :1]).all()
    np.testing.assert_array_equal(overlay(picture, colours, alpha=1.0), colours)


def test_an_outline_frames_the_cell_and_leaves_its_inside() -> None:
    canvas = Image.new("RGB", (60, 60), (90, 90, 90))
    outline(ImageDraw.Draw(canvas), (20, 20, 40, 40), LIGHT, thick=2)
    pixels = np.asarray(canvas)
    np.testing.assert_array_equal(pixels[19, 30], LIGHT.accent)
    np.testing.assert_array_equal(pixels[30, 30], (90, 90, 90))
    np.testing.assert_array_equal(pixels[5, 5], (90, 90, 90))


def test_wrong_arguments_are_told() -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(InputError, match="did you mean nearest"):
        resize(picture, (4, 4), "neerest")
    with pytest.raises(InputError, match="alpha"):
        overlay(picture, picture, alpha=2)
    with pytest.raises(InputError, match="same shape"):
        overlay(picture, np.zeros((3, 2, 3), np.uint8))
