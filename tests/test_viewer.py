"""The page in a real browser, without a screen: what is clicked, circled and painted is checked in Python."""

from __future__ import annotations

import asyncio
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import explorer
from explorer.capture.model import Model
from explorer.render.colouring import colouring
from explorer.render.colours import theme
from explorer.web.file import export_html

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
FLAGS = (
    "--no-sandbox --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader"
)
NASTY = "</script><img src=x onerror=alert(1)>"
WIDE, TALL = 1600, 900


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split(), headless=True)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> explorer.Run:
    """Forty small pictures of four kinds, two layers of different grids, one nasty name and label."""
    place = tmp_path_factory.mktemp("viewer")
    rng = np.random.default_rng(1)
    kinds = np.repeat(np.arange(4), 10)
    rows, columns = np.mgrid[:12, :12] / 11
    pictures = [np.sin(6 * (rows * math.cos(k) + columns * math.sin(k)) + k) for k in kinds]
    values = np.stack(pictures)[..., None] + rng.normal(0, 0.15, (40, 12, 12, 1))
    images = np.clip(128 + 90 * values, 0, 255).astype(np.uint8).repeat(3, axis=3)
    fine = np.concatenate(
        [values, values**2, np.roll(values, 2, axis=1), kinds[:, None, None, None] + 0 * values], axis=3
    )
    coarse = fine.reshape(40, 6, 2, 6, 2, 4).mean(axis=(2, 4))
    path = place / "layers.npz"
    np.savez(path, fine=fine.astype(np.float32), coarse=coarse.astype(np.float32))
    made = explorer.capture(path, images, out=place / "run", layers=["fine", "coarse"])
    written = made.path / "manifest.json"
    manifest = json.loads(written.read_text())
    manifest["images"]["names"] = [NASTY, *(f"picture {k}" for k in range(1, 40))]
    manifest["images"]["labels"] = [(NASTY, "waves", "rings", "dots")[k] for k in kinds]
    written.write_text(json.dumps(manifest))
    return explorer.open_run(made.path)


@pytest.fixture(scope="module")
def projection(run: explorer.Run) -> explorer.Projection:
    return explorer.project(run, layer="fine", method="pca")


@pytest.fixture(scope="module")
def file(
    run: explorer.Run, projection: explorer.Projection, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return export_html(explorer.scene(run, projection), tmp_path_factory.mktemp("file") / "cloud.html").path


class Page:
    """A page with what it said and asked for."""

    def __init__(self, browser: Any, address: str, size: tuple[int, int] = (WIDE, TALL)) -> None:
        self.page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on(
            "console", lambda m: self.said.append(m.text) if m.type in ("error", "warning") else None
        )
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(f"dialog {dialog.message}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)
        self.page.wait_for_selector("#explorer:not([aria-busy])", timeout=90_000)
        self.rest()

    def rest(self) -> None:
        """Wait until the cloud is drawn in full."""
        self.page.wait_for_timeout(350)
        for _ in range(100):
            if self.js("v.stage.moving === 0 && !v.stage.motion && !v.stage.waiting"):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError("the cloud never came to rest")

    def js(self, expression: str) -> Any:
        return self.page.evaluate(f"() => {{ const v = explorerViewer; return {expression}; }}")

    def box(self, selector: str = ".over") -> dict[str, float]:
        return dict(self.page.locator(selector).first.bounding_box())

    def camera(self) -> dict[str, Any]:
        told = self.js(
            "({...v.stage.camera.copy(), bounds: v.stage.camera.bounds, distance: v.stage.camera.distance})"
        )
        return dict(told)


@pytest.fixture
def page(browser: Any, file: Path) -> Iterator[Page]:
    opened = Page(browser, file.as_uri())
    yield opened
    opened.page.close()


def project(points: NDArray[Any], page: Page) -> NDArray[np.float64]:
    """Where points (n, 3) are on the page's cloud, from its own camera: (n, 2) pixels of the cloud's box."""
    camera, box = page.camera(), page.box()
    basis, bounds = np.array(camera["basis"]), camera["bounds"]
    normal = np.array(bounds["flat"][2])
    away = (points - bounds["centre"]) @ normal
    pressed = points - np.outer(away * camera["flatness"] * 0.97, normal)
    local = (pressed - camera["focus"]) @ basis.T
    half = (camera["distance"] - local[:, 2]) * math.tan(camera["field"] / 2)
    x = box["width"] / 2 + local[:, 0] / half * box["height"] / 2
    y = box["height"] / 2 - local[:, 1] / half * box["height"] / 2
    return np.stack([x, y], axis=1)


def space(projection: explorer.Projection) -> NDArray[np.float64]:
    points = projection.coordinates.astype(np.float64)
    return np.pad(points, ((0, 0), (0, 3 - points.shape[1])))


def inside(outline: NDArray[Any], points: NDArray[Any]) -> NDArray[np.bool_]:
    """Which points (n, 2) lie in a closed outline (m, 2), by Matplotlib."""
    from matplotlib.path import Path as Outline

    return np.asarray(Outline(np.concatenate([outline, outline[:1]])).contains_points(points))


def gap(outline: NDArray[Any], points: NDArray[Any]) -> NDArray[np.float64]:
    """Distance of points (n, 2) from an outline's line (m, 2)."""
    ends = np.roll(outline, -1, axis=0) - outline
    along = ((points[:, None] - outline) * ends).sum(-1) / np.maximum((ends**2).sum(-1), 1e-9)
    nearest = outline + np.clip(along, 0, 1)[..., None] * ends
    return np.asarray(np.linalg.norm(points[:, None] - nearest, axis=2).min(axis=1))


def lasso(page: Page, middle: tuple[float, float], radius: float) -> NDArray[np.float64]:
    """Circle points with the mouse; returns the outline in pixels of the cloud's box."""
    box = page.box()
    angles = np.linspace(0, 2 * np.pi, 20)[:-1]
    outline = np.round(
        np.stack([middle[0] + radius * np.cos(angles), middle[1] + radius * np.sin(angles)], 1)
    )
    mouse = page.page.mouse
    page.page.keyboard.down("Shift")
    mouse.move(box["x"] + outline[0, 0], box["y"] + outline[0, 1])
    mouse.down()
    for x, y in outline[1:]:
        mouse.move(box["x"] + x, box["y"] + y)
    mouse.up()
    page.page.keyboard.up("Shift")
    page.rest()
    return outline


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
    lasso(page, at, 90)
    everything = set(page.js("[...v.selection.places()]"))
    page.page.keyboard.press("Escape")
    page.page.keyboard.press("v")
    lasso(page, at, 90)
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
    page.page.locator(".legend select").select_option(name)
    page.page.wait_for_timeout(400)
    own, _, number = name.partition(":")
    scene = explorer.scene(run, projection, colour=own)
    if own == "channel":
        scene.state.channel = int(number)
    expected = colouring(scene.state, theme("light"), scene.basis).colours.astype(int)
    shown = np.array(page.js("[...v.painted]")).reshape(-1, 4)[:, :3]
    # A byte a value, and another rule for the percentiles at the ends of a bar: a few steps of a table.
    tolerance = 0 if own in ("label", "rgb", "row", "image") else 8
    assert np.percentile(np.abs(shown - expected), 99) <= tolerance


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
    lasso(page, (box["width"] / 2, box["height"] / 2), 280)
    codes = np.array(page.js("[...v.colouring.codes]"))
    assert set(codes[page.js("[...v.selection.places()]")].tolist()) == {1, 2, 3}


def test_the_flat_view_keeps_the_selection_and_shows_the_principal_plane(
    page: Page, projection: explorer.Projection
) -> None:
    page.js("v.take([1, 2, 3], 'replace', 'by a test')")
    page.page.keyboard.press("2")
    page.rest()
    assert page.js("v.stage.camera.flatness") == 1
    assert page.js("[...v.selection.places()]") == [1, 2, 3]
    pixels = project(space(projection), page)
    axes = np.linalg.svd(space(projection) - space(projection).mean(axis=0), full_matrices=False)[2]
    for k in (0, 1):
        assert abs(np.corrcoef(pixels[:, k], space(projection) @ axes[k])[0, 1]) > 0.999
    page.page.keyboard.press("3")
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
    page.page.keyboard.press("x")
    page.rest()
    state = page.js("JSON.parse(JSON.stringify(v.state()))")
    page.js("(v.clear(), v.colourBy('label'), v.stage.preset('opening'))")
    page.rest()
    page.page.evaluate("state => explorerViewer.restore(state)", state)
    page.rest()
    again = page.js("JSON.parse(JSON.stringify(v.state()))")
    for part in ("selection", "colour", "image", "hidden"):
        assert again[part] == state[part]
    np.testing.assert_allclose(again["camera"]["focus"], state["camera"]["focus"], atol=1e-9)
    np.testing.assert_allclose(again["camera"]["basis"], state["camera"]["basis"], atol=1e-9)


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


# ---- the live page


class Live:
    """The server as a person starts it."""

    def __init__(self, run: explorer.Run) -> None:
        command = [sys.executable, "-m", "explorer", "view", str(run.path), "--web", "--layer", "fine"]
        command += ["--method", "pca"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/#key=(\S+)", line)
        assert found, (line, self.process.stderr.read() if self.process.stderr else "")
        self.link, self.port, self.key = found[0], int(found[1]), found[2]

    def end(self) -> str:
        self.process.terminate()
        try:
            return self.process.communicate(timeout=20)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.communicate()[1]


@pytest.fixture(scope="module")
def live(run: explorer.Run, projection: explorer.Projection) -> Iterator[Live]:
    pytest.importorskip("trame")
    explorer.project(run, layer="coarse", method="pca")
    server = Live(run)
    yield server
    server.end()


def test_the_live_page_opens_and_keeps_the_selection_through_layers_and_dimensions(
    browser: Any, live: Live, run: explorer.Run
) -> None:
    page = Page(browser, live.link)
    assert page.said == []
    assert live.key not in page.page.url
    assert all(url.startswith((f"http://127.0.0.1:{live.port}/", "blob:", "data:")) for url in page.asked)
    assert not any(live.key in url for url in page.asked)
    page.js("v.take([600, 601, 612, 613, 5], 'replace', 'by a test')")
    page.js("v.focusPlace(613)")
    page.page.wait_for_selector(".near-thumb")
    page.page.wait_for_timeout(500)
    layer = page.page.locator(".slot select").first
    layer.select_option("coarse")
    page.page.wait_for_function("() => explorerViewer.meta.layer === 'coarse'", timeout=30_000)
    page.page.wait_for_selector(".slot select:not([disabled])")
    grid = (40, 12, 12)
    scene = explorer.scene(run, explorer.project(run, layer="fine", method="pca"))
    scene.selection = np.stack(np.unravel_index([600, 601, 612, 613, 5], grid), axis=1)
    expected = scene.selection.to((40, 6, 6)).places.tolist()
    assert page.js("[...v.selection.places()]") == expected
    assert page.js("v.focus") == 4 * 36 + 1 * 6 + 0
    layer.select_option("fine")
    page.page.wait_for_function("() => explorerViewer.meta.layer === 'fine'", timeout=30_000)
    page.page.wait_for_selector(".slot select:not([disabled])")
    assert page.js("[...v.selection.places()]") == [5, 600, 601, 612, 613]
    page.page.locator(".slot select").nth(2).select_option("2")
    page.page.wait_for_function("() => explorerViewer.meta.components === 2", timeout=60_000)
    page.page.wait_for_selector(".slot select:not([disabled])")
    assert page.js("[...v.selection.places()]") == [5, 600, 601, 612, 613]
    assert page.said == []
    page.page.close()


def test_live_similarity_is_the_runs(browser: Any, live: Live, run: explorer.Run) -> None:
    page = Page(browser, live.link)
    page.page.locator(".slot select").first.select_option("fine")
    page.page.wait_for_selector(".slot select:not([disabled])")
    page.js("v.focusPlace(300)")
    page.page.wait_for_function("() => explorerViewer.similarity !== null", timeout=30_000)
    rows = run.read("fine").reshape(-1, 4).astype(float)
    true = rows @ rows[300] / np.linalg.norm(rows, axis=1) / np.linalg.norm(rows[300])
    np.testing.assert_allclose(page.js("[...v.similarity.values]"), true, atol=1e-5)
    page.page.close()


def test_a_reload_needs_no_new_link_and_another_tab_does(browser: Any, live: Live) -> None:
    page = Page(browser, live.link)
    page.page.reload()
    page.page.wait_for_selector("#explorer:not([aria-busy])", timeout=60_000)
    page.page.close()
    other = browser.new_page()
    other.goto(f"http://127.0.0.1:{live.port}/#key=wrong")
    other.wait_for_timeout(4000)
    assert not other.evaluate("() => Boolean(window.explorerViewer)")
    other.close()


def test_strangers_are_refused(live: Live) -> None:
    aiohttp = pytest.importorskip("aiohttp")
    msgpack = pytest.importorskip("msgpack")
    from wslink.chunking import UnChunker, generate_chunks

    own = f"http://127.0.0.1:{live.port}"

    async def asked(secret: str | None) -> dict[str, Any]:
        """What a question brings, after a greeting with a key or none."""
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{own}/ws", origin=own) as socket:
            received = UnChunker()
            received.set_max_message_size(10**8)
            calls = [("rpc:c0:1", "explorer.ask", ["meta", [], None])]
            if secret is not None:
                calls.insert(0, ("system:c0:0", "wslink.hello", [{"secret": secret}]))
            for name, method, args in calls:
                message = {"wslink": "1.0", "id": name, "method": method, "args": args, "kwargs": {}}
                for chunk in generate_chunks(msgpack.packb(message), 4_000_000):
                    await socket.send_bytes(chunk)
                while True:
                    got = await socket.receive(timeout=15)
                    if got.type != aiohttp.WSMsgType.BINARY:
                        return {"closed": True}
                    whole = received.process_chunk(got.data)
                    if whole is not None and whole.get("id") == name:
                        break
            return dict(whole)

    async def all_of_it() -> None:
        async with aiohttp.ClientSession() as session:
            for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
                async with session.get(f"{own}/index.html", headers=headers) as answer:
                    assert answer.status == 403, headers
            async with session.get(f"{own}/index.html") as answer:
                assert answer.status == 200
                assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
                assert answer.headers["X-Frame-Options"] == "DENY"
                assert live.key not in await answer.text()
            for origin in ("http://evil.example", None):
                with pytest.raises(aiohttp.WSServerHandshakeError):
                    await session.ws_connect(f"{own}/ws", origin=origin)
            async with session.post(f"{own}/") as answer:
                assert answer.status == 403
        for secret in (None, "", "wslink-secret", live.key[:-1]):
            assert "result" not in await asked(secret), secret
        assert "answer" in (await asked(live.key))["result"]

    # The browser's driver has a loop of its own in this thread.
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, all_of_it()).result()


def test_the_key_is_in_no_log_and_in_no_run(run: explorer.Run, projection: explorer.Projection) -> None:
    pytest.importorskip("trame")
    server = Live(run)
    errors = server.end()
    assert server.key not in errors
    for path in run.path.rglob("*"):
        if path.is_file():
            assert server.key.encode() not in path.read_bytes(), path


def test_without_trame_one_line_names_the_extra(run: explorer.Run, toy: Model) -> None:
    code = (
        "import sys; sys.modules['trame'] = None; sys.modules['trame.app'] = None; "
        "from explorer.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [
        sys.executable,
        "-c",
        code,
        "view",
        str(run.path),
        "--web",
        "--layer",
        "fine",
        "--method",
        "pca",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "activation-explorer[web]" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
