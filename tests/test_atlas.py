"""The activation atlas: cells, what is typical of them, and the sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.demo import DIGITS


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


def test_cells_are_drawn_by_what_their_direction_grows_into(
    run: explorer.Run, flat: explorer.Projection
) -> None:
    atlas = explorer.atlas(run, flat, cells=3, least=200, model=DIGITS, steps=6)
    assert len(atlas.pictures) == len(atlas.cells)
    assert atlas.pictures[0].shape == (32, 32, 3)
    assert "grows into" in atlas.drawn_by


def test_what_is_no_atlas_is_said(run: explorer.Run, flat: explorer.Projection) -> None:
    deep = explorer.project(run, layer="block5", method="pca", n_components=3)
    with pytest.raises(explorer.InputError, match="made of a 2D map"):
        explorer.atlas(run, deep)
    with pytest.raises(explorer.InputError, match="no cell has 100000 positions"):
        explorer.atlas(run, flat, least=100_000)
    with pytest.raises(explorer.InputError, match="expected 2 to 200 cells"):
        explorer.atlas(run, flat, cells=1)
