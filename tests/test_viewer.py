"""The page in a real browser, without a screen: what is clicked, circled and painted is checked in Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import MARKS, NASTY, Page, gap, inside, lasso, make_run, project, space

import explorer
from explorer.render.drawing.colours import theme
from explorer.render.linked.colouring import colouring
from explorer.web.file import export_html

pytestmark = MARKS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> explorer.Run:
    return make_run(tmp_path_factory.mktemp("viewer"))


@pytest.fixture(scope="module")
def projection(run: explorer.Run) -> explorer.Projection:
    return explorer.project(run, layer="fine", method="pca")


@pytest.fixture(scope="module")
def file(
    run: explorer.Run, projection: explorer.Projection, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return export_html(explorer.scene(run, projection), tmp_path_factory.mktemp("file") / "cloud.html").path


@pytest.fixture
def page(browser: Any, file: Path) -> Iterator[Page]:
    opened = Page(browser, file.as_uri())
    yield opened
    opened.page.close()


def test_the_file_opens_from_disk_without_a_word_or_a_request(page: Page, file: Path) -> None:
    assert page.said == []
    assert [url for url in page.asked if not url.startswith(("blob:", "data:"))] == [file.as_uri()]
    assert page.js("[v.places.length, v.meta.nImages, v.meta.left.length]") == [5760, 40, 0]


def test_the_cloud_is_drawn(page: Page) -> None:
    shown = page.js(
        "(() => { const c = document.createElement('canvas'); const s = v.stage.canvas; c.width = s.width;"
        "c.height = s.height; const g = c.getContext('2d'); g.drawImage(s, 0, 0);"
        "const d = g.getImageData(0, 0, c.width, c.height).data; const seen = new Set(); let ink = 0;"
        "for (let i = 0; i < d.length; i += 4) { const k = d[i] * 65536 + d[i + 1] * 256 + d[i + 2];"
        "seen.add(k); if (k !== 0xffffff) ink++; } return [seen.size, ink / (d.length / 4)]; })()"
    )
    assert shown[0] > 200
    assert 0.03 < shown[1] < 0.95


def test_a_click_on_a_point_shows_its_picture_position_and_label(
    page: Page, run: explorer.Run, projection: explorer.Projection
) -> None:
    pixels = project(space(projection), page)
    box = page.box()
    # The point that stands most alone, where neither legend nor tools lie over it.
    free = (pixels[:, 0] > 260) & (pixels[:, 0] < box["width"] - 80) & (pixels[:, 1] > 90)
    rows = np.flatnonzero(free & (pixels[:, 1] < box["height"] - 40))
    apart = np.linalg.norm(pixels[rows][:, None] - pixels[None], axis=2)
    apart[np.arange(len(rows)), rows] = np.inf
    row = int(rows[apart.min(axis=1).argmax()])
    page.page.mouse.move(box["x"] + pixels[row, 0], box["y"] + pixels[row, 1])
    page.page.wait_for_selector(".tip:not([hidden])")
    assert page.page.locator(".tip").get_attribute("data-row") == str(row)
    page.page.mouse.click(box["x"] + pixels[row, 0], box["y"] + pixels[row, 1])
    page.rest()
    image, *position = projection.positions()[row].tolist()
    assert page.js("v.focus") == projection.samples.grid_rows()[row]
    assert page.js("v.image") == image
    assert page.page.locator(".side h2").inner_text() == run.image_names[image]
    facts = page.page.locator(".facts").inner_text()
    assert f"row {position[0]}, column {position[1]}" in facts
    assert run.labels is not None
    assert run.labels[image] in facts


def test_neighbours_are_shown_in_both_spaces(
    page: Page, projection: explorer.Projection, run: explorer.Run
) -> None:
    page.js("v.focusPlace(777)")
    page.page.wait_for_selector(".near-thumb")
    shown = page.page.eval_on_selector_all(".near-thumb", "all => all.map(e => Number(e.dataset.row))")
    assert len(shown) == 12
    rows = run.read("fine").reshape(-1, 4).astype(float)
    for found, where in ((shown[:6], rows), (shown[6:], space(projection))):
        apart = np.linalg.norm(where - where[777], axis=1)
        apart[777] = np.inf
        np.testing.assert_allclose(apart[found], np.sort(apart)[:6], rtol=1e-3, atol=1e-4)


def test_a_lasso_selects_exactly_the_points_inside(page: Page, projection: explorer.Projection) -> None:
    pixels = project(space(projection), page)
    middle = np.median(pixels, axis=0)
    outline = lasso(page, (float(middle[0]), float(middle[1])), 90)
    within, near = inside(outline, pixels), gap(outline, pixels) < 0.1
    chosen = np.zeros(len(pixels), bool)
    chosen[page.js("[...v.selection.places()]")] = True
    assert within.sum() > 100
    assert (chosen == within)[~near].all()
    assert near.sum() < 10
    assert "all within" in page.page.locator(".chosen").inner_text()


def test_a_lasso_of_the_visible_leaves_out_what_is_behind(
    page: Page, projection: explorer.Projection
) -> None:
    pixels = project(space(projection), page)
    middle = np.median(pixels, axis=0)
    at = (float(middle[0]), float(middle[1]))
    lasso(page, at, 220)
    everything = set(page.js("[...v.selection.places()]"))
    page.page.keyboard.press("Escape")
    page.page.keyboard.press("y")
    page.page.wait_for_function("() => explorerViewer.stage.visible")
    page.rest()
    lasso(page, at, 220)
    visible = set(page.js("[...v.selection.places()]"))
    assert visible < everything
    assert len(visible) > 20
    assert "only what is visible" in page.page.locator(".chosen").inner_text()


def test_the_strip_ranks_pictures_by_how_much_of_them_is_selected(page: Page) -> None:
    pixels = page.box()
    lasso(page, (pixels["width"] * 0.55, pixels["height"] * 0.5), 150)
    places = np.array(page.js("[...v.selection.places()]"))
    counts = np.bincount(places // 144, minlength=40)
    shown = page.page.eval_on_selector_all(".card", "all => all.map(e => Number(e.dataset.image))")
    expected = sorted(np.flatnonzero(counts).tolist(), key=lambda image: (-counts[image], image))
    assert shown == expected[: len(shown)]
    first = page.page.locator(".card").first.inner_text()
    assert first.startswith(f"{round(100 * counts[expected[0]] / 144)} %")


def test_painting_over_a_map_lights_up_those_points_and_greys_the_rest(page: Page) -> None:
    page.js("v.showImage(7)")
    page.rest()
    box = page.box(".panel:nth-child(2) canvas")
    cell = box["width"] / 12
    mouse = page.page.mouse
    mouse.move(box["x"] + 2.5 * cell, box["y"] + 4.5 * cell)
    mouse.down()
    for column in (3, 4, 5):
        mouse.move(box["x"] + (column + 0.5) * cell, box["y"] + 4.5 * cell)
    mouse.up()
    page.rest()
    expected = [7 * 144 + 4 * 12 + column for column in (2, 3, 4, 5)]
    assert page.js("[...v.selection.places()]") == expected
    alphas = np.array(page.js("[...v.painted].filter((_, i) => i % 4 === 3)"))
    assert np.flatnonzero(alphas == 255).tolist() == expected
    assert (np.delete(alphas, expected) == 128).all()


def test_a_click_in_a_map_looks_at_that_position(page: Page) -> None:
    page.js("v.showImage(11)")
    page.rest()
    box = page.box(".panel:nth-child(1) canvas")
    page.page.mouse.click(box["x"] + box["width"] * 3.5 / 12, box["y"] + box["height"] * 8.5 / 12)
    page.rest()
    assert page.js("v.focus") == 11 * 144 + 8 * 12 + 3
    page.page.keyboard.press("Tab")
    page.page.locator(".panel:nth-child(1) canvas").focus()
    page.page.keyboard.press("ArrowRight")
    page.rest()
    assert page.js("v.focus") == 11 * 144 + 8 * 12 + 4


@pytest.mark.parametrize(
    "name", ["label", "rgb", "norm", "channel:1", "component:0", "trust", "row", "image"]
)
def test_colours_are_those_of_the_scene(
    page: Page, run: explorer.Run, projection: explorer.Projection, name: str
) -> None:
    page.page.get_by_label("colour by", exact=True).select_option(name)
    own, _, number = name.partition(":")
    scene = explorer.scene(run, projection, colour=own)
    if own == "channel":
        scene.state.channel = int(number)
    expected = colouring(scene.state, theme("light"), scene.basis).colours.astype(int)
    # A byte a value, and another rule for the percentiles at the ends of a bar: a few steps of a table.
    tolerance = 0 if own in ("label", "rgb", "row", "image") else 8
    off = np.inf
    for _ in range(50):  # until the page has painted them, on a busy machine too
        shown = np.array(page.js("[...v.painted]")).reshape(-1, 4)[:, :3]
        off = np.percentile(np.abs(shown - expected), 99)
        if off <= tolerance:
            break
        page.page.wait_for_timeout(200)
    assert off <= tolerance


def test_a_class_is_hidden_isolated_and_shown_again(page: Page, run: explorer.Run) -> None:
    names = page.js("v.colouring.names")
    assert run.labels is not None
    hidden = np.repeat([label == names[1] for label in run.labels], 144)
    page.page.locator(".class").nth(1).click()
    alphas = "[...v.painted].filter((_, i) => i % 4 === 3)"
    assert ((np.array(page.js(alphas)) == 0) == hidden).all()
    page.rest()
    assert "4,320 of 5,760" in page.page.locator(".status").inner_text()
    page.page.wait_for_timeout(600)  # no part of the two clicks that follow
    page.page.locator(".class").nth(1).dblclick()
    assert ((np.array(page.js(alphas)) != 0) == hidden).all()
    page.page.locator(".legend .link").click()
    assert (np.array(page.js(alphas)) != 0).all()


def test_hidden_points_are_neither_picked_nor_selected(page: Page) -> None:
    page.page.locator(".class").nth(0).click()
    page.rest()
    box = page.box()
    middle = box["width"] / 2, box["height"] / 2
    page.page.mouse.move(box["x"] + middle[0], box["y"] + middle[1])
    for _ in range(4):  # until every class is within the circle
        page.page.mouse.wheel(0, 600)
        page.rest()
    lasso(page, middle, 280)
    codes = np.array(page.js("[...v.colouring.codes]"))
    assert set(codes[page.js("[...v.selection.places()]")].tolist()) == {1, 2, 3}


def test_the_flat_view_keeps_the_selection_and_shows_the_principal_plane(
    page: Page, projection: explorer.Projection
) -> None:
    page.js("v.take([1, 2, 3], 'replace', 'by a test')")
    page.page.keyboard.press("d")
    page.rest()
    assert page.js("v.stage.camera.flatness") == 1
    assert page.js("[...v.selection.places()]") == [1, 2, 3]
    pixels = project(space(projection), page)
    axes = np.linalg.svd(space(projection) - space(projection).mean(axis=0), full_matrices=False)[2]
    for k in (0, 1):
        assert abs(np.corrcoef(pixels[:, k], space(projection) @ axes[k])[0, 1]) > 0.999
    page.page.keyboard.press("d")
    page.rest()
    assert page.js("v.stage.camera.flatness") == 0


def test_turning_says_how_many_points_are_drawn_and_rests_on_all(page: Page) -> None:
    page.js("v.stage.cloud.budget = 1000")
    box = page.box()
    page.page.mouse.move(box["x"] + 500, box["y"] + 300)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 560, box["y"] + 320)
    page.page.wait_for_timeout(60)
    assert "moving: " in page.page.locator(".status").inner_text()
    assert "of 5,760 points" in page.page.locator(".status").inner_text()
    page.page.mouse.up()
    page.rest()
    assert page.page.locator(".status").inner_text() == "5,760 points"


def test_nasty_names_are_words_and_nothing_else(page: Page) -> None:
    assert page.page.locator(".side h2").inner_text() == NASTY
    assert page.page.locator("#explorer img").count() == 0
    page.page.locator(".search").fill("onerror")
    page.page.wait_for_timeout(200)
    assert page.page.locator(".card").count() > 0
    page.js("v.focusPlace(3)")
    page.rest()
    assert page.said == []


@pytest.mark.parametrize("size", [(1024, 720), (1600, 900)])
@pytest.mark.parametrize("look", ["light", "dark"])
def test_nothing_is_cut_off_or_covered(browser: Any, file: Path, size: tuple[int, int], look: str) -> None:
    page = Page(browser, f"{file.as_uri()}#theme={look}", size)
    try:
        assert page.js("document.documentElement.dataset.theme") == look
        assert page.js("document.documentElement.scrollWidth") == size[0]
        boxes = {name: page.box(f".{name}") for name in ("tools", "legend", "strip", "side", "top", "status")}
        for box in boxes.values():
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= size[0] + 0.5
            assert box["y"] + box["height"] <= size[1] + 0.5
        assert boxes["tools"]["y"] + boxes["tools"]["height"] <= boxes["legend"]["y"]
        for selector in (".top button", ".tools button", ".panel figcaption"):
            for box in page.page.eval_on_selector_all(
                selector,
                "all => all.map(e => [e.scrollWidth - e.clientWidth, e.getBoundingClientRect().width])",
            ):
                assert box[0] <= 1, selector
        labels = page.js("v.stage.labels.map(b => [b.x, b.y, b.w, b.h])")
        for i, (x, y, w, h) in enumerate(labels):
            for a, b, c, d in labels[:i]:
                assert x + w <= a or a + c <= x or y + h <= b or b + d <= y
        assert page.said == []
    finally:
        page.page.close()


def test_a_view_is_saved_and_comes_back(page: Page, tmp_path: Path) -> None:
    page.js("v.take([5, 600], 'replace', 'by a test')")
    page.js("v.colourBy('norm')")
    page.page.keyboard.press("v")
    page.rest()
    state = page.js("JSON.parse(JSON.stringify(v.state()))")
    page.js("(v.clear(), v.colourBy('label'), v.stage.preset('opening'))")
    page.rest()
    page.page.evaluate("state => explorerViewer.restore(state)", state)
    page.rest()
    again = page.js("JSON.parse(JSON.stringify(v.state()))")
    for part in ("selection", "colour", "image", "hidden"):
        assert again[part] == state[part]
    for part in ("position", "focal_point", "view_up"):
        np.testing.assert_allclose(again["camera"][part], state["camera"][part], atol=1e-8)


def test_the_selection_is_taken_away_as_csv(
    page: Page, projection: explorer.Projection, tmp_path: Path
) -> None:
    page.js("v.take([5, 600], 'replace', 'by a test')")
    with page.page.expect_download() as download:
        page.page.locator(".chosen .link").click()
    download.value.save_as(tmp_path / "selection.csv")
    import csv

    lines = list(csv.DictReader((tmp_path / "selection.csv").read_text().splitlines()))
    assert [(line["image"], line["axis_0"], line["axis_1"]) for line in lines] == [
        ("0", "0", "5"),
        ("4", "2", "0"),
    ]
    assert lines[0]["name"] == NASTY
    np.testing.assert_allclose(float(lines[1]["x"]), projection.coordinates[600, 0], rtol=1e-3)


def test_a_scene_in_a_notebooks_frame_draws_without_a_word(
    browser: Any, run: explorer.Run, projection: explorer.Projection, tmp_path: Path
) -> None:
    cell = tmp_path / "notebook.html"
    cell.write_text(f"<!doctype html><p>{explorer.scene(run, projection)._repr_html_()}", encoding="utf-8")
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    said: list[str] = []
    page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(cell.as_uri())
    inside = page.frame_locator("iframe")
    inside.locator("#explorer:not([aria-busy])").wait_for(timeout=60_000)
    inside.locator(".status").wait_for()
    page.wait_for_timeout(500)
    assert inside.locator(".status").inner_text() == "5,760 points"
    assert said == []
    page.close()


def test_every_tool_is_reached_by_the_keyboard(page: Page) -> None:
    reached = set()
    for _ in range(60):
        page.page.keyboard.press("Tab")
        reached.add(page.page.evaluate("() => document.activeElement.getAttribute('aria-label')"))
    assert any(name and name.startswith("lasso") for name in reached)
    assert any(name and name.startswith("point cloud") for name in reached)
    assert "find a picture or label" in reached
    assert "colour by" in reached
    assert any(name and name.startswith("Picture;") for name in reached)
