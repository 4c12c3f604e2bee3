from dataclasses import replace

import numpy as np
import pytest

import explorer
from explorer.reduce.align import Comparison, movement

rng = np.random.default_rng(0)
coordinates = rng.normal(size=(200, 3)).astype(np.float32)
first = explorer.Projection("umap", coordinates, "conv", (2, 10, 10))


def turned(projection: explorer.Projection, scale: float = 3.0) -> explorer.Projection:
    """The same map turned, mirrored, scaled and shifted."""
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    moved = projection.coordinates @ rotation * scale + [5, -2, 7]
    return replace(projection, coordinates=moved.astype(np.float32))


def test_a_map_that_was_only_turned_comes_back_exactly() -> None:
    back = explorer.align([first, turned(first)])[1]
    np.testing.assert_allclose(back.coordinates, first.coordinates, atol=1e-4)


def test_the_anchor_stays_as_it_is() -> None:
    other = turned(first)
    aligned = explorer.align([first, other], to=1)
    assert aligned[1] is other
    np.testing.assert_allclose(aligned[0].coordinates, other.coordinates, atol=1e-3)


def test_maps_are_aligned_by_the_positions_they_share() -> None:
    rows = np.arange(0, 200, 3)
    part = explorer.Projection("umap", turned(first).coordinates[rows], "conv", (2, 10, 10), rows)
    back = explorer.align([first, part])[1]
    np.testing.assert_allclose(back.coordinates, first.coordinates[rows], atol=1e-4)


def test_maps_of_other_positions_are_refused() -> None:
    other = explorer.Projection("umap", coordinates[:100], "conv", (1, 10, 10))
    with pytest.raises(explorer.InputError, match="same positions"):
        explorer.align([first, other])
    with pytest.raises(explorer.InputError, match="none numbered 5"):
        explorer.align([first], to=5)
    with pytest.raises(explorer.InputError, match="different positions"):
        movement(first, other)


def test_a_position_that_leaves_its_neighbours_has_moved_and_they_have_not() -> None:
    after = coordinates.copy()
    after[17] += 30
    moved = movement(first, replace(first, coordinates=after))
    assert moved.argmax() == 17
    assert np.median(moved) < 0.05 * moved[17]


def test_a_neighbourhood_that_moves_together_has_not_moved() -> None:
    two = coordinates.copy()
    two[100:] += 100
    before = replace(first, coordinates=two)
    after = two.copy()
    after[100:] += 50
    np.testing.assert_allclose(movement(before, replace(first, coordinates=after)), 0, atol=1e-4)


def test_two_seeds_of_one_map_look_alike_once_aligned() -> None:
    # Along a line: which of four blobs at equal distances lies beside which would be left to chance.
    along = np.eye(6)[0]
    blobs = np.concatenate([rng.normal(size=(50, 6)) + 8 * place * along for place in range(4)])
    maps = [explorer.project(blobs, method="tsne", n_components=2, random_state=seed) for seed in (0, 1)]
    one, other = explorer.align(maps)
    centres = [m.coordinates.reshape(4, 50, 2).mean(axis=1) for m in (one, other)]
    spread = np.linalg.norm(centres[0] - centres[0].mean(axis=0), axis=1).mean()
    assert np.linalg.norm(centres[0] - centres[1], axis=1).max() < spread


def test_jitter_is_not_read_as_learning_and_learning_is() -> None:
    def jittered(by: float) -> explorer.Projection:
        return replace(first, coordinates=coordinates + rng.normal(scale=by, size=coordinates.shape))

    learned = jittered(0.05)
    learned.coordinates[40:60] = learned.coordinates[40:60][::-1] + rng.normal(scale=2, size=(20, 3))
    found = explorer.compare(first, learned, jittered(0.05))
    assert isinstance(found, Comparison)
    assert found.beyond[40:60].mean() > 0.8
    assert np.delete(found.beyond, np.s_[40:60]).mean() < 0.25
    only_jitter = explorer.compare(first, turned(jittered(0.05)), jittered(0.05))
    assert only_jitter.beyond.mean() < 0.1
