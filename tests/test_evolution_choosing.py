from pathlib import Path

import numpy as np
import pytest
from browsing import make_training

import explorer
from explorer.errors import InputError
from explorer.evolution.choosing import every
from explorer.reduce.align import compare, movement
from explorer.reduce.projection import load_projection


def make(place: Path, method: str) -> explorer.Evolution:
    asked = {"method": method, "n_components": 2}
    return make_training(place, asked, kinds=2, each=3, side=5, seed=3)


def test_movement_over_a_gap_is_between_the_epochs_that_are_kept(tmp_path: Path) -> None:
    whole = make(tmp_path, "pca")
    part = whole.only(["10", "1"])
    assert part.epochs == ("1", "10")
    assert part.projections == (whole.projections[0], whole.projections[2])
    np.testing.assert_array_equal(part.movement[0], movement(whole.projections[0], whole.projections[2]))
    assert not part.beyond.any()
    assert part.left_out[-1] == "1 of 3 epochs, as asked for: 5"
    np.testing.assert_array_equal(whole.only(["1", "5"]).movement, whole.movement[:1])
    assert whole.only(["1", "5"]).left_out[-1].endswith("(CKA to the last is to epoch 10)")
    assert whole.only(whole.epochs) is whole
    assert every(whole, 2) == ("1", "10")


@pytest.mark.slow
def test_over_a_gap_movement_is_held_against_the_other_seeds_map(tmp_path: Path) -> None:
    whole = make(tmp_path, "umap")
    part = whole.only(["1", "10"])
    (twin,) = (tmp_path / "course" / "maps").glob("*/epoch1.npz.again")
    first, _, last = whole.projections
    found = compare(first, last, load_projection(twin))
    np.testing.assert_array_equal(part.beyond[0], found.beyond)
    assert part.figures[1].moved == pytest.approx(found.beyond.mean())


def test_epochs_that_there_are_not_are_named(tmp_path: Path) -> None:
    whole = make(tmp_path, "pca")
    with pytest.raises(InputError, match="epoch '7': this training has 1, 5, 10"):
        whole.only(["1", "7"])
    with pytest.raises(InputError, match="two or more of 1, 5, 10"):
        whole.only(["1"])
    with pytest.raises(InputError, match="every 0: expected a number from 1 to 2"):
        every(whole, 0)


def test_lines_of_python_open_the_same_epochs(tmp_path: Path) -> None:
    scene = make(tmp_path, "pca").only(["1", "10"]).scene(epoch=1)
    names: dict[str, explorer.Evolution] = {}
    exec(scene.code(), names)
    assert names["evolution"].epochs == ("1", "10")
    assert names["scene"].to_dict() == scene.to_dict()  # type: ignore[attr-defined]
