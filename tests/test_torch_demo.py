"""The demo's digits network gives in PyTorch what it gives in Flax; the command line takes its files."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import explorer  # noqa: E402
from explorer.cli import main  # noqa: E402
from explorer.demo import DIGITS  # noqa: E402

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "digits_in_torch.py"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script writes, and two pictures of each digit."""
    spec = importlib.util.spec_from_file_location("digits_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    folder = tmp_path_factory.mktemp("digits")
    script.write(folder)
    for digit in range(10):
        (folder / "images" / str(digit)).mkdir(parents=True)
        for path in sorted((DIGITS.parent / "images" / str(digit)).iterdir())[:2]:
            shutil.copy(path, folder / "images" / str(digit))
    return folder


@pytest.fixture
def here(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.mark.parametrize("form", ["digits.safetensors", "digits.pt", "digits.pt2"])
def test_every_block_answers_as_in_flax(form: str, digits: Path, here: Path) -> None:
    flax = explorer.load_model(DIGITS)
    if form == "digits.pt2":
        other = explorer.load_model(digits / form)
    else:
        other = explorer.load_model(digits / "model.toml", checkpoint=digits / form)
    pictures = np.random.default_rng(0).normal(size=(6, 32, 32, 1)).astype(np.float32)
    names = [info.name for info in flax.layers() if info.name != "output"]
    assert len(names) >= 16
    dotted = {name: name.replace("/", ".") for name in names}
    expected = flax.adapter.capture(pictures, [*names, "output"])
    found = other.adapter.capture(pictures, [*dotted.values(), "output"])
    for name in names:
        values, reference = found[dotted[name]].values, expected[name].values
        assert values.shape == reference.shape, name
        np.testing.assert_allclose(values, reference, atol=1e-4, err_msg=name)
    np.testing.assert_allclose(found["output"].values, expected["output"].values, atol=1e-4)


def test_the_network_still_reads_digits(digits: Path, here: Path) -> None:
    model = explorer.load_model(digits)
    found = explorer.capture(model, digits / "images", layers=["output"], out="runs/digits")
    answers = found["output"].values.argmax(axis=-1)
    assert np.mean([str(answer) == label for answer, label in zip(answers, found.labels, strict=True)]) > 0.9


def test_layers_capture_and_explore_from_the_command_line(
    digits: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, images = digits / "model.toml", digits / "images"
    assert run("layers", model) == 0
    said = capsys.readouterr().out
    for words in ("block5.conv", "8 × 8 × 48", "minus mean", "digits.safetensors", "torch.export as .pt2"):
        assert words in said
    assert run("capture", model, images, "--layer", "block2", "-l", "block5.norm", "--out", "run") == 0
    assert "block2: 20 × 8 × 8 × 48" in capsys.readouterr().out
    assert run("explore", model, images, "--method", "pca") == 0
    assert "no screen here" in capsys.readouterr().out
    assert list((here / "runs").rglob("block5-pca-3d.png"))


def test_the_same_weights_in_another_file_go_on_with_the_same_run(
    digits: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (digits / "model.toml").read_text(encoding="utf-8")
    (digits / "other.toml").write_text(text.replace("digits.safetensors", "digits.pt"), encoding="utf-8")
    assert run("layers", digits / "other.toml") == 0
    assert "digits.pt, under state_dict" in capsys.readouterr().out
    one, other = (explorer.load_model(digits / name) for name in ("model.toml", "other.toml"))
    assert one.provenance["digest"] == other.provenance["digest"]
    explorer.capture(one, digits / "images", layers=["block1"], out="run")
    other = explorer.load_model(digits / "model.toml", checkpoint=digits / "digits.pt")
    assert set(explorer.capture(other, digits / "images", layers=["block2"], out="run").layers) >= {
        "block1",
        "block2",
    }


def test_a_program_stands_alone_on_the_command_line(
    digits: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = here / "alone"
    alone.mkdir()
    shutil.copy(digits / "digits.pt2", alone)
    assert run("layers", alone / "digits.pt2") == 0
    assert "block5" in capsys.readouterr().out
    text = (digits / "model.toml").read_text(encoding="utf-8")
    table = text.partition("[preprocessing]")[2].partition("[labels]")[0]
    (alone / "model.toml").write_text(
        f'[model]\nfile = "digits.pt2"\n\n[preprocessing]{table}', encoding="utf-8"
    )
    assert run("explore", alone, digits / "images", "--layer", "block5", "--method", "pca") == 0
    assert list((here / "runs").rglob("block5-pca-3d.png"))


@pytest.mark.parametrize(
    ("checkpoint", "said"),
    [
        ("absent.pt", "absent.pt: no such file"),
        ("hostile.pt", "hostile.pt: cannot be read as torch: names 'os.system'"),
        ("other.pt", "27 missing, 0 misshapen, 1 extra of 32 arrays"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(
    checkpoint: str, said: str, digits: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(digits / "digits_in_torch.py", here)
    text = (digits / "model.toml").read_text(encoding="utf-8")
    (here / "model.toml").write_text(text.replace("digits.safetensors", checkpoint), encoding="utf-8")
    (here / "hostile.pt").write_bytes(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.")
    torch.save({"other": torch.ones(3)}, here / "other.pt")
    assert run("layers", here / "model.toml") == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.count("\n") == 1
    for words in (["layers", digits / "digits.pt"], ["layers", here / "hostile.pt"]):
        assert run(*words) == 2
        assert "holds weights and no model" in capsys.readouterr().err
