import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import explorer
from explorer.cli import main
from explorer.demo import DIGITS


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def arrays(here: Path) -> Path:
    """Activations captured elsewhere: six inputs of 4 × 4 positions and 8 channels."""
    values = np.random.default_rng(0).normal(size=(6, 4, 4, 8)).astype(np.float32)
    np.savez(here / "acts.npz", conv1=values, conv2=values[..., :3])
    return here / "acts.npz"


def size(path: str) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def run(*words: object) -> int:
    return main([str(word) for word in words])


def test_layers_lists_names_shapes_and_preprocessing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("layers", DIGITS) == 0
    said = capsys.readouterr().out
    for words in ("block5/conv", "8 × 8 × 48", "32 × 32", "minus mean", "classes: 0, 1, 2"):
        assert words in said


def test_layers_says_what_each_position_sees_within_100_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert run("layers", DIGITS) == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    table = lines[next(i for i, line in enumerate(lines) if line.startswith("layer ")) :]
    assert max(map(len, table)) <= 100
    rows = {line.split()[0]: line.split() for line in table}
    assert rows["block1/conv"][-5:] == ["3", "×", "3", "2", "0"]
    assert rows["block4"][-5:] == ["55", "×", "55", "4", "-24"]
    assert rows["output"][-1] == "all"
    assert table[-2].startswith("sees: pixels of the input")


def test_capture_project_screenshot_and_grid_from_one_model(
    arrays: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("capture", arrays, "--layer", "conv1", "-l", "conv2", "--out", "run") == 0
    assert "conv1: 6 × 4 × 4 × 8" in capsys.readouterr().out
    assert run("project", "run", "--layer", "conv1", "--method", "pca", "--components", "2") == 0
    assert "PCA 2D · 96 positions" in capsys.readouterr().out
    assert run("screenshot", "run", "--out", "cloud.png", "--size", "800x600", "--method", "pca") == 0
    assert size("cloud.png") == (800, 600)
    assert run("grid", "run", "--layer", "conv1", "--image", "2", "--out", "maps.png") == 0
    assert size("maps.png")[0] > 100


def test_explore_without_a_screen_writes_a_picture(
    arrays: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("explore", arrays, "--layer", "conv1", "--method", "pca") == 0
    said = capsys.readouterr().out
    assert "no screen here" in said
    assert (here / "runs" / "acts" / "conv1-pca-3d.png").is_file()


def test_grid_of_a_model_and_one_picture(here: Path) -> None:
    picture = next((DIGITS.parent / "images" / "3").iterdir())
    assert run("grid", DIGITS, picture, "--layer", "block1", "--centred", "--out", "maps.png") == 0
    assert size("maps.png")[0] > 100


def test_grid_of_a_run_in_order_beside_its_strongest_pictures(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("capture", DIGITS, DIGITS.parent / "images" / "3", "--layer", "block2", "--out", "run") == 0
    capsys.readouterr()
    words = ["--order", "response", "--strongest", "4", "--normalise", "channel", "--percentiles", "1", "99"]
    words += ["-i", "0", "-i", "1", "--overlay", "0.6", "--enlarge", "bilinear"]
    assert run("grid", "run", *words, "--out", "maps.svg") == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in said] == ["dead channels", "duplicate channels", "maps.svg"]
    assert "percentiles 1 to 99 over" in (here / "maps.svg").read_text(encoding="utf-8")


def test_coordinates_of_ones_own(arrays: Path, here: Path) -> None:
    assert run("capture", arrays, "--layer", "conv1", "--out", "run") == 0
    np.save("own.npy", np.random.default_rng(0).normal(size=(96, 3)))
    assert run("project", "run", "--coordinates", "own.npy") == 0
    assert run("screenshot", "run", "--method", "precomputed", "--out", "own.png") == 0


def test_doctor_says_what_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("doctor") == 0
    said = capsys.readouterr().out
    for words in ("python", "jax", "pyvista", "adapter flax-linen", "usable", "pictures"):
        assert words in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["layers", "absent.toml"], "absent.toml: no such file"),
        (["layers"], "MODEL"),
        (["lairs", "x"], "lairs"),
        (["explore", "acts.npz", "--layer", "conv9"], "did you mean conv"),
        (["explore", "acts.npz", "--method", "tnse"], "tnse"),
        (["explore", "acts.npz", "--components", "4"], "4"),
        (["explore", "acts.npz", "absent/"], "absent: no such file or folder"),
        (["capture", "acts.npz", "--out", "run", "--memory", "-1"], "--memory"),
        (["capture", "acts.npz"], "--out"),
        (["project", "absent"], "absent: no such run folder"),
        (["view", "absent"], "absent: no such run folder"),
        (["view", "absent", "--model", "no.toml"], "--model no.toml: no such file"),
        (["view", "absent", "--web", "--port", "99999"], "--port 99999: expected 1 to 65535"),
        (["screenshot", "absent", "--out", "x.png"], "absent: no such run folder"),
        (["grid", "acts.npz", "--layer", "conv1", "--image", "99", "--out", "x.png"], "0 to 5"),
        (["grid", "acts.npz", "--layer", "conv1", "--out", "x.docx"], "x.docx"),
        (["grid", "acts.npz", "--layer", "conv1", "--channel", "99", "--out", "x.png"], "channels 0 to 7"),
        (["grid", "acts.npz", "--layer", "conv1", "--colour-map", "virids", "--out", "x.png"], "viridis"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(
    arrays: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err


def test_a_screenshot_of_a_wrong_size_camera_or_image_is_one_line(
    arrays: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("capture", arrays, "--layer", "conv1", "--out", "run")
    run("project", "run", "--method", "pca")
    (here / "camera.json").write_text("{}")
    for words, said in (
        (["--size", "big"], "--size big"),
        (["--size", "0x10"], "--size 0x10"),
        (["--image", "6"], "--image 6"),
        (["--channel", "8"], "channel 8"),
        (["--colour", "lable"], "did you mean label"),
        (["--camera", "camera.json"], "camera.json"),
        (["--camera", "absent.json"], "absent.json"),
    ):
        capsys.readouterr()
        assert run("screenshot", "run", "--out", "x.png", *words) == 2, words
        printed = capsys.readouterr().err
        assert said in printed
        assert printed.count("\n") == 1
    assert not (here / "x.png").exists()


def test_the_module_and_the_command_are_the_same() -> None:
    program = Path(sys.executable).with_name("activation-explorer")
    for command in ([str(program)], [sys.executable, "-m", "explorer"]):
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "0.1.0"
        done = subprocess.run(
            [*command, "layers", "absent.toml"], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize(
    "command",
    ["demo", "layers", "explore", "capture", "evolve", "project", "view", "screenshot", "grid", "parity"],
)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    assert f"activation-explorer {command}" in capsys.readouterr().out


def test_an_interrupt_is_one_line_and_exit_code_130(
    arrays: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    importlib.import_module("explorer.capture.stream")
    monkeypatch.setattr(sys.modules["explorer.capture.stream"], "capture_to_run", interrupted)
    assert run("capture", arrays, "--layer", "conv1", "--out", "run") == 130
    assert "interrupted" in capsys.readouterr().err
    assert isinstance(explorer.__all__, list)


def test_doctor_does_not_complain_of_a_framework_that_was_not_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = importlib.import_module("explorer.capture.registry")
    there = registry.find_spec
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name == "torch" else there(name))
    assert run("doctor") == 0
    assert "needs torch: pip install 'activation-explorer[torch]'" in capsys.readouterr().out


def test_a_table_and_masks_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype(np.float32)
    np.save(tmp_path / "conv.npy", values)
    (tmp_path / "seg").mkdir()
    for n in range(3):
        Image.fromarray(np.full((8, 8), n, np.uint8)).save(tmp_path / f"{n}.png")
        Image.fromarray(np.full((4, 4), n, np.uint8)).save(tmp_path / "seg" / f"{n}.png")
    (tmp_path / "t.csv").write_text("path,label,dose\n0.png,x,0.5\n1.png,y,1\n2.png,x,7\n")
    words = [str(tmp_path / name) for name in ("conv.npy", "t.csv")]
    assert main(["capture", *words, "--out", str(tmp_path / "run"), "--masks", str(tmp_path / "seg")]) == 0
    run = explorer.open_run(tmp_path / "run")
    assert run.labels == ("x", "y", "x")
    assert run.metadata["dose"].tolist() == [0.5, 1.0, 7.0]
    assert run.mask_classes("conv")[:, 0, 0].tolist() == [0, 1, 2]
    assert main(["capture", *words, "--out", str(tmp_path / "run2"), "--masks", "nowhere"]) == 2
    assert "nowhere: no such file or folder of masks" in capsys.readouterr().err


def test_letters_that_the_output_lacks_are_written_by_their_numbers() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "explorer", "layers", str(DIGITS)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert r"digits: flax-linen \xb7 weights" in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="closed streams and bytes in paths are POSIX's")
def test_a_closed_output_stops_no_work(arrays: Path, here: Path) -> None:
    words = f"{sys.executable} -m explorer capture acts.npz --layer conv1 --out run >&- 2>&-"
    assert subprocess.run(words, shell=True, cwd=here, check=False).returncode == 0
    assert explorer.open_run(here / "run").layers == ("conv1",)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere paths are letters")
def test_a_run_whose_path_is_no_utf8_is_refused_in_one_line(
    arrays: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = os.fsdecode(b"caf\xe9")
    assert run("capture", arrays, "--layer", "conv1", "--out", out) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert r"caf\xe9: a run's folder has a path of UTF-8 letters alone" in said
