"""Maximised pictures kept in a run, and shown by the viewer beside the channel they are of."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.demo import DIGITS
from explorer.explain.beside_run import FOLDER, keep_maximised, sought
from explorer.explain.maximised import Maximised, load_maximised
from explorer.render.drawing.colours import theme
from explorer.render.linked.panels import panels


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> explorer.Run:
    out = tmp_path_factory.mktemp("beside") / "run"
    return explorer.capture(DIGITS, DIGITS.parent / "images", layers=["block3", "block5"], out=out)


@pytest.fixture(scope="module")
def found(run: explorer.Run) -> Maximised:
    return explorer.maximize(DIGITS, layer="block3", channels=[1, 4], variants=2, steps=6, images=run)


def test_the_viewer_shows_what_the_chosen_channel_answers_to(
    run: explorer.Run, found: Maximised, tmp_path: Path
) -> None:
    scene = explorer.scene(run, explorer.project(run, layer="block3", method="pca", n_components=2))
    scene.state.map, scene.channel = "channel", 4
    assert panels(scene.state, theme("light"), scene.basis)[3].title.startswith("channel")
    assert "maximised" not in panels(scene.state, theme("light"), scene.basis)[3].title
    kept = keep_maximised(run, found)
    assert kept.parent == run.path / FOLDER
    shown = panels(scene.state, theme("light"), scene.basis)[3]
    best = found.reached[1].argmax()
    np.testing.assert_array_equal(shown.colours, found.shown()[1, best])
    assert shown.title == "maximised"
    assert f"{found.reached[1, best]:.3g}" in shown.detail
    assert scene.screenshot(tmp_path / "scene.png", size=(1000, 700)).stat().st_size > 5000
    written = scene.export(tmp_path / "scene.svg")
    assert f">{shown.detail}<" in written.read_text(encoding="utf-8")
    scene.channel = 2  # none was made of this one
    assert "maximised" not in panels(scene.state, theme("light"), scene.basis)[3].title
    scene.channel = 4
    scene.inspect(0, 0, 0)  # what was asked for last is shown: the similarity
    assert panels(scene.state, theme("light"), scene.basis)[3].title == "similarity"


def test_the_newest_stands_and_what_is_damaged_or_of_others_is_passed_over(
    run: explorer.Run, found: Maximised
) -> None:
    keep_maximised(run, found)
    dark = dataclasses.replace(found, pictures=np.zeros_like(found.pictures))
    newest = keep_maximised(run, dark)
    one = sought(run, "block3", 1)
    assert one is not None
    assert not one.picture.any()
    newest.write_bytes(newest.read_bytes()[:200])
    other = sought(run, "block3", 1)
    assert other is not None
    assert other.picture.any()
    assert sought(run, "block5", 1) is None
    assert sought(run, "block3", 2) is None
    assert not list((run.path / FOLDER).glob(".*"))


def test_what_was_stopped_before_it_was_measured_is_not_shown(run: explorer.Run, found: Maximised) -> None:
    keep_maximised(run, found)
    before = sought(run, "block3", 4)
    assert before is not None
    nothing = dataclasses.replace(found, reached=np.full_like(found.reached, np.nan))
    keep_maximised(run, nothing)
    after = sought(run, "block3", 4)
    assert after is not None
    assert after.reached == before.reached


def test_pictures_of_another_model_or_layer_are_refused(run: explorer.Run, found: Maximised) -> None:
    with pytest.raises(explorer.InputError, match="the pictures are of another"):
        keep_maximised(run, dataclasses.replace(found, model="another"))
    with pytest.raises(explorer.InputError, match="has no layer block9"):
        keep_maximised(run, dataclasses.replace(found, layer="block9"))


def test_the_same_again_adds_no_file_and_an_interrupted_climb_gives_way_to_the_whole(
    run: explorer.Run, found: Maximised
) -> None:
    half = dataclasses.replace(found, pictures=found.pictures * 0.5, finished=0)
    first = keep_maximised(run, half)
    assert keep_maximised(run, found) == first
    assert keep_maximised(run, found) == first
    assert load_maximised(first).finished == 2
    np.testing.assert_array_equal(load_maximised(first).pictures, found.pictures)
    other = dataclasses.replace(found, settings={**found.settings, "seed": 5})
    assert keep_maximised(run, other) != first
    assert keep_maximised(run, half) not in (first, keep_maximised(run, other))
