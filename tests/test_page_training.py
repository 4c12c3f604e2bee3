"""A training on the page, in a browser: movement, the way of a position, figures, two epochs, the film."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import MARKS, Live, Page, arrive, crowded, make_training, project, show_epoch, space
from PIL import Image

import explorer
from explorer.evolution import open_evolution
from explorer.render.epochs.curves import curves

pytestmark = MARKS


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> explorer.Evolution:
    """Three kinds of pictures that three epochs tell apart ever better; their maps are UMAP's."""
    place, asked = tmp_path_factory.mktemp("course"), {"method": "umap", "n_components": 3, "n_neighbors": 8}
    return make_training(place, asked, kinds=3, each=5, side=6, seed=2)


@pytest.fixture(scope="module")
def live(training: explorer.Evolution) -> Iterator[Live]:
    pytest.importorskip("trame")
    server = Live(training.path, "--web")
    yield server
    server.end()


def fact(page: Page, name: str) -> str:
    """What is told of the chosen position under a name."""
    return str(
        page.page.evaluate(
            "(name) => { const all = [...document.querySelectorAll('.facts dt')];"
            " const found = all.find((e) => e.textContent === name);"
            " return found ? found.nextSibling.textContent : ''; }",
            name,
        )
    )


def test_movement_is_told_as_the_evolution_measured_it(
    browser: Any, live: Live, training: explorer.Evolution
) -> None:
    page = Page(browser, live.link)
    show_epoch(page, 1)
    for row in (int(training.movement[0].argmax()), int(training.movement[0].argmin())):
        page.js(f"v.focusPlace({row})")
        page.page.wait_for_function(f"() => explorerViewer.trail && explorerViewer.focus === {row}")
        page.page.wait_for_selector(".near-thumb")
        told = fact(page, "moved")
        number, _, counts = told.partition(", ")
        assert float(number) == pytest.approx(training.movement[0, row], rel=0.06)
        assert counts == ("beyond seed" if training.beyond[0, row] else "as by seed")
        assert page.js("v.trail.places") == [one.coordinates[row].tolist() for one in training.projections]
    # Nothing comes before the first epoch.
    show_epoch(page, 0)
    page.page.wait_for_selector(".near-thumb")
    assert fact(page, "moved") == ""
    assert page.said == []
    page.page.close()


def test_the_way_of_the_chosen_position_is_drawn_through_all_its_places(
    browser: Any, live: Live, training: explorer.Evolution
) -> None:
    page = Page(browser, live.link)
    show_epoch(page, 1)
    row = int(training.movement.sum(axis=0).argmax())
    page.js("v.stage.named = false")
    page.js(f"v.focusPlace({row})")
    page.page.wait_for_function("() => explorerViewer.trail && explorerViewer.linked.length")
    page.page.evaluate("() => { explorerViewer.linked = []; explorerViewer.stage.request(true); }")
    page.rest()
    way = project(np.stack([space(one)[row] for one in training.projections]), page)
    accent, muted = (page.js(f"v.bytes('{name}')") for name in ("--accent", "--muted"))
    # The mark of the epoch to come is faint, those that were are strong.
    found = page.page.evaluate(
        "(way) => { const c = explorerViewer.stage.over, all = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data; return way.map(([x, y]) => ["
        "...all.subarray(4 * (Math.floor(y) * c.width + Math.floor(x)))].slice(0, 4)); }",
        way.tolist(),
    )
    seen = (
        (way > 3).all(axis=1) & (way[:, 0] < page.box()["width"] - 3) & (way[:, 1] < page.box()["height"] - 3)
    )
    assert seen.sum() > 1
    for at, colour in ((0, accent), (1, accent), (2, muted)):
        assert not seen[at] or found[at] == [*colour, 255]
    page.js("v.focusPlace(null)")
    page.rest()
    assert page.js("v.trail") is None
    assert page.said == []
    page.page.close()


def test_only_what_moved_beyond_another_seed_keeps_its_colour(
    browser: Any, live: Live, training: explorer.Evolution, tmp_path: Path
) -> None:
    page = Page(browser, live.link)
    show_epoch(page, 2)
    page.page.get_by_role("button", name="only moved").click()
    page.page.wait_for_function("() => explorerViewer.stillRows")
    lit = page.js("[...v.places.keys()].filter((i) => v.painted[4 * i + 3] !== 128)")
    assert lit == np.flatnonzero(training.beyond[1]).tolist()
    show_epoch(page, 1)
    lit = page.js("[...v.places.keys()].filter((i) => v.painted[4 * i + 3] !== 128)")
    assert lit == np.flatnonzero(training.beyond[0]).tolist()
    state = page.js("v.state()")
    assert state["only_moved"] is True
    (tmp_path / "view.json").write_text(json.dumps(state))
    scene = open_evolution(training.path).scene()
    scene.load_state(tmp_path / "view.json")
    assert (scene.only_moved, scene.epoch) == (True, 1)
    show_epoch(page, 0)
    assert page.js("[...v.places.keys()].every((i) => v.painted[4 * i + 3] === 200)")
    page.page.keyboard.press("e")
    page.page.wait_for_function("() => !explorerViewer.epochs.onlyMoved")
    assert page.said == []
    page.page.close()


def test_figures_are_plotted_and_a_click_in_a_plot_goes_to_its_epoch(
    browser: Any, live: Live, training: explorer.Evolution
) -> None:
    page = Page(browser, live.link, size=(1024, 768))
    show_epoch(page, 2)
    shown = curves(training)
    assert page.page.locator(".plot").count() == len(shown)
    for index, one in enumerate(shown):
        plot = page.page.locator(".plot").nth(index)
        head = plot.locator(".plot-head").inner_text()
        assert one.words(one.values[2]) in head  # type: ignore[arg-type]
        assert one.titles[0] in head or one.titles[1] in head
        # Nothing is cut, and the dots stand as high as the values.
        assert plot.evaluate("(e) => e.firstChild.scrollWidth <= e.firstChild.clientWidth")
        low, high = one.span()
        wanted = [None if v is None else 100 - 100 * (v - low) / (high - low) for v in one.values]
        tops = plot.evaluate(
            "(e) => [...e.querySelectorAll('.dot')].map((d) => d.hidden ? null : parseFloat(d.style.top))"
        )
        assert tops == [
            None if one is None else pytest.approx(min(max(one, 0), 100), abs=0.01) for one in wanted
        ]
    box = page.page.locator(".plot-box").first.bounding_box()
    page.page.mouse.click(box["x"] + 8, box["y"] + box["height"] / 2)
    arrive(page, 0)
    page.page.get_by_role("button", name="play the epochs").click()
    assert page.js("Boolean(v.epochs.played)")
    page.page.wait_for_function("() => explorerViewer.meta.epochs.at === 2 && !explorerViewer.epochs.played")
    arrive(page, 2)
    assert page.said == []
    page.page.close()


def test_two_epochs_stand_side_by_side_here_in_a_state_and_in_a_picture(
    browser: Any, live: Live, training: explorer.Evolution, tmp_path: Path
) -> None:
    page = Page(browser, live.link)
    show_epoch(page, 2)
    page.page.get_by_label("a second map beside this one").select_option(label="epoch 1")
    page.page.wait_for_selector(".stages.two")
    page.rest()
    np.testing.assert_allclose(
        np.array(page.js("[...v.twin.twin.points]")).reshape(-1, 3), space(training.projections[0]), atol=1e-5
    )
    captions = page.page.locator(".caption").all_inner_texts()
    assert captions == ["epoch 10 · UMAP 3D · conv", "epoch 1 · UMAP 3D · conv"]
    # While the left one goes on, the right one stays, also where the left one comes to it.
    for at in (1, 0, 2):
        show_epoch(page, at)
        assert page.page.locator(".caption").nth(1).inner_text() == captions[1]
    state = page.js("v.state()")
    (tmp_path / "view.json").write_text(json.dumps(state))
    scene = open_evolution(training.path).scene(epoch=1)
    scene.load_state(tmp_path / "view.json")
    assert scene.beside is scene.evolution.projections[0]
    assert scene.to_dict()["beside"] == state["beside"]
    lines = page.page.evaluate("() => explorerViewer.source.code(explorerViewer.state())")
    made: dict[str, Any] = {}
    exec(lines, made)
    assert made["scene"].beside is made["evolution"].projections[0]
    page.page.get_by_label("a second map beside this one").select_option("")
    page.page.wait_for_selector(".stages:not(.two)")
    page.page.evaluate("(told) => explorerViewer.restore(told)", state)
    page.page.wait_for_selector(".stages.two")
    assert page.page.locator(".caption").nth(1).inner_text() == captions[1]
    page.page.get_by_label("take it away").first.click()
    with page.page.expect_download() as waiting:
        page.page.get_by_role("button", name="Picture of both clouds").click()
    waiting.value.save_as(tmp_path / "both.png")
    picture = np.asarray(Image.open(tmp_path / "both.png").convert("RGB")).astype(int)
    assert picture.shape[1] == 3840
    # The colour of a class is in either half, and below them in the legend.
    colour = page.js("v.inks.one(0, v.theme)")
    near = np.abs(picture - colour).max(axis=2) < 12
    tall = picture.shape[0]
    assert near[: tall * 9 // 10, :1900].sum() > 200
    assert near[: tall * 9 // 10, 1940:].sum() > 200
    assert near[tall * 9 // 10 :].sum() > 200
    assert page.said == []
    page.page.close()


@pytest.mark.parametrize("size", [(1440, 900), (1280, 800), (1024, 768)])
def test_a_training_has_its_room_at_every_width(browser: Any, live: Live, size: tuple[int, int]) -> None:
    page = Page(browser, live.link, size=size)
    show_epoch(page, 2)
    page.js("v.focusPlace(40)")
    page.page.wait_for_function("() => explorerViewer.trail")
    page.page.wait_for_selector(".near-thumb")
    page.rest()
    assert crowded(page) == []
    page.js("v.take([5, 40, 41], 'replace', 'circled')")
    page.page.get_by_label("a second map beside this one").select_option(label="epoch 1")
    page.page.wait_for_selector(".stages.two")
    page.rest()
    assert crowded(page) == []
    page.page.close()


def test_the_film_through_the_epochs_is_taken_away(browser: Any, live: Live) -> None:
    page = Page(browser, live.link)
    page.page.get_by_label("take it away").first.click()
    with page.page.expect_download(timeout=180_000) as waiting:
        page.page.get_by_role("button", name="Film · .gif").click()
    film = Image.open(io.BytesIO(Path(waiting.value.path()).read_bytes()))
    assert film.size == (960, 540)
    assert film.n_frames > 20
    first = np.asarray(film.convert("RGB")).astype(int)
    film.seek(film.n_frames - 1)
    assert (np.abs(np.asarray(film.convert("RGB")).astype(int) - first).max(axis=2) > 40).sum() > 500
    assert page.said == []
    page.page.close()
