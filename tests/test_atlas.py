"""The activation atlas: cells, what is typical of them, and the sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.demo import DIGITS
from explorer.render.sheets.atlas_places import close_gaps
from explorer.render.sheets.atlas_sheet import atlas_sheet


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> explorer.Run:
    out = tmp_path_factory.mktemp("atlas") / "run"
    return explorer.capture(DIGITS, DIGITS.parent / "images", layers=["block5"], out=out)


@pytest.fixture(scope="module")
def flat(run: explorer.Run) -> explorer.Projection:
    return explorer.project(run, layer="block5", method="pca", n_components=2)


def test_cells_hold_their_positions_and_what_is_nearest_to_their_mean(
    run: explorer.Run, flat: explorer.Projection
) -> None:
    atlas = explorer.atlas(run, flat, cells=8, least=3)
    assert atlas.counts.sum() + atlas.n_left_out == flat.n_samples
    assert (atlas.counts >= 3).all()
    low, high = flat.coordinates.min(axis=0), flat.coordinates.max(axis=0)
    side = (high - low).max() / 8
    rows = run["block5"].values.reshape(-1, run.channels("block5"))
    np.testing.assert_array_equal(np.bincount(atlas.of[atlas.of >= 0]), atlas.counts)
    assert (atlas.of < 0).sum() == atlas.n_left_out
    number = int(atlas.counts.argmax())
    row, column = atlas.cells[number]
    across = np.minimum((flat.coordinates[:, 0] - low[0]) // side, atlas.shape[1] - 1)
    up = np.minimum((flat.coordinates[:, 1] - low[1]) // side, atlas.shape[0] - 1)
    inside = (across == column) & (up == atlas.shape[0] - 1 - row)
    assert abs(inside.sum() - atlas.counts[number]) <= 2  # one that lies on an edge may be rounded
    mean = rows[inside].mean(axis=0)
    np.testing.assert_allclose(atlas.means[number], mean, rtol=0.02, atol=0.02)
    image, *place = atlas.typical[number]
    nearest = np.linalg.norm(rows[inside] - mean, axis=1).min()
    own = np.linalg.norm(run["block5"].values[image][tuple(place)] - mean)
    assert own <= nearest * 1.05
    of_image = np.repeat(np.array(run.labels), rows.shape[0] // run.n_images)
    labels, counts = np.unique(of_image[inside], return_counts=True)
    assert atlas.label_names[atlas.labels[number]] == labels[counts.argmax()]


def test_the_sheet_says_what_it_shows_and_what_it_leaves_out(
    run: explorer.Run, flat: explorer.Projection, tmp_path: Path
) -> None:
    atlas = explorer.atlas(run, flat, least=40)
    assert atlas.n_left_out > 0
    sheet = explorer.sheet(atlas)
    words = " ".join(sheet.words)
    assert f"{flat.n_samples:,} positions" in words
    assert f"{atlas.n_left_out:,} in cells of fewer than 40 are left out" in words
    for name in ("atlas.png", "atlas.svg", "atlas.pdf"):
        assert sheet.save(tmp_path / name).stat().st_size > 5000


@pytest.mark.parametrize("seed", range(5))
def test_clusters_are_drawn_together_whole_and_apart(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = rng.random((40, 60)) < 0.03
    grid |= np.roll(grid, 1, axis=1)
    cells = np.argwhere(grid)
    places, shape = close_gaps(cells)
    assert (places.max(axis=0) + 1).tolist() == list(shape)
    assert np.prod(shape) < grid.size / 2
    before = np.abs(cells[:, None] - cells).max(axis=-1) <= 1
    after = np.abs(places[:, None] - places).max(axis=-1) <= 1
    np.testing.assert_array_equal(before, after)  # the same cells touch
    where, at = np.nonzero(before)
    np.testing.assert_array_equal(places[where] - places[at], cells[where] - cells[at])


def test_the_sheet_is_filled_or_shows_the_gaps_of_the_map(
    run: explorer.Run, flat: explorer.Projection, tmp_path: Path
) -> None:
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    apart = np.repeat(corners, flat.n_samples // 4, axis=0) * 100 + np.random.default_rng(0).random(
        (23040, 2)
    )
    four = explorer.project(run, layer="block5", coordinates=apart.astype(np.float32))
    atlas = explorer.atlas(run, four)
    assert len(atlas.cells) == 4
    filled, sparse = atlas_sheet(atlas), atlas_sheet(atlas, gaps=True)
    assert "clusters are drawn together" in " ".join(filled.words)
    assert "clusters" not in " ".join(sparse.words)
    assert max(filled.size) < max(sparse.size)
    ink = [(np.asarray(sheet.picture()) != 255).any(axis=-1).mean() for sheet in (filled, sparse)]
    assert ink[0] > 5 * ink[1]


def test_cells_are_drawn_by_what_their_direction_grows_into(
    run: explorer.Run, flat: explorer.Projection
) -> None:
    atlas = explorer.atlas(run, flat, cells=3, least=200, model=DIGITS, steps=6)
    assert len(atlas.pictures) == len(atlas.cells)
    assert atlas.pictures[0].shape == (32, 32, 3)
    assert "grows into" in atlas.drawn_by
    seen: list[explorer.render.sheets.atlas.Atlas] = []
    asked: list[tuple[int, int]] = []

    def step(done: int, total: int) -> bool:
        asked.append((done, total))
        return done == 4

    few = explorer.atlas(run, flat, cells=3, least=200, model=DIGITS, steps=6, watch=seen.append, step=step)
    assert asked == [(1, 6), (2, 6), (3, 6), (4, 6)]
    assert few.drawn_by.endswith("stopped before the end")
    assert "growing" in seen[0].drawn_by
    assert not np.array_equal(few.pictures[0], atlas.pictures[0])


def test_what_is_no_atlas_is_said(run: explorer.Run, flat: explorer.Projection) -> None:
    deep = explorer.project(run, layer="block5", method="pca", n_components=3)
    with pytest.raises(explorer.InputError, match="made of a 2D map"):
        explorer.atlas(run, deep)
    with pytest.raises(explorer.InputError, match="no cell has 100000 positions"):
        explorer.atlas(run, flat, least=100_000)
    with pytest.raises(explorer.InputError, match="expected 2 to 200 cells"):
        explorer.atlas(run, flat, cells=1)
    for least in (0, -1):
        with pytest.raises(explorer.InputError, match=f"least = {least}: .* of at least 1 position"):
            explorer.atlas(run, flat, least=least)
