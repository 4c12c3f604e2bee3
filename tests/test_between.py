"""A selection on a map of some positions: shares are of those, and the cells between follow the nearest."""

import numpy as np

from explorer.render.between import Between, filled
from explorer.render.linked.selection import Selection

GRID = (2, 4, 4)


def test_cells_between_are_as_the_nearest_known_one() -> None:
    known = np.zeros((4, 4), bool)
    known[0, 0] = known[3, 3] = True
    mask = np.zeros((4, 4), bool)
    mask[0, 0] = True
    found = filled(mask, known)
    assert found[0, 0]
    assert found[0, 1]
    assert found[1, 1]
    assert not found[2, 2]
    assert not found[3, 3]
    np.testing.assert_array_equal(filled(mask, np.zeros((4, 4), bool)), mask)


def test_a_picture_s_share_is_of_what_the_map_takes() -> None:
    taken = np.array([0, 5, 10, 15, 16, 20])
    own = Between(Selection(GRID, np.array([0, 5, 16])), taken)
    assert own.sampled
    np.testing.assert_allclose(own.shares(), [0.5, 0.5])
    assert own.mask(0)[:2, :2].all()
    assert not own.mask(0)[2:, 2:].any()


def test_what_the_hand_chose_beside_the_map_is_shown_as_it_is() -> None:
    own = Between(Selection(GRID, np.array([0, 1])), np.array([0, 5, 10, 15, 16, 20]))
    assert not own.sampled
    np.testing.assert_allclose(own.shares(), [2 / 16, 0])
    assert own.mask(0).sum() == 2


def test_a_map_of_all_positions_changes_nothing() -> None:
    own = Between(Selection(GRID, np.array([3, 4])), np.arange(32))
    assert not own.sampled
    np.testing.assert_allclose(own.shares(), [2 / 16, 0])
