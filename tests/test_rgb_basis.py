from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.capture.model import Model
from explorer.cli import main
from explorer.reduce.rgb_basis import otsu

rng = np.random.default_rng(0)


@pytest.fixture
def run(toy: Model, folder: Path, tmp_path: Path) -> explorer.Run:
    return explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run")


@pytest.fixture
def things(tmp_path: Path) -> explorer.Run:
    """Images of a thing of two parts in the middle of a background, one feature apart from the rest."""
    values = rng.normal(size=(6, 10, 12, 5)) * 0.05
    values[:, 3:7, 4:9] += [4, 1, 0, 0, 0]
    values[:, 3:7, 6:9] += [0, -2, 0, 0, 0]
    return captured(values, tmp_path / "things")


def captured(values: np.ndarray, out: Path) -> explorer.Run:
    np.savez(out.with_suffix(".npz"), layer=values.astype(np.float32))
    return explorer.capture(explorer.load_model(out.with_suffix(".npz")), out=out)


def test_the_same_features_have_the_same_colour_in_every_image(run: explorer.Run) -> None:
    basis, values = explorer.rgb(run), run["half"].values
    whole = basis.colours(values)
    assert whole.shape == (10, 4, 4, 3)
    np.testing.assert_array_equal(basis.colours(values[7, 2, 3]), whole[7, 2, 3])


@pytest.mark.parametrize("percentiles", [(2.0, 98.0), (0.0, 100.0)])
def test_the_scale_is_between_the_percentiles_asked_for(
    run: explorer.Run, percentiles: tuple[float, float]
) -> None:
    basis, values = explorer.rgb(run, percentiles=percentiles), run["half"].values
    red = basis.colours(values)[..., 0].astype(float)
    scores = basis.pca.transform(values.reshape(-1, 5))[:, 0].reshape(red.shape)
    low, high = np.percentile(scores, percentiles)
    np.testing.assert_allclose(red, np.rint(np.clip((scores - low) / (high - low), 0, 1) * 255), atol=1)


def test_components_without_variance_are_mid_gray(run: explorer.Run) -> None:
    # The toy's five channels are multiples of one, so only the first component varies.
    assert (explorer.rgb(run).colours(run["half"].values)[..., 1:] == 128).all()


def test_the_foreground_is_what_the_borders_are_not(things: explorer.Run) -> None:
    basis, values = explorer.rgb(things, foreground=True), things["layer"].values
    expected = np.zeros((6, 10, 12), bool)
    expected[:, 3:7, 4:9] = True
    np.testing.assert_array_equal(basis.foreground(values), expected)
    colours = basis.colours(values)
    assert (colours[~expected] == 0).all()
    parts = colours[:, 3:7, 4:6].reshape(-1, 3), colours[:, 3:7, 6:9].reshape(-1, 3)
    assert abs(float(np.median(parts[0][:, 0])) - float(np.median(parts[1][:, 0]))) > 150


def test_the_foreground_is_found_whatever_sign_its_features_have(tmp_path: Path) -> None:
    values = rng.normal(size=(3, 8, 8, 4)) * 0.05
    values[:, 2:5, 2:5] -= 3
    run = captured(values, tmp_path / "dark")
    expected = np.zeros((3, 8, 8), bool)
    expected[:, 2:5, 2:5] = True
    np.testing.assert_array_equal(explorer.rgb(run, foreground=True).foreground(values), expected)


def test_colours_are_kept_with_the_run_and_opened_again(
    things: explorer.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = explorer.rgb(things, foreground=True)
    monkeypatch.setattr("explorer.reduce.rgb_basis._fit", lambda *_: pytest.fail("fitted again"))
    again = explorer.rgb(things, foreground=True)
    values = things["layer"].values
    np.testing.assert_array_equal(again.colours(values), first.colours(values))
    assert again.percentiles == (2.0, 98.0)


def test_saved_colours_give_another_run_the_same_ones(things: explorer.Run, tmp_path: Path) -> None:
    explorer.rgb(things, foreground=True).save(tmp_path / "colours.npz")
    other = explorer.load_rgb(tmp_path / "colours.npz")
    part = things["layer"].values[2:4]
    np.testing.assert_array_equal(other.colours(part), explorer.rgb(things, foreground=True).colours(part))


def test_files_that_hold_no_colours_are_refused(tmp_path: Path) -> None:
    with pytest.raises(explorer.RunError, match="no such file"):
        explorer.load_rgb(tmp_path / "none.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 broken")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    for name in ("broken.npz", "other.npz"):
        with pytest.raises(explorer.RunError, match=f"{name}: no whole file"):
            explorer.load_rgb(tmp_path / name)


def test_what_makes_no_sense_is_refused(things: explorer.Run) -> None:
    with pytest.raises(explorer.InputError, match="two rising numbers"):
        explorer.rgb(things, percentiles=(98, 2))
    with pytest.raises(explorer.LayerError):
        explorer.rgb(things, "nothing")


def test_constant_activations_have_no_foreground(tmp_path: Path) -> None:
    run = captured(np.ones((2, 4, 4, 3)), tmp_path / "flat")
    assert (explorer.rgb(run).colours(run["layer"].values) == 128).all()
    with pytest.raises(explorer.ReductionError, match="no foreground"):
        explorer.rgb(run, foreground=True)


def test_otsu_parts_two_groups_in_the_middle_of_the_gap() -> None:
    scores = np.concatenate([rng.uniform(0, 1, 900), rng.uniform(9, 10, 100)])
    assert 4 < otsu(scores) < 6


def test_the_command_draws_a_sheet_with_saved_colours(things: explorer.Run, tmp_path: Path) -> None:
    kept, sheet = str(tmp_path / "kept.npz"), tmp_path / "sheet.png"
    assert main(["rgb", str(things.path), "--foreground", "--out", str(sheet), "--save", kept]) == 0
    assert sheet.stat().st_size > 1000
    words = ["rgb", str(things.path), "--image", "2", "--basis", kept, "--out", str(sheet)]
    assert main(words) == 0
    assert main([*words[:-1], str(tmp_path / "no.xyz")]) == 2


def test_colours_of_other_features_are_refused(
    things: explorer.Run, run: explorer.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    things_layer = captured(rng.normal(size=(2, 4, 4, 7)), tmp_path / "wide")
    explorer.rgb(things_layer).save(tmp_path / "wide-colours.npz")
    words = ["rgb", str(things.path), "--basis", str(tmp_path / "wide-colours.npz")]
    assert main([*words, "--out", str(tmp_path / "sheet.png")]) == 2
    assert "7" in capsys.readouterr().err
