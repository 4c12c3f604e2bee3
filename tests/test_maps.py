"""Other maps of a run: what is kept, what can be made, and making one while the window stays usable."""

import time
from pathlib import Path

import numpy as np
import pytest
from test_window import TinyRun, click, line, push

import explorer
from explorer.capture.model import Model
from explorer.capture.store import Run
from explorer.render import scene
from explorer.render.window.controls import Controls
from explorer.render.window.maps import Choice, Making, choices, layers_of


@pytest.fixture
def run(toy: Model, folder: Path, tmp_path: Path) -> Run:
    made = explorer.capture(toy, folder, layers=["half", "flat"], out=tmp_path / "run")
    explorer.project(made, layer="half", method="pca")
    return made


def wait(at: Controls) -> None:
    end = time.monotonic() + 60
    while at.making is not None and time.monotonic() < end:
        at.poll()
        time.sleep(0.01)
    assert at.making is None


def test_kept_maps_come_with_those_that_can_be_made(run: Run) -> None:
    found = choices(run, "half")
    assert [(one.method, one.n_components) for one in found[:6]] == [
        (method, n) for method in ("pca", "tsne", "umap") for n in (3, 2)
    ]
    assert [one.folder is not None for one in found] == [True] + [False] * 5
    explorer.project(run, layer="half", coordinates=np.zeros((160, 2)))
    damaged = run.path / "projections" / "broken"
    damaged.mkdir()
    (damaged / "projection.json").write_text("{", encoding="utf-8")
    assert choices(run, "half")[-1].method == "precomputed"
    assert layers_of(run) == ("half", "flat")
    assert choices(TinyRun(), "conv") == []
    assert layers_of(TinyRun()) == ()


def test_a_map_is_made_from_the_list_and_the_selection_stays(run: Run) -> None:
    at = Controls(scene(run, explorer.project(run, layer="half", method="pca")), (1600, 900))
    at.picture(rough=True)
    at.scene.select_cells(2, (0, 0, 1, 1))
    wanted = at.scene.selection
    push(at, "map")
    click(at, *line(at, "PCA 2D"))
    wait(at)
    assert (at.scene.projection.method, at.scene.projection.n_components) == ("pca", 2)
    assert at.scene.selection == wanted
    at.picture(rough=True)
    push(at, "layer")
    click(at, *line(at, "flat"))
    wait(at)
    assert at.scene.projection.layer == "flat"
    assert list(at.scene.selection) == [(2,)]
    at.picture(rough=True)
    push(at, "layer")
    click(at, *line(at, "half"))
    wait(at)
    assert at.scene.selection == wanted


def test_what_cannot_be_made_is_told(run: Run) -> None:
    at = Controls(scene(run, explorer.project(run, layer="half", method="pca")), (1600, 900))
    at.show_map(Choice("nowhere", "pca", 3))
    wait(at)
    assert "nowhere" in at.message
    assert at.scene.projection.layer == "half"


def test_a_map_that_unfolds_is_shown_meanwhile_and_can_be_stopped(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explorer.render.window.actions.PAUSE", 0.0)
    at = Controls(scene(run, explorer.project(run, layer="half", method="pca")), (1600, 900))
    at.picture(rough=True)
    at.show_map(Choice("half", "tsne", 3))
    assert at.making is not None
    seen = set()
    end = time.monotonic() + 60
    while at.making is not None and time.monotonic() < end:
        at.poll()
        if at.scene.projection.method == "tsne" and at.making is not None:
            seen.add(at.making.iteration)
            at.key("Escape")
        time.sleep(0.001)
    assert at.making is None
    assert not at.done  # Escape ended the map, not the window
    assert at.scene.projection.method == "tsne"
    assert len(at.scene.projection.coordinates) == 160
    if seen:  # it was caught on the way: such a map is not kept
        assert max(seen) < 750
        assert all(one.folder is None for one in choices(run, "half") if one.method == "tsne")
    at.picture(rough=True)


def test_only_one_map_is_made_at_a_time(run: Run) -> None:
    at = Controls(scene(run, explorer.project(run, layer="half", method="pca")), (1600, 900))
    at.show_map(Choice("half", "pca", 2))
    first = at.making
    at.show_map(Choice("half", "umap", 2))
    assert at.making is first
    assert "another map" in at.message
    wait(at)


def test_rows_of_a_map_on_its_way_are_those_that_will_be_drawn(run: Run) -> None:
    making = Making(run, Choice("half", "tsne", 2))
    while not making.done:
        time.sleep(0.01)
    assert making.error == ""
    now, kept = making.so_far(), making.result
    assert now is not None
    assert kept is not None
    np.testing.assert_array_equal(now.samples.grid_rows(), kept.samples.grid_rows())
    assert now.coordinates.shape == kept.coordinates.shape
