"""A training's page asks the model of the epoch that is shown, in a real browser on digits' checkpoints."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import MARKS, Live, Page, crowded, show_epoch
from test_page_asking import answered, ask, colours_in, number

import explorer
from explorer.capture import open_inputs
from explorer.demo import DIGITS

pytestmark = MARKS
LAYER, EPOCHS, N = "block3", ("1", "4", "16"), 20


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, three of its checkpoints, some pictures, and the training."""
    place = tmp_path_factory.mktemp("page-epochs-asking") / "digits"
    place.mkdir()
    shutil.copy(DIGITS, place / "model.toml")
    for name in EPOCHS:
        shutil.copytree(DIGITS.parent / "checkpoints" / name, place / "checkpoints" / name)
    found = sorted((DIGITS.parent / "images").rglob("*.png"))
    for path in found[:: len(found) // N][:N]:
        (place / "images" / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place / "images" / path.parent.name / path.name)
    explorer.evolve(place / "model.toml", place / "images", layer=LAYER, method="pca", out=place / "training")
    return place


@pytest.fixture(scope="module")
def live(place: Path) -> Iterator[Live]:
    pytest.importorskip("trame")
    server = Live(place / "training", "--web", "--model", str(place / "model.toml"))
    yield server
    server.end()


@pytest.fixture
def page(browser: Any, live: Live) -> Iterator[Page]:
    opened = Page(browser, live.link, (1440, 900))
    close(opened)
    yield opened
    assert opened.said == []
    opened.page.close()


def close(page: Page) -> None:
    """Choose nothing, and have no answer."""
    page.js("v.clear(), v.focusPlace(null), v.ask.answered.take(null)")
    page.page.evaluate("() => explorerViewer.source.ask('ask_close')")


def direct(place: Path, epoch: int, image: int, **asked: Any) -> explorer.Saliency:
    """What `explorer.saliency` says with an epoch's weights."""
    model = explorer.load_model(place / "model.toml", checkpoint=place / "checkpoints" / EPOCHS[epoch])
    return explorer.saliency(model, open_inputs(model, place / "images").load(image).value[None], **asked)


def shown(page: Page, found: explorer.Saliency) -> None:
    """The page holds a saliency's values."""
    got = np.array(page.js("[...v.ask.answered.answer.values]")).reshape(found.values[0].shape)
    np.testing.assert_allclose(got, found.values[0], rtol=1e-5, atol=1e-6)


def of_epoch(page: Page, at: int) -> None:
    """Wait until the answer is of an epoch, and drawn for the one that is shown."""
    page.page.wait_for_function(
        "(at) => { const { answer, looked } = explorerViewer.ask.answered;"
        " return answer && answer.epoch.at === at && answer.shownFor === looked && answer.values !== null; }",
        arg=at,
    )


def test_an_answer_is_of_the_epoch_that_was_shown_and_says_so_at_another(page: Page, place: Path) -> None:
    chip, card = page.page.locator(".of-epoch"), page.page.locator(".answer")
    show_epoch(page, 2)
    page.js("v.showImage(7)")
    before = number(page)
    ask(page)
    answered(page, before)
    shown(page, direct(place, 2, 7))
    assert card.locator("h4").inner_text().endswith("at epoch 16")
    assert not chip.is_visible()
    assert page.page.locator(".ask-model").inner_text() == "model.toml, epoch 16"
    # At another epoch it stays, and the map itself says that it is of this one no more.
    show_epoch(page, 0)
    of_epoch(page, 2)
    assert page.page.locator(".ask-model").inner_text() == "model.toml, epoch 1"
    assert chip.inner_text() == "epoch 16, not 1"
    assert "This is of epoch 16; epoch 1 is shown." in card.inner_text()
    shown(page, direct(place, 2, 7))
    assert colours_in(page, ".answer-panel canvas") > 50
    page.page.get_by_role("button", name="Ask epoch 1 the same").click()
    of_epoch(page, 0)
    shown(page, direct(place, 0, 7))
    assert not chip.is_visible()
    assert card.locator("h4").inner_text().endswith("at epoch 1")
    # Both were asked now: each shows its own, and the one between has none.
    for at, of in ((2, 2), (1, 2), (0, 0), (1, 0)):
        show_epoch(page, at)
        of_epoch(page, of)
        shown(page, direct(place, of, 7))
        assert chip.is_visible() == (at != of)
    page.page.get_by_role("button", name="Go to epoch 1", exact=True).click()
    page.page.wait_for_function("() => explorerViewer.meta.epochs.at === 0")
    of_epoch(page, 0)
    with page.page.expect_download() as sheet:
        page.page.get_by_role("button", name="Sheet as PNG").click()
    assert sheet.value.suggested_filename.startswith("digits-at-epoch-1-gradient")


@pytest.mark.parametrize("of", ["selection", "position", "channel"])
def test_what_is_chosen_is_explained_at_the_epoch(page: Page, place: Path, of: str) -> None:
    show_epoch(page, 1)
    page.js("v.showMap('channel:5')")
    asked: dict[str, Any] = {"channel": 5}
    if of == "selection":
        page.js("v.take([3 * 64 + 10, 3 * 64 + 11], 'replace', 'by a test')")
        masks = np.zeros((1, 8, 8), bool)
        masks.reshape(-1)[[10, 11]] = True
        asked = {"selection": masks}
    elif of == "position":
        page.js("v.focusPlace(3 * 64 + 10)")
        asked = {"position": (1, 2)}
    page.js("v.showImage(3)")
    before = number(page)
    ask(page, way="gradient-x-input", of=of)
    answered(page, before)
    shown(page, direct(place, 1, 3, method="gradient-x-input", layer=LAYER, **asked))


def test_a_picture_that_grows_names_its_epoch_while_another_is_shown(page: Page, place: Path) -> None:
    show_epoch(page, 1)
    page.js("v.showMap('channel:7')")
    page.page.get_by_role("button", name="Grow", exact=True).click()
    # It grows, or on a quick machine has grown already.
    page.page.wait_for_function("() => explorerViewer.ask.answered.answer?.kind === 'grown'")
    page.page.keyboard.press(".")
    page.page.wait_for_function("() => explorerViewer.meta.epochs.at === 2")
    answered(page, 0)
    card = page.page.locator(".answer")
    assert card.locator("h4").inner_text() == "Channel 7 in block3, maximised at epoch 4"
    page.page.wait_for_function("() => /epoch 4, not 16/.test(document.querySelector('.of-epoch').innerText)")
    model = explorer.load_model(place / "model.toml", checkpoint=place / "checkpoints" / "4")
    own = explorer.maximize(model, layer=LAYER, channels=[7])
    reached = page.js("v.ask.answered.answer.reached")
    assert reached == pytest.approx(float(own.reached[0, 0]), rel=1e-3)
    show_epoch(page, 1)
    page.page.wait_for_function("() => !document.querySelector('.answer .elsewhere')")


def test_what_an_epoch_keeps_is_shown_again_without_its_model_and_the_page_says_so(
    browser: Any, place: Path, tmp_path: Path
) -> None:
    here = Path(shutil.copytree(place, tmp_path / "digits"))
    found = {}
    for epoch in (2, 1):
        made = explorer.open_evolution(here / "training").scene(epoch=epoch)
        made.model, made.channel = here / "model.toml", 3
        found[epoch] = made.saliency("gradient", every=True)
    reached = float(made.maximize().reached[0, 0])
    gone = explorer.saliency(  # of epoch 1, nothing is kept
        explorer.load_model(here / "model.toml", checkpoint=here / "checkpoints" / "1"), here / "images"
    )
    shutil.rmtree(here / "checkpoints")
    server = Live(here / "training", "--web", "--model", str(here / "model.toml"))
    try:
        page = Page(browser, server.link, (1024, 768))
        card, problem = page.page.locator(".answer"), page.page.locator(".ask > p")
        show_epoch(page, 1)
        page.js("v.showImage(7)")
        ask(page, where="every")
        answered(page, 0)
        page.page.wait_for_function("() => explorerViewer.colour === 'saliency:gradient-answered'")
        got = np.array(page.js("[...v.ask.answered.answer.values]")).reshape(32, 32)
        np.testing.assert_array_equal(got, found[1].values[7])
        assert "Kept in the run as gradient-answered; not computed again." in card.inner_text()
        show_epoch(page, 2)  # which keeps it too
        of_epoch(page, 2)
        got = np.array(page.js("[...v.ask.answered.answer.values]")).reshape(32, 32)
        np.testing.assert_array_equal(got, found[2].values[7])
        page.js("v.showImage(3)")
        before = number(page)
        ask(page)  # one of them
        answered(page, before)
        got = np.array(page.js("[...v.ask.answered.answer.values]")).reshape(32, 32)
        np.testing.assert_array_equal(got, found[2].values[3])
        with page.page.expect_download() as sheet:
            page.page.get_by_role("button", name="Sheet as PNG").click()
        assert sheet.value.suggested_filename.startswith("digits-at-epoch-16-gradient")
        apart = "(e) => e.nextElementSibling.offsetTop >= e.offsetTop + e.scrollHeight"
        assert page.page.locator(".legend-body").evaluate(apart)
        page.js("v.colourBy('label')")  # a short name
        page.rest()
        assert crowded(page) == []
        show_epoch(page, 1)
        page.js("v.showMap('channel:3')")
        before = number(page)
        page.page.get_by_role("button", name="Grow", exact=True).click()
        answered(page, before)
        assert page.js("v.ask.answered.answer.reached") == reached
        assert "Kept in the run; not computed again." in card.inner_text()
        heading = card.locator("h4")
        assert heading.inner_text() == "Channel 3 in block3, maximised at epoch 4"
        assert heading.evaluate("(e) => e.scrollWidth <= e.clientWidth")
        # To compute it anew its checkpoint would have to be there: one line, and the answer stays.
        before = number(page)
        page.page.get_by_role("button", name="Compute it anew").click()
        page.page.wait_for_selector(".ask > p:not([hidden])")
        assert "checkpoints/4, which is not there" in problem.inner_text()
        assert number(page) == before
        show_epoch(page, 0)
        assert card.locator(".elsewhere").is_visible()
        page.js("v.showImage(7)")
        ask(page, way="gradient", where="one")
        page.page.wait_for_function(
            "() => /checkpoints.1, which is not there/.test(document.querySelector('.ask > p').innerText)"
        )
        assert card.locator("h4").inner_text() == "Channel 3 in block3, maximised at epoch 4"
        shutil.copytree(place / "checkpoints" / "1", here / "checkpoints" / "1")  # and it is back
        before = number(page)
        ask(page, way="gradient", where="one")
        answered(page, before)
        got = np.array(page.js("[...v.ask.answered.answer.values]")).reshape(32, 32)
        np.testing.assert_allclose(got, gone.values[7], rtol=1e-4, atol=1e-6)
        assert not problem.is_visible()
        assert page.said == []
        page.page.close()
    finally:
        server.end()


def test_a_key_asks_and_is_listed(page: Page, place: Path) -> None:
    show_epoch(page, 1)
    page.js("v.showImage(4)")
    page.page.get_by_label("how", exact=True).select_option("gradient-x-input")
    page.page.get_by_label("how", exact=True).blur()
    before = number(page)
    page.page.keyboard.press("Shift+A")
    answered(page, before)
    shown(page, direct(place, 1, 4, method="gradient-x-input"))
    assert page.js("v.epochs.played") is None  # the key alone plays the epochs
    page.page.keyboard.press("?")
    line = page.page.locator("dialog[open] dt", has_text="Shift+A")
    assert line.evaluate("(e) => e.nextSibling.textContent") == "ask the model what drives it"
    page.page.keyboard.press("Escape")


@pytest.mark.parametrize("size", [(1440, 900), (1024, 768)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_clipped_where_another_epoch_is_shown(
    page: Page, size: tuple[int, int], theme: str
) -> None:
    page.page.set_viewport_size({"width": size[0], "height": size[1]})
    page.js(f"v.setTheme('{theme}')")
    show_epoch(page, 2)
    before = number(page)
    ask(page, way="occlusion")
    answered(page, before)
    show_epoch(page, 1)
    of_epoch(page, 2)
    page.rest()
    assert crowded(page) == []
    clipped = page.js(
        "[...document.querySelectorAll('.of-epoch, .ask-model, .answer h4, .answer button, .ask button')]"
        ".filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent)"
    )
    assert clipped == []
    assert page.js(
        "document.querySelector('.side').scrollWidth <= document.querySelector('.side').clientWidth"
    )
