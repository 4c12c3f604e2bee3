"""Whole chunks are read from their files as TensorStore reads them, and damage is found."""

from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.capture.arrays import open_array
from explorer.capture.chunks import read_chunk

rng = np.random.default_rng(0)


@pytest.fixture(params=["float32", "float16", "uint8"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> explorer.Run:
    values = (rng.normal(size=(23, 4, 5, 6)) * 40).astype(request.param)
    np.savez(tmp_path / "layer.npz", layer=values)
    model = explorer.load_model(tmp_path / "layer.npz")
    return explorer.capture(model, out=tmp_path / "run", memory=6000)


def chunk_file(run: explorer.Run, index: int) -> Path:
    return run.path / run.manifest["layers"]["layer"]["folder"] / "c" / str(index) / "0" / "0" / "0"


def test_every_chunk_is_what_tensorstore_reads(run: explorer.Run) -> None:
    entry = run.manifest["layers"]["layer"]
    step, stored = entry["chunk"], open_array(run.path, entry)
    assert 1 < step < 23
    for start in range(0, 23, step):
        stop = min(start + step, 23)
        found = read_chunk(run.path, entry, start, stop)
        assert found is not None
        expected = stored[start:stop].read().result()
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(run.read("layer", start, stop), expected)


def test_parts_of_chunks_are_left_to_tensorstore(run: explorer.Run) -> None:
    entry = run.manifest["layers"]["layer"]
    step = entry["chunk"]
    for start, stop in ((0, step - 1), (1, step), (0, step + 1), (0, 23), (3, 3)):
        assert read_chunk(run.path, entry, start, stop) is None
    assert run.read("layer", 1, 4).shape == (3, 4, 5, 6)


@pytest.mark.parametrize("damage", ["a bit", "cut", "longer", "empty", "gone"])
def test_a_damaged_chunk_is_one_line_that_names_it(run: explorer.Run, damage: str) -> None:
    path, step = chunk_file(run, 1), run.manifest["layers"]["layer"]["chunk"]
    content = bytearray(path.read_bytes())
    if damage == "a bit":
        content[7] ^= 1
    path.unlink()
    if damage != "gone":
        kept = {"cut": content[:-3], "longer": content + b"x", "empty": b""}.get(damage, content)
        path.write_bytes(kept)
    with pytest.raises(explorer.RunError, match=r"layer.*(missing|damaged); capture the run again"):
        run.read("layer", step, 2 * step)
