from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.capture.model import Model
from explorer.reduce.rgb import fit_rgb


@pytest.fixture
def run(toy: Model, folder: Path, tmp_path: Path) -> explorer.Run:
    return explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run")


def test_the_same_features_have_the_same_colour_in_every_image(run: explorer.Run) -> None:
    basis, values = fit_rgb(run, "half"), run["half"].values
    whole = basis.colours(values)
    assert whole.shape == (10, 4, 4, 3)
    np.testing.assert_array_equal(basis.colours(values[7, 2, 3]), whole[7, 2, 3])


def test_the_scale_is_the_second_to_the_ninety_eighth_percentile(run: explorer.Run) -> None:
    basis, values = fit_rgb(run, "half"), run["half"].values
    red = basis.colours(values)[..., 0].astype(float)
    scores = basis.pca.transform(values.reshape(-1, 5))[:, 0].reshape(red.shape)
    low, high = np.percentile(scores, (2, 98))
    np.testing.assert_allclose(red, np.rint(np.clip((scores - low) / (high - low), 0, 1) * 255), atol=1)


def test_components_without_variance_are_mid_gray(run: explorer.Run) -> None:
    # The toy's five channels are multiples of one, so only the first component varies.
    assert (fit_rgb(run, "half").colours(run["half"].values)[..., 1:] == 128).all()
