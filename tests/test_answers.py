import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer.capture.model import Model
from explorer.errors import InputError
from explorer.web.answers import Answers
from explorer.web.jobs import Jobs

KINDS = {"u1": "u1", "u2": "<u2", "u4": "<u4", "f4": "<f4"}


def numbers(told: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(told["bytes"], KINDS[told["kind"]])


@pytest.fixture
def run(toy: Model, folder: Path, tmp_path: Path) -> explorer.Run:
    return explorer.capture(toy, folder, layers=["half", "flat"], out=tmp_path / "run")


@pytest.fixture
def answers(run: explorer.Run) -> Answers:
    return Answers(explorer.scene(run, explorer.project(run, layer="half", method="pca")), run)


def test_cloud_grids_and_rows_are_the_runs(answers: Answers) -> None:
    cloud = answers("cloud", [])
    true = answers.scene.state.projection.coordinates
    assert np.array_equal(numbers(cloud["coordinates"]).reshape(true.shape), true)
    assert cloud["places"] is None
    rgb = numbers(answers("rgb", [])).reshape(10, 4, 4, 3)
    assert np.array_equal(rgb[3], answers.scene.basis().colours(answers.run.read("half", 3, 4)[0]))
    norm = answers("grid", ["norm"])
    assert numbers(norm["values"]).size == 160
    assert norm["title"] == "norm of 5 channels"
    trust = answers("rows", ["trust"])
    np.testing.assert_allclose(numbers(trust["numbers"]), answers.scene.state.projection.trust)


def test_similarity_and_neighbours_are_exact_and_move_the_focus(answers: Answers) -> None:
    place = 3 * 16 + 6
    near = numbers(answers("similarity", [place])["numbers"])
    np.testing.assert_array_equal(near, answers.scene.state.values.similarity(3, (1, 2)).reshape(-1))
    assert answers.scene.focus is not None
    assert (answers.scene.focus.image, answers.scene.focus.position) == (3, (1, 2))
    found = answers("neighbours", [place])["original"]
    rows = answers.scene.state.values.vectors(answers.scene.state.rows).astype(float)
    apart = np.linalg.norm(rows - rows[place], axis=1)
    apart[place] = np.inf
    np.testing.assert_allclose(apart[found], np.sort(apart)[: len(found)], atol=1e-4)


def test_the_selection_of_the_page_is_the_scenes_and_outlives_a_switch_of_layers(answers: Answers) -> None:
    projection = explorer.project(answers.run, layer="flat", method="pca", n_components=2)
    places = [5, 6, 100]
    assert answers("select", [places]) == 3
    assert answers.scene.selection.places.tolist() == places
    first = answers("meta", [])
    other = next(told for told in first["projections"] if told["layer"] == "flat")
    answers("show", [other["id"]])
    meta = answers("meta", [])
    assert (meta["layer"], meta["components"], meta["nRows"]) == ("flat", 2, projection.n_samples)
    assert numbers(answers("selection", [])).tolist() == [0, 6]  # whole pictures: no positions there
    answers("show", [first["shown"]])
    assert numbers(answers("selection", [])).tolist() == places


def test_questions_about_a_map_that_is_gone_are_not_answered_from_another(answers: Answers) -> None:
    before = answers("meta", [])["shown"]
    answers("cloud", [], before)
    answers.take(explorer.project(answers.run, layer="flat", method="pca", n_components=2))
    with pytest.raises(InputError, match="no longer shown"):
        answers("neighbours", [5], before)


@pytest.mark.parametrize(
    ("question", "arguments"),
    [
        ("nonsense", []),
        ("__init__", []),
        ("grid", ["channel:99"]),
        ("grid", ["../../etc/passwd"]),
        ("similarity", [10**9]),
        ("similarity", ["x"]),
        ("neighbours", []),
        ("picture", [99]),
        ("show", ["../.."]),
        ("select", [[-1]]),
        ("rows", ["nothing"]),
    ],
)
def test_questions_that_make_no_sense_are_one_line(
    answers: Answers, question: str, arguments: list[Any]
) -> None:
    with pytest.raises(explorer.ExplorerError) as error:
        answers(question, arguments)
    assert "\n" not in str(error.value)


def test_a_picture_is_sent_as_it_is(answers: Answers) -> None:
    import io

    from PIL import Image

    told = answers("picture", [4])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(told["bytes"]))), answers.run.picture(4))


def wait_for(jobs: Jobs) -> None:
    deadline = time.monotonic() + 60
    while jobs.told()["running"] and time.monotonic() < deadline:
        time.sleep(0.02)


def test_a_projection_is_made_beside_the_page_and_one_at_a_time(run: explorer.Run) -> None:
    jobs = Jobs(run)
    job = jobs.start("half", "pca", 2)
    wait_for(jobs)
    assert job.made is not None
    assert job.made.n_components == 2
    assert jobs.told()["error"] == ""
    jobs.job = None
    held = jobs.start("half", "pca", 3)
    held.ended = False
    with pytest.raises(InputError, match="still being made"):
        jobs.start("half", "pca", 2)
    with pytest.raises(explorer.LayerError):
        Jobs(run).start("nothing", "pca", 2)
    with pytest.raises(InputError, match="expected pca, tsne or umap"):
        Jobs(run).start("half", "magic", 2)


def test_a_projection_that_fails_says_so(run: explorer.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from explorer.reduce import project

    def broken(*_: Any, **__: Any) -> None:
        raise explorer.ReductionError("nothing to tell apart")

    monkeypatch.setattr("explorer.reduce.project", broken)
    jobs = Jobs(run)
    jobs.start("half", "pca", 2)
    wait_for(jobs)
    assert jobs.told()["error"] == "nothing to tell apart"
    assert callable(project)


def test_a_watched_map_ends_when_it_is_told_to(run: explorer.Run) -> None:
    jobs = Jobs(run)
    job = jobs.start("half", "pca", 2)
    assert job.watch(1, np.zeros((4, 2), np.float32)) is False
    assert job.coordinates is not None
    job.stop.set()
    assert job.watch(2, np.zeros((4, 2), np.float32)) is True
    wait_for(jobs)
    assert isinstance(job.stop, threading.Event)
