"""The page of a map that takes some positions only: shares, shapes and neighbours are of what it shows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from browsing import MARKS, Live, Page, make_run
from scipy.spatial.distance import cdist

import explorer

pytestmark = MARKS
SIDE, SAMPLE = 12, 960


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> explorer.Run:
    made = make_run(tmp_path_factory.mktemp("sampled"))
    explorer.project(made, layer="fine", method="pca", sample=SAMPLE)
    explorer.project(made, layer="fine", method="pca", n_components=2, sample=SAMPLE // 2)
    return made


@pytest.fixture(scope="module")
def projection(run: explorer.Run) -> explorer.Projection:
    return explorer.project(run, layer="fine", method="pca", sample=SAMPLE)


@pytest.fixture(scope="module")
def page(browser: object, run: explorer.Run, projection: explorer.Projection) -> Iterator[Page]:
    pytest.importorskip("trame")
    server = Live(run)
    page = Page(browser, server.link)
    page.page.wait_for_function(f"() => explorerViewer.places.length <= {SAMPLE}")
    if page.js("v.places.length") != SAMPLE:
        page.page.locator(".slot select").nth(2).select_option("3")
        page.page.wait_for_function(f"() => explorerViewer.places.length === {SAMPLE}")
    yield page
    assert page.said == []
    page.page.close()
    server.end()


def test_a_pictures_share_is_of_its_positions_on_the_map(page: Page, projection: explorer.Projection) -> None:
    rows = projection.rows
    assert rows is not None
    own = rows[rows // SIDE**2 == 4]
    page.js(f"v.take({own[: len(own) // 2].tolist()}, 'replace', 'some')")
    assert page.js("v.shareOf(4)") == pytest.approx((len(own) // 2) / len(own))
    assert "of what is on the map" in page.page.locator(".strip").inner_text()
    page.js("v.take([4 * 144, 4 * 144 + 1, 4 * 144 + 2, 4 * 144 + 3, 4 * 144 + 4], 'replace', 'painted')")
    assert page.js("v.shareOf(4)") == pytest.approx(5 / 144)


def test_cells_between_follow_the_nearest_on_the_map_unless_the_hand_chose_cells(
    page: Page, projection: explorer.Projection
) -> None:
    rows = projection.rows
    assert rows is not None
    own = rows[rows // SIDE**2 == 4] - 4 * SIDE**2
    chosen = own[::2]
    page.js(f"v.take({(chosen + 4 * SIDE**2).tolist()}, 'replace', 'some')")
    shown = np.array(page.js("Array.from({length: 144}, (_, cell) => v.chosenIn(4)(cell))"))
    cells = np.stack(np.divmod(np.arange(SIDE**2), SIDE), axis=1)
    apart = cdist(cells, cells[own], "cityblock")
    for cell in range(SIDE**2):
        nearest = own[apart[cell] == apart[cell].min()]
        is_chosen = np.isin(nearest, chosen)
        assert shown[cell] in (is_chosen if is_chosen.any() != is_chosen.all() else [is_chosen.all()])
    painted = 4 * SIDE**2 + np.setdiff1d(np.arange(SIDE**2), own)[:3]
    page.js(f"v.take({painted.tolist()}, 'replace', 'painted')")
    assert page.js("Array.from({length: 144}, (_, cell) => v.chosenIn(4)(cell)).filter(Boolean).length") == 3


def test_a_position_outside_the_map_has_its_own_neighbours_and_norm(
    page: Page, run: explorer.Run, projection: explorer.Projection
) -> None:
    rows = projection.rows
    assert rows is not None
    features = np.asarray(run["fine"].values, np.float64).reshape(-1, 4)
    place = int(np.setdiff1d(np.arange(4 * 144, 5 * 144), rows)[40])
    page.page.evaluate(f"() => explorerViewer.focusPlace({place})")
    page.page.wait_for_function("() => document.querySelectorAll('.near-column').length === 2")
    shown = page.page.locator(".near-column").first.locator("[data-row]")
    found = [int(str(shown.nth(k).get_attribute("data-row"))) for k in range(shown.count())]
    apart = np.sqrt(((features[rows] - features[place]) ** 2).sum(axis=1))
    np.testing.assert_allclose(np.sort(apart[found]), np.sort(apart)[: len(found)], rtol=1e-5, atol=1e-6)
    norm = float(page.page.locator(".facts dd.norm").inner_text())
    assert norm == pytest.approx(np.linalg.norm(features[place]), abs=0.006)
    assert "picture 4" in page.page.locator(".facts dl").inner_text()


def test_another_map_keeps_the_exact_position_the_picture_and_what_was_dropped(page: Page) -> None:
    page.page.evaluate("() => explorerViewer.focusPlace(4 * 144 + 7)")
    page.js("v.showImage(9)")
    for axes, n in (("2", SAMPLE // 2), ("3", SAMPLE)):
        page.page.locator(".slot select").nth(2).select_option(axes)
        page.page.wait_for_function(f"() => explorerViewer.places.length === {n}")
        page.page.wait_for_selector(".slot select:not([disabled])")
        assert page.js("[v.focus, v.image]") == [4 * 144 + 7, 9]
    page.page.evaluate("() => explorerViewer.focusPlace(null)")
    page.page.locator(".slot select").nth(2).select_option("2")
    page.page.wait_for_function(f"() => explorerViewer.places.length === {SAMPLE // 2}")
    page.page.wait_for_selector(".slot select:not([disabled])")
    assert page.js("[v.focus, v.image]") == [None, 9]


def test_a_map_of_other_positions_unfolds_beside_the_one_that_is_shown(page: Page) -> None:
    shown = page.js("v.places.length")
    page.page.locator(".slot select").nth(1).select_option("tsne")
    page.page.wait_for_selector(".unfolding:not([hidden])")
    assert page.js("v.places.length") == shown
    assert page.js("v.switches.unfolding.codeOf(5 * 144 + 3)") == page.js("v.meta.labels[5]")
    inked = "[...v.switches.unfolding.canvas.getContext('2d').getImageData(0, 0, 280, 200).data]"
    assert page.js(f"{inked}.some((value, at) => at % 4 === 3 && value)")
    page.page.locator(".slot .link").click()
    page.page.wait_for_function("() => explorerViewer.meta.methodKey === 'tsne'")
    page.page.wait_for_selector(".unfolding", state="hidden")
    assert page.js("v.places.length") == 40 * SIDE**2
