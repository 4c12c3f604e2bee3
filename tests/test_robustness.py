"""Every method on every awkward input ends in a finite map, or in one line that says what is wrong."""

import ml_dtypes
import numpy as np
import pytest

import explorer

rng = np.random.default_rng(0)
base = rng.normal(size=(120, 6)).astype(np.float32)


def with_value(value: float, where: tuple) -> np.ndarray:
    rows = base.copy()
    rows[where] = value
    return rows


def islands(count: int) -> np.ndarray:
    centres = rng.normal(size=(count, 6)) * 1e4
    return (np.repeat(centres, 6, axis=0) + rng.normal(size=(6 * count, 6))).astype(np.float32)


INPUTS = {
    **{f"{n} rows": base[:n] for n in range(6)},
    "one feature": base[:, :1],
    "two features": base[:, :2],
    "constant": np.full((50, 4), 3.0, np.float32),
    "constant channels": with_value(0, (slice(None), slice(0, 4))),
    "all rows the same but one": with_value(1, (slice(1, None),)),
    "half duplicated": np.concatenate([base[:60], np.repeat(base[:1], 60, axis=0)]),
    "every row twice": np.repeat(base[:60], 2, axis=0),
    "one NaN": with_value(np.nan, (3, 2)),
    "an image of NaN": with_value(np.nan, (slice(10, 30),)),
    "a channel of infinity": with_value(np.inf, (slice(None), 2)),
    "huge": base * np.float32(1e30),
    "tiny": base * np.float32(1e-30),
    "huge in float64": base.astype(np.float64) * 1e140,
    "float16": base.astype(np.float16),
    "bfloat16": base.astype(ml_dtypes.bfloat16),
    "float64": base.astype(np.float64),
    "integers": (base * 100).astype(np.int16),
    "booleans": base > 0,
    "not contiguous": np.asfortranarray(base)[::2, ::2],
    "big-endian": base.astype(">f4"),
    "40 islands": islands(40),
    "dead ReLUs": np.where(rng.random(base.shape) < 0.9, 0, np.abs(base)),
    "one far outlier": with_value(1e6, (0,)),
    "large offset": base + np.float32(1e4),
}


@pytest.mark.parametrize("n_components", [2, 3])
@pytest.mark.parametrize("method", ["pca", "tsne", "umap"])
@pytest.mark.parametrize("name", INPUTS)
def test_a_finite_map_or_one_line(name: str, method: str, n_components: int) -> None:
    rows = INPUTS[name].copy()
    rows.setflags(write=False)
    try:
        projection = explorer.project(rows, method=method, n_components=n_components)
    except explorer.ReductionError as error:
        assert "\n" not in str(error)  # noqa: PT017  a map would do as well
        assert name.split()[0] in {"0", "1", "2", "3", "4", "constant", "one", "an", "a", "huge"}, error  # noqa: PT017
        return
    assert projection.coordinates.shape == (len(rows), n_components)
    assert np.isfinite(projection.coordinates).all()
    assert name not in {"one NaN", "an image of NaN", "a channel of infinity"}


@pytest.mark.parametrize("options", [{"perplexity": 500.0}, {"method": "umap", "n_neighbors": 500}])
def test_more_neighbours_than_rows_are_lowered_aloud(
    options: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    projection = explorer.project(base, **{"method": "tsne", **options})
    assert np.isfinite(projection.coordinates).all()
    assert "lowered from 500" in capsys.readouterr().err


def test_arrays_of_jax_and_activations_in_bfloat16_are_rows_too() -> None:
    import jax.numpy as jnp

    plain = explorer.project(base, method="pca").coordinates
    np.testing.assert_allclose(
        explorer.project(jnp.asarray(base), method="pca").coordinates, plain, atol=1e-5
    )
    grid = explorer.Activations("layer", base.astype(ml_dtypes.bfloat16).reshape(2, 6, 10, 6))
    np.testing.assert_allclose(explorer.project(grid, method="pca").coordinates, plain, atol=0.1)
