"""The README's commands and examples run as they stand, in a folder with a model and its images."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from explorer.cli import main
from explorer.demo import DIGITS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model.toml with its first and last checkpoint, and two pictures of each digit."""
    for step in ("0", "16"):
        shutil.copytree(DIGITS.parent / "checkpoints" / step, tmp_path / "checkpoints" / step)
    shutil.copy(DIGITS, tmp_path / "model.toml")
    for digit in range(10):
        (tmp_path / "images" / str(digit)).mkdir(parents=True)
        for path in sorted((DIGITS.parent / "images" / str(digit)).iterdir())[:2]:
            shutil.copy(path, tmp_path / "images" / str(digit))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands() -> list[str]:
    lines = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
    return [line for line in lines if line.startswith("activation-explorer ")]


def test_every_command_runs_in_the_order_it_is_shown(here: Path) -> None:
    assert len(commands()) >= 6
    for line in commands():
        words = shlex.split(line)[1:]
        if words[0] != "view":  # needs a screen; the window has tests of its own
            assert main(words) == 0, line
    assert (here / "cloud.png").is_file()
    assert (here / "maps.png").is_file()


def test_every_python_example_runs(here: Path) -> None:
    examples = [text for language, text in BLOCKS if language == "python"]
    assert examples
    for example in examples:
        exec(compile(example, "README.md", "exec"), {})
    assert (here / "cloud.png").is_file()


def test_the_model_file_shown_is_read(here: Path) -> None:
    from explorer.capture.model_file import read_model_file

    (shown,) = [text for language, text in BLOCKS if language == "toml"]
    (here / "shown.toml").write_text(shown, encoding="utf-8")
    assert read_model_file(here / "shown.toml").preprocessing is not None


def test_the_test_command_is_the_one_that_is_checked() -> None:
    (command,) = [line for language, text in BLOCKS for line in text.splitlines() if "-m pytest" in line]
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_picture_and_file_that_is_named_is_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).is_file(), target


def test_nothing_is_left_to_fill_in() -> None:
    assert not re.findall(r"\{[A-Z]+\}", README)


@pytest.mark.slow
@pytest.mark.parametrize("script", ["explore_flax_checkpoint.py", "turn_and_screenshot.py"])
def test_the_scripts_to_copy_run(here: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess
    import sys

    environment = {"PATH": "/usr/bin:/bin", "HOME": str(here)}
    words: list[str] = []
    if script.startswith("turn"):
        assert main(["capture", "model.toml", "images", "--out", "run"]) == 0
        words = ["run", "--views", "2", "--size", "800", "600"]
    shutil.copy(ROOT / "scripts" / script, here)
    done = subprocess.run(
        [sys.executable, script, *words], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(here.rglob("*.png"))
