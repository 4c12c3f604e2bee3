"""The one file of a training, opened from disk in a browser and checked against the folder it is of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import MARKS, Page, arrive, crowded, make_training, project, show_epoch, space

import explorer
from explorer.render.epochs.curves import curves
from explorer.web.file import export_html

pytestmark = MARKS


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> explorer.Evolution:
    """Three kinds of pictures that three epochs tell apart ever better; their maps are seeded."""
    place, asked = tmp_path_factory.mktemp("course"), {"method": "umap", "n_components": 3, "n_neighbors": 8}
    return make_training(place, asked, kinds=3, each=5, side=6, seed=2)


@pytest.fixture(scope="module")
def file(training: explorer.Evolution, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_html(training.scene(), tmp_path_factory.mktemp("file") / "cloud.html").path


@pytest.fixture
def page(browser: Any, file: Path) -> Iterator[Page]:
    """The file as it opens from disk; nothing is said in its console and nothing asked of a network."""
    opened = Page(browser, file.as_uri())
    yield opened
    assert opened.said == []
    assert [one for one in opened.asked if not one.startswith(("file:", "blob:", "data:"))] == []
    opened.page.close()


def step_of(training: explorer.Evolution) -> float:
    """What the quantisation may move a coordinate by: half a step of the axes that all epochs share."""
    every = np.concatenate([one.coordinates for one in training.projections])
    return float(np.ptp(every, axis=0).max()) / 65535


def points(page: Page) -> np.ndarray:
    return np.array(page.js("[...v.stage.points]")).reshape(-1, 3)


def test_each_epoch_has_its_own_places_figures_and_maps(page: Page, training: explorer.Evolution) -> None:
    assert page.js("v.meta.epochs.at") == 2
    page.js("v.take([3, 40, 41], 'replace', 'by a test')")
    page.js("v.showMap('channel:1')")
    for epoch in (0, 1, 2):
        show_epoch(page, epoch)
        true = space(training.projections[epoch])
        np.testing.assert_allclose(points(page), true, atol=step_of(training))
        assert page.js("[...v.selection.places()]") == [3, 40, 41]
        grid = page.page.evaluate(
            "async () => { const g = await explorerViewer.gridOf('channel:1');"
            " return Array.from({length: 36}, (_, i) => g.at(i)); }"
        )
        values = training.runs[epoch].read("conv").reshape(-1, 4)[:36, 1]
        np.testing.assert_allclose(grid, values, atol=float(np.ptp(values)) / 200)
        told = page.page.locator(".epoch-figures").inner_text()
        assert f"Epoch {training.epochs[epoch]}" in told
        for one in curves(training):
            if one.values[epoch] is not None:
                assert one.words(one.values[epoch]) in told


def test_the_slider_moves_the_same_positions_smoothly(page: Page, training: explorer.Evolution) -> None:
    places, eye = page.js("[...v.places]"), page.camera()["basis"]
    slider = page.page.get_by_label("epoch", exact=True)
    slider.focus()
    page.js(
        "(window.seen = [], window.move = v.stage.cloud.move, v.stage.cloud.move = function (to) {"
        " window.seen.push(to[0]); window.move.call(this, to); }, 0)"
    )
    page.page.keyboard.press("Home")
    arrive(page, 0)
    assert page.js("[...v.places]") == places
    first, last = (float(training.projections[k].coordinates[0, 0]) for k in (0, 2))
    between = [one for one in page.js("window.seen") if abs(one - first) > 1e-3 and abs(one - last) > 1e-3]
    assert between  # it was on its way
    assert all(min(first, last) - 1e-3 < one < max(first, last) + 1e-3 for one in between)
    np.testing.assert_allclose(page.camera()["basis"], eye, atol=1e-9)


def test_playing_goes_through_all_epochs_and_stops(page: Page) -> None:
    page.page.keyboard.press("a")
    page.page.wait_for_function("() => explorerViewer.meta.epochs.at === 0")
    page.page.wait_for_function("() => explorerViewer.meta.epochs.at === 2 && !explorerViewer.epochs.played")
    arrive(page, 2)


def test_the_trail_passes_through_the_places_of_the_chosen_position(
    page: Page, training: explorer.Evolution
) -> None:
    show_epoch(page, 1)
    page.js("v.focusPlace(77)")
    page.page.wait_for_function("() => explorerViewer.trail")
    way = np.stack([space(one)[77] for one in training.projections])
    np.testing.assert_allclose(page.js("v.trail.points"), way, atol=step_of(training))
    assert page.js("v.trail.beyond") == training.beyond[:, 77].tolist()
    atol = float(training.movement.max()) / 65535
    np.testing.assert_allclose(page.js("v.trail.movement"), training.movement[:, 77], atol=atol)
    # It is drawn there: every place of it has a disc on the layer over the cloud.
    page.rest()
    spots = np.rint(project(way, page)).astype(int).tolist()
    drawn = page.js(
        f"""(() => {{ const {{ over }} = v.stage, k = over.width / v.stage.width;
        const paper = new OffscreenCanvas(over.width, over.height);
        const c = paper.getContext('2d', {{ willReadFrequently: true }});
        c.drawImage(over, 0, 0);
        const alpha = ([x, y]) => c.getImageData(Math.round(x * k), Math.round(y * k), 1, 1).data[3];
        return {spots}.map(alpha); }})()"""
    )
    assert min(drawn) > 0


def test_a_click_at_an_earlier_epoch_shows_the_points_picture_and_position(
    page: Page, training: explorer.Evolution
) -> None:
    show_epoch(page, 1)
    box, seen = page.box(), project(space(training.projections[1]), page)
    inside = (seen > 60).all(axis=1) & (seen[:, 0] < box["width"] - 260) & (seen[:, 1] < box["height"] - 60)
    gaps = np.linalg.norm(seen[:, None] - seen[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    row = int(np.where(inside, gaps.min(axis=1), -1).argmax())  # the one that stands most by itself
    page.page.mouse.click(box["x"] + seen[row, 0], box["y"] + seen[row, 1])
    page.page.wait_for_function(f"() => explorerViewer.focus === {row} && explorerViewer.similarity")
    image, (y, x) = row // 36, divmod(row % 36, 6)
    assert page.js("v.image") == image
    assert page.js(f"v.positionOf({row})") == [y, x]
    page.page.wait_for_selector(".near-thumb")
    side = page.page.locator(".side").inner_text()
    assert training.runs[1].image_names[image] in side
    vectors = training.runs[1].read("conv").reshape(-1, 4).astype(float)
    cosine = vectors @ vectors[row] / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vectors[row])
    np.testing.assert_allclose(page.js("[...v.similarity.values]"), cosine, atol=0.05)
    far = np.linalg.norm(vectors - vectors[row], axis=1)
    nearest = [int(one) for one in np.argsort(far, kind="stable") if one != row]
    found = page.page.evaluate(f"() => explorerViewer.source.neighbours({row})")
    assert found["original"] == nearest[: len(found["original"])]
    # The picture is that of the image: its bytes, unpacked, are the run's.
    shown = page.page.evaluate(
        f"""async () => {{ const b = await createImageBitmap(await explorerViewer.source.picture({image}));
        const c = new OffscreenCanvas(b.width, b.height).getContext('2d'); c.drawImage(b, 0, 0);
        return [...c.getImageData(0, 0, b.width, b.height).data].filter((_, i) => i % 4 === 0); }}"""
    )
    pixels = training.runs[1].picture(image)
    assert pixels is not None
    np.testing.assert_allclose(shown, pixels[..., 0].reshape(-1), atol=2)


def test_only_what_moved_beyond_another_seed_keeps_its_colour(
    page: Page, training: explorer.Evolution
) -> None:
    show_epoch(page, 1)
    page.page.get_by_role("button", name="only moved").click()
    page.page.wait_for_function("() => explorerViewer.stillRows")
    np.testing.assert_array_equal(page.js("[...v.stillRows]"), ~training.beyond[0])
    show_epoch(page, 2)
    np.testing.assert_array_equal(page.js("[...v.stillRows]"), ~training.beyond[1])


@pytest.mark.parametrize("size", [(1440, 900), (1024, 768)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_cut_or_laid_over_another(
    browser: Any, file: Path, size: tuple[int, int], theme: str
) -> None:
    page = Page(browser, f"{file.as_uri()}#theme={theme}", size)
    show_epoch(page, 1)
    page.js("v.focusPlace(77)")
    page.page.wait_for_selector(".near-thumb")
    page.rest()
    assert crowded(page) == []
    assert page.said == []
    page.page.close()
