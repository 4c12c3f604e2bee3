"""Neighbours in truth and on the map, similarity, typical and odd pictures, search."""

from pathlib import Path

import numpy as np
import pytest
from test_scene import SMALL, made, projected, run_of

import explorer
from explorer.capture.model import Model
from explorer.errors import InputError
from explorer.render import scene


@pytest.mark.parametrize("every", [1, 3])
def test_neighbours_are_those_of_all_distances(every: int) -> None:
    shown = made(every=every)
    shown.inspect(2, 1, 3)  # place 57, sampled both times
    near = shown.neighbours(5)
    rows, projection = shown.state.rows, shown.projection
    own = int(np.flatnonzero(rows == 57)[0])
    for found, vectors in (
        (near.truth, shown.state.run.read("block2").reshape(-1, 5)[rows].astype(float)),
        (near.shown, projection.coordinates.astype(float)),
    ):
        apart = np.linalg.norm(vectors - vectors[own], axis=1)
        apart[own] = np.inf
        np.testing.assert_array_equal(found.rows, np.argsort(apart)[:5])
        np.testing.assert_allclose(found.distances, np.sort(apart)[:5], rtol=1e-5)
        assert [tuple(projection.positions()[row]) for row in found.rows] == list(found.positions)
    assert near.shared == len(set(near.truth.rows) & set(near.shown.rows))
    assert near.metric == "euclidean"


def test_a_position_outside_the_sample_has_neighbours_in_truth() -> None:
    shown = made(every=3)
    shown.inspect(2, 1, 2)
    assert shown.focus is not None
    assert shown.focus.row is None
    near = shown.neighbours(4)
    vectors = shown.state.run.read("block2").reshape(-1, 5)[shown.state.rows].astype(float)
    one = shown.state.run.read("block2")[2, 1, 2].astype(float)
    apart = np.linalg.norm(vectors - one, axis=1)
    np.testing.assert_array_equal(near.truth.rows, np.argsort(apart)[:4])
    assert near.shown.rows[0] == shown.focus.nearest
    shown.frame(SMALL)


def test_the_graph_that_a_run_keeps_gives_the_same_neighbours(
    toy: Model, folder: Path, tmp_path: Path
) -> None:
    run = explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run")
    projection = explorer.project(run, layer="half", method="tsne", perplexity=5)
    shown = scene(run, projection)
    assert shown.state.graph() is not None
    shown.inspect(3, 1, 2)
    kept = shown.neighbours(6).truth
    for path in (tmp_path / "run" / "neighbours").iterdir():
        path.unlink()
    other = scene(run, projection)
    assert other.state.graph() is None
    other.inspect(3, 1, 2)
    found = other.neighbours(6).truth
    np.testing.assert_allclose(kept.distances, found.distances, atol=1e-5)
    assert len(set(kept.rows) & set(found.rows)) >= 5


def test_neighbours_need_a_position() -> None:
    with pytest.raises(InputError, match="look at a position first"):
        made().neighbours()
    shown = made()
    shown.inspect(0, 0, 0)
    with pytest.raises(InputError, match="at least 1"):
        shown.neighbours(0)


def test_more_neighbours_than_there_are_give_all() -> None:
    shown = made(run_of((2, 2), images=2))
    shown.inspect(0, 0, 0)
    near = shown.neighbours(50)
    assert len(near.truth.rows) == len(near.shown.rows) == near.shared == 7


def test_similarity_is_the_cosine_with_every_position_of_every_picture() -> None:
    run = run_of()
    run.values[1, 0, 0] = 0
    shown = made(run)
    shown.inspect(4, 2, 5)
    one = run.values[4, 2, 5].astype(float)
    with np.errstate(invalid="ignore"):
        wanted = (run.values @ one) / np.linalg.norm(run.values.astype(float), axis=-1) / np.linalg.norm(one)
    np.testing.assert_allclose(shown.similarity(), wanted, atol=1e-5)
    assert np.isnan(shown.similarity()[1, 0, 0])
    shown.colour = "similarity"
    found = shown.state.quantity("similarity")
    np.testing.assert_allclose(found.values, wanted.reshape(-1), atol=1e-5)
    shown.frame(SMALL)
    shown.inspect(0, 0, 0)  # the colours follow
    assert shown.state.quantity("similarity").values[0] == pytest.approx(1, abs=1e-5)


def test_pictures_of_a_class_are_ranked_by_distance_to_its_mean() -> None:
    run = run_of()
    shown = made(run)
    ranked = shown.typical("a")
    means = run.values.astype(float).mean(axis=(1, 2))[[0, 2, 4]]
    apart = np.linalg.norm(means - means.mean(axis=0), axis=1)
    assert [image for image, _ in ranked] == [(0, 2, 4)[i] for i in np.argsort(apart)]
    np.testing.assert_allclose([distance for _, distance in ranked], np.sort(apart))
    assert len(shown.typical()) == 6
    with pytest.raises(InputError, match="there are: a, b"):
        shown.typical("zebra")


def test_pictures_are_found_by_name_and_label() -> None:
    run = run_of()
    run.image_names = ("cat/A.png", "dog/a cat.png", "dog/b.png", "B", "cat/c.png", "x.png")
    run.labels = ("cat", "dog", "dog", "dog", "cat", "other")
    shown = scene(run, projected(run))
    assert shown.find_images("CAT") == [0, 4, 1]  # the label itself comes before a part of a name
    assert shown.find_images("b") == [3, 2]
    assert shown.find_images("nothing") == []


def test_a_long_comparison_is_announced_until_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    from explorer.render.linked import near

    shown = made()
    shown.frame((1600, 900))
    shown.select(1, 2, 2)
    assert shown.pending() == ""
    monkeypatch.setattr(near, "MANY", 10)
    assert shown.pending() == "comparing 144 positions of block2 …"
    shown.frame((1600, 900))
    assert shown.pending() == ""
