"""A layer over a training: captured once an epoch, gone on with, its maps and figures kept."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Toy
from training import PASSES, N, Patches, PatchNet, pictures, save, training, weights_at

import explorer
from explorer.capture.model import Model
from explorer.capture.preprocessing import Preprocessing
from explorer.errors import CheckpointError, InputError, RunError

__all__ = ["training"]  # a fixture


def evolve(weights: Any, out: Path, **asked: Any) -> explorer.Evolution:
    """Quickly: PCA where nothing else is asked for."""
    asked = {"method": "pca", "n_components": 2, "layer": "features", **asked}
    return explorer.evolve(Patches(), pictures(), checkpoints=weights, out=out, **asked)


def test_every_checkpoint_is_captured_once_in_its_order(training: Path, tmp_path: Path) -> None:
    found = evolve(training, tmp_path / "out")
    assert found.epochs == ("0", "1", "2", "10")
    assert [PASSES.count(f"epoch_{step}") for step in (0, 1, 2, 10)] == [N] * 4
    for run, step in zip(found.runs, (0, 1, 2, 10), strict=True):
        patches = run["features"].values @ np.linalg.pinv(weights_at(step))
        np.testing.assert_allclose(
            patches, found.runs[0]["features"].values @ np.linalg.pinv(weights_at(0)), atol=1e-3
        )
    assert "epochs in this order: 0, 1, 2, 10" in found.notes
    PASSES.clear()
    again = evolve(training, tmp_path / "out")
    assert PASSES == []
    assert "there already: 0, 1, 2, 10" in again.notes
    np.testing.assert_array_equal(again.projections[2].coordinates, found.projections[2].coordinates)


@pytest.mark.parametrize("method", ["umap", "tsne", "pca"])
def test_another_epoch_costs_its_own_capture_and_moves_no_map(
    training: Path, tmp_path: Path, method: str
) -> None:
    before = evolve(training, tmp_path / "out", method=method)
    PASSES.clear()
    save(training, 30)
    after = evolve(training, tmp_path / "out", method=method)
    assert PASSES == ["epoch_30"] * N
    assert after.epochs == ("0", "1", "2", "10", "30")
    for one, other in zip(before.projections, after.projections, strict=False):
        np.testing.assert_array_equal(one.coordinates, other.coordinates)
    np.testing.assert_array_equal(before.movement, after.movement[:3])
    assert "captured 30" in after.notes
    assert any(note.startswith("maps of 30 continued") for note in after.notes)
    assert "linear CKA to 30 measured again" in after.notes
    assert not any("CKA" in note for note in before.notes)
    assert before.figures[1].separation == after.figures[1].separation
    assert before.figures[3].cka_last == pytest.approx(1)
    assert after.figures[3].cka_last is not None
    assert after.figures[3].cka_last < 1 - 1e-6
    PASSES.clear()
    whole = evolve(training, tmp_path / "out", method=method, remake=True)
    assert PASSES == []
    assert "maps of every position made together" in whole.notes


def test_an_interrupted_capture_is_resumed(
    training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatchNet, "stop_after", 2 * N)
    with pytest.raises(KeyboardInterrupt):
        evolve(training, tmp_path / "out")
    assert len(PASSES) == 2 * N
    with pytest.raises(RunError, match="no evolution here"):
        explorer.open_evolution(tmp_path / "out")
    monkeypatch.setattr(PatchNet, "stop_after", None)
    found = evolve(training, tmp_path / "out")
    assert [PASSES.count(f"epoch_{step}") for step in (0, 1, 2, 10)] == [N] * 4
    assert found.epochs == ("0", "1", "2", "10")


def test_a_changed_checkpoint_is_noticed_and_captured_again(
    training: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = evolve(training, tmp_path / "out")
    PASSES.clear()
    save(training, 2, weights_at(5))
    after = evolve(training, tmp_path / "out")
    assert PASSES == ["epoch_2"] * N
    assert "2: its checkpoint has changed; captured again" in capsys.readouterr().err
    assert not np.array_equal(before.runs[2].manifest["identity"], after.runs[2].manifest["identity"])
    assert before.figures[2] != after.figures[2]
    assert before.figures[1] == after.figures[1]
    np.testing.assert_array_equal(before.projections[3].coordinates, after.projections[3].coordinates)
    assert not np.array_equal(before.projections[2].coordinates, after.projections[2].coordinates)


def test_a_broken_checkpoint_is_named_and_the_others_work_is_kept(
    training: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (training / "epoch_1.npz").write_bytes(b"cut off")
    found = evolve(training, tmp_path / "out")
    assert found.epochs == ("0", "2", "10")
    (line,) = found.left_out
    assert line.startswith(f"1: {training / 'epoch_1.npz'}: cannot be read")
    assert capsys.readouterr().err.count("epoch_1.npz") == 1
    PASSES.clear()
    save(training, 1)
    mended = evolve(training, tmp_path / "out")
    assert PASSES == ["epoch_1"] * N
    assert mended.epochs == ("0", "1", "2", "10")
    assert mended.left_out == ()
    np.testing.assert_array_equal(mended.projections[3].coordinates, found.projections[2].coordinates)


def test_when_no_checkpoint_can_be_read_it_is_an_error_that_names_one(training: Path, tmp_path: Path) -> None:
    for path in training.iterdir():
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"none of the checkpoints can be read; the first: .*epoch_0"):
        evolve(training, tmp_path / "out")


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.full((4, 6), np.nan, np.float32), "did the training diverge"),
        (np.zeros((4, 6), np.float32), "same values"),
    ],
)
def test_an_epoch_that_cannot_be_mapped_is_left_out_and_said(
    training: Path, tmp_path: Path, weights: np.ndarray[Any, Any], words: str
) -> None:
    save(training, 10, weights)
    found = evolve(training, tmp_path / "out")
    assert found.epochs == ("0", "1", "2")
    assert words in found.left_out[0]
    assert found.figures[-1].cka_last == pytest.approx(1)


def test_a_checkpoint_that_is_gone_is_shown_from_its_capture(training: Path, tmp_path: Path) -> None:
    before = evolve(training, tmp_path / "out")
    (training / "epoch_1.npz").unlink()
    PASSES.clear()
    save(training, 30)
    after = evolve(training, tmp_path / "out")
    assert after.epochs == ("0", "1", "2", "10", "30")
    assert PASSES == ["epoch_30"] * N
    assert after.figures[1].effective_rank == before.figures[1].effective_rank
    assert any("gone" in note and note.endswith(": 1") for note in after.notes)
    some = evolve([training / "epoch_2.npz", training / "epoch_30.npz"], tmp_path / "out")
    assert some.epochs == ("2", "30")


def test_other_images_are_refused_and_may_replace(training: Path, tmp_path: Path) -> None:
    evolve(training, tmp_path / "out")
    other = {"layer": "features", "method": "pca", "checkpoints": training, "out": tmp_path / "out"}
    with pytest.raises(RunError, match="other images"):
        explorer.evolve(Patches(), 255 - pictures(), **other)
    assert evolve(training, tmp_path / "out").epochs == ("0", "1", "2", "10")
    PASSES.clear()
    found = explorer.evolve(Patches(), 255 - pictures(), **other, overwrite=True)
    assert len(PASSES) == 4 * N
    np.testing.assert_array_equal(found.runs[0].picture(0), np.repeat(255 - pictures()[0], 3, axis=-1))


def test_another_layer_shares_the_folder(training: Path, tmp_path: Path) -> None:
    evolve(training, tmp_path / "out")
    found = evolve(training, tmp_path / "out", layer="sum")
    assert found.layer == "sum"
    assert found.runs[0].layers == ("features", "sum")
    assert explorer.open_evolution(tmp_path / "out").layer == "sum"


def test_movement_is_marked_only_beyond_what_another_seed_does(training: Path, tmp_path: Path) -> None:
    save(training, 11, weights_at(10) * np.float32(1.0001))
    save(training, 20, np.random.default_rng(5).normal(size=(4, 6)).astype(np.float32) ** 3)
    found = evolve(training, tmp_path / "out", method="umap")
    twin = explorer.load_projection(next((tmp_path / "out" / "maps").glob("*/epoch_0.npz.again")))
    expected = explorer.compare(found.projections[0], found.projections[1], twin)
    np.testing.assert_array_equal(found.beyond[0], expected.beyond)
    np.testing.assert_array_equal(found.movement[0], expected.moved)
    assert found.figures[0].moved is None
    assert found.figures[1].moved == pytest.approx(float(expected.beyond.mean()))
    moved = dict(zip(found.epochs, (one.moved for one in found.figures), strict=True))
    assert moved["11"] < 0.15 < 0.4 < moved["20"]  # type: ignore[operator]
    flat = evolve(training, tmp_path / "out")
    assert not flat.beyond.any()
    assert {one.moved for one in flat.figures} == {None}
    assert any("PCA has no seed" in note for note in flat.notes)


def test_models_in_memory_are_epochs_too(folder: Path, tmp_path: Path) -> None:
    rule = Preprocessing(size=(8, 8), channels="gray")
    models = {name: Model(Toy(name), "toy", "toy", rule, input_shape=(8, 8, 1)) for name in ("b", "a/1")}
    found = explorer.evolve(
        "toy", folder, checkpoints=models, layer="half", method="pca", n_components=2, out=tmp_path / "out"
    )
    assert found.epochs == ("b", "a/1")
    assert found.figures[0].cka_last == pytest.approx(1)
    for model in models.values():
        assert sum(size for size, _ in model.adapter.calls) == N  # type: ignore[attr-defined]
    opened = explorer.open_evolution(tmp_path / "out")
    assert opened.epochs == found.epochs
    with pytest.raises(InputError, match="is open already"):
        explorer.evolve(models["b"], folder, out=tmp_path / "other")
    with pytest.raises(CheckpointError, match="at least two"):
        explorer.evolve("toy", folder, checkpoints={"b": models["b"]}, out=tmp_path / "other")


def test_what_was_made_is_opened_again(training: Path, tmp_path: Path) -> None:
    made = evolve(training, tmp_path / "out")
    opened = explorer.open_evolution(tmp_path / "out")
    assert (opened.layer, opened.epochs, opened.figures) == (made.layer, made.epochs, made.figures)
    np.testing.assert_array_equal(opened.movement, made.movement)
    for one, other in zip(opened.projections, made.projections, strict=True):
        np.testing.assert_array_equal(one.coordinates, other.coordinates)
    with open(tmp_path / "out" / "figures.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "10"]
    assert float(rows[2]["effective_rank"]) == made.figures[2].effective_rank
    assert rows[0]["moved"] == ""


def test_a_damaged_folder_is_one_line(training: Path, tmp_path: Path) -> None:
    evolve(training, tmp_path / "out")
    path = tmp_path / "out" / "evolution.json"
    good = json.loads(path.read_text(encoding="utf-8"))
    for wrong in ({"layer": 5}, {"maps": "../maps"}, {"epochs": good["epochs"][:1]}, {"format": 2}):
        path.write_text(json.dumps({**good, **wrong}), encoding="utf-8")
        with pytest.raises(RunError, match=r"evolution\.json: damaged"):
            explorer.open_evolution(tmp_path / "out")
    path.write_text(json.dumps(good), encoding="utf-8")
    movement = next((tmp_path / "out" / "maps").glob("*/movement.npz"))
    movement.write_bytes(b"")
    with pytest.raises(RunError, match=r"movement\.npz: damaged"):
        explorer.open_evolution(tmp_path / "out")
    evolve(training, tmp_path / "out")
    assert explorer.open_evolution(tmp_path / "out").epochs == ("0", "1", "2", "10")
    (tmp_path / "out" / "captures.json").write_text('{"a": 1}', encoding="utf-8")
    with pytest.raises(RunError, match=r"captures\.json: damaged"):
        evolve(training, tmp_path / "out")


def test_a_folder_of_something_else_is_refused(training: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(RunError, match="none of evolve's folders"):
        evolve(training, tmp_path / "mine")


def test_sampled_positions_are_the_same_in_every_epoch_and_said(training: Path, tmp_path: Path) -> None:
    found = evolve(training, tmp_path / "out", sample=40)
    assert {one.n_samples for one in found.projections} == {40}
    np.testing.assert_array_equal(found.projections[0].rows, found.projections[3].rows)
    assert any("40 of 160 positions" in note for note in found.notes)
    every = evolve(training, tmp_path / "out", sample="all")
    assert every.projections[0].n_samples == 160
    assert replace(every.figures[0], trust=None) == replace(found.figures[0], trust=None)


def test_a_checkpoint_of_another_grid_is_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "kept").mkdir()
    for step, side in ((0, 5), (1, 3), (2, 5)):
        layer = rng.normal(size=(6, side, side, 4))
        np.savez(tmp_path / "kept" / f"e{step}.npz", allow_pickle=False, conv=layer)
    found = explorer.evolve(
        tmp_path / "kept", layer="conv", method="pca", n_components=2, out=tmp_path / "out"
    )
    assert found.epochs == ("0", "2")
    said = "1: layer conv has 6 × 3 × 3 images and positions, the others 6 × 5 × 5"
    assert found.left_out == (said,)
    assert f"left out {said}" in capsys.readouterr().err


def test_maps_that_do_not_fit_their_runs_are_one_line(training: Path, tmp_path: Path) -> None:
    found = evolve(training, tmp_path / "out")
    whole = found.projections[1]
    some = replace(whole, coordinates=whole.coordinates[:7], rows=np.arange(7), trust=None)
    folder = found.runs[1].path.name
    some.save(next((found.path / "maps").glob(f"*/{folder}")))
    with pytest.raises(RunError, match=r"maps that do not fit the runs in .*; run the same evolve again"):
        explorer.open_evolution(found.path)
