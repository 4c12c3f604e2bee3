import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import explorer
from explorer.samples import even_rows

shapes = st.lists(st.integers(1, 4), min_size=2, max_size=5).map(tuple)


@given(shapes, st.sampled_from(["float32", "float16", "int8", "float64"]))
def test_fold_undoes_flatten_exactly(shape: tuple[int, ...], dtype: str) -> None:
    values = np.random.default_rng(0).integers(-100, 100, shape).astype(dtype)
    samples = explorer.flatten(explorer.Activations("layer", values))
    folded = samples.fold(samples.features)
    assert folded.dtype == values.dtype
    np.testing.assert_array_equal(folded, values)


@given(shapes)
def test_each_row_is_the_vector_at_its_position(shape: tuple[int, ...]) -> None:
    values = np.arange(np.prod(shape)).reshape(shape)
    samples = explorer.flatten(explorer.Activations("layer", values))
    positions = samples.positions()
    assert positions.shape == (samples.n_samples, len(shape) - 1)
    for row, position in zip(samples.features, positions, strict=True):
        np.testing.assert_array_equal(row, values[tuple(position)])


def test_taken_rows_fold_to_their_places_and_nan_elsewhere() -> None:
    values = np.arange(24.0).reshape(2, 2, 3, 2)
    samples = explorer.flatten(explorer.Activations("layer", values))
    some = samples.take(np.array([1, 4, 11]))
    folded = some.fold(some.features)
    assert folded.shape == values.shape
    kept = ~np.isnan(folded)
    assert kept.sum() == 6
    np.testing.assert_array_equal(folded[kept], values[kept])
    np.testing.assert_array_equal(some.positions(), [[0, 0, 1], [0, 1, 1], [1, 1, 2]])


def test_rows_that_were_not_sampled_cannot_be_taken() -> None:
    samples = explorer.flatten(explorer.Activations("layer", np.zeros((2, 3, 1)))).take(np.array([0, 2]))
    with pytest.raises(explorer.InputError):
        samples.take(np.array([1]))


def test_fold_refuses_another_number_of_rows() -> None:
    samples = explorer.flatten(explorer.Activations("layer", np.zeros((2, 3, 1))))
    with pytest.raises(explorer.InputError, match="expected \\(6,\\)"):
        samples.fold(np.zeros(5))


@given(st.integers(1, 9), st.integers(1, 30), st.integers(1, 300), st.integers(0, 5))
def test_a_sample_has_the_size_asked_for_spread_evenly(batch: int, each: int, most: int, seed: int) -> None:
    rows = even_rows((batch, each), most, seed)
    if rows is None:
        assert batch * each <= most
        return
    counts = np.bincount(rows // each, minlength=batch)
    assert len(np.unique(rows)) == len(rows) == most
    assert (np.diff(rows) > 0).all()
    assert counts.max() - counts.min() <= 1


def test_a_sample_of_nothing_is_refused() -> None:
    with pytest.raises(explorer.InputError, match="at least 1"):
        even_rows((2, 3), 0)
