import json
from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.capture.model import Model


@pytest.fixture
def run(toy: Model, folder: Path, tmp_path: Path) -> explorer.Run:
    return explorer.capture(toy, folder, layers=["half", "flat"], out=tmp_path / "run", memory=20_000)


def test_a_run_opened_again_is_the_same(run: explorer.Run) -> None:
    again = explorer.open_run(run.path)
    assert again.layers == ("half", "flat")
    assert again.labels == ("a",) * 5 + ("b",) * 5
    np.testing.assert_array_equal(again["half"].values, run["half"].values)


def test_part_of_a_layer_is_read_as_in_the_whole(run: explorer.Run) -> None:
    np.testing.assert_array_equal(run.read("half", 3, 7), run["half"].values[3:7])


def test_reading_past_the_end_stops_there(run: explorer.Run) -> None:
    np.testing.assert_array_equal(run.read("half", 8, 99), run["half"].values[8:])


def test_an_unknown_layer_names_those_there_are(run: explorer.Run) -> None:
    with pytest.raises(explorer.LayerError, match="half"):
        run["halv"]


def test_a_flipped_bit_is_found(run: explorer.Run) -> None:
    chunk = next((run.path / "layers" / "half" / "c" / "0").rglob("0"))
    chunk = next(path for path in (run.path / "layers" / "half" / "c" / "0").rglob("*") if path.is_file())
    damaged = bytearray(chunk.read_bytes())
    damaged[7] ^= 1
    chunk.write_bytes(damaged)
    with pytest.raises(explorer.RunError, match="damaged"):
        explorer.open_run(run.path)["half"]


def test_a_missing_chunk_is_named_when_the_run_is_opened(run: explorer.Run) -> None:
    chunk = next(path for path in (run.path / "layers" / "flat" / "c").rglob("*") if path.is_file())
    chunk.unlink()
    with pytest.raises(explorer.RunError, match="missing"):
        explorer.open_run(run.path)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"format": 99}', '{"format": 1, "complete": true}']
)
def test_a_broken_manifest_is_one_line_that_names_it(run: explorer.Run, content: str) -> None:
    (run.path / "manifest.json").write_text(content)
    with pytest.raises(explorer.RunError, match=r"manifest\.json|not finished") as caught:
        explorer.open_run(run.path)
    assert "\n" not in str(caught.value)


def test_no_such_run(tmp_path: Path) -> None:
    with pytest.raises(explorer.RunError, match="no such run folder"):
        explorer.open_run(tmp_path / "nothing")


def test_the_manifest_says_what_was_captured_from_what(run: explorer.Run) -> None:
    manifest = json.loads((run.path / "manifest.json").read_text())
    assert manifest["model"]["digest"] == "toy weights"
    assert manifest["preprocessing"]["size"] == [8, 8]
    assert manifest["layers"]["half"]["shape"] == [10, 4, 4, 5]
    assert manifest["versions"]["numpy"] == np.__version__


def test_a_run_holds_no_path_of_this_machine(run: explorer.Run, tmp_path: Path) -> None:
    for path in run.path.rglob("*"):
        if path.is_file():
            assert str(tmp_path).encode() not in path.read_bytes(), path
