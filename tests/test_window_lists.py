"""What the window's lists do: maps beside the first, kept views, saved files, and every kind of export."""

import json
import shutil
import sys
import time
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_window import TinyRun, click, controls, line, push, wide
from windowing import finish

import explorer
from explorer.reduce.projection import Projection
from explorer.render import scene
from explorer.render.cloud.motion import orbit
from explorer.render.export.exporting import GROUP
from explorer.render.window import exports_menu
from explorer.render.window.controls import Controls


def settle(at: Controls) -> None:
    """Let what was begun come to its end, as the window's timer does."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        if not (at.poll() or at.waiting or at.making or at.flight):
            return
    raise AssertionError("it does not end")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_export_list_has_every_writer_that_is_installed() -> None:
    at = wide()
    at.scene.select(0, 1, 1)
    offered = {item.detail.removeprefix(".") for item in exports_menu.items(at) if item.does is not None}
    writers = {point.name: point.load() for point in entry_points(group=GROUP)}
    aliases = {name: exports_menu.SAME.get(name, name) for name in writers}
    assert set(aliases.values()) <= offered
    assert all(writers[name] is writers[real] for name, real in aliases.items())
    assert offered <= {*writers, "clipboard"}


def test_a_writer_of_another_package_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = EntryPoint("obj", "somewhere:write", GROUP)
    monkeypatch.setattr(exports_menu, "entry_points", lambda group: [*entry_points(group=group), extra])
    at = wide()
    push(at, "export")
    at.popup.first = len(at.popup.items) - 5  # type: ignore[union-attr]
    assert line(at, "OBJ file")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("As large as the window", "conv-pca.png"),
        ("glTF, binary", "conv-pca.glb"),
        ("PLY", "conv-pca.ply"),
        ("VTK", "conv-pca.vtp"),
        ("Words stay sharp at any size", "conv-pca.svg"),
        ("State: map, camera, colours, selection", "conv-pca-state.json"),
        ("Lines of Python that show this", "conv-pca.py"),
        ("Camera", "conv-pca-camera.json"),
        ("Table", "conv-pca-selection.csv"),
        ("Masks, one a picture", "conv-pca-selection.npz"),
    ],
)
def test_exports_are_written_where_the_window_was_opened(here: Path, text: str, name: str) -> None:
    at = wide()
    at.scene.select_cells(1, (0, 0, 1, 1))
    push(at, "export")
    at.popup.first = max(0, [item.text for item in at.popup.items].index(text) - 3)  # type: ignore[union-attr]
    click(at, *line(at, text))
    settle(at)
    assert at.message == f"saved {name}"
    assert [path.name for path in here.iterdir()] == [name]
    assert (here / name).stat().st_size > 100


def test_a_picture_is_as_large_as_the_window_and_a_turn_tells_its_frames(here: Path) -> None:
    from PIL import Image

    at = wide((1200, 700))
    said = []
    at.tell = lambda: said.append(at.message)
    exports_menu.picture(at)
    settle(at)
    with Image.open(here / "conv-pca.png") as picture:
        assert picture.size == (1200, 700)
    options = []
    at.scene.export = lambda path, made: options.append(made)  # type: ignore[method-assign, assignment]
    exports_menu.write(at, "gif")
    settle(at)
    options[0].tell(3, 200)
    assert said == ["writing conv-pca.gif: frame 3 of 200"]


def test_a_turn_says_after_every_frame_how_many_are_done(here: Path) -> None:
    from explorer.render.export.exporting import Options

    told: list[tuple[int, int]] = []
    watch = Options(size=(640, 480), seconds=0.2, fps=20, tell=lambda done, n: told.append((done, n)))
    controls().scene.export("turn.gif", watch)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_lines_of_python_are_copied_or_written_where_there_is_no_clipboard(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = wide()
    monkeypatch.setenv("PATH", str(here))
    exports_menu.copy_code(at)
    assert at.message.startswith("saved conv-pca.py: no program")
    assert (here / "conv-pca.py").read_text(encoding="utf-8") == at.scene.code()
    program = here / "xclip"
    program.write_text(f"#!/bin/sh\n/bin/cat > '{here}/held'\n", encoding="utf-8")
    program.chmod(0o755)
    exports_menu.copy_code(at)
    assert at.message.startswith("copied")
    assert (here / "held").read_text(encoding="utf-8") == at.scene.code()


@pytest.mark.slow
def test_views_are_kept_gone_through_and_forgotten() -> None:
    at = wide()
    opening = at.scene.view
    at.key("a")
    at.scene.view = turned = orbit(opening, 0.3, 0.1)
    at.key("a")
    assert at.scene.kept_views == (opening, turned)
    at.scene.view = orbit(opening, -0.3, 0.4)
    for name, expected in (("period", opening), ("period", turned), ("period", opening), ("comma", turned)):
        at.key(name)
        settle(at)
        assert at.scene.view == expected
    at.key("d")
    flat = at.scene.view
    at.key("a")
    at.key("d")
    push(at, "views")
    at.picture()
    click(at, *line(at, "View 3"))
    settle(at)
    assert at.scene.flat
    assert at.scene.view == flat
    at.popup = None
    push(at, "views")
    click(at, *line(at, "View 2"), button="right")
    assert at.scene.kept_views == (opening, flat)


def test_kept_views_stay_with_their_map_and_go_into_states(here: Path) -> None:
    at = wide()
    at.key("a")
    first, kept = at.scene.projection, at.scene.kept_views
    points = np.random.default_rng(5).normal(size=(48, 2)).astype(np.float32)
    at.scene.projection = Projection("umap", points, "conv", (3, 4, 4))
    assert at.scene.kept_views == ()
    at.scene.projection = first
    assert at.scene.kept_views == kept
    at.scene.save_state("s.json")
    other = scene(TinyRun(), first)
    other.load_state("s.json")
    assert other.kept_views == kept


def test_saved_states_and_cameras_are_opened_from_the_list(here: Path) -> None:
    at = wide()
    at.scene.view = turned = orbit(at.scene.view, 0.2, 0.2)
    at.scene.select_cells(1, (0, 0, 1, 1))
    at.colour("norm")
    at.scene.save_state("mine.json")
    at.scene.save_camera("eye.json")
    (here / "other.json").write_text(json.dumps({"name": "neither"}), encoding="utf-8")
    fresh = wide()
    push(fresh, "views")
    assert {item.text for item in fresh.popup.items if item.detail in ("state", "camera")} == {  # type: ignore[union-attr]
        "mine.json",
        "eye.json",
    }
    click(fresh, *line(fresh, "eye.json"))
    settle(fresh)
    assert fresh.scene.view == turned
    assert not fresh.scene.selection
    fresh.key("O")
    for letter in "mine":
        fresh.key(letter, letter)
    fresh.key("Return")
    assert fresh.scene.selection == at.scene.selection
    assert fresh.scene.colour == "norm"
    assert fresh.message == "opened mine.json"
    fresh.key("O")
    for letter in "other.json":
        fresh.key(letter, letter)
    fresh.picture()
    fresh.key("Return")
    assert "neither a state nor a camera" in fresh.message


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two layers, of which one map is kept."""
    values = np.random.default_rng(0).normal(size=(6, 4, 4, 5)).astype(np.float32)
    folder = tmp_path_factory.mktemp("pair")
    np.savez(folder / "both.npz", one=values, two=values[:, ::2, ::2] * 2)
    run = explorer.capture(folder / "both.npz", layers=["one", "two"], out=folder / "run")
    explorer.project(run, layer="one", method="pca", n_components=3)
    return Path(run.path)


def opened(path: Path, **options: Any) -> Controls:
    run = explorer.open_run(path)
    made = Controls(scene(run, explorer.project(run, layer="one", method="pca", n_components=3)), (1600, 900))
    made.picture(rough=True)
    return made


@pytest.mark.slow
def test_a_second_map_is_made_and_shown_beside_the_first(captured: Path, tmp_path: Path) -> None:
    at = opened(Path(shutil.copytree(captured, tmp_path / "run")))
    assert at.scene.beside is None
    at.key("z")
    at.picture()
    items = at.popup.items  # type: ignore[union-attr]
    assert [item.text for item in items if item.does is None] == ["one", "two"]
    place = [item.text for item in items].index("two") + 1
    assert items[place].text == "PCA 3D"
    at.choose(items[place])
    while at.making is not None:
        at.poll()
    assert at.scene.beside is not None
    assert (at.scene.beside.layer, at.scene.beside.method) == ("two", "pca")
    assert at.scene.projection.layer == "one"
    at.picture()
    push(at, "beside")
    assert [item.text for item in at.popup.items if item.chosen] == ["PCA 3D"]  # type: ignore[union-attr]
    at.popup = None
    state = at.scene.save_state(tmp_path / "state.json")
    code = at.scene.code()
    assert "scene.beside = explorer.project(run, layer='two', method='pca', n_components=3" in code
    again = opened(tmp_path / "run").scene
    again.load_state(state)
    assert again.beside is not None
    assert again.beside.layer == "two"
    kept: dict[str, Any] = {}
    exec(code, kept)
    np.testing.assert_array_equal(
        np.asarray(kept["scene"].frame((1000, 700))), np.asarray(again.frame((1000, 700)))
    )
    push(at, "beside")
    click(at, *line(at, "One map alone"))
    assert at.scene.beside is None


def test_the_commands_take_a_second_map_and_a_slice(
    captured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from explorer.cli import main

    run, out = str(captured), str(tmp_path / "pair.png")
    shot = ["screenshot", run, "--layer", "one", "--method", "pca", "--size", "900x600", "--out", out]
    assert main([*shot, "--beside", "two"]) == 0
    assert (tmp_path / "pair.png").is_file()
    for asked, words in ((["--beside", "pca"], "shown already"), (["--beside", "no"], "expected a method")):
        assert main([*shot, *asked]) == 2
        assert words in capsys.readouterr().err
    assert main([*shot, "--slice", "1"]) == 2
    assert "no volume" in capsys.readouterr().err
    page = ["view", run, "--layer", "one", "--method", "pca", "--web", "--beside", "two"]
    assert main(page) == 2
    assert "--beside: the page shows one map" in capsys.readouterr().err
    volume = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 2)).astype(np.float32)
    np.savez(tmp_path / "volume.npz", deep=volume)
    made = explorer.capture(tmp_path / "volume.npz", out=tmp_path / "volume")
    common = [str(made.path), "--slice", "2", "--out", str(tmp_path / "maps.png")]
    assert main(["grid", *common]) == 0
    assert main(["screenshot", *common, "--method", "pca", "--size", "900x600"]) == 0
    assert main(["export", *common, "--method", "pca", "--size", "900x600", "--beside", "tsne"]) == 0


def logged(at: Controls, text: str = "TensorBoard log") -> None:
    """Take a line of the exports, and wait until it is done."""
    item = next(item for item in exports_menu.items(at) if item.text == text)
    at.guarded(item.does)  # type: ignore[arg-type]
    finish(at)


def test_the_shown_layer_is_logged_as_the_command_does(captured: Path, here: Path) -> None:
    pytest.importorskip("tensorboardX")
    at = opened(captured)
    logged(at)
    assert at.message == (
        "one logged: 6 of 6 images, 96 of 96 positions in the projector · "
        "tensorboard --logdir one-tensorboard"
    )
    logged(at)
    assert at.message.endswith("one-tensorboard-2")
    explorer.log_run(explorer.open_run(captured), "command", layers=["one"])
    for folder in ("one-tensorboard", "one-tensorboard-2"):
        ours, theirs = (explorer.capture(place, out=f"{place}-run") for place in (folder, "command"))
        assert ours.layers == theirs.layers
        np.testing.assert_array_equal(ours["one@00000"].values, theirs["one@00000"].values)
        shutil.rmtree("command-run")


def test_a_log_that_is_stopped_leaves_nothing_and_a_missing_extra_is_one_line(
    captured: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboardX")
    at = opened(captured)
    monkeypatch.setattr("explorer.render.linked.task.Task.stopped", lambda task: task.steps[0] == 3)
    logged(at)
    assert at.message == "logging one to one-tensorboard: stopped, nothing was kept"
    assert not list(here.iterdir())
    monkeypatch.undo()
    monkeypatch.chdir(here)
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.setitem(sys.modules, "tensorboardX.proto.event_pb2", None)
    logged(at)
    assert "pip install 'activation-explorer[tensorboard]'" in at.message
    monkeypatch.setattr(exports_menu, "find_spec", lambda name: None)
    offered = {item.text for item in exports_menu.items(at)}
    assert "TensorBoard log" in offered
    assert not offered & {"MLflow", "Weights & Biases"}
    assert "TensorBoard log" not in {item.text for item in exports_menu.items(wide())}  # no run folder
