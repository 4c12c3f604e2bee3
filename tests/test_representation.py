"""Figures of a layer over a training, streamed, against their dense definitions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import explorer
from explorer.capture.store import Run
from explorer.errors import InputError
from explorer.reduce.representation import linear_cka, separation, spectrum

LABELS = tuple("aabbbccacb" * 3)
rng = np.random.default_rng(0)
SHAPE = (30, 4, 3)
CENTRES = {"a": 0.0, "b": 1.5, "c": -2.0}
X = rng.normal(size=(*SHAPE, 7)) @ rng.normal(size=(7, 7)) + 40.0
X += np.array([CENTRES[label] for label in LABELS])[:, None, None, None]
Y = np.maximum(X @ rng.normal(size=(7, 5)) - 3, 0)


def run_of(values: NDArray[Any], tmp_path: Path, name: str = "x", labels: bool = True) -> Run:
    """A run in small chunks."""
    np.savez(tmp_path / f"{name}.npz", layer=values.astype(np.float32))
    given = LABELS if labels else None
    model = explorer.load_model(tmp_path / f"{name}.npz")
    return explorer.capture(model, layers=["layer"], out=tmp_path / name, labels=given, memory=4000)


def centred(values: NDArray[Any]) -> NDArray[np.float64]:
    rows = values.astype(np.float32).astype(np.float64).reshape(-1, values.shape[-1])
    return np.asarray(rows - rows.mean(axis=0))


def dense_rank(values: NDArray[Any]) -> float:
    shares = np.linalg.svd(centred(values), compute_uv=False)
    shares = shares[shares > 1e-12] / shares.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def dense_separation(rows: NDArray[Any], labels: Any) -> float:
    names = np.asarray(labels)
    total = ((rows - rows.mean(axis=0)) ** 2).sum()
    within = sum(((rows[names == n] - rows[names == n].mean(axis=0)) ** 2).sum() for n in set(labels))
    return float(1 - within / total)


def dense_cka(one: NDArray[Any], other: NDArray[Any]) -> float:
    """From the two Gram matrices, as the paper defines it."""
    grams = [rows @ rows.T for rows in (centred(one), centred(other))]
    hsic = [(a * b).sum() for a, b in ((grams[0], grams[1]), (grams[0], grams[0]), (grams[1], grams[1]))]
    return float(hsic[0] / np.sqrt(hsic[1] * hsic[2]))


@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e12])
def test_figures_are_those_of_the_definitions(tmp_path: Path, scale: float) -> None:
    run = run_of(X * scale, tmp_path)
    assert run.manifest["layers"]["layer"]["chunk"] < 30
    found = spectrum(run, "layer")
    rows = centred(X * scale)
    assert found.effective_rank == pytest.approx(dense_rank(X * scale), rel=1e-5)
    assert found.separation == pytest.approx(dense_separation(rows, np.repeat(LABELS, 12).tolist()), rel=1e-5)
    means = rows.reshape(30, 12, 7).mean(axis=1)
    assert found.image_separation == pytest.approx(dense_separation(means, LABELS), rel=1e-5)
    assert (found.finite, found.varies) == (True, True)


def test_masks_are_the_classes_where_there_are_some(tmp_path: Path) -> None:
    given = np.random.default_rng(1).integers(0, 3, SHAPE).astype(np.uint8)
    moved = X + given[..., None]
    np.savez(tmp_path / "x.npz", layer=moved.astype(np.float32))
    model = explorer.load_model(tmp_path / "x.npz")
    run = explorer.capture(model, layers=["layer"], out=tmp_path / "x", masks=given, memory=4000)
    rows = centred(moved)
    assert spectrum(run, "layer").separation == pytest.approx(dense_separation(rows, given.ravel()), rel=1e-5)


def test_linear_cka_is_that_of_the_gram_matrices(tmp_path: Path) -> None:
    one, other = run_of(X, tmp_path), run_of(Y, tmp_path, "y")
    assert linear_cka(one, other, "layer") == pytest.approx(dense_cka(X, Y), rel=1e-5)
    assert 0.05 < dense_cka(X, Y) < 0.95
    assert linear_cka(one, one, "layer") == pytest.approx(1)


def test_linear_cka_does_not_see_a_turn_or_a_scale(tmp_path: Path) -> None:
    turn = np.linalg.qr(rng.normal(size=(7, 7)))[0]
    one, other = run_of(X, tmp_path), run_of(X @ turn * 300 + 5, tmp_path, "y")
    assert linear_cka(one, other, "layer") == pytest.approx(1, abs=1e-4)


def test_the_rank_of_one_direction_is_one_and_of_equal_ones_their_number(tmp_path: Path) -> None:
    line = np.arange(360.0).reshape(*SHAPE, 1) * np.ones(7)
    assert spectrum(run_of(line, tmp_path), "layer").effective_rank == pytest.approx(1, abs=1e-3)
    whole = np.concatenate([np.eye(6), -np.eye(6)])[np.arange(360) % 12].reshape(*SHAPE, 6)
    assert spectrum(run_of(whole, tmp_path, "w"), "layer").effective_rank == pytest.approx(6, rel=1e-6)


def test_what_is_not_finite_is_said_and_passed_over(tmp_path: Path) -> None:
    broken = X.copy()
    broken[3, 1, 2, 4] = np.nan
    broken[0] = np.inf
    found = spectrum(run_of(broken, tmp_path), "layer")
    assert not found.finite
    rows = broken.astype(np.float32).astype(float).reshape(-1, 7)
    good = np.isfinite(rows).all(axis=1)
    labels = np.repeat(LABELS, 12)[good].tolist()
    assert found.separation == pytest.approx(dense_separation(rows[good], labels), rel=1e-5)
    assert found.effective_rank == pytest.approx(dense_rank(rows[good]), rel=1e-5)
    other = linear_cka(run_of(X, tmp_path, "y"), run_of(broken, tmp_path, "z"), "layer")
    assert other == pytest.approx(1, abs=1e-5)


def test_where_there_is_nothing_to_tell_nothing_is_told(tmp_path: Path) -> None:
    still = run_of(np.full((*SHAPE, 7), 3.0), tmp_path)
    found = spectrum(still, "layer")
    assert (found.effective_rank, found.separation, found.varies) == (0.0, None, False)
    assert linear_cka(still, run_of(X, tmp_path, "y"), "layer") is None
    assert spectrum(run_of(X, tmp_path, "z", labels=False), "layer").separation is None
    assert separation(X.reshape(-1, 7), ["one"] * 360) is None


def test_runs_of_other_positions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="same images and positions"):
        linear_cka(run_of(X, tmp_path), run_of(X[:, :2], tmp_path, "y"), "layer")
