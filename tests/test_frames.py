"""Maps made together: the same things lie at the same places, and each map is as true as one made alone."""

from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.reduce.frames import beside

rng = np.random.default_rng(0)
CENTRES = rng.normal(size=(6, 10)) * 6
first = (np.repeat(CENTRES, 50, axis=0) + rng.normal(size=(300, 10))).astype(np.float32)
frames = [first, (first + rng.normal(scale=0.3, size=first.shape)).astype(np.float32)]
frames.append((frames[1] @ rng.normal(size=(10, 14))).astype(np.float32))


def apart(one: explorer.Projection, other: explorer.Projection) -> float:
    """Mean distance of the same position in two maps, in deviations of the second."""
    gaps = np.linalg.norm(one.coordinates - other.coordinates, axis=1)
    return float(gaps.mean() / other.coordinates.std())


@pytest.mark.parametrize("method", ["tsne", "umap"])
@pytest.mark.parametrize("n_components", [2, 3])
def test_tied_frames_lie_nearer_to_each_other_and_keep_as_many_neighbours(
    method: str, n_components: int
) -> None:
    loose, tied = (
        explorer.project_frames(frames, method=method, n_components=n_components, tie=tie)
        for tie in (0.0, 0.1)
    )
    assert [one.coordinates.shape for one in tied] == [(300, n_components)] * 3
    assert apart(tied[0], tied[1]) < 0.5
    assert apart(tied[0], tied[1]) + apart(tied[1], tied[2]) < apart(loose[0], loose[1]) + apart(
        loose[1], loose[2]
    )
    for one, other in zip(tied, loose, strict=True):
        kept, alone = (map_.quality["neighbourhood_preservation"] for map_ in (one, other))
        assert kept > 0.9 * alone
    assert tied[1].parameters["frame"] == 1
    assert tied[1].parameters["tie"] == 0.1


def test_the_same_seed_gives_the_same_bits() -> None:
    again = [explorer.project_frames(frames[:2], method="tsne", n_components=2) for _ in range(2)]
    for one, other in zip(*again, strict=True):
        np.testing.assert_array_equal(one.coordinates, other.coordinates)


def test_a_frame_is_pulled_to_the_mean_of_those_beside_it() -> None:
    maps = [np.full((2, 2), value, np.float32) for value in (0, 4, 10, 100)]
    assert [float(target[0, 0]) for target in beside(maps)] == [4, 5, 52, 10]
    assert [float(target[0, 0]) for target in beside(maps[:2])] == [4, 0]


def test_layers_of_one_run_are_frames_of_the_same_sampled_positions(tmp_path: Path) -> None:
    grids = {name: frame.reshape(3, 10, 10, -1) for name, frame in zip("abc", frames, strict=True)}
    np.savez(tmp_path / "layers.npz", **grids)
    run = explorer.capture(explorer.load_model(tmp_path / "layers.npz"), layers="abc", out=tmp_path / "run")
    maps = explorer.project_frames([run], layers=["a", "b", "c"], sample=120)
    assert [one.layer for one in maps] == ["a", "b", "c"]
    for one in maps[1:]:
        np.testing.assert_array_equal(one.rows, maps[0].rows)
    assert explorer.movement(maps[0], maps[1]).shape == (120,)
    moved = maps[2].transform(frames[2][maps[2].rows[:5]])
    np.testing.assert_allclose(moved, maps[2].coordinates[:5], atol=1e-3)


def test_what_cannot_be_made_together_is_refused() -> None:
    with pytest.raises(explorer.InputError, match="at least two frames"):
        explorer.project_frames(frames[:1])
    with pytest.raises(explorer.InputError, match="different positions"):
        explorer.project_frames([first, first[:200]])
    with pytest.raises(explorer.InputError, match="a layer each"):
        explorer.project_frames(frames, layers=["a", "b"])
    with pytest.raises(explorer.ReductionError, match="'pca'"):
        explorer.project_frames(frames, method="pca")
    with pytest.raises(explorer.ReductionError, match="tie = 2"):
        explorer.project_frames(frames, tie=2)
    with pytest.raises(explorer.ReductionError, match="same values"):
        explorer.project_frames([first, np.ones_like(first)])
