"""Capturing a damaged run again mends it, and only it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Toy

import explorer
from explorer.capture.model import Model
from explorer.capture.preprocessing import Preprocessing

MASKS = np.arange(11 * 64).reshape(11, 8, 8) % 5


def again(folder: Path, run: Path, **options: bool) -> tuple[explorer.Run, int]:
    """Capture the same once more; the run, and how many inputs the model was given."""
    model = Model(Toy(), "toy", "toy", Preprocessing(size=(8, 8), channels="gray"), input_shape=(8, 8, 1))
    made = explorer.capture(
        model, folder, layers=["half", "flat"], out=run, memory=8_000, masks=MASKS, **options
    )
    return made, sum(size for size, _ in model.adapter.calls)


@pytest.fixture
def whole(folder: Path, tmp_path: Path) -> explorer.Run:
    (folder / "a" / "00.png").write_bytes(b"not a picture")
    return again(folder, tmp_path / "run")[0]


def values(run: explorer.Run) -> list[np.ndarray]:
    pictures = np.stack([run.picture(n) for n in range(run.n_images)])
    return [run["half"].values, run["flat"].values, run.mask_classes("half"), pictures]


def chunks(run: explorer.Run, folder: str) -> list[Path]:
    return sorted(path for path in (run.path / folder / "c").rglob("*") if path.is_file())


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[5] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("folder_of", ["layers/half", "layers/flat", "pictures", "masks"])
@pytest.mark.parametrize("how", ["flipped", "cut", "missing", "empty", "description", "no description"])
def test_whatever_is_damaged_is_mended_without_overwriting(
    whole: explorer.Run, folder: Path, folder_of: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = values(whole)
    victim = chunks(whole, folder_of)[-1]
    other = {path: path.stat().st_mtime_ns for path in chunks(whole, "layers/half") if path != victim}
    description = whole.path / folder_of / "zarr.json"
    {
        "flipped": lambda: flip(victim),
        "cut": lambda: victim.write_bytes(victim.read_bytes()[:-3]),
        "missing": victim.unlink,
        "empty": lambda: victim.write_bytes(b""),
        "description": lambda: description.write_text('{"zarr_format": 3}'),
        "no description": description.unlink,
    }[how]()
    capsys.readouterr()
    run, given = again(folder, whole.path)
    for one, two in zip(before, values(run), strict=True):
        np.testing.assert_array_equal(one, two)
    assert given < 10
    assert other == {path: path.stat().st_mtime_ns for path in other}
    if folder_of != "masks" and "description" not in how:
        assert "1 damaged chunk captured again" in capsys.readouterr().err
    assert again(folder, whole.path)[1] == 0


def test_an_input_that_is_gone_cannot_be_mended(whole: explorer.Run, folder: Path) -> None:
    flip(chunks(whole, "layers/half")[0])
    path = folder / "a" / "0.png"
    state, size = path.stat(), len(path.read_bytes())
    path.write_bytes(b"x" * size)
    import os

    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(explorer.RunError, match=r"cannot be mended: .*0\.png"):
        again(folder, whole.path)


def test_a_run_whose_manifest_is_damaged_is_captured_anew_when_asked(
    whole: explorer.Run, folder: Path
) -> None:
    before = values(whole)
    for content in ("{", "[]", '{"format": 1}'):
        (whole.path / "manifest.json").write_text(content)
        with pytest.raises(explorer.RunError, match=r"manifest\.json: .*overwrite"):
            again(folder, whole.path)
        run, given = again(folder, whole.path, overwrite=True)
        assert given == 10
        np.testing.assert_array_equal(run["half"].values, before[0])


def test_a_damaged_progress_starts_again(folder: Path, tmp_path: Path) -> None:
    class Dying(Toy):
        def capture(self, inputs, layers):
            if len(self.calls) == 2:
                raise KeyboardInterrupt
            return super().capture(inputs, layers)

    rule = Preprocessing(size=(8, 8), channels="gray")
    model = Model(Dying(), "toy", "toy", rule, input_shape=(8, 8, 1))
    with pytest.raises(KeyboardInterrupt):
        explorer.capture(model, folder, layers=["half"], out=tmp_path / "run", memory=7_000)
    (tmp_path / "run" / "progress.json").write_text('{"identity": 5}')
    model = Model(Toy(), "toy", "toy", rule, input_shape=(8, 8, 1))
    run = explorer.capture(model, folder, layers=["half"], out=tmp_path / "run", memory=7_000)
    assert run.n_images == 10


def test_a_run_that_names_other_inputs_is_not_written_to(whole: explorer.Run, folder: Path) -> None:
    manifest = (whole.path / "manifest.json").read_text().replace('"a/2.png"', '"a/x.png"')
    (whole.path / "manifest.json").write_text(manifest)
    with pytest.raises(explorer.RunError, match=r"images\.names has 'a/x\.png', which is no input"):
        again(folder, whole.path)
    assert (whole.path / "manifest.json").read_text() == manifest
