"""Why a selection lies together: the planted channel, label, place and patch are found, counted exactly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted import CHANNEL, NASTY, planted_mask, planted_run

import explorer
from explorer.errors import InputError, LayerError
from explorer.explain.contrast import contrast
from explorer.explain.coverage import Share, where
from explorer.explain.selected import Chosen, choose
from explorer.reduce.projection import Projection
from explorer.render.linked.selection import Selection


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> explorer.Run:
    return planted_run(tmp_path_factory.mktemp("planted"))


def test_the_planted_channel_label_mask_age_and_place_are_found(run: explorer.Run) -> None:
    found = explorer.why(run, planted_mask())
    assert (found.layer, found.n_selected, found.n_positions) == ("block", 32, 24 * 36)
    assert found.channels[0].channel == CHANNEL
    assert found.channels[0].effect > 4
    assert found.channels[1].channel == 1
    assert found.channels[1].effect < -1
    assert max(abs(one.effect) for one in found.channels[2:]) < 0.5
    assert int(np.abs(found.direction).argmax()) == CHANNEL
    assert found.labels is not None
    assert found.labels.shares[0] == Share("disc", 32, 32, 8 * 36, 24 * 36, 8, 8)
    assert found.labels.shares[0].enrichment == pytest.approx(3)
    assert found.masks is not None
    assert (found.masks.shares[0].name, found.masks.shares[0].selected) == ("1", 32)
    assert found.masks.shares[0].enrichment == pytest.approx(24 * 36 / 32)
    assert found.numbers[0].name == "age"
    assert found.numbers[0].effect > 1
    assert found.where.max() == pytest.approx(1 / 3)
    assert (found.where > 0).sum() == 4
    assert "8 of 24 pictures, all of label disc (3 times its share)" in found.headline
    assert "100 % lie on 1" in found.headline


def test_patches_come_from_the_cluster_and_those_outside_do_not(run: explorer.Run) -> None:
    inside = planted_mask()
    shown = explorer.why(run, inside, n=6).typical
    assert len(shown.nearest) == len(shown.outside) == 6
    assert all(inside[one.image][one.position] for one in (*shown.nearest, *shown.kinds))
    assert not any(inside[one.image][one.position] for one in shown.outside)
    assert len({one.image for one in shown.nearest}) == 6
    assert [one.distance for one in shown.nearest] == sorted(one.distance for one in shown.nearest)
    assert sum(one.share for one in shown.kinds) == pytest.approx(1)
    values = run.read("block")
    mean = values[inside].mean(axis=0)
    far = np.linalg.norm(values[inside] - mean, axis=1)
    assert shown.nearest[0].distance == pytest.approx(far.min(), rel=1e-5)


def test_effects_are_those_of_brute_force_also_with_gaps(run: explorer.Run) -> None:
    values = run.read("block").astype(np.float64)
    selected = np.random.default_rng(3).random(values.shape[:-1]) < 0.3
    found = contrast(run, choose(run, selected))
    for one in found.channels:
        a, b = values[selected][:, one.channel], values[~selected][:, one.channel]
        pooled = ((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / (len(a) + len(b) - 2)
        assert one.effect == pytest.approx((a.mean() - b.mean()) / np.sqrt(pooled))
        assert (one.inside, one.outside) == (pytest.approx(a.mean()), pytest.approx(b.mean()))
    apart = [abs(one.effect) for one in found.channels]
    assert apart == sorted(apart, reverse=True)
    np.testing.assert_allclose(found.whole, values.mean(axis=(0, 1, 2)))


def test_enrichment_is_that_of_brute_force_against_all_and_against_a_sample(run: explorer.Run) -> None:
    selected = np.random.default_rng(4).random((24, 6, 6)) < 0.2
    rows = np.sort(np.random.default_rng(5).choice(24 * 36, 300, replace=False)).astype(np.int64)
    sample = np.zeros(24 * 36, bool)
    sample[rows] = True
    shown = Projection("pca", np.zeros((300, 2), np.float32), "block", (24, 6, 6), rows=rows)
    kinds = np.repeat(np.array(run.labels), 36)
    classes = run.mask_classes("block").reshape(-1)
    for projection, every in ((None, np.ones(24 * 36, bool)), (shown, sample | selected.reshape(-1))):
        found = explorer.why(run, selected, projection=projection)
        flat = selected.reshape(-1)
        assert found.labels is not None
        assert found.masks is not None
        for groups, of in ((found.labels, kinds), (found.masks, classes.astype(str))):
            for one in groups.shares:
                own = of == one.name
                assert one.share == pytest.approx((flat & own).sum() / flat.sum())
                assert one.expected == pytest.approx((every & own).sum() / every.sum())
                assert one.images == len(np.unique(np.flatnonzero(flat & own) // 36))
        assert found.n_positions == every.sum()
        inside = run.read("block").reshape(-1, 5)[flat]
        others = run.read("block").reshape(-1, 5)[every & ~flat]
        for channel in found.channels:
            assert channel.inside == pytest.approx(inside[:, channel.channel].mean(), abs=1e-5)
            assert channel.outside == pytest.approx(others[:, channel.channel].mean(), abs=1e-5)


def test_pictures_are_ranked_and_numbers_are_weighted_by_positions(run: explorer.Run) -> None:
    selected = np.zeros((24, 6, 6), bool)
    selected[5], selected[9, :3], selected[2, 0, 0] = True, True, True
    found = explorer.why(run, selected)
    assert [(one.image, one.selected) for one in found.pictures] == [(5, 36), (9, 18), (2, 1)]
    assert [one.share for one in found.pictures] == [1, 0.5, pytest.approx(1 / 36)]
    ages = run.metadata["age"]
    expected = (36 * ages[5] + 18 * ages[9] + ages[2]) / 55
    assert found.numbers[0].inside == pytest.approx(expected)


def test_every_way_of_giving_a_selection_means_the_same(run: explorer.Run, tmp_path: Path) -> None:
    masks = planted_mask()
    scene = explorer.scene(run, explorer.project(run, layer="block", method="pca"))
    scene.selection = masks
    ways: list[Any] = [masks, Selection.of_masks(masks), np.argwhere(masks), scene.selection]
    ways += [scene.save_selection(tmp_path / f"places{end}") for end in (".csv", ".npz", ".parquet")]
    ways.append(str(tmp_path / "places.csv"))
    for way in ways:
        np.testing.assert_array_equal(choose(run, way, "block").places, np.flatnonzero(masks))
    assert scene.why().headline == explorer.why(run, masks).headline
    by_label = explorer.why(run, "disc", projection=scene.projection)
    assert by_label.n_selected == 8 * 36
    scene.colour = "cluster"
    size = len(scene.select_class("cluster 2"))
    assert explorer.why(run, "cluster 2", projection=scene.projection).n_selected == size


@pytest.mark.parametrize(
    ("selection", "layer", "words"),
    [
        (np.zeros((24, 6, 6), bool), None, "empty"),
        (np.zeros((24, 5, 5), bool), None, "of another run"),
        (np.zeros((9, 6, 6), bool), "block", "of another run"),
        (np.ones((24, 6, 6), bool), "coarse", "it fits block"),
        (np.array([[24, 0, 0]]), "block", "outside the grid"),
        (np.array([[0.5, 0, 0]]), "block", "whole numbers"),
        (np.zeros((0, 3), int), "block", "empty"),
        ("cluster 1", "block", "give projection="),
        ("nothing.csv", "block", "no such file"),
    ],
)
def test_what_cannot_be_explained_is_told(
    run: explorer.Run, selection: Any, layer: str | None, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        explorer.why(run, selection, layer)


def test_what_is_no_run_is_told() -> None:
    with pytest.raises(InputError, match="open one with"):
        explorer.why(object(), np.ones((2, 2, 2), bool))  # type: ignore[arg-type]


def test_an_unknown_layer_is_told(run: explorer.Run) -> None:
    with pytest.raises(LayerError, match="did you mean block"):
        explorer.why(run, np.ones((24, 6, 6), bool), "blok")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("a,b\n1,2\n", "expected columns"),
        ("image,name,row,column\n1,01.png,0\n", "line 2 has 3 cells"),
        ("image,name,row,column\n1,elsewhere.png,0,0\n", "a selection of another run"),
        ("image,row,column\n99,0,0\n", "has 0 to 23"),
        ("image,row,column\n1,9,0\n", "outside the grid"),
        ("image,row,column\nx,9,0\n", "cannot be read"),
        ("image,row,column\n", "empty"),
    ],
)
def test_files_of_something_else_are_told(run: explorer.Run, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "places.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        explorer.why(run, path, "block")


def test_damaged_and_foreign_archives_are_told(run: explorer.Run, tmp_path: Path) -> None:
    path = tmp_path / "places.npz"
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(InputError, match="cannot be read"):
        explorer.why(run, path, "block")
    np.savez(path, masks=np.ones((24, 6, 6), bool), image_names=np.array(["x"] * 24))
    with pytest.raises(InputError, match="other pictures"):
        explorer.why(run, path, "block")
    np.savez(path, other=np.ones(3))
    with pytest.raises(InputError, match="holds no masks"):
        explorer.why(run, path, "block")
    (tmp_path / "places.parquet").write_bytes(b"PAR1 no table")
    with pytest.raises(InputError, match="cannot be read"):
        explorer.why(run, tmp_path / "places.parquet", "block")


def test_constant_channels_and_missing_values_are_passed_over(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(4, 3, 3, 4)).astype(np.float32)
    values[..., 0], values[..., 1] = 7, 0
    values[:2, ..., 1], values[0, 0, 0, 2] = 1, np.nan
    np.savez(tmp_path / "layer.npz", block=values)
    run = explorer.capture(tmp_path / "layer.npz", out=tmp_path / "run", layers=["block"])
    selected = np.zeros((4, 3, 3), bool)
    selected[:2] = True
    found = explorer.why(run, selected)
    effects = {one.channel: one.effect for one in found.channels}
    assert (effects[0], effects[1]) == (0, np.inf)
    assert np.isfinite(effects[2])
    assert found.channels[0].channel == 1
    assert found.labels is found.masks is None
    assert all(np.isfinite(one.distance) for one in found.typical.nearest)


@pytest.mark.parametrize("shape", [(6, 5), (6, 8, 5), (6, 3, 4, 5, 4)])
def test_vectors_signals_and_volumes_are_explained_too(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    values[:2, ..., 1] += 9
    np.savez(tmp_path / "layer.npz", block=values)
    run = explorer.capture(tmp_path / "layer.npz", out=tmp_path / "run", layers=["block"])
    selected = np.zeros(shape[:-1], bool)
    selected[:2] = True
    found = explorer.why(run, selected)
    assert found.channels[0].channel == 1
    assert "2 of 6 pictures" in found.headline
    for end in (".html", ".pdf"):
        assert found.save(tmp_path / f"why{end}").stat().st_size > 1000


def test_everything_selected_and_a_single_position_are_explained(run: explorer.Run) -> None:
    whole = explorer.why(run, np.ones((24, 6, 6), bool))
    assert whole.headline.startswith("These 864 positions come from all 24 pictures")
    assert all(one.effect == 0 for one in whole.channels)
    assert not whole.typical.outside
    one = explorer.why(run, np.array([[3, 1, 4]]), "block")
    assert one.headline.startswith("This position comes from 1 of 24 pictures, all of label disc")
    assert NASTY not in one.headline


def test_where_of_a_sampled_map_is_of_the_positions_that_are_on_it(run: explorer.Run) -> None:
    batch, spatial = 60, (40, 40)
    rng = np.random.default_rng(0)
    drawn = np.sort(rng.choice(batch * 1600, 3000, replace=False)).astype(np.int64)
    upper = drawn[drawn % 1600 < 800]  # all drawn positions of the upper half, and no other
    shares = where(Chosen("layer", (batch, *spatial), upper), drawn)
    assert max(shares.shape) < 40  # places are put together: about two positions lie at each
    assert len(shares) % 2 == 0
    half = len(shares) // 2
    np.testing.assert_array_equal(shares[:half], 1)
    np.testing.assert_array_equal(shares[half:], 0)


def test_where_of_a_volume_is_of_pictures_and_slices() -> None:
    grid = (2, 4, 3, 3)  # two volumes of four slices
    chosen = np.zeros(grid, bool)
    chosen[0, :, 1, 1] = True  # in every slice of one of them
    chosen[0, 0, 2, 2] = True
    shares = where(Chosen("layer", grid, np.flatnonzero(chosen)), None)
    assert shares.shape == (3, 3)
    assert shares[1, 1] == 4 / 8
    assert shares[2, 2] == 1 / 8
    nowhere = where(Chosen("layer", grid, np.array([4])), np.array([4, 13, 22]))
    assert nowhere[1, 1] == 1 / 3
    assert np.isnan(nowhere).sum() == 8
