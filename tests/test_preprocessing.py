from typing import Any

import numpy as np
import pytest
from PIL import Image

import explorer
from explorer.capture.preprocessing import Preprocessing, read_preprocessing

picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 20, 3), dtype=np.uint8))


def test_without_a_rule_pixels_become_zero_to_one() -> None:
    values, shown = Preprocessing().apply(picture)
    np.testing.assert_allclose(values, np.asarray(picture) / 255, rtol=1e-6)
    np.testing.assert_array_equal(shown, np.asarray(picture))


def test_mean_and_std_come_after_the_range() -> None:
    rule = Preprocessing(range=(-1, 1), mean=(0.1, 0.2, 0.3), std=(1, 2, 4))
    expected = (np.asarray(picture) / 255 * 2 - 1 - [0.1, 0.2, 0.3]) / [1, 2, 4]
    np.testing.assert_allclose(rule.apply(picture)[0], expected, atol=1e-6)


def test_bgr_turns_the_channels_round() -> None:
    values, shown = Preprocessing(channels="bgr").apply(picture)
    np.testing.assert_allclose(values[..., ::-1], np.asarray(picture) / 255, rtol=1e-6)
    np.testing.assert_array_equal(shown, np.asarray(picture))


def test_gray_input_of_a_colour_picture_is_shown_in_colour() -> None:
    values, shown = Preprocessing(channels="gray").apply(picture)
    assert values.shape == (12, 20, 1)
    np.testing.assert_allclose(values[..., 0], np.asarray(picture.convert("L")) / 255, rtol=1e-6)
    np.testing.assert_array_equal(shown, np.asarray(picture))


def test_a_gray_picture_fills_three_channels() -> None:
    values, shown = Preprocessing().apply(picture.convert("L"))
    assert values.shape == shown.shape == (12, 20, 3)
    assert (values == values[..., :1]).all()


def test_resize_is_pillows_bilinear() -> None:
    values, _ = Preprocessing(size=(6, 5)).apply(picture)
    expected = np.asarray(picture.resize((5, 6), Image.Resampling.BILINEAR)) / 255
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_crop_keeps_the_aspect() -> None:
    stripes = Image.fromarray(np.tile(np.arange(20, dtype=np.uint8), (10, 1)))
    values, _ = Preprocessing(size=(10, 10), channels="gray", resize="crop").apply(stripes)
    np.testing.assert_allclose(values[0, :, 0] * 255, np.arange(5, 15), atol=1e-4)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"sise": [1, 1]}, "did you mean size"),
        ({"size": [0, 4]}, "size"),
        ({"size": 32}, "size"),
        ({"size": [True, True]}, "size"),
        ({"channels": "rbg"}, "gray, rgb, bgr"),
        ({"range": [1, 0]}, "low, high"),
        ({"mean": [1, 2]}, "1 or 3 numbers"),
        ({"mean": "0.5"}, "1 or 3 numbers"),
        ({"std": [0.0]}, "positive"),
        ({"std": [float("nan")]}, "positive"),
        ({"resize": "squash"}, "stretch, crop"),
    ],
)
def test_a_wrong_rule_is_one_line_that_says_what_is_right(table: dict[str, Any], words: str) -> None:
    with pytest.raises(explorer.ModelError, match=words) as caught:
        read_preprocessing(table, "model.toml")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("model.toml: ")
