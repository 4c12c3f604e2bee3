"""The page over a training, and the report on a selection: in a browser, checked against the folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import MARKS, Live, Page, arrive, make_training, project, show_epoch, space

import explorer
from explorer.evolution import open_evolution
from explorer.render.epochs.curves import curves

pytestmark = MARKS
CHOSEN = [5, 600, 601, 612, 613]


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> explorer.Evolution:
    """Four kinds of pictures that three epochs tell apart ever better; a sample of positions is mapped."""
    place, asked = tmp_path_factory.mktemp("training"), {"method": "pca", "n_components": 3, "sample": 1500}
    return make_training(place, asked, kinds=4, each=6, side=12, seed=1)


@pytest.fixture(scope="module")
def live(training: explorer.Evolution) -> Iterator[Live]:
    pytest.importorskip("trame")
    server = Live(training.path, "--web")
    yield server
    server.end()


def go(page: Page, key: str, at: int) -> None:
    """Press a key and wait until an epoch is shown and its points have come to rest."""
    page.page.keyboard.press(key)
    arrive(page, at)


def points(page: Page) -> np.ndarray:
    """Where the points are drawn, (n, 3)."""
    return np.array(page.js("[...v.stage.points]")).reshape(-1, 3)


def test_another_epoch_moves_the_points_and_leaves_the_selection(
    browser: Any, live: Live, training: explorer.Evolution
) -> None:
    page = Page(browser, live.link)
    last, middle = training.projections[2], training.projections[1]
    np.testing.assert_allclose(points(page), space(last), atol=1e-5)
    page.js(f"v.take({CHOSEN}, 'replace', 'by a test')")
    page.js("v.focusPlace(613)")
    page.js("v.colourBy('channel:1')")
    page.js("v.showImage(7)")
    page.page.wait_for_function(
        "() => explorerViewer.similarity !== null && explorerViewer.colour === 'channel:1'"
    )
    page.js("v.stage.camera.turn(0.3, 0.1), v.stage.camera.zoom(0.6, 0, 0), v.stage.touch()")
    page.rest()
    eye = page.camera()
    go(page, ",", 1)
    np.testing.assert_allclose(points(page), space(middle), atol=1e-5)
    now = page.camera()
    for name in ("focus", "basis", "reach", "flatness"):
        np.testing.assert_allclose(now[name], eye[name], atol=1e-9)
    assert page.js("[...v.selection.places()]") == CHOSEN
    assert page.js("[v.focus, v.image, v.colour]") == [613, 7, "channel:1"]
    # The selected points are those of the same positions, drawn where this epoch has them.
    assert middle.rows is not None
    lit = page.js("[...v.places.keys()].filter((i) => v.painted[4 * i + 3] === 255)")
    assert middle.rows[lit].tolist() == [place for place in CHOSEN if place in middle.rows]
    assert len(lit) > 1
    box, shown = page.box(), project(space(middle), page)
    for row in lit:
        if 0 < shown[row, 0] < box["width"] and 0 < shown[row, 1] < box["height"]:
            np.testing.assert_allclose(
                page.js(f"v.stage.marks.spot({row}).slice(0, 2)"), shown[row], atol=0.5
            )
    assert page.said == []
    page.page.close()


def test_maps_similarity_and_figures_are_those_of_the_epoch(
    browser: Any, live: Live, training: explorer.Evolution
) -> None:
    page = Page(browser, live.link)
    show_epoch(page, 1)
    place = int(training.projections[0].rows[40])  # type: ignore[index]
    page.js(f"v.focusPlace({place})")
    page.js("v.showMap('channel:1')")
    go(page, ",", 0)
    page.page.wait_for_function("() => explorerViewer.similarity !== null")
    page.page.wait_for_selector(".near-thumb")
    rows = training.runs[0].read("conv").reshape(-1, 4).astype(float)
    true = rows @ rows[place] / np.linalg.norm(rows, axis=1) / np.linalg.norm(rows[place])
    np.testing.assert_allclose(page.js("[...v.similarity.values]"), true, atol=1e-5)
    grid = page.page.evaluate(
        "async () => { const g = await explorerViewer.gridOf('channel:1');"
        " return Array.from({length: 144}, (_, i) => g.at(i)); }"
    )
    np.testing.assert_allclose(grid, rows[:144, 1], atol=np.ptp(rows[:144, 1]) / 200)
    among = np.asarray(training.projections[0].rows)
    far = np.linalg.norm(rows[among] - rows[place], axis=1)
    nearest = np.argsort(far, kind="stable")
    found = page.page.evaluate(f"() => explorerViewer.source.neighbours(40, {place})")
    assert found["original"] == [int(row) for row in nearest if row != 40][: len(found["original"])]
    told = page.page.locator(".epoch-figures").inner_text()
    assert "Epoch 1" in told
    for one in curves(training):
        value = one.values[0]
        assert value is not None
        assert one.titles[0] in told
        assert one.words(value) in told
    assert page.said == []
    page.page.close()


def test_who_hurries_gets_to_the_last_that_was_asked_for(
    browser: Any, live: Live, training: explorer.Evolution
) -> None:
    page = Page(browser, live.link)
    page.page.get_by_label("epoch", exact=True).focus()
    page.page.keyboard.press("End")
    go(page, "Home", 0)
    for key in (".", ".", ",", "."):
        page.page.keyboard.press(key)
    go(page, ".", 2)
    np.testing.assert_allclose(points(page), space(training.projections[2]), atol=1e-5)
    assert page.page.get_by_label("epoch after (.)").is_disabled()
    # On the way the points are between the two, and a hand on the cloud does not stop them.
    page.js("v.epochs.go(0)")
    page.page.wait_for_function("() => explorerViewer.stage.journey")
    box = page.box()
    page.page.mouse.move(box["x"] + 500, box["y"] + 300)
    page.page.mouse.down()
    page.page.mouse.up()
    page.page.wait_for_function("() => !explorerViewer.stage.journey && !explorerViewer.epochs.going")
    page.rest()
    np.testing.assert_allclose(points(page), space(training.projections[0]), atol=1e-5)
    assert page.said == []
    page.page.close()


def test_another_map_of_an_epoch_is_left_when_the_epoch_is(
    browser: Any, live: Live, training: explorer.Evolution
) -> None:
    page = Page(browser, live.link)
    show_epoch(page, 1)
    page.js(f"v.take({CHOSEN}, 'replace', 'by a test')")
    page.page.get_by_label("dimensions").select_option("2")
    page.page.wait_for_function("() => explorerViewer.meta.components === 2")
    page.page.wait_for_selector(".slot select:not([disabled])")
    made = explorer.saved_projections(training.runs[1])
    assert [(one.method, one.n_components) for one in made.values()] == [("pca", 2)]
    page.page.get_by_label("a second map beside this one").select_option(label="PCA 3D")
    page.page.wait_for_selector(".stages.two")
    show_epoch(page, 0)
    # The first epoch has no such flat map; the one on the right is the epoch's that was gone from, and stays.
    assert page.js("v.meta.components") == 3
    assert "epoch 5" in page.page.locator(".caption").nth(1).inner_text()
    page.page.get_by_label("a second map beside this one").select_option("")
    page.page.wait_for_selector(".stages:not(.two)")
    assert page.js("[...v.selection.places()]") == CHOSEN
    np.testing.assert_allclose(points(page), space(training.projections[0]), atol=1e-5)
    assert page.said == []
    page.page.close()


def test_a_view_brings_its_epoch_back_and_the_scene_knows_it(
    browser: Any, live: Live, training: explorer.Evolution, tmp_path: Path
) -> None:
    page = Page(browser, live.link)
    show_epoch(page, 1)
    page.js(f"v.take({CHOSEN}, 'replace', 'by a test')")
    state = page.js("v.state()")
    (tmp_path / "view.json").write_text(json.dumps(state))
    scene = open_evolution(training.path).scene()
    scene.load_state(tmp_path / "view.json")
    assert scene.epoch == 1
    assert scene.selection.places.tolist() == CHOSEN
    show_epoch(page, 2)
    page.page.evaluate("(told) => explorerViewer.restore(told)", state)
    page.rest()
    assert page.js("v.meta.epochs.at") == 1
    lines = page.page.evaluate("() => explorerViewer.source.code(explorerViewer.state())")
    assert "evolution.scene(epoch=1" in lines
    said = page.page.evaluate(
        "async () => { try { await explorerViewer.restore({...explorerViewer.state(), epoch: '77'}); }"
        " catch (error) { return error.message; } }"
    )
    assert said == f"epoch 77: this training has {', '.join(training.epochs)}"
    assert page.said == []
    page.page.close()


def test_the_report_on_a_selection_opens_and_is_kept(
    browser: Any, live: Live, training: explorer.Evolution, tmp_path: Path
) -> None:
    page = Page(browser, live.link)
    show_epoch(page, 0)
    page.js(f"v.take({CHOSEN}, 'replace', 'by a test')")
    page.page.get_by_role("button", name="why?").click()
    with page.page.context.expect_page() as opening:
        page.page.get_by_role("link", name="Open the report").click()
    report, said = opening.value, []
    report.on("console", lambda message: said.append(message.text))
    report.wait_for_load_state()
    assert report.title() == f"Why {len(CHOSEN)} positions of conv lie together"
    assert f"{len(CHOSEN)} of " in report.locator("body").inner_text()
    report.close()
    page.page.get_by_role("button", name="why?").click()
    with page.page.expect_download() as waiting:
        page.page.get_by_role("link", name="Keep it as a file").click()
    kept = tmp_path / "report.html"
    waiting.value.save_as(kept)
    chosen = np.stack(np.unravel_index(CHOSEN, (24, 12, 12)), axis=1)
    found = explorer.why(training.runs[0], chosen, "conv", projection=training.projections[0])
    assert kept.read_text(encoding="utf-8") == found.html()
    problem = page.page.evaluate("() => explorerViewer.source.why([99999]).catch((error) => error.message)")
    assert problem == "a selection beyond the 3,456 positions of conv"
    assert said == page.said == []
    page.page.close()
