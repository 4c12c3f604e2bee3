"""The page asks the model and shows all maps, in a real browser on the digits that ship with the package."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import MARKS, Live, Page
from PIL import Image

import explorer
from explorer.demo import DIGITS
from explorer.render.linked.scene import Scene
from explorer.web.file import export_html

pytestmark = MARKS
LAYER, CHANNELS, N = "block3", 48, 90


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> explorer.Run:
    place = tmp_path_factory.mktemp("page-asking")
    found = sorted((DIGITS.parent / "images").rglob("*.png"))
    for path in found[:: len(found) // N][:N]:
        (place / "images" / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place / "images" / path.parent.name / path.name)
    model = explorer.load_model(DIGITS)
    made = explorer.capture(model, place / "images", layers=[LAYER], out=place / "run")
    explorer.project(made, layer=LAYER, method="pca")
    return made


@pytest.fixture(scope="module")
def live(run: explorer.Run) -> Iterator[Live]:
    pytest.importorskip("trame")
    server = Live(run, "--web", "--layer", LAYER, "--method", "pca", "--model", str(DIGITS))
    yield server
    server.end()


@pytest.fixture
def page(browser: Any, live: Live) -> Iterator[Page]:
    opened = Page(browser, live.link, (1280, 800))
    opened.js("v.clear(), v.focusPlace(null)")
    yield opened
    assert opened.said == []
    opened.page.close()


def scene_of(run: explorer.Run) -> Scene:
    made = explorer.scene(run, explorer.project(run, layer=LAYER, method="pca"))
    made.model = DIGITS
    return made


def ask(page: Page, *, way: str = "gradient", where: str = "one", of: str | None = None) -> None:
    """Ask for a saliency as a person does, by keyboard."""
    page.page.get_by_label("how", exact=True).select_option(way)
    page.page.get_by_label("in which pictures").select_option(where)
    if of is not None:
        page.page.locator("select[aria-label='what is to be explained']").select_option(of)
    page.page.get_by_role("button", name="Ask", exact=True).focus()
    page.page.keyboard.press("Enter")


def answered(page: Page, number: int) -> None:
    """Wait until an answer after that number is shown in full."""
    page.page.wait_for_function(
        "(n) => { const a = explorerViewer.ask.answered.answer; return a && a.number > n; }", arg=number
    )
    page.page.wait_for_function("() => document.querySelector('.ask-running').hidden")


def number(page: Page) -> int:
    return int(page.js("(v.ask.answered.answer || {number: 0}).number"))


def colours_in(page: Page, selector: str) -> int:
    """How many colours a canvas shows."""
    return int(
        page.page.evaluate(
            """(selector) => {
                const own = document.querySelector(selector), seen = new Set();
                const { data } = own.getContext("2d").getImageData(0, 0, own.width, own.height);
                for (let i = 0; i < data.length; i += 4) seen.add(data.slice(i, i + 3).join());
                return seen.size;
            }""",
            selector,
        )
    )


def test_the_saliency_of_a_selection_is_the_scenes(page: Page, run: explorer.Run) -> None:
    places = [5 * 64 + 9, 5 * 64 + 10, 5 * 64 + 17, 8 * 64]
    page.js(f"v.take({places}, 'replace', 'by a test')")
    before = number(page)
    chosen = page.page.locator("select[aria-label='what is to be explained']")
    assert chosen.input_value() == "selection"  # what was chosen last is offered first
    ask(page, way="integrated-gradients")
    answered(page, before)
    scene = scene_of(run)
    scene.image = 5
    scene.selection = np.stack(np.unravel_index(places, (N, 8, 8)), axis=1)
    found = scene.saliency("integrated-gradients")
    got = np.array(page.js("[...v.ask.answered.answer.values]")).reshape(found.values[0].shape)
    np.testing.assert_allclose(got, found.values[0], rtol=1e-5, atol=1e-7)
    card = page.page.locator(".answer").inner_text()
    assert card.startswith("Integrated gradients of ")
    assert "block3 at the 3 selected positions" in card
    assert page.page.locator(".answer-panel").is_visible()
    assert colours_in(page, ".answer-panel canvas") > 50
    page.js("v.showImage(6)")  # the map was of another picture
    page.page.wait_for_function("() => /another picture/.test(document.querySelector('.answer').innerText)")
    page.page.locator(".answer .link").first.click()
    page.page.wait_for_function(
        "() => explorerViewer.image === 5 && explorerViewer.ask.answered.answer.values"
    )
    # What is clicked after it takes the panel, and the map is one choice away.
    page.js("v.focusPlace(5 * 64 + 3)")
    page.page.wait_for_function("() => document.querySelector('.answer-panel').hidden")
    switch = page.page.locator(".answer-switch:visible")
    switch.select_option("answer")
    assert page.page.locator(".answer-panel").is_visible()
    page.page.get_by_label("close the answer").click()
    assert not page.page.locator(".answer").is_visible()
    assert page.page.locator(".panel-title:visible", has_text="Similarity").count() == 1


def test_all_pictures_become_a_colour_and_a_size_that_python_reads_back(
    page: Page, run: explorer.Run, tmp_path: Path
) -> None:
    before = number(page)
    ask(page, way="grad-cam", where="every", of="class")
    answered(page, before)
    page.page.wait_for_function("() => explorerViewer.colour === 'saliency:grad-cam-answered'")
    scene = scene_of(run)
    scene.colour = "saliency:grad-cam-answered"
    np.testing.assert_allclose(
        page.js("[...v.colouring.values]"), scene.state.quantity(scene.colour).values, rtol=1e-5
    )
    page.page.get_by_label("size by").select_option("saliency:grad-cam-answered")
    page.page.wait_for_function("() => explorerViewer.sizeName === 'saliency:grad-cam-answered'")
    first = page.js("[...v.ask.answered.answer.values].slice(0, 99)")
    page.js("v.showImage(30)")
    page.page.wait_for_function("() => explorerViewer.ask.answered.answer.image === 30")
    assert page.js("[...v.ask.answered.answer.values].slice(0, 99)") != first
    path = tmp_path / "view.json"
    path.write_text(json.dumps(page.js("v.state()")))
    other = explorer.scene(explorer.open_run(run.path), scene.projection)
    other.load_state(path)
    assert other.colour == other.state.size == "saliency:grad-cam-answered"


def test_a_running_question_shows_how_far_it_is_leaves_the_page_usable_and_is_stopped(page: Page) -> None:
    before = number(page)
    ask(page, way="occlusion", where="every", of="channel")
    page.page.wait_for_selector(".ask-running:not([hidden])")
    page.page.wait_for_function("() => /%/.test(document.querySelector('.ask-running').innerText)")
    page.js("v.showImage(3)")
    page.page.wait_for_function("() => document.querySelector('.side h2').title.length > 0")
    assert page.page.get_by_role("button", name="Ask", exact=True).is_disabled()
    page.page.get_by_role("button", name="Stop", exact=True).click()
    page.page.wait_for_selector(".ask-running", state="hidden")
    assert page.page.locator(".ask > p").inner_text().endswith("stopped, nothing was kept")
    assert number(page) == before
    assert page.page.get_by_role("button", name="Ask", exact=True).is_enabled()


def test_a_maximised_picture_stands_beside_real_ones_and_is_downloaded(page: Page, run: explorer.Run) -> None:
    before = number(page)
    page.js("v.showMap('channel:7')")
    page.page.get_by_role("button", name="Grow", exact=True).click()
    answered(page, before)
    assert page.page.locator(".answer h4").inner_text() == "Channel 7 in block3, maximised"
    assert colours_in(page, ".answer-panel canvas") > 50
    means = run.read(LAYER).reshape(N, -1, CHANNELS).mean(axis=1)[:, 7]
    assert page.js("v.ask.answered.answer.real.map((one) => one.image)") == np.argsort(-means)[:4].tolist()
    with page.page.expect_download() as alone:
        page.page.get_by_role("button", name="Picture as PNG").click()
    assert Image.open(alone.value.path()).size == (32, 32)
    with page.page.expect_download() as sheet:
        page.page.get_by_role("button", name="Sheet as PNG").click()
    assert Image.open(sheet.value.path()).size[0] >= 400
    assert explorer.explain.beside_run.sought(run, LAYER, 7) is not None  # type: ignore[attr-defined]
    page.page.locator(".reals .near-thumb").nth(1).click()
    page.page.wait_for_function(f"() => explorerViewer.image === {np.argsort(-means)[1]}")
    page.page.reload()  # the answer is still there
    page.page.wait_for_selector("#explorer:not([aria-busy])")
    page.page.wait_for_function("() => explorerViewer.ask.answered.answer?.name === 'channel 7'")


def test_all_maps_are_laid_over_the_page_and_a_click_switches_the_channel(
    page: Page, run: explorer.Run
) -> None:
    page.js("v.take([70, 71], 'replace', 'by a test')")
    page.page.keyboard.press("f")
    page.page.wait_for_selector(".map-tile")
    assert page.page.locator(".map-tile").count() == CHANNELS
    page.page.wait_for_function("() => document.querySelector('.map-tile canvas').width === 8")
    assert colours_in(page, ".map-tile[data-channel='11'] canvas") > 5
    page.page.locator(".map-tile[data-channel='11']").click()
    page.page.wait_for_function("() => explorerViewer.map === 'channel:11'")
    assert page.page.get_by_label("map", exact=True).input_value() == "channel:11"
    assert page.page.locator(".map-tile[aria-selected=true]").get_attribute("data-channel") == "11"
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("Enter")
    page.page.wait_for_function("() => explorerViewer.map === 'channel:12'")
    page.page.get_by_label("order of the maps").select_option("variance")
    spread = run.read(LAYER).reshape(-1, CHANNELS).astype(np.float64).var(axis=0)
    best = int(np.argmax(spread))
    page.page.wait_for_function(f"() => document.querySelector('.map-tile').dataset.channel === '{best}'")
    assert page.page.locator(".map-tile").first.get_attribute("title").count("var") == 1
    page.js("v.showImage(44)")  # the maps follow the picture
    page.page.wait_for_function(
        "() => document.querySelector('.all-maps h3').textContent.includes(explorerViewer.meta.names[44])"
    )
    page.page.keyboard.press("Escape")
    assert not page.page.locator(".all-maps").is_visible()
    assert page.js("v.selection.size") == 2  # only the maps were closed


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_clipped_on_a_narrow_page(browser: Any, live: Live, theme: str) -> None:
    page = Page(browser, live.link, (1024, 768))
    page.js(f"v.setTheme('{theme}')")
    page.js("v.take([70, 71], 'replace', 'by a test')")
    clipped = page.js(
        "[...document.querySelectorAll('.ask-row > span, .ask h3, .ask button, .answer button')]"
        ".filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent)"
    )
    assert clipped == []
    wide = page.js("[document.documentElement.scrollWidth, document.querySelector('.side').scrollWidth]")
    assert wide[0] == 1024
    assert wide[1] <= page.js("document.querySelector('.side').clientWidth")
    page.page.close()


def test_without_a_model_there_is_nothing_to_ask(browser: Any, run: explorer.Run) -> None:
    pytest.importorskip("trame")
    server = Live(run, "--web", "--layer", LAYER, "--method", "pca")
    try:
        page = Page(browser, server.link, (1280, 800))
        assert page.page.locator(".ask").count() == 0
        assert page.page.get_by_label("all maps of this picture (F)").is_visible()
        page.page.close()
    finally:
        server.end()


def test_a_file_shows_all_maps_that_it_keeps(browser: Any, run: explorer.Run, tmp_path: Path) -> None:
    path = tmp_path / "cloud.html"
    export_html(scene_of(run), path)
    page = Page(browser, path.as_uri(), (1280, 800))
    page.page.get_by_label("all maps of this picture (F)").click()
    page.page.wait_for_selector(".map-tile")
    kept = page.js("v.meta.maps.filter(({name}) => name.startsWith('channel')).length")
    assert page.page.locator(".map-tile").count() == kept > 0
    page.page.locator(".map-tile").nth(2).click()
    page.page.wait_for_function("() => explorerViewer.map.startsWith('channel:')")
    assert page.page.locator(".ask").count() == 0
    assert page.said == []
    page.page.close()
