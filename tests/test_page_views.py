"""Kept views on the page, in a browser: what is kept, gone to and forgotten is what a scene has too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import MARKS, Live, Page, make_run, project, space

import explorer
from explorer.web.file import export_html

pytestmark = MARKS
KEPT = ".view-own .view-card"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> explorer.Run:
    return make_run(tmp_path_factory.mktemp("views"))


@pytest.fixture(scope="module")
def projection(run: explorer.Run) -> explorer.Projection:
    return explorer.project(run, layer="fine", method="pca")


def turn(page: Page, right: float, nearer: float) -> dict[str, Any]:
    """Turn and come nearer; what the camera is then, as a scene says it."""
    page.js(f"v.stage.camera.turn({right}, 0.2), v.stage.camera.zoom({nearer}, 0.1, 0.1), v.stage.touch()")
    page.rest()
    return dict(page.js("v.stage.cameraTold()"))


def near(one: dict[str, Any], other: dict[str, Any]) -> None:
    for name in ("position", "focal_point", "view_up"):
        np.testing.assert_allclose(one[name], other[name], atol=1e-5)


def open_views(page: Page) -> None:
    page.page.get_by_role("button", name="views, the usual").click()
    page.page.wait_for_selector(".views:not([hidden])")


def fly(page: Page) -> None:
    """Wait until a flight has ended."""
    page.page.wait_for_function("() => !explorerViewer.stage.motion")
    page.rest()


def test_a_view_kept_on_the_live_page_is_the_scenes_and_comes_back(
    browser: Any, run: explorer.Run, projection: explorer.Projection, tmp_path: Path
) -> None:
    pytest.importorskip("trame")
    live = Live(run)
    try:
        page = Page(browser, live.link)
        open_views(page)
        first = turn(page, 0.7, 0.8)
        page.page.get_by_role("button", name="keep this view").click()
        second = turn(page, -1.1, 0.6)
        page.page.keyboard.press("a")
        page.page.wait_for_function("() => document.querySelectorAll('.view-own').length === 2")
        # Gone to by the mouse, and on from there by the keys.
        page.page.locator(KEPT).first.click()
        assert page.js("v.stage.motion !== null")  # on the way, not at once
        fly(page)
        near(page.js("v.stage.cameraTold()"), first)
        assert page.page.locator(f"{KEPT}.on").inner_text().strip() == "view 1"
        page.page.keyboard.press(".")
        fly(page)
        near(page.js("v.stage.cameraTold()"), second)
        page.page.keyboard.press(",")
        fly(page)
        near(page.js("v.stage.cameraTold()"), first)
        # The scene has them, in the state that the server writes and in the one that the page saves.
        told = page.page.evaluate(
            "async () => { const v = explorerViewer, [blob] = await v.source.written(v.state(), 'json');"
            " return blob.text(); }"
        )
        for text in (told, json.dumps(page.js("v.state()"))):
            (tmp_path / "view.json").write_text(text)
            scene = explorer.scene(run, projection)
            scene.load_state(tmp_path / "view.json")
            assert len(scene.kept_views) == 2
            scene.go_to_view(1)
            near(scene.camera, second)
        # So does a page that opens later; what is forgotten there is gone everywhere.
        other = Page(browser, live.link)
        open_views(other)
        assert other.page.locator(KEPT).count() == 2
        other.page.locator(".view-own").first.hover()
        other.page.get_by_role("button", name="forget view 1").click()
        other.page.wait_for_function("() => document.querySelectorAll('.view-own').length === 1")
        other.page.close()
        again = Page(browser, live.link)
        kept = again.js("v.meta.view.views")
        assert len(kept) == 1
        near(kept[0], second)
        assert page.said == again.said == []
    finally:
        live.end()


def test_a_file_brings_the_scenes_views_and_keeps_others_in_its_state(
    browser: Any, run: explorer.Run, projection: explorer.Projection, tmp_path: Path
) -> None:
    scene = explorer.scene(run, projection)
    scene.camera = {**scene.camera, "view_up": [0, 0, 1]}
    scene.keep_view()
    address = export_html(scene, tmp_path / "cloud.html").path.as_uri()
    page = Page(browser, address)
    open_views(page)
    assert page.page.locator(KEPT).count() == 1
    own = turn(page, 0.9, 0.7)
    page.page.keyboard.press("a")
    page.page.wait_for_function("() => document.querySelectorAll('.view-own').length === 2")
    state = page.js("v.state()")
    near(state["views"][0], scene.kept_views[0].to_dict())
    other = Page(browser, address)
    other.page.evaluate("(told) => explorerViewer.restore(told)", state)
    other.rest()
    open_views(other)
    other.page.locator(KEPT).nth(1).click()
    fly(other)
    near(other.js("v.stage.cameraTold()"), own)
    assert page.said == other.said == []
    page.page.close()
    other.page.close()


def test_the_usual_views_are_under_the_mouse_and_their_pictures_show_them(
    browser: Any, run: explorer.Run, projection: explorer.Projection, tmp_path: Path
) -> None:
    page = Page(browser, export_html(explorer.scene(run, projection), tmp_path / "cloud.html").path.as_uri())
    open_views(page)
    looks = {"front": [0, 0, 1], "side": [1, 0, 0], "top": [0, 1, 0]}
    for name, back in looks.items():
        page.page.locator(".view-card", has_text=name).click()
        fly(page)
        np.testing.assert_allclose(page.camera()["basis"][2], back, atol=1e-6)
        assert page.page.locator(".view-card.on").inner_text().split()[0] == name
    page.page.wait_for_timeout(400)
    page.rest()
    # Drawn from their own directions: no two alike, each with points in it.
    pixels = page.page.evaluate(
        "() => [...document.querySelectorAll('.views canvas')].map((c) => [...new Uint32Array("
        "c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)])"
    )
    assert len(pixels) == 4
    for at, one in enumerate(pixels):
        empty = max(set(one), key=one.count)
        assert 0.02 < sum(pixel != empty for pixel in one) / len(one) < 0.95
        assert all(one != other for other in pixels[:at])
    page.page.keyboard.press("Escape")
    assert page.page.locator(".views").is_hidden()
    assert page.said == []
    page.page.close()


def test_keys_say_when_nothing_is_kept(
    browser: Any, run: explorer.Run, projection: explorer.Projection, tmp_path: Path
) -> None:
    page = Page(browser, export_html(explorer.scene(run, projection), tmp_path / "cloud.html").path.as_uri())
    before = page.js("v.stage.cameraTold()")
    page.page.keyboard.press(".")
    page.rest()
    assert page.js("v.stage.cameraTold()") == before
    assert "no view is kept" in page.page.locator(".status").inner_text()
    page.page.close()


def test_a_long_cloud_seen_from_its_end_fills_what_tools_and_legend_leave(
    browser: Any, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    along = np.repeat(np.arange(10.0), 64)[:, None] * 12
    rows = np.concatenate([along, rng.normal([0, 9, -4], 1, (640, 3))], axis=1).astype(np.float32)
    np.savez(tmp_path / "long.npz", layer=rows.reshape(10, 8, 8, 4))
    run = explorer.capture(tmp_path / "long.npz", np.zeros((10, 8, 8, 3), np.uint8), out=tmp_path / "run")
    projection = explorer.project(run, layer="layer", method="pca")
    path = export_html(explorer.scene(run, projection), tmp_path / "cloud.html").path
    page = Page(browser, path.as_uri(), size=(1024, 768))
    box = page.box()
    for name in ("opening", "front", "side", "top"):
        page.js(f"v.stage.preset('{name}')")
        fly(page)
        at = project(space(projection), page)
        legend = page.box(".legend")
        assert at[:, 0].max() < box["width"]
        assert (at[:, 1].min() > 0) & (at[:, 1].max() < box["height"])
        under = (at[:, 0] + box["x"] < legend["x"] + legend["width"]) & (at[:, 1] + box["y"] > legend["y"])
        assert under.mean() < 0.01
        # As much of the frame as the cloud's shape allows, in one direction or the other.
        free = box["width"] - legend["x"] - legend["width"]
        assert max(np.ptp(at[:, 0]) / free, np.ptp(at[:, 1]) / box["height"]) > 0.75
        assert abs(at[:, 1].min() - (box["height"] - at[:, 1].max())) < 0.06 * box["height"]
    assert page.said == []
    page.page.close()
