"""What the page can do beyond looking, in a browser: spheres, sizes, filters, pairs, states, exports."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import MARKS, Live, Page, make_run, project, space

import explorer
from explorer.web.file import export_html

pytestmark = MARKS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> explorer.Run:
    return make_run(tmp_path_factory.mktemp("abilities"))


@pytest.fixture(scope="module")
def projection(run: explorer.Run) -> explorer.Projection:
    explorer.project(run, layer="fine", method="pca", n_components=2)
    explorer.project(run, layer="coarse", method="pca")
    return explorer.project(run, layer="fine", method="pca")


@pytest.fixture(scope="module")
def file(run: explorer.Run, projection: explorer.Projection, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("file") / "cloud.html"
    export_html(explorer.scene(run, projection), path)
    return path.as_uri()


@pytest.fixture(scope="module")
def live(run: explorer.Run, projection: explorer.Projection) -> Iterator[Live]:
    pytest.importorskip("trame")
    server = Live(run)
    yield server
    server.end()


def ball(page: Page, row: int, points: np.ndarray, wide: float) -> None:
    """Press on a point with the sphere in the hand and drag outwards."""
    box, mouse = page.box(), page.page.mouse
    x, y = project(points, page)[row]
    mouse.move(box["x"] + x, box["y"] + y)
    mouse.down()
    mouse.move(box["x"] + x + wide / 2, box["y"] + y)
    mouse.move(box["x"] + x + wide, box["y"] + y)
    mouse.up()
    page.rest()


def test_a_sphere_selects_the_points_within_its_radius(
    browser: Any, file: str, projection: explorer.Projection, run: explorer.Run
) -> None:
    page, points = Page(browser, file), space(projection)
    page.page.keyboard.press("g")
    assert page.js("v.stage.tool") == "sphere"
    seen = page.js("v.places.findIndex((_, i) => v.stage.cloud.pick(...v.stage.marks.spot(i), 3) === i)")
    ball(page, seen, points, 90)
    chosen = set(page.js("[...v.selection.places()]"))
    centre = np.array(page.js("v.stage.lastBall.centre"))
    radius = float(page.js("v.stage.lastBall.radius"))
    np.testing.assert_allclose(centre, points[seen], atol=1e-3 * np.ptp(points))
    scene = explorer.scene(run, projection)
    near, far = (set(scene.select_sphere(centre, radius * by).places.tolist()) for by in (0.999, 1.001))
    assert near <= chosen <= far
    assert 20 < len(chosen) < len(points)
    assert "sphere of radius" in page.page.locator(".chosen").inner_text()
    assert page.said == []
    page.page.close()


def test_sizes_are_those_of_the_scene_and_the_legend_says_what_and_how_much(
    browser: Any, file: str, projection: explorer.Projection, run: explorer.Run
) -> None:
    page = Page(browser, file)
    page.page.get_by_label("size by").select_option("norm")
    page.rest()
    from explorer.render.linked.quantities import steps_of

    scene = explorer.scene(run, projection)
    norms = scene.state.quantity("norm").values
    steps = np.array(page.js("[...v.sizing.steps]"))
    assert (np.abs(steps - steps_of(norms)) <= 1).all()
    assert (steps == steps_of(norms)).mean() > 0.98  # numbers of a file are kept in a byte each
    words = page.page.locator(".size-scale").inner_text()
    assert float(words.split("≥")[1]) == pytest.approx(np.percentile(norms, 99), rel=0.02)
    offered = page.js("v.sizes().map(({name}) => name)")
    assert "label" not in offered
    assert {"norm", "row", "channel:0", "component:2", "trust"} <= set(offered)
    page.page.get_by_label("size by").select_option("")
    assert page.page.locator(".size-scale").is_hidden()
    assert page.said == []
    page.page.close()


def test_a_filter_stays_when_the_colours_change_and_hides_the_same_positions(
    browser: Any, file: str, run: explorer.Run
) -> None:
    page = Page(browser, file)
    page.page.locator(".class", has_text="waves").click()
    page.page.wait_for_function("() => explorerViewer.off !== null")
    page.page.get_by_label("colour by").select_option("norm")
    page.page.wait_for_function("() => explorerViewer.colour === 'norm'")
    gone = np.flatnonzero(np.repeat(np.array(run.labels) == "waves", 144))
    assert page.js("[...v.off.keys()].filter((i) => v.off[i])") == gone.tolist()
    assert page.js("v.hiddenCount") == len(gone)
    page.page.get_by_role("button", name="show all ·").click()
    page.page.wait_for_function("() => explorerViewer.off === null")
    assert page.js("v.hiddenCount") == 0
    assert page.said == []
    page.page.close()


def test_what_a_page_saved_a_scene_brings_back_and_the_other_way_round(
    browser: Any, file: str, run: explorer.Run, projection: explorer.Projection, tmp_path: Path
) -> None:
    page = Page(browser, file)
    page.js("v.setTheme('dark')")
    page.js("v.focusPlace(613)")
    page.js("v.sizeBy('channel:2')")
    page.js("v.colourBy('label').then(() => v.toggleClass(3))")
    page.page.wait_for_function("() => explorerViewer.off !== null")
    page.js("v.take([5, 600, 601, 612], 'replace', 'test')")
    page.js(
        "v.stage.camera.turn(0.4, 0.2); v.stage.camera.zoom(0.7, 0, 0); v.stage.touch()".replace("; ", ", ")
    )
    page.rest()
    page.js("v.showImage(7)")
    kept = page.js("v.state()")
    path = tmp_path / "page.json"
    path.write_text(json.dumps(kept))
    scene = explorer.scene(run, projection)
    scene.load_state(path)
    assert scene.selection.places.tolist() == [5, 600, 601, 612]
    assert (scene.theme, scene.colour, scene.state.size, scene.image) == ("dark", "label", "channel", 7)
    assert scene.state.channel == 2
    assert scene.state.hidden == {"label": frozenset({page.js("v.meta.classes[3]")})}
    assert scene.focus is not None
    assert (scene.focus.image, *scene.focus.position) == (4, 3, 1)
    np.testing.assert_allclose(scene.view.basis(), page.camera()["basis"], atol=1e-6)
    # What the scene wrote comes back on another page, camera and all.
    back = scene.save_state(tmp_path / "scene.json")
    other = Page(browser, file)
    other.page.evaluate("(told) => explorerViewer.restore(told)", json.loads(back.read_text()))
    other.rest()
    again = other.js("v.state()")
    for name in (
        "selection",
        "focus",
        "hidden",
        "theme",
        "colour",
        "size",
        "channel",
        "image",
        "flat",
        "projection",
    ):
        assert again[name] == kept[name], name
    for name in ("position", "focal_point", "view_up"):
        np.testing.assert_allclose(again["camera"][name], kept["camera"][name], atol=1e-5)
    assert page.said == other.said == []
    page.page.close()
    other.page.close()


def test_a_file_opens_with_the_scenes_own_camera_filter_and_selection(
    browser: Any, run: explorer.Run, projection: explorer.Projection, tmp_path: Path
) -> None:
    scene = explorer.scene(run, projection, theme="dark")
    scene.selection = np.array([[3, 1, 2], [3, 1, 3]])
    scene.camera = {**scene.camera, "view_up": [0, 0, 1]}
    scene.state.hidden = {"label": frozenset({"rings"})}
    page = Page(browser, export_html(scene, tmp_path / "cloud.html").path.as_uri())
    assert page.js("[...v.selection.places()]") == scene.selection.places.tolist()
    np.testing.assert_allclose(page.camera()["basis"], scene.view.basis(), atol=1e-5)
    assert page.js("v.hiddenCount") == 1440
    assert page.js("v.theme") == "dark"
    assert page.said == []
    page.page.close()


def test_a_view_of_another_map_is_refused_with_one_line(browser: Any, file: str) -> None:
    page = Page(browser, file)
    said = page.page.evaluate(
        "async () => { const s = explorerViewer.state(); s.projection = {...s.projection, method: 'umap'};"
        " try { await explorerViewer.restore(s); } catch (error) { return error.message; } }"
    )
    assert said == "a view of umap of fine: this file holds no such map"
    page.page.close()


def test_two_maps_share_selection_focus_and_eye(browser: Any, live: Live, run: explorer.Run) -> None:
    page = Page(browser, live.link)
    second = page.page.get_by_label("a second map beside this one")
    second.select_option(label="coarse · PCA 3D")
    page.page.wait_for_selector(".stages.two")
    page.rest()
    twin = "v.twin.twin"
    assert page.js(f"{twin}.places.length") == 40 * 36
    assert "6 × 6 matched to 12 × 12" in page.page.locator(".caption").nth(1).inner_text()
    page.js(f"{twin}.take([40, 41], 'replace', 'test')")
    scene = explorer.scene(run, explorer.project(run, layer="coarse", method="pca"))
    scene.selection = np.array([[1, 0, 4], [1, 0, 5]])
    assert page.js("[...v.selection.places()]") == scene.selection.to((40, 12, 12)).places.tolist()
    lit = page.js(f"[...{twin}.places.keys()].filter((i) => {twin}.painted[4 * i + 3] === 255)")
    assert lit == [40, 41]
    page.js(f"{twin}.focusPlace(40)")
    assert page.js("v.focus") == 1 * 144 + 1 * 12 + 9
    assert page.js(f"{twin}.focusRow()") == 40
    page.js("v.stage.camera.turn(0.5, 0.1), v.stage.touch()")
    page.rest()
    np.testing.assert_allclose(
        page.js("v.stage.camera.basis"), page.js(f"{twin}.stage.camera.basis"), atol=1e-6
    )
    page.js(f"{twin}.stage.camera.zoom(0.5, 0, 0), {twin}.stage.touch()")
    share = "(s => s.camera.reach / s.kept().reach)"
    # The first one is told by the other's next frame, which a busy machine draws late.
    page.page.wait_for_function(f"() => {share}(explorerViewer.stage) < 0.9")
    page.rest()
    assert page.js(f"{share}(v.stage)") == pytest.approx(page.js(f"{share}({twin}.stage)"), rel=1e-4)
    second.select_option("")
    page.page.wait_for_selector(".stages:not(.two)")
    assert page.js("v.stage.tied") is None
    assert page.said == []
    page.page.close()


def test_the_server_writes_what_the_page_shows(browser: Any, live: Live, tmp_path: Path) -> None:
    page = Page(browser, live.link)
    page.js("v.take([5, 600, 601], 'replace', 'test')")
    page.page.wait_for_timeout(400)
    for title, ending in (
        ("Points · .ply", "ply"),
        ("Masks · .npz", "npz"),
        ("Page as a picture · .png", "png"),
    ):
        page.page.get_by_label("take it away").first.click()
        with page.page.expect_download(timeout=90_000) as waiting:
            page.page.get_by_role("button", name=title).click()
        path = tmp_path / f"taken.{ending}"
        waiting.value.save_as(path)
        assert path.stat().st_size > 200
    with np.load(tmp_path / "taken.npz") as masks:
        assert sum(int(masks[name].sum()) for name in masks.files if masks[name].dtype == bool) == 3
    from PIL import Image

    assert Image.open(tmp_path / "taken.png").size == (3840, 2160)
    assert (tmp_path / "taken.ply").read_bytes().startswith(b"ply")
    assert page.said == []
    page.page.close()


def test_a_state_opens_the_live_page(
    browser: Any, run: explorer.Run, projection: explorer.Projection, tmp_path: Path
) -> None:
    pytest.importorskip("trame")
    scene = explorer.scene(run, projection, colour="norm", theme="dark")
    scene.state.size = "trust"
    scene.selection = np.array([[2, 3, 4]])
    scene.camera = {**scene.camera, "view_up": [0, 1, 0.2]}
    state = scene.save_state(tmp_path / "state.json")
    command = [sys.executable, "-m", "explorer", "view", str(run.path), "--web", "--state", str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        page = Page(browser, "http" + server.stdout.readline().split("http", 1)[1].strip())
        told = page.js("v.state()")
        assert (told["colour"], told["size"], told["theme"]) == ("norm", "trust", "dark")
        assert told["selection"]["runs"] == [[2 * 144 + 3 * 12 + 4, 1]]
        np.testing.assert_allclose(page.camera()["basis"], scene.view.basis(), atol=1e-5)
        assert page.said == []
        page.page.close()
        server.terminate()
