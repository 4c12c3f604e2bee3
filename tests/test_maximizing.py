"""The command `maximize`: what it writes and keeps, and what it refuses before it begins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.commands.maximizing import maximize
from explorer.demo import DIGITS


def test_the_command_draws_a_sheet_and_keeps_the_pictures_in_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = explorer.capture(DIGITS, DIGITS.parent / "images", layers=["block3"], out=tmp_path / "run")
    maximize(
        DIGITS, out=tmp_path / "sheet.png", layer="block3", channel=["1,3-4"], run=run.path, steps=4,
        component=[2],
    )  # fmt: skip
    said = capsys.readouterr().out
    for name in ("channel 1 ", "channel 3 ", "channel 4 ", "component 2, up ", "component 2, down "):
        assert f"{name}· reached" in said
    assert "strongest real" in said
    assert (tmp_path / "sheet.png").stat().st_size > 5000
    assert (run.path / "maximised" / "block3 1.npz").is_file()


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("5-2", "ends before it begins; 2-5"),
        ("0-99999999999", "no layer has so many channels"),
        ("x", "expected a number"),
        ("48", "channels 0 to 47"),
    ],
)
def test_channels_that_cannot_be_are_refused(tmp_path: Path, channel: str, words: str) -> None:
    with pytest.raises(explorer.InputError, match=words):
        maximize(DIGITS, out=tmp_path / "sheet.png", layer="block5", channel=[channel], steps=2)


def test_a_file_that_cannot_be_kept_is_refused_before_the_climb(tmp_path: Path) -> None:
    with pytest.raises(explorer.InputError, match=r"x\.txt: maximised pictures are kept as \.npz"):
        maximize(DIGITS, out=tmp_path / "sheet.png", layer="block5", save=tmp_path / "x.txt", steps=2)
    assert not (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [("several.npz", "holds several arrays; expected a .npy"), ("none.npy", r"shape \(0, 48\), expected")],
)
def test_a_direction_that_is_none_is_refused(tmp_path: Path, name: str, words: str) -> None:
    np.savez(tmp_path / "several.npz", allow_pickle=False, a=np.ones(48))
    np.save(tmp_path / "none.npy", np.zeros((0, 48)))
    with pytest.raises(explorer.InputError, match=words):
        maximize(DIGITS, out=tmp_path / "sheet.png", layer="block5", direction=tmp_path / name, steps=2)
