"""Signals, images and volumes: one path through capture, the run folder, rows, and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import explorer
from explorer.activations import Activations
from explorer.capture.model import Model
from explorer.capture.protocol import LayerInfo

SHAPES = {"signal": (9, 2), "image": (6, 5, 2), "volume": (4, 6, 5, 2)}


class Thinned:
    """Keeps every second place along each spatial axis; channel k is the input's first channel times k."""

    requires = ()

    @classmethod
    def open(cls, source: object, options: object) -> None:
        return None

    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        assert input_shape is not None
        return (LayerInfo("thin", "Toy", (*(-(-n // 2) for n in input_shape[:-1]), 3)),)

    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        cut = (slice(None), *(slice(None, None, 2),) * (inputs.ndim - 2), 0)
        return {"thin": Activations("thin", np.stack([inputs[cut] * k for k in (1, 2, 3)], axis=-1))}


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("source", ["array", "npy", "npz"])
def test_every_rank_goes_all_the_way(tmp_path: Path, kind: str, source: str) -> None:
    shape = SHAPES[kind]
    values = np.random.default_rng(0).normal(size=(40, *shape)).astype(np.float32)
    given: object = values
    if source == "npy":
        given = tmp_path / "x.npy"
        np.save(given, values)
    elif source == "npz":
        given = tmp_path / "x.npz"
        np.savez_compressed(given, images=values, labels=np.arange(40) % 4, dose=np.linspace(0, 1, 40))
    run = explorer.capture(Model(Thinned(), "toy", "toy"), given, out=tmp_path / "run", memory=20_000)
    assert run.layers == ("thin",)
    cut = (slice(None), *(slice(None, None, 2),) * (len(shape) - 1), 0)
    expected = np.stack([values[cut] * k for k in (1, 2, 3)], axis=-1)
    again = explorer.open_run(run.path)
    np.testing.assert_array_equal(again["thin"].values, expected)
    samples = explorer.flatten(again["thin"])
    np.testing.assert_array_equal(samples.fold(samples.features), expected)
    assert samples.positions().shape == (samples.n_samples, len(shape))
    projection = explorer.project(again, layer="thin", method="pca", n_components=3)
    assert projection.samples.fold(projection.coordinates).shape == (*expected.shape[:-1], 3)
    if source == "npz":
        assert again.labels == tuple(str(n % 4) for n in range(40))
        np.testing.assert_allclose(again.metadata["dose"], np.linspace(0, 1, 40))


@pytest.mark.parametrize("kind", SHAPES)
def test_masks_of_every_rank(tmp_path: Path, kind: str) -> None:
    shape = SHAPES[kind]
    values = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    masks = (values[..., 0] > 0).astype(np.int64)
    run = explorer.capture(Model(Thinned(), "toy", "toy"), values, out=tmp_path / "run", masks=masks)
    classes = run.mask_classes("thin")
    assert classes.shape == run.grid_shape("thin")
    assert set(np.unique(classes)) <= {0, 1}


def test_a_volume_has_no_picture(tmp_path: Path) -> None:
    values = np.zeros((2, 4, 6, 5, 1), np.float32)
    run = explorer.capture(Model(Thinned(), "toy", "toy"), values, out=tmp_path / "run")
    assert run.picture(0) is None
