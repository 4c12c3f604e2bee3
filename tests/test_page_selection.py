"""What the page tells of a selection: which pictures, which part of them, and what it is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from browsing import MARKS, Page, make_file

pytestmark = MARKS


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_file(tmp_path_factory.mktemp("selection"))


PIXEL = """(() => {
  const canvas = v.side.panels.picture.canvas, at = (k, n) => Math.floor(((k + 0.5) / 12) * n);
  return [...canvas.getContext("2d").getImageData(at(%d, canvas.width), at(%d, canvas.height), 1, 1).data];
})()"""


def pixel(page: Page, row: int, column: int) -> np.ndarray:
    """The colour in the middle of one of the 12 × 12 cells of the large picture."""
    return np.array(page.js(PIXEL % (column, row))[:3], float)


def test_what_of_the_picture_is_not_selected_is_dimmed_and_what_is_stays_as_it_was(
    browser: Any, file: str
) -> None:
    page = Page(browser, file)
    before = {at: pixel(page, *at) for at in ((3, 3), (9, 9))}
    page.js("v.take(Array.from({ length: 72 }, (_, i) => i), 'replace', 'the upper half')")
    page.rest()
    np.testing.assert_array_equal(pixel(page, 3, 3), before[3, 3])
    well = np.array(page.js("v.bytes('--well')"), float)
    np.testing.assert_allclose(pixel(page, 9, 9), before[9, 9] + (well - before[9, 9]) * 150 / 255, atol=2)
    page.page.close()


def test_a_new_selection_ends_a_search_that_would_hide_where_it_comes_from(browser: Any, file: str) -> None:
    page = Page(browser, file)
    page.page.locator("input[type=search], .search input").first.fill("picture 7")
    assert page.page.locator(".strip-title").inner_text() == "Found"
    page.js("v.takeClass(2, 'replace')")
    page.rest()
    assert page.page.locator(".strip-title").inner_text() == "Where it comes from"
    assert page.js("v.frame.search.value") == ""
    assert page.js("v.strip.order.length") == 10
    page.page.close()


def test_of_a_class_the_share_of_the_labels_is_told_where_the_colours_say_nothing_more(
    browser: Any, file: str
) -> None:
    page = Page(browser, file)
    page.js(
        "v.take(Array.from({ length: 144 * 12 }, (_, i) => i + 144 * 10), 'replace', 'a label and a bit')"
    )
    page.rest()
    told = "waves: 83 %, rings: 17 %"
    assert page.page.locator(".mixed").inner_text() == told
    page.js("(v.colouring = { ...v.colouring, names: ['cluster 1'], codes: v.colouring.codes.map(() => 0) })")
    page.js("v.frame.composition()")  # as when all of a cluster was selected
    assert page.page.locator(".mixed").inner_text() == told
    assert page.said == []
    page.page.close()
