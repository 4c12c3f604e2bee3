"""A scene goes into a file by the file's ending."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_scene import SMALL, made

import explorer
from explorer.capture.model import Model
from explorer.cli import main
from explorer.errors import InputError, MissingExtraError
from explorer.render.export.exporting import Options


def test_a_picture_has_the_size_that_was_asked_for(tmp_path: Path) -> None:
    path = made().export(tmp_path / "new" / "large.png", Options(size=(1000, 700)))
    with Image.open(path) as picture:
        assert picture.size == (1000, 700)
    assert not list(path.parent.glob(".*"))


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_transparent_picture_over_black_or_white_is_the_one_drawn_there(
    tmp_path: Path, alone: bool, theme: str
) -> None:
    scene = made(theme=theme)
    scene.select(1, 1, 1)
    path = scene.export(tmp_path / "clear.png", Options(size=SMALL, transparent=True, alone=alone))
    with Image.open(path) as opened:
        clear = opened.copy()
    assert clear.mode == "RGBA"
    assert clear.getpixel((1, 1))[3] == 0  # type: ignore[index]
    for paper in ((0, 0, 0), (255, 255, 255)):
        under = Image.new("RGBA", SMALL, (*paper, 255))
        under.alpha_composite(clear)
        expected = np.asarray(scene.frame(SMALL, alone=alone, paper=paper), int)
        assert np.abs(np.asarray(under.convert("RGB"), int) - expected).max() <= 2


def test_an_export_leaves_the_scene_as_it_was(tmp_path: Path) -> None:
    scene = made()
    before = np.asarray(scene.frame(SMALL)), scene.size
    scene.export(tmp_path / "other.png", Options(size=(900, 700), transparent=True, alone=True))
    assert scene.size == before[1]
    np.testing.assert_array_equal(np.asarray(scene.frame(SMALL)), before[0])


def test_jpeg_cannot_be_transparent(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"only \.png can be transparent"):
        made().export(tmp_path / "a.jpg", Options(transparent=True))


def test_an_unknown_ending_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"endings: \.csv, .*\.glb, .*\.html, .*\.mp4, .*\.svg") as told:
        made().export(tmp_path / "a.xyz")
    assert "\n" not in str(told.value)


def test_the_selection_needs_to_hold_something(tmp_path: Path) -> None:
    scene = made()
    with pytest.raises(InputError, match="nothing is selected"):
        scene.export(tmp_path / "a.csv")
    scene.selection = [[1, 2, 3], [4, 0, 0]]
    rows = list(csv.DictReader(scene.export(tmp_path / "a.csv").read_text().splitlines()))
    assert [(row["image"], row["row"], row["column"]) for row in rows] == [("1", "2", "3"), ("4", "0", "0")]
    with np.load(scene.export(tmp_path / "a.npz")) as held:
        np.testing.assert_array_equal(held["masks"], scene.selection.masks())


@pytest.mark.parametrize(
    ("ending", "package", "extra"), [("mp4", "imageio_ffmpeg", "video"), ("parquet", "pyarrow", "parquet")]
)
def test_a_missing_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    scene = made()
    scene.select(0, 0, 0)
    with pytest.raises(MissingExtraError, match=rf"activation-explorer\[{extra}\]"):
        scene.export(tmp_path / f"a.{ending}", Options(size=SMALL, seconds=1, fps=2))
    assert not list(tmp_path.iterdir())


def test_the_command_writes_state_and_code_and_takes_a_state(
    toy: Model, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run")
    scene = explorer.scene(run, explorer.project(run, method="pca"), theme="dark")
    scene.select(1, 1, 1)
    state = str(scene.save_state(tmp_path / "state.json"))
    where, out = str(run.path), tmp_path / "again.json"
    assert main(["export", where, "--state", state, "--code", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("import explorer\n")
    assert "again.json (" in told
    assert out.read_text() == Path(state).read_text()
    names: dict[str, Any] = {}
    exec(told[: told.index(str(out))], names)
    assert names["scene"].to_dict() == scene.to_dict()
    for arguments, words in (
        ([], "--out"),
        (["--out", str(tmp_path / "a.xyz")], "endings"),
        (["--out", str(tmp_path / "a.png"), "--state", str(tmp_path / "none.json")], "not a saved state"),
    ):
        assert main(["export", where, *arguments]) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
