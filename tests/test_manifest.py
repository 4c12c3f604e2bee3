"""Hand-made damage to any field of a run's JSON is one line that names the file and the key."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer.capture.manifest import read_state
from explorer.capture.model import Model

NUMBERS: tuple[Any, ...] = (-1, 0, 3.5, 10**30)
WRONG = (None, True, *NUMBERS, "x", "../..", [], [1, "a"], {}, {"x": [None]}, "deleted")
FREE = ("model.", "images.metadata", "preprocessing.range", "preprocessing.mean", "preprocessing.std")
"""Where any number may stand: one in the place of another cannot be told from what was written."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value, but only the first of a list's equals."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))


def changed(whole: Any, path: tuple[Any, ...], wrong: Any) -> Any:
    damaged = copy.deepcopy(whole)
    inner = damaged
    for key in path[:-1]:
        inner = inner[key]
    if wrong == "deleted":
        del inner[path[-1]]
    else:
        inner[path[-1]] = wrong
    return damaged


def used(run: explorer.Run) -> None:
    """Ask a run everything it can answer."""
    repr(run), run.name, run.labels, run.class_names, run.metadata, run.mask_names
    for layer in run.layers:
        assert run[layer].batch == run.n_images
        run.mask_classes(layer)
        run.receptive_box(layer, (0,) * (len(run.grid_shape(layer)) - 1))
    run.picture(0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import Toy

    from explorer.capture.preprocessing import Preprocessing

    root = tmp_path_factory.mktemp("whole")
    rng = np.random.default_rng(0)
    rows = ["path,label,age,site"] + [f"{n}.png,{'ab'[n % 2]},{n},s{n}" for n in range(6)]
    (root / "t.csv").write_text("\n".join(rows))
    from PIL import Image

    for n in range(5):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(root / f"{n}.png")
    (root / "5.png").write_bytes(b"x")
    rule = Preprocessing(size=(8, 8), channels="gray")
    model = Model(Toy(), "toy", "toy", rule, ("one", "two"), (8, 8, 1), {"call": {}})
    run = explorer.capture(
        model,
        root / "t.csv",
        layers=["half", "flat"],
        out=root / "run",
        memory=8_000,
        masks=np.arange(6 * 64).reshape(6, 8, 8) % 3,
    )
    used(run)
    explorer.project(run, layer="half", method="tsne", n_components=2)
    return root / "run"


def test_damage_to_any_field_of_a_manifest_is_one_line(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    manifest = json.loads((run / "manifest.json").read_text())
    counted = silent = 0
    for path in places(manifest):
        name = ".".join(str(key) for key in path)
        for wrong in WRONG:
            damaged = changed(manifest, path, wrong)
            if damaged == manifest:
                continue
            (run / "manifest.json").write_text(json.dumps(damaged))
            try:
                used(explorer.open_run(run))
            except explorer.RunError as error:
                told = str(error)
                assert "\n" not in told
                assert str(run) in told
                if path[0] not in ("format", "complete"):
                    assert str(path[0]) in told, (name, wrong, told)
                counted += 1
            else:
                silent += 1
                empty = wrong in (None, "deleted", {}, [])
                assert empty or isinstance(wrong, str) or name.startswith(FREE), (name, wrong)
    assert counted > 3 * silent


@pytest.mark.parametrize(
    ("path", "wrong", "words"),
    [
        (
            ("layers", "half", "chunk"),
            "x",
            r'layers\.half\.chunk = "x", expected a whole number of at least 1',
        ),
        (("layers", "half", "folder"), "../..", r"layers\.half\.folder = .*, expected one of layers/half"),
        (("layers", "half", "dtype"), "float64", r"layers\.half promises chunks of"),
        (("layers", "flat", "shape", 0), 7, r"layers\.flat\.shape has 7 inputs, but images\.names has 5"),
        (("images", "labels"), ["a"], r"images\.labels has 1 inputs, but images\.names has 5"),
        (("images", "metadata", "age"), [1], r"images\.metadata\.age has 1 inputs"),
        (("preprocessing", "size"), [8], r"preprocessing\.size = \[8\], expected a list of 2 to 3"),
        (("masks", "names"), {"x": "y"}, r"masks\.names has the key 'x', expected a whole number"),
        (("identity",), "deleted", "identity is missing, expected text"),
    ],
)
def test_the_line_says_what_is_wrong_and_what_is_right(
    whole: Path, tmp_path: Path, path: tuple[Any, ...], wrong: Any, words: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(changed(manifest, path, wrong)))
    with pytest.raises(explorer.RunError, match=rf"manifest\.json: damaged: {words}"):
        explorer.open_run(run)


def test_damage_to_any_field_of_a_projection_is_one_line(whole: Path, tmp_path: Path) -> None:
    from explorer.commands.listing import describe_projection, explain_quality

    folder = tmp_path / "map"
    shutil.copytree(next((whole / "projections").iterdir()), folder)
    described = json.loads((folder / "projection.json").read_text())
    counted = 0
    for path in places(described):
        for wrong in WRONG:
            damaged = changed(described, path, wrong)
            if damaged == described:
                continue
            (folder / "projection.json").write_text(json.dumps(damaged))
            try:
                projection = explorer.load_projection(folder)
                describe_projection(projection), explain_quality(projection)
                projection.positions()
            except explorer.RunError as error:
                told = str(error)
                assert "\n" not in told
                assert str(folder) in told
                assert str(path[0]) in told or "trust" in told, (path, wrong, told)
                counted += 1
            else:
                free = path[0] in ("parameters", "provenance", "quality") or isinstance(wrong, str)
                assert free, (path, wrong)
    assert counted > 50


def test_a_damaged_progress_is_as_good_as_none(tmp_path: Path) -> None:
    good = {
        "identity": "x",
        "asked": ["a"],
        "batch": 2,
        "arrays": {},
        "pictures": None,
        "taken": 3,
        "rows": 2,
    }
    good |= {"skipped": [[1, "broken"]], "notes": {}}
    path = tmp_path / "progress.json"
    path.write_text(json.dumps(good))
    assert read_state(path) == good
    for key in good:
        for wrong in (-1, "x", [3], {"a": 1}):
            path.write_text(json.dumps({**good, key: wrong}))
            state = read_state(path)
            assert state is None or isinstance(state[key], type(good[key])) or good[key] is None
    path.write_text("{")
    assert read_state(path) is None


@pytest.mark.parametrize("content", ["", "[]", "[" * 100_000, "null", '"x"', "NaN", "\x00"])
def test_what_is_no_object_is_one_line(whole: Path, tmp_path: Path, content: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (run / "manifest.json").write_text(content)
    with pytest.raises(explorer.RunError, match=r"manifest\.json") as caught:
        explorer.open_run(run)
    assert "\n" not in str(caught.value)
    folder = next((run / "projections").iterdir())
    (folder / "projection.json").write_text(content)
    with pytest.raises(explorer.RunError, match="project again") as caught:
        explorer.load_projection(folder)
    assert "\n" not in str(caught.value)


def test_damage_to_a_receptive_field_is_one_line(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    manifest = json.loads((run / "manifest.json").read_text())
    entry = manifest["layers"]["half"]
    entry["receptive_field"] = {
        "input": [8, 8, 1],
        "size": [3, 3],
        "stride": ["2", "1/2"],
        "offset": ["-1", "0"],
        "how": "computed",
        "why": "",
        "axes": [],
    }
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert explorer.open_run(run).receptive_box("half", (2, 3)) == ((3, 6), (2, 5))
    where = ("layers", "half", "receptive_field")
    for path, wrong in [
        (("input",), [8, 8]), (("input", 0), 0), (("size",), [3]), (("stride",), []),
        (("stride", 0), "1/0"), (("offset", 1), 0.5), (("how",), "guessed"), (("axes",), [9, 0]),
        (("axes",), [0]), (("why",), None),
    ]:  # fmt: skip
        (run / "manifest.json").write_text(json.dumps(changed(manifest, (*where, *path), wrong)))
        with pytest.raises(explorer.RunError, match=r"layers\.half\.receptive_field"):
            used(explorer.open_run(run))
