import os
from pathlib import Path

import pytest

import explorer
from explorer.capture.folders import find_images
from explorer.capture.images import read_inputs
from explorer.capture.model import Model


def test_linked_folders_and_other_files_are_counted_and_said(
    toy: Model, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "c").symlink_to(tmp_path / "elsewhere")
    for name in ("notes.txt", "more.txt", "table.csv", "Makefile"):
        (folder / name).write_text("x")
    explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run")
    said = capsys.readouterr().err
    assert f"passed over 1 linked folder, the first {folder / 'c'}" in said
    assert "passed over 4 files of other kinds (2 .txt, 1 " in said
    assert "1 no suffix" in said


def test_folders_that_cannot_be_read_are_counted_and_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def closed(path: str) -> object:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    paths, notes = find_images(folder)
    assert len(paths) == 5
    assert notes == (
        f"{folder}: passed over 1 folder that cannot be read, the first {folder / 'b'} (Permission denied)",
    )


def test_a_folder_with_nothing_but_other_files_says_what_it_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.doc").write_text("x")
    with pytest.raises(explorer.InputError, match=r"no pictures .*; passed over 1 file of other .*\.doc"):
        read_inputs(tmp_path, None)


def test_nothing_is_said_of_hidden_files(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / ".git").mkdir()
    assert find_images(folder)[1] == ()
