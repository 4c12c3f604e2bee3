"""A frame that comes later is made beside maps that stay as they are."""

from itertools import pairwise

import numpy as np
import pytest

import explorer
from explorer.errors import InputError, ReductionError
from explorer.reduce.continuing import continue_frame, map_frames
from explorer.reduce.projection import Projection
from explorer.reduce.rows import as_samples
from explorer.reduce.settings import Settings

rng = np.random.default_rng(0)
KINDS = np.repeat(np.arange(5), 50)
start = rng.normal(size=(250, 12))
end = rng.normal(scale=6, size=(5, 12))[KINDS] + rng.normal(size=(250, 12))
FRAMES = [as_samples((start * (1 - part) + end * part).astype(np.float32)) for part in (0.3, 0.6, 0.8, 1.0)]


def apart(one: Projection, other: Projection) -> float:
    gaps = np.linalg.norm(one.coordinates - other.coordinates, axis=1)
    return float(gaps.mean() / other.coordinates.std())


@pytest.mark.parametrize("method", ["tsne", "umap"])
@pytest.mark.parametrize("n_components", [2, 3])
def test_a_new_frame_lies_on_those_before_which_do_not_move(method: str, n_components: int) -> None:
    settings = Settings(method, n_components)
    first = map_frames(FRAMES.__getitem__, [None] * 3, settings)
    more = map_frames(FRAMES.__getitem__, [*first, None], settings)
    for one, other in zip(first, more, strict=False):
        np.testing.assert_array_equal(one.coordinates, other.coordinates)
    alone = explorer.project(FRAMES[3], method=method, n_components=n_components)
    assert apart(more[3], more[2]) < 0.5 * apart(alone, more[2])
    kept, own = (one.quality["neighbourhood_preservation"] for one in (more[3], alone))
    assert kept > 0.85 * own
    # It needs neither turn nor shift to lie on its neighbour.
    new, old = (one.coordinates - one.coordinates.mean(axis=0) for one in more[:1:-1])
    left, _, right = np.linalg.svd(new.T @ old)
    np.testing.assert_allclose(left @ right, np.eye(n_components), atol=1e-3)
    np.testing.assert_allclose(*(one.coordinates.mean(axis=0) for one in more[2:]), atol=1e-3)


@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_a_frame_between_two_lies_between_them(method: str) -> None:
    settings = Settings(method, 2)
    first = map_frames([FRAMES[0], FRAMES[2]].__getitem__, [None] * 2, settings)
    whole = map_frames(FRAMES.__getitem__, [first[0], None, first[1]], settings)
    assert whole[1].parameters["continued"]
    assert max(apart(whole[1], whole[0]), apart(whole[1], whole[2])) < 1.0


def test_the_same_seed_gives_the_same_bits() -> None:
    settings = Settings("umap", 2)
    first = map_frames(FRAMES.__getitem__, [None] * 2, settings)
    again = [continue_frame(FRAMES[2], [first[1]], settings).coordinates for _ in range(2)]
    np.testing.assert_array_equal(*again)


def test_frames_of_pca_have_one_size_and_are_each_turned_onto_the_one_before() -> None:
    settings = Settings("pca", 3)
    noise = [as_samples(rng.normal(size=(250, 12)) * scale) for scale in (1.0, 0.01, 30.0)]
    for frames in (FRAMES, noise):
        found = map_frames(frames.__getitem__, [None] * len(frames), settings)
        for one, other in pairwise(found):
            old, new = (each.coordinates - each.coordinates.mean(axis=0) for each in (one, other))
            assert np.std(new) == pytest.approx(np.std(old), rel=1e-3)
            left, _, right = np.linalg.svd(new.T @ old)
            np.testing.assert_allclose(left @ right, np.eye(3), atol=1e-3)
    kept = map_frames(noise.__getitem__, [*found[:2], None], settings)
    np.testing.assert_allclose(kept[2].coordinates, found[2].coordinates, atol=1e-4)


def test_maps_of_other_positions_are_refused() -> None:
    settings = Settings("umap", 2)
    beside = explorer.project(FRAMES[0], method="pca", n_components=2)
    with pytest.raises(InputError, match="same positions"):
        continue_frame(as_samples(FRAMES[1].features[:200]), [beside], settings)
    with pytest.raises(InputError, match="at least one map"):
        continue_frame(FRAMES[1], [], settings)
    with pytest.raises(ReductionError, match="same values"):
        continue_frame(as_samples(np.ones((250, 3))), [beside], settings)
