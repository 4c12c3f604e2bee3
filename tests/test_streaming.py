"""PCA of a run is the same as of its rows in memory, whatever its chunks and however many threads."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.reduce import streaming
from explorer.reduce.pca import fit_pca
from explorer.reduce.quality import reference_rows, trustworthiness

rng = np.random.default_rng(0)
values = (rng.normal(size=(37, 8, 8, 6)) @ rng.normal(size=(6, 6)) + 3).astype(np.float32)
Make = Callable[[np.ndarray], explorer.Run]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def captured(values: np.ndarray) -> explorer.Run:
        np.savez(tmp_path / "layer.npz", layer=values)
        return explorer.capture(
            explorer.load_model(tmp_path / "layer.npz"), out=tmp_path / "run", memory=50_000
        )

    return captured


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("standardise", [False, True])
def test_a_run_has_the_components_of_its_rows(make: Make, standardise: bool, whiten: bool) -> None:
    run = make(values)
    assert run.manifest["layers"]["layer"]["chunk"] < len(values)
    pca, sample = streaming.fit_run(run, "layer", 3, standardise=standardise, whiten=whiten)
    rows = values.reshape(-1, 6)
    whole = fit_pca([rows], 3, standardise=standardise, whiten=whiten)
    np.testing.assert_allclose(pca.components, whole.components, atol=1e-5)
    np.testing.assert_array_equal(sample.features, rows[sample.rows])
    np.testing.assert_allclose(streaming.scores_of_run(pca, run, "layer"), whole.transform(rows), atol=1e-4)


def test_the_number_of_threads_changes_no_bit(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    run, found = make(values), []
    for threads in (1, 2, 5):
        monkeypatch.setattr("explorer.reduce.threads.processors", lambda threads=threads: threads)
        pca, sample = streaming.fit_run(run, "layer", 3)
        found.append((pca.components, *streaming.assess_run(pca, run, "layer", sample)[::2]))
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, same)


def test_every_position_s_trust_is_that_of_the_rows_in_memory(make: Make) -> None:
    run = make(values)
    pca, sample = streaming.fit_run(run, "layer", 2)
    coordinates, figures, trust = streaming.assess_run(pca, run, "layer", sample)
    assert trust is not None
    reference = sample.rows[reference_rows(len(sample.rows))]
    np.testing.assert_allclose(
        trust, trustworthiness(values.reshape(-1, 6), coordinates, reference), atol=2e-3
    )
    assert "pca" not in figures  # it is one


def test_fewer_positions_than_channels_are_fitted_too(make: Make) -> None:
    wide = rng.normal(size=(2, 3, 1, 50)).astype(np.float32)
    pca, _ = streaming.fit_run(make(wide), "layer", 3)
    np.testing.assert_allclose(pca.components, fit_pca([wide.reshape(-1, 50)], 3).components, atol=1e-6)


def test_work_that_fails_in_a_thread_fails_here_and_leaves_no_thread_behind(make: Make) -> None:
    run = make(values)

    def fails(first: int, rows: np.ndarray) -> int:
        if first:
            raise explorer.RunError("a damaged chunk")
        return len(rows)

    with pytest.raises(explorer.RunError, match="damaged"):
        list(streaming.over_chunks(run, "layer", fails))
