"""The commands evolve, and view of what it wrote."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer.cli import main
from explorer.render.cloud import offscreen


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Activations of three epochs, captured elsewhere."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=(6, 5, 5, 4))
    (tmp_path / "kept").mkdir()
    for step in (2, 10, 1):
        layer = first + step * rng.normal(size=4)
        np.savez(tmp_path / "kept" / f"e{step}.npz", allow_pickle=False, conv=layer, other=layer[..., :2])
    return tmp_path / "kept"


@pytest.mark.slow
def test_evolve_writes_figures_pictures_and_a_film(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = [
        "evolve",
        str(kept),
        "--out",
        str(out),
        "--layer",
        "conv",
        "--method",
        "umap",
        "--components",
        "2",
    ]
    assert main([*words, "--trail", "1,2,3", "--film", str(tmp_path / "film.gif")]) == 0
    said = capsys.readouterr().out
    assert "epochs in this order: 1, 2, 10" in said
    assert "maps of every position made together" in said
    assert said.splitlines()[-3:] == [
        str(out / "clouds.png"),
        str(out / "maps.png"),
        str(tmp_path / "film.gif"),
    ]
    for name in ("clouds.png", "maps.png"):
        with Image.open(out / name) as picture:
            assert picture.width > 600
    assert (out / "figures.csv").read_text(encoding="utf-8").count("\n") == 4
    assert main(words) == 0
    assert "there already: 1, 2, 10" in capsys.readouterr().out


def test_view_without_screen_or_page_writes_the_small_multiples(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = str(tmp_path / "out")
    assert main(["evolve", str(kept), "--out", out, "--layer", "conv", "--method", "pca"]) == 0
    said = capsys.readouterr().out
    assert "PCA has no seed" in said
    (tmp_path / "out" / "clouds.png").unlink()
    found = importlib.util.find_spec
    monkeypatch.setattr(offscreen, "has_screen", lambda: False)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "trame" else found(name, *rest)
    )
    assert main(["view", out]) == 0
    assert capsys.readouterr().out.strip().endswith("clouds.png")
    assert (tmp_path / "out" / "clouds.png").is_file()
    assert main(["export", out, "--out", str(tmp_path / "last.png"), "--image", "2", "--code"]) == 0
    said = capsys.readouterr().out
    assert "evolution.scene(epoch=2" in said
    assert "scene.image = 2" in said
    assert main(["export", out, "--out", str(tmp_path / "film.gif"), "--seconds", "1", "--fps", "5"]) == 0
    assert "film.gif (" in capsys.readouterr().out
    assert main(["view", out, "--layer", "conv", "--web"]) == 2
    assert "--layer means nothing" in capsys.readouterr().err
    assert main(["view", out, "--web"]) == 2
    assert "activation-explorer[web]" in capsys.readouterr().err


@pytest.mark.parametrize("asked", [[], ["--web", "--theme", "dark"]])
def test_view_without_a_screen_serves_the_page(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    pytest.importorskip("trame")
    from explorer.web import server

    out = str(tmp_path / "out")
    assert main(["evolve", str(kept), "--out", out, "--layer", "conv", "--method", "pca"]) == 0
    served = []
    monkeypatch.setattr(offscreen, "has_screen", lambda: False)
    monkeypatch.setattr(server, "serve", lambda scene, run, **where: served.append((scene, where["port"])))
    assert main(["view", out, "--port", "8765", *asked]) == 0
    scene, port = served[0]
    assert (scene.epoch, scene.evolution.epochs, port) == (2, ("1", "2", "10"), 8765)
    assert scene.theme == ("dark" if asked else "light")


def test_vectors_have_no_maps_and_all_the_rest(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    for step in range(2):
        rows = np.random.default_rng(step).normal(size=(40, 5))
        np.savez(tmp_path / "kept" / f"{step}.npz", allow_pickle=False, head=rows)
    out = tmp_path / "out"
    assert main(["evolve", str(tmp_path / "kept"), "--out", str(out), "--method", "pca", "-l", "head"]) == 0
    assert (out / "clouds.png").is_file()
    assert not (out / "maps.png").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--trail", "1;2"], "expected whole numbers image,row,column"),
        (["--layer", "nothing"], "no layer 'nothing'"),
        (["--film", "a.avi", "--layer", "conv"], r".mp4 or .gif"),
        (["--checkpoints", "nowhere"], "nowhere: no such folder"),
        (["--sample", "some"], "'all'"),
    ],
)
def test_a_mistake_is_one_line(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    code = main(["evolve", str(kept), "--out", str(tmp_path / "out"), "--method", "pca", *words])
    found = capsys.readouterr().err
    assert code == 2
    assert said in found
    assert found.count("\n") == 1
    assert not (tmp_path / "out").exists()  # found out before anything is captured
