"""Statistics of channels are those of all values at once, whatever the chunks, gaps and sizes."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import explorer
from explorer.activations import Activations
from explorer.errors import InputError
from explorer.reduce import channel_passes
from explorer.reduce.channels import BINS, channel_statistics, load_statistics

rng = np.random.default_rng(0)
noise = np.maximum(rng.normal(size=(37, 6, 5, 8)) @ rng.normal(size=(8, 8)) + 1, 0).astype(np.float32)


def run_of(values: NDArray[np.float32], folder: Path) -> explorer.Run:
    np.savez(folder / "layer.npz", layer=values)
    return explorer.capture(explorer.load_model(folder / "layer.npz"), out=folder / "run", memory=20_000)


def with_gaps() -> NDArray[np.float32]:
    values = noise.copy()
    values[3, 2, 1, 4], values[10, :, :, 2], values[:, 0, 0, 6] = np.inf, np.nan, -np.inf
    return values


@pytest.mark.parametrize("values", [noise, with_gaps()], ids=["whole", "gaps"])
def test_figures_are_those_of_all_finite_values(values: NDArray[np.float32], tmp_path: Path) -> None:
    run = run_of(values, tmp_path)
    assert run.manifest["layers"]["layer"]["chunk"] < len(values)
    found = channel_statistics(run)
    for channel in range(8):
        own = values[..., channel].astype(np.float64)
        finite = own[np.isfinite(own)]
        assert found.finite[channel] == finite.size
        assert (found.low[channel], found.high[channel]) == (finite.min(), finite.max())
        assert found.mean[channel] == pytest.approx(finite.mean(), rel=1e-5)
        assert found.variance[channel] == pytest.approx(finite.var(), rel=1e-5)
        assert found.zeros[channel] == pytest.approx(np.mean(finite == 0))
        for percent in (0, 1, 37, 50, 99, 100):
            near = np.percentile(finite, percent, method="inverted_cdf")
            assert abs(found.percentile(percent)[channel] - near) <= 1.01 * np.ptp(finite) / BINS
        means = [np.mean(one[np.isfinite(one)]) for one in own if np.isfinite(one).any()]
        assert found.picture_mean[channel] == pytest.approx(np.mean(means), rel=1e-5)
        assert found.picture_deviation[channel] == pytest.approx(np.std(means), rel=1e-5)
    rows = values.reshape(-1, 8).astype(np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)]
    np.testing.assert_allclose(found.correlation, np.corrcoef(rows.T), atol=1e-5)
    everything = values[np.isfinite(values)]
    widest = float((found.high - found.low).max()) / BINS
    assert abs(found.layer_percentile(90) - np.percentile(everything, 90)) <= widest
    assert found.layer_percentile(100) == everything.max()


def test_the_strongest_are_one_position_a_picture_falling(tmp_path: Path) -> None:
    found = channel_statistics(run_of(with_gaps(), tmp_path))
    finite = np.where(np.isfinite(with_gaps()), with_gaps(), -np.inf).reshape(37, 30, 8)
    for channel in range(8):
        peaks = finite[..., channel].max(axis=1)
        best = np.argsort(-peaks, kind="stable")[:16]
        np.testing.assert_array_equal(found.top_pictures[channel], best)
        np.testing.assert_array_equal(found.top_values[channel], peaks[best])
        np.testing.assert_array_equal(found.top_positions[channel], finite[best, :, channel].argmax(axis=1))


def test_in_memory_and_from_a_run_they_are_the_same_and_a_run_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, held = run_of(noise, tmp_path), channel_statistics(Activations("layer", noise))
    stored = channel_statistics(run, "layer")
    kept = load_statistics(run.path / "channels" / "layer.npz", (37, 6, 5, 8))
    for name, value in vars(stored).items():
        np.testing.assert_array_equal(getattr(kept, name), value)
        np.testing.assert_allclose(getattr(held, name), value, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(channel_passes, "measured", lambda *_: pytest.fail("measured again"))
    assert channel_statistics(run, "layer").shape == (37, 6, 5, 8)


def test_a_damaged_file_is_measured_again_and_another_capture_leaves_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(noise, tmp_path)
    kept = run.path / "channels" / "layer.npz"
    channel_statistics(run)
    kept.write_bytes(kept.read_bytes()[:500])
    assert channel_statistics(run).high[0] == noise[..., 0].max()
    assert "measuring again" in capsys.readouterr().err
    np.savez(tmp_path / "other.npz", layer=noise + 1)
    explorer.capture(explorer.load_model(tmp_path / "other.npz"), out=run.path, overwrite=True)
    assert not kept.exists()


def test_dead_and_duplicate_channels_are_found() -> None:
    values = noise.copy()
    values[..., 1], values[..., 3] = 0, 7.5
    values[..., 5] = 2 * values[..., 0] + 1
    values[..., 6] = -values[..., 2]
    values[..., 7] = values[..., 4] + rng.normal(scale=0.5, size=values.shape[:-1])
    found = channel_statistics(Activations("layer", values))
    assert found.dead() == [1, 3]
    assert found.duplicates() == [(0, 5)]
    assert found.correlation[2, 6] == pytest.approx(-1)
    assert np.isnan(found.correlation[1, 2])


def test_a_layer_that_never_moves_is_dead_throughout() -> None:
    found = channel_statistics(Activations("layer", np.zeros((3, 4, 4, 2))))
    assert found.dead() == [0, 1]
    assert found.duplicates() == []
    assert found.clustered([0, 1]) == [0, 1]
    assert found.layer_percentile(50) == 0


def test_the_answer_is_counted_in_deviations_of_pictures_means() -> None:
    found = channel_statistics(Activations("layer", noise))
    means = noise.astype(np.float64).mean(axis=(1, 2))
    expected = (means[5] - means.mean(axis=0)) / means.std(axis=0)
    np.testing.assert_allclose(found.response(noise[5]), expected, rtol=1e-4)
    with pytest.raises(InputError, match="single picture"):
        channel_statistics(Activations("layer", noise[:1])).response(noise[0])


def test_look_alikes_stand_together_and_dead_channels_last() -> None:
    first, second = rng.normal(size=(2, 10, 8, 8, 1))
    groups = [first if channel % 2 else second for channel in range(8)]
    values = np.concatenate(groups, axis=-1) + rng.normal(scale=0.1, size=(10, 8, 8, 8))
    values[..., 4] = 1
    order = channel_statistics(Activations("layer", values)).clustered(list(range(8)))
    assert order[-1] == 4
    assert [sorted(part) for part in (order[:3], order[3:7])] in ([[0, 2, 6], [1, 3, 5, 7]],) or [
        sorted(part) for part in (order[:4], order[4:7])
    ] == [[1, 3, 5, 7], [0, 2, 6]]


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_very_large_and_very_small_values_correlate_as_others_do(scale: float) -> None:
    found = channel_statistics(Activations("layer", (noise * scale).astype(np.float32)))
    np.testing.assert_allclose(found.correlation, np.corrcoef(noise.reshape(-1, 8).T), atol=1e-4)
    assert found.counts.sum() == noise.size
    assert found.counts.astype(bool).sum() > 1000


def test_no_values_are_refused() -> None:
    with pytest.raises(InputError, match="no values"):
        channel_statistics(Activations("layer", np.zeros((0, 4, 4, 2))))
