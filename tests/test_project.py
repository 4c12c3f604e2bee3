from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.capture.model import Model

rng = np.random.default_rng(0)
blobs = np.concatenate([rng.normal(size=(60, 8)) + 12 * shift for shift in np.eye(8)[:3]]).astype(np.float32)


@pytest.fixture
def run(toy: Model, folder: Path, tmp_path: Path) -> explorer.Run:
    return explorer.capture(toy, folder, layers=["half", "flat"], out=tmp_path / "run")


def nearest_share(coordinates: np.ndarray) -> float:
    """Share of points whose nearest other point is of the same blob."""
    distances = ((coordinates[:, None] - coordinates[None]) ** 2).sum(-1)
    np.fill_diagonal(distances, np.inf)
    blob = np.repeat(np.arange(3), 60)
    return float((blob[distances.argmin(axis=1)] == blob).mean())


@pytest.mark.parametrize("n_components", [2, 3])
@pytest.mark.parametrize("method", ["pca", "tsne", "umap"])
def test_blobs_stay_apart(method: str, n_components: int) -> None:
    projection = explorer.project(blobs, method=method, n_components=n_components, random_state=1)
    assert projection.coordinates.shape == (180, n_components)
    assert projection.coordinates.dtype == np.float32
    assert nearest_share(projection.coordinates) > 0.98


def test_trustworthiness_is_that_of_scikit_learn() -> None:
    from sklearn.manifold import trustworthiness

    projection = explorer.project(blobs, method="tsne", n_components=2)
    expected = trustworthiness(blobs, projection.coordinates, n_neighbors=15)
    assert projection.quality["measured_on"] == 180
    assert projection.quality["trustworthiness"] == pytest.approx(expected, abs=2e-4)


def test_a_runs_projection_is_opened_again_without_computing(
    run: explorer.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = explorer.project(run, layer="half", method="tsne", sample=60)
    from explorer.reduce import fit

    monkeypatch.setattr(fit, "fit", None)
    again = explorer.project(run, layer="half", method="tsne", sample=60)
    np.testing.assert_array_equal(first.coordinates, again.coordinates)
    assert (again.quality, again.parameters) == (first.quality, first.parameters)
    assert [p.method for p in explorer.saved_projections(run).values()] == ["tsne"]


def test_other_parameters_are_another_projection(run: explorer.Run) -> None:
    for n_components in (2, 3):
        explorer.project(run, layer="half", method="pca", n_components=n_components)
    assert len(explorer.saved_projections(run)) == 2


def test_pca_streamed_from_the_run_is_that_of_the_rows(run: explorer.Run) -> None:
    streamed = explorer.project(run, layer="half", method="pca")
    in_memory = explorer.project(run["half"], method="pca")
    np.testing.assert_allclose(streamed.coordinates, in_memory.coordinates, atol=1e-5)


def test_a_sample_is_even_said_and_recorded(run: explorer.Run, capsys: pytest.CaptureFixture[str]) -> None:
    projection = explorer.project(run, layer="half", method="pca", sample=50)
    assert "50 of 160 positions, drawn evenly over 10 images" in capsys.readouterr().err
    assert projection.provenance["n_samples"] == 50
    assert projection.provenance["n_positions"] == 160
    assert np.bincount(projection.positions()[:, 0]).tolist() == [5] * 10
    loaded = explorer.project(run, layer="half", method="pca", sample=50)
    np.testing.assert_array_equal(loaded.positions(), projection.positions())


def test_pca_places_new_rows_and_the_same_rows_where_they_were(tmp_path: Path) -> None:
    projection = explorer.project(blobs, method="pca", standardise=True)
    loaded = explorer.load_projection(projection.save(tmp_path / "p"))
    np.testing.assert_allclose(loaded.transform(blobs), projection.coordinates, atol=1e-5)


def test_a_map_without_a_rule_for_new_rows_says_so() -> None:
    with pytest.raises(explorer.ReductionError, match="no rule for new rows"):
        explorer.project(blobs[:50], method="tsne", engine="openTSNE").transform(blobs)


@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_a_map_takes_new_rows_and_the_same_rows_come_back(method: str, tmp_path: Path) -> None:
    projection = explorer.project(blobs, method=method, n_components=2)
    loaded = explorer.load_projection(projection.save(tmp_path / "p"))
    size = np.ptp(projection.coordinates)
    np.testing.assert_allclose(loaded.transform(blobs), projection.coordinates, atol=0.01 * size)
    new = blobs + rng.normal(scale=0.3, size=blobs.shape)
    apart = np.linalg.norm(loaded.transform(new) - projection.coordinates, axis=1)
    assert np.median(apart) < 0.15 * size
    with pytest.raises(explorer.ReductionError, match=r"expected finite numbers \(n, 8\)"):
        loaded.transform(blobs[:, :3])


@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_a_seed_gives_the_same_bits(method: str) -> None:
    one, other = (explorer.project(blobs, method=method, random_state=3).coordinates for _ in range(2))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_a_map_can_be_watched_and_stopped_and_is_then_not_kept(run: explorer.Run, method: str) -> None:
    seen: list[tuple[int, tuple[int, ...]]] = []

    def watch(iteration: int, coordinates: np.ndarray) -> bool:
        seen.append((iteration, coordinates.shape))
        return len(seen) == 2

    projection = explorer.project(run, layer="half", method=method, watch=watch)
    assert len(seen) == 2
    assert seen[1][1] == projection.coordinates.shape == (160, 3)
    assert explorer.saved_projections(run) == {}


def test_neighbours_are_found_once_for_all_methods(
    run: explorer.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from explorer.reduce import graph

    explorer.project(run, layer="half", method="tsne", sample=150)
    assert len(list((run.path / "neighbours").iterdir())) == 1
    monkeypatch.setattr(graph, "find_neighbours", None)
    explorer.project(run, layer="half", method="umap", sample=150)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "engine"), [("tsne", "openTSNE"), ("tsne", "scikit-learn"), ("umap", "umap-learn")]
)
def test_other_engines_are_there_to_compare(method: str, engine: str) -> None:
    projection = explorer.project(blobs, method=method, n_components=2, engine=engine)
    assert nearest_share(projection.coordinates) > 0.98
    assert projection.parameters["engine"] == engine
    assert engine in projection.provenance["versions"]


def test_coordinates_of_ones_own_are_taken_as_they_are(run: explorer.Run) -> None:
    own = rng.normal(size=(160, 2))
    projection = explorer.project(run, layer="half", coordinates=own)
    np.testing.assert_allclose(projection.coordinates, own, rtol=1e-6)
    assert projection.method == "precomputed"
    assert explorer.saved_projections(run)
    with pytest.raises(explorer.InputError, match=r"\(160, 2 or 3\)"):
        explorer.project(run, layer="half", coordinates=own[:5])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "tsna"}, "did you mean tsne"),
        ({"n_components": 4}, "expected 2 or 3"),
        ({"perplexity": 0}, "perplexity"),
        ({"n_neighbors": 1}, "n_neighbors"),
        ({"min_dist": 2.0}, "min_dist"),
        ({"engine": "openTSNE"}, "no engine 'openTSNE' of umap"),
        ({"metric": "cosin"}, "did you mean cosine"),
        ({"sample": 0}, "sample"),
        ({"sample": "most"}, "'all'"),
        ({"random_state": -1}, "random_state"),
    ],
)
def test_a_value_out_of_range_is_one_line(options: dict, words: str) -> None:
    with pytest.raises(explorer.ReductionError, match=words) as caught:
        explorer.project(blobs, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", ["tsne", "umap"])
@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.ones((50, 4)), "same values"),
        (np.zeros((50, 4)), "same values"),
        (np.ones((3, 4)), "at least 5"),
        (np.ones((0, 4)), "at least 5"),
        (np.where(np.eye(50, 4) > 0, np.nan, 1.0), "NaN or infinity at 4 of 50 positions"),
        (np.array([["a"]]), "expected numbers"),
        (np.ones(7), "expected numbers"),
    ],
)
def test_rows_that_cannot_be_projected_are_one_line(method: str, rows: np.ndarray, words: str) -> None:
    with pytest.raises(explorer.ReductionError, match=words):
        explorer.project(rows, method=method)


@pytest.mark.parametrize("method", ["tsne", "umap"])
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_maps_do_not_depend_on_the_scale(method: str, scale: float) -> None:
    projection = explorer.project(blobs.astype(float) * scale, method=method, n_components=2)
    assert nearest_share(projection.coordinates) > 0.98


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", ">f4", "bool"])
def test_any_type_of_number_is_projected(dtype: str) -> None:
    rows = (blobs > 6 if dtype == "bool" else np.round(blobs)).astype(dtype)
    rows.setflags(write=False)
    assert np.isfinite(explorer.project(rows[::2], method="tsne", n_components=2).coordinates).all()


def test_a_damaged_projection_is_one_line(tmp_path: Path) -> None:
    folder = explorer.project(blobs, method="pca").save(tmp_path / "p")
    (folder / "arrays.npz").write_bytes(b"x")
    with pytest.raises(explorer.RunError, match="damaged"):
        explorer.load_projection(folder)
    with pytest.raises(explorer.RunError, match="no projection here"):
        explorer.load_projection(tmp_path / "nothing")


def test_too_large_a_perplexity_is_lowered_aloud(capsys: pytest.CaptureFixture[str]) -> None:
    projection = explorer.project(blobs[::6], method="tsne", n_components=2, perplexity=100)
    assert projection.parameters["perplexity"] == pytest.approx(29 / 3)
    assert "perplexity lowered from 100" in capsys.readouterr().err


def test_a_reducer_of_ones_own_is_a_method(run: explorer.Run) -> None:
    from sklearn.random_projection import GaussianRandomProjection

    reducer = GaussianRandomProjection(2, random_state=0)
    projection = explorer.project(run, layer="half", method=reducer, sample=90)
    assert (projection.method, projection.coordinates.shape) == ("GaussianRandomProjection", (90, 2))
    assert projection.quality["trustworthiness"] > 0.9
    np.testing.assert_allclose(
        projection.coordinates,
        reducer.fit_transform(run["half"].values.reshape(-1, 5)[projection.rows]),
        rtol=1e-5,
    )
    assert [kept.method for kept in explorer.saved_projections(run).values()] == [projection.method]


def test_a_reducer_that_gives_something_else_is_one_line() -> None:
    class Wrong:
        def fit_transform(self, rows: np.ndarray) -> np.ndarray:
            return rows[:, :1]

    with pytest.raises(explorer.InputError, match=r"expected \(180, 2 or 3\)"):
        explorer.project(blobs, method=Wrong())
