"""A selection holds positions by what they are: set algebra, masks, other grids, files."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_scene import projected, run_of

from explorer.errors import InputError, MissingExtraError
from explorer.render.linked.selection import Selection
from explorer.render.linked.selection_files import save_selection

GRID = (3, 4, 6)


def of(*places: int, grid: tuple[int, ...] = GRID) -> Selection:
    return Selection(grid, np.array(places, np.int64))


@given(st.sets(st.integers(0, 71)), st.sets(st.integers(0, 71)))
@settings(max_examples=60, deadline=None)
def test_the_algebra_is_that_of_sets(one: set[int], other: set[int]) -> None:
    a, b = of(*sorted(one)), of(*sorted(other))
    for made, wanted in (
        (a | b, one | other),
        (a & b, one & other),
        (a - b, one - other),
        (a ^ b, one ^ other),
        (~a, set(range(72)) - one),
        (a.combined(b, "replace"), other),
        (a.combined(b, "add"), one | other),
        (a.combined(b, "remove"), one - other),
        (a.combined(b, "keep"), one & other),
    ):
        assert set(made.places.tolist()) == wanted
    assert len(a) == len(one)
    assert (a == b) == (one == other)
    assert Selection.of_masks(a.masks()) == a
    assert Selection.of_positions(GRID, a.positions()) == a


def test_positions_masks_and_shares_say_the_same() -> None:
    chosen = Selection.of_positions(GRID, np.array([[2, 3, 5], [0, 1, 2], [2, 0, 0]]))
    assert list(chosen) == [(0, 1, 2), (2, 0, 0), (2, 3, 5)]
    assert (2, 3, 5) in chosen
    assert (1, 3, 5) not in chosen
    assert (2, 3, 6) not in chosen
    assert chosen.masks().shape == GRID
    assert chosen.masks()[2, 3, 5]
    np.testing.assert_array_equal(chosen.mask(2), chosen.masks()[2])
    assert chosen.images.tolist() == [0, 2]
    assert chosen.ranked() == [(2, 2 / 24), (0, 1 / 24)]
    assert not of()


def test_what_is_no_selection_is_told() -> None:
    for positions, words in (
        ([[0, 0]], "shape"),
        ([[0, 0, 0.5]], "whole numbers"),
        ([[0, 4, 0]], "outside"),
        ([[-1, 0, 0]], "outside"),
    ):
        with pytest.raises(InputError, match=words):
            Selection.of_positions(GRID, np.array(positions))
    with pytest.raises(InputError, match="bool"):
        Selection.of_masks(np.zeros(GRID, int))
    with pytest.raises(InputError, match="outside"):
        of(72)
    with pytest.raises(InputError, match="did you mean remove"):
        of().combined(of(), "remov")
    with pytest.raises(InputError, match="`to`"):
        _ = of() | of(grid=(3, 2, 3))
    with pytest.raises(InputError, match="not the same run"):
        of().to((4, 4, 6))


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.integers(0, 10**6),
)
@settings(max_examples=80, deadline=None)
def test_other_grids_are_met_by_relative_place(old: tuple[int, int], new: tuple[int, int], seed: int) -> None:
    marked = np.random.default_rng(seed).random((2, *old)) < 0.3
    found = Selection.of_masks(marked).to((2, *new)).masks()
    for image, row, column in np.ndindex(2, *new):
        target = (row, column)
        meets = False
        for source in zip(*np.nonzero(marked[image]), strict=True):
            # Cross-multiplied, so that no rounding decides whether a middle lies in a position.
            axes = [
                s * 2 * n <= (2 * t + 1) * o < (s + 1) * 2 * n
                or t * 2 * o <= (2 * s + 1) * n < (t + 1) * 2 * o
                for s, t, o, n in zip(map(int, source), target, old, new, strict=True)
            ]
            meets |= all(axes)
        assert found[image, row, column] == meets


def test_a_finer_grid_gets_the_same_area_and_a_coarser_one_loses_nothing() -> None:
    chosen = Selection.of_positions(GRID, np.array([[1, 2, 3]]))
    fine = chosen.to((3, 8, 12)).masks()
    np.testing.assert_array_equal(np.argwhere(fine), [[1, 4, 6], [1, 4, 7], [1, 5, 6], [1, 5, 7]])
    assert list(chosen.to((3, 2, 3))) == [(1, 1, 1)]
    assert list(chosen.to((3,))) == [(1,)]
    assert len(of(5, grid=(3, 4, 6)).to((3, 7))) == 7
    assert chosen.to(GRID) is chosen


def test_a_selection_is_written_with_names_labels_places_and_coordinates(tmp_path: Path) -> None:
    run = run_of()
    run.image_names = ('a, "b".png', *run.image_names[1:])
    projection = projected(run, every=2)
    chosen = Selection.of_positions((6, 4, 6), np.array([[0, 0, 2], [0, 0, 3], [5, 3, 1]]))
    path = save_selection(chosen, tmp_path / "some.csv", run, projection)
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["name"] for line in lines] == ['a, "b".png'] * 2 + ["class/0005.png"]
    assert [(line["image"], line["row"], line["column"]) for line in lines] == [
        ("0", "0", "2"),
        ("0", "0", "3"),
        ("5", "3", "1"),
    ]
    assert [line["label"] for line in lines] == ["a", "a", "b"]
    np.testing.assert_allclose(float(lines[0]["component_1"]), projection.coordinates[1, 0], rtol=1e-6)
    assert lines[1]["component_1"] == ""
    held = np.load(save_selection(chosen, tmp_path / "some.npz", run, projection), allow_pickle=False)
    np.testing.assert_array_equal(held["masks"], chosen.masks())
    assert held["image_names"][5] == "class/0005.png"
    with pytest.raises(InputError, match=r"\.csv, \.parquet, \.npz"):
        save_selection(chosen, tmp_path / "some.xlsx", run, projection)


def test_parquet_holds_the_same_or_says_what_it_needs(tmp_path: Path) -> None:
    run = run_of()
    projection = projected(run)
    chosen = Selection.of_positions((6, 4, 6), np.array([[0, 0, 2], [5, 3, 1]]))
    try:
        import pyarrow.parquet as pq
    except ImportError:
        with pytest.raises(MissingExtraError, match="pip install pyarrow"):
            save_selection(chosen, tmp_path / "some.parquet", run, projection)
        return
    table = pq.read_table(save_selection(chosen, tmp_path / "some.parquet", run, projection)).to_pydict()
    assert table["image"] == [0, 5]
    assert table["column"] == [2, 1]
    np.testing.assert_allclose(table["component_3"][1], projection.coordinates[139, 2])
