import numpy as np
import pytest

import explorer


@pytest.mark.parametrize("shape", [(2, 3), (2, 4, 3), (2, 4, 5, 3), (2, 4, 5, 6, 3)])
def test_spatial_shape_and_channels_follow_from_the_values(shape: tuple[int, ...]) -> None:
    activations = explorer.Activations("layer", np.zeros(shape))
    assert (activations.batch, activations.spatial_shape, activations.channels) == (2, shape[1:-1], 3)


@pytest.mark.parametrize("shape", [(), (3,), (1, 2, 3, 4, 5, 6)])
def test_shapes_without_batch_and_channels_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(explorer.InputError, match="expected \\(batch, \\*spatial, channels\\)"):
        explorer.Activations("layer", np.zeros(shape))


def test_values_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(explorer.InputError, match="real numbers"):
        explorer.Activations("layer", np.array([["a", "b"]]))
