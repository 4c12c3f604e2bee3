"""The plots and the slider under the cloud: where they lie, and what they say."""

from dataclasses import replace

import numpy as np
import pytest
from epoch_runs import EPOCHS, evolution
from PIL import Image

from explorer.render.drawing.colours import theme
from explorer.render.drawing.layout import Rect, lay_out
from explorer.render.epochs.curves import curve_points, curves, runs_of
from explorer.render.epochs.timeline import carve, draw_timeline, timeline

SHOWN = curves(evolution())


@pytest.mark.parametrize("size", [(640, 480), (800, 600), (1600, 900), (900, 1600), (3840, 2160)])
@pytest.mark.parametrize("bar", [False, True])
def test_nothing_lies_over_anything_else(size: tuple[int, int], bar: bool) -> None:
    layout = carve(lay_out(size, bar=bar))
    line = timeline(layout, len(SHOWN))
    places = [*line.plots, line.slider, layout.cloud, layout.legend, layout.axes, *layout.panels]
    for index, one in enumerate(places):
        assert one.left >= 0
        assert one.right <= size[0]
        assert not any(one.meets(other) for other in places[index + 1 :])
    assert len(line.plots) in (0, len(SHOWN))
    if line.play is not None:
        assert line.play.right < line.track[0]


def test_a_place_on_the_slider_is_that_of_its_pixel() -> None:
    line = timeline(carve(lay_out((1600, 900), bar=True)), 3)
    for at in (0.0, 0.7, 2.0):
        assert line.at(line.x(at, 3), 3) == pytest.approx(at)
    assert (line.at(-50, 3), line.at(5000, 3)) == (0.0, 2.0)


def test_figures_become_curves_with_their_own_ranges() -> None:
    titles = [curve.titles[0] for curve in SHOWN]
    assert titles == [
        "class separation", "trust of the map", "effective rank", "dead channels", "CKA to the last", "moved",
    ]  # fmt: skip
    assert SHOWN[1].span() == (0.5, 1.0)
    assert SHOWN[3].span() == (0.0, 5.0)
    assert SHOWN[5].values[0] is None
    assert [curve.words(0.5) for curve in SHOWN] == ["0.50", "0.500", "0.5", "0", "0.50", "50 %"]
    assert "moved" not in [curve.titles[0] for curve in curves(evolution(seeded=False))]


def test_a_curve_runs_through_its_values_and_leaves_gaps() -> None:
    curve = replace(SHOWN[0], values=(0.0, None, 0.5, 1.0), low=0.0, high=1.0)
    points = curve_points(curve, Rect(0, 0, 100, 50), 5)
    assert points == [(5, 45), None, (65, 25), (95, 5)]
    assert runs_of(points) == [[(5, 45)], [(65, 25), (95, 5)]]
    level = curve_points(replace(curve, values=(2.0, 2.0), low=None, high=None), Rect(0, 0, 100, 50), 5)
    assert level == [(5, 25), (95, 25)]


def test_the_cursor_and_the_knob_move(tmp_path: object) -> None:
    layout, colours = carve(lay_out((1600, 900), bar=True)), theme("light")
    pictures = []
    for at in (0.0, 1.0):
        canvas = Image.new("RGB", layout.size, colours.page)
        draw_timeline(canvas, layout, colours, names=EPOCHS, shown=SHOWN, at=at)
        pictures.append(np.asarray(canvas))
        line = timeline(layout, len(SHOWN))
        y = line.slider.top + layout.px(15)
        assert tuple(pictures[-1][y, round(line.x(at, 3))]) == colours.accent
        accent = (pictures[-1] == colours.accent).all(axis=-1)
        for plot in line.plots:
            columns = np.flatnonzero(accent[plot.top : plot.bottom, plot.left : plot.right].any(axis=0))
            assert len(columns)
    changed = (pictures[0] != pictures[1]).any(axis=-1)
    assert not changed[: layout.cloud.bottom].any()
