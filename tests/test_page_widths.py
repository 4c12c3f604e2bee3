"""The page at the widths that people have: nothing cut, outside the window, or over something else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from browsing import MARKS, Live, Page, crowded, make_run

import explorer

pytestmark = MARKS
SIZES = ((1440, 900), (1280, 800), (1024, 768))


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    pytest.importorskip("trame")
    run = make_run(tmp_path_factory.mktemp("widths"))
    # Names of a usual length; the nasty one is longer than anything has room for.
    run.manifest["images"]["labels"] = [str(k % 10) for k in range(40)]
    run.manifest["images"]["names"] = [f"{k % 10}/{k:04}.png" for k in range(40)]
    (run.path / "manifest.json").write_text(json.dumps(run.manifest))
    explorer.project(run, layer="coarse", method="pca")
    explorer.project(run, layer="fine", method="pca")
    server = Live(run)
    yield server
    server.end()


@pytest.mark.parametrize("size", SIZES)
def test_everything_has_its_room(browser: Any, live: Live, size: tuple[int, int]) -> None:
    page = Page(browser, live.link, size=size)
    assert crowded(page) == []
    page.js("v.take([600, 601, 612, 613, 5], 'replace', 'circled')")
    page.js("v.focusPlace(613)")
    page.page.wait_for_selector(".near-thumb")
    page.rest()
    assert crowded(page) == []
    page.page.get_by_label("a second map beside this one").select_option(label="coarse · PCA 3D")
    page.page.wait_for_selector(".stages.two")
    page.rest()
    assert crowded(page) == []
    page.js("v.clear()")
    page.js("v.colourBy('norm')")
    page.js("v.sizeBy('channel:2')")
    page.page.wait_for_function("() => explorerViewer.colour === 'norm' && explorerViewer.sizing")
    page.rest()
    assert crowded(page) == []
    page.page.close()


def test_what_is_cut_or_over_something_else_is_found(browser: Any, live: Live) -> None:
    page = Page(browser, live.link, size=(1024, 768))
    page.page.evaluate("() => { document.querySelector('h1').style.width = '12px'; }")
    assert any(line.startswith("cut:") for line in crowded(page))
    page.page.evaluate("() => { document.querySelector('.legend').style.top = '60px'; }")
    assert "over one another: .tools and .legend" in crowded(page)
    page.page.close()
