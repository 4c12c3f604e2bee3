"""Colours tell things apart for every eye, and numbers keep their order and their gaps."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.render.drawing.colours import THEMES, Scale, categorical, rgb, scale_of, table, theme

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
EYES = {
    "normal": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    part = colours / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def oklab(light: NDArray[np.float64]) -> NDArray[np.float64]:
    cones = np.array(
        [
            [0.41222147, 0.53633254, 0.05144599],
            [0.2119035, 0.68069955, 0.10739696],
            [0.08830246, 0.28171884, 0.62997870],
        ]
    )
    mix = np.array(
        [
            [0.21045426, 0.79361779, -0.00407205],
            [1.9779985, -2.42859221, 0.45059371],
            [0.02590404, 0.78277177, -0.80867577],
        ]
    )
    return np.cbrt(np.clip(light, 0, None) @ cones.T) @ mix.T


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("eye", EYES)
def test_ten_classes_differ_for_every_eye(name: str, eye: str) -> None:
    seen = oklab(np.clip(linear(categorical(10, name)) @ np.array(EYES[eye]).T, 0, 1))
    closest = min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2))
    assert closest > 0.09


def test_a_class_has_much_the_same_hue_in_both_themes() -> None:
    hues = [np.arctan2(*oklab(linear(categorical(14, name))).T[:0:-1]) for name in ("light", "dark")]
    assert np.degrees(np.abs(np.angle(np.exp(1j * (hues[0] - hues[1]))))).max() < 20


@pytest.mark.parametrize("name", ["light", "dark"])
def test_classes_differ_from_the_page(name: str) -> None:
    page = oklab(linear(np.array([THEMES[name].page], np.uint8)))[0]
    seen = oklab(linear(categorical(14, name)))
    assert np.linalg.norm(seen - page, axis=1).min() > 0.2


def test_there_is_a_colour_for_every_class_however_many() -> None:
    many = categorical(100)
    assert many.shape == (100, 3)
    assert len(np.unique(many, axis=0)) == 100
    np.testing.assert_array_equal(many[:5], categorical(5))
    assert categorical(0).shape == (0, 3)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_text_stands_out_from_its_page(name: str) -> None:
    def luminance(colour: tuple[int, int, int]) -> float:
        return float(linear(np.array(colour, np.uint8)) @ [0.2126, 0.7152, 0.0722])

    chosen = theme(name)
    backs, fronts = (chosen.page, chosen.panel), (chosen.text, chosen.muted, chosen.warning)
    for back, front in itertools.product(backs, fronts):
        high, low = sorted((luminance(back), luminance(front)), reverse=True)
        assert (high + 0.05) / (low + 0.05) > 4.5


def test_a_scale_maps_its_ends_to_the_ends_of_the_map() -> None:
    lut = table("viridis")
    colours = Scale(-2.0, 6.0, "viridis").colours(np.array([-2.0, 2.0, 6.0, 99.0, np.nan]), missing=(1, 2, 3))
    np.testing.assert_array_equal(colours[[0, 2, 3]], lut[[0, 255, 255]])
    np.testing.assert_array_equal(colours[1], lut[128])
    np.testing.assert_array_equal(colours[4], (1, 2, 3))


def test_values_near_the_largest_float_do_not_overflow() -> None:
    scale = scale_of(np.array([0.0, 1e308]), "light")
    np.testing.assert_array_equal(scale.colours(np.array([1e308]), (0, 0, 0))[0], table("viridis")[255])


def test_both_signs_give_a_scale_centred_on_zero() -> None:
    scale = scale_of(np.array([-1.0, 4.0, np.nan, np.inf]), "dark")
    assert (scale.low, scale.high, scale.colour_map) == (-4.0, 4.0, "diverging-dark")
    assert scale_of(np.array([-0.01, 4.0]), "light").colour_map == "viridis"
    assert scale_of(np.array([-1.0, 4.0]), "light", signed=False).low == -1.0


def test_what_lies_beyond_a_clipped_scale_is_told() -> None:
    values = np.append(np.linspace(0, 1, 1000), 50.0)
    clipped = scale_of(values, "light", clip=0.5)
    assert clipped.clipped
    assert clipped.high < 2
    assert not scale_of(values, "light").clipped


@pytest.mark.parametrize("values", [[], [np.nan], [3.0, 3.0]])
def test_nothing_and_constants_have_a_scale(values: list[float]) -> None:
    scale = scale_of(np.array(values), "light")
    assert scale.constant
    assert scale.colours(np.array([1.0]), (0, 0, 0)).shape == (1, 3)


def test_wrong_names_are_told_with_the_right_ones() -> None:
    with pytest.raises(InputError, match="viridis"):
        table("virids")
    with pytest.raises(InputError, match="there are: light, dark"):
        theme("blue")
    assert rgb("#ff8000") == (255, 128, 0)
