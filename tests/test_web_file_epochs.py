import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import NASTY, make_training
from PIL import Image
from test_web_file import read

import explorer
from explorer.cli import main
from explorer.errors import InputError
from explorer.render.export.exporting import Options
from explorer.web.file import export_html


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> explorer.Evolution:
    place, asked = tmp_path_factory.mktemp("training"), {"method": "pca", "n_components": 3, "sample": 150}
    return make_training(place, asked, kinds=2, each=4, side=6, seed=1)


def seeded(training: explorer.Evolution) -> explorer.Evolution:
    """The same with movement that was held against another seed."""
    from dataclasses import replace

    beyond = np.random.default_rng(0).random(training.movement.shape) < 0.3
    figures = [replace(one, moved=0.3 if k else None) for k, one in enumerate(training.figures)]
    return replace(training, beyond=beyond, figures=tuple(figures))


def test_the_file_holds_every_epochs_coordinates_maps_and_movement(
    training: explorer.Evolution, tmp_path: Path
) -> None:
    marked = seeded(training)
    written = export_html(marked.scene(epoch=1), tmp_path / "cloud.html")
    meta, blocks = read(written.path)
    assert written.left == ()
    assert meta["epochs"]["names"] == ["1", "5", "10"]
    assert meta["epochs"]["at"] == 1
    low, high = np.array(meta["low"]), np.array(meta["high"])
    for epoch, (run, own) in enumerate(zip(training.runs, training.projections, strict=True)):
        back = low + blocks[f"e{epoch}-coordinates"].reshape(-1, 3) / 65535 * (high - low)
        np.testing.assert_allclose(back, own.coordinates, atol=float((high - low).max()) / 65535)
        values = run.read("conv").reshape(8, 36, 4)
        for channel in range(4):
            near, far = blocks[f"e{epoch}-channel-{channel}-ends"].reshape(2, 8, 1).astype(float)
            numbers = blocks[f"e{epoch}-channel-{channel}"].reshape(8, 36)
            shown = near + (numbers - 1.0) / 254 * (far - near)
            atol = float((far - near).max()) / 500
            np.testing.assert_allclose(shown, values[..., channel], atol=atol)
    assert np.cumsum(blocks["places"]).tolist() == training.projections[0].samples.grid_rows().tolist()
    most = meta["epochs"]["farthest"]
    moved = blocks["movement"].reshape(2, -1) / 65535 * most
    np.testing.assert_allclose(moved, training.movement, atol=most / 65535)
    np.testing.assert_array_equal(blocks["beyond"].reshape(2, -1), marked.beyond)


def test_a_scene_exports_all_epochs_and_shows_what_it_showed_before(
    training: explorer.Evolution, tmp_path: Path
) -> None:
    scene = training.scene(epoch=1)
    scene.select(2, 3, 3)
    assert scene.view is not None  # looking at it settles from where it is seen
    before = scene.to_dict()
    meta, blocks = read(scene.export(tmp_path / "cloud.html"))
    assert scene.to_dict() == before
    assert len(meta["epochs"]["each"]) == 3
    assert {f"e{k}-rgb" for k in range(3)} <= set(blocks)


def test_what_has_no_room_is_left_out_of_every_epoch_alike_and_said(
    training: explorer.Evolution, tmp_path: Path
) -> None:
    full = export_html(training.scene(), tmp_path / "a.html").megabytes
    kept = Options(channels=1, neighbours=False, similarity=False)
    written = export_html(training.scene(), tmp_path / "b.html", kept)
    meta, blocks = read(written.path)
    assert any(words.startswith("3 of 4 channels of every epoch") for words in written.left), written.left
    assert any("neighbours" in words and "(every epoch)" in words for words in written.left)
    assert meta["left"] == list(written.left)
    names = {name for name in blocks if "channel" in name and not name.endswith("-ends")}
    assert len(names) == 3
    assert len({name.split("-", 1)[1] for name in names}) == 1  # the same channel at each epoch
    offered = {one["name"] for one in meta["colours"] if one["name"].startswith("channel:")}
    assert offered == {next(iter(names)).split("-", 1)[1].replace("-", ":")}
    assert all("colours" not in own for own in meta["epochs"]["each"])
    tight = export_html(training.scene(), tmp_path / "c.html", Options(megabytes=full - 0.005))
    assert tight.megabytes <= full - 0.005
    assert tight.left
    with pytest.raises(
        InputError, match=r"150 points at 3 epochs .* weigh 0\.\d MB, more than 0\.05.*--every"
    ):
        export_html(training.scene(), tmp_path / "d.html", Options(megabytes=0.05))
    assert not (tmp_path / "d.html").exists()


def test_another_map_of_an_epoch_goes_alone_and_the_file_says_so(
    training: explorer.Evolution, tmp_path: Path
) -> None:
    scene = training.scene()
    scene.projection = explorer.project(training.runs[2], method="pca", n_components=2)
    written = export_html(scene, tmp_path / "cloud.html")
    meta, _ = read(written.path)
    assert "epochs" not in meta
    assert any(words.startswith("2 other epochs") for words in written.left)


def test_names_are_escaped_and_the_policy_allows_our_own_script_alone(
    training: explorer.Evolution, tmp_path: Path
) -> None:
    from dataclasses import replace

    named = replace(training, epochs=("1", NASTY, "10"))
    text = export_html(named.scene(), tmp_path / "cloud.html").path.read_text(encoding="utf-8")
    assert "<img" not in text
    assert text.count("<script") == text.count("</script>")
    meta, _ = read(tmp_path / "cloud.html")
    assert meta["epochs"]["names"][1] == NASTY
    policy = re.search(r'http-equiv="Content-Security-Policy" content="(.*?)"', text)
    assert policy
    assert "unsafe" not in policy[1]
    assert "http" not in policy[1]


def test_the_command_takes_some_epochs_and_says_which_it_left(
    training: explorer.Evolution, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where, out = str(training.path), tmp_path / "cloud.html"
    assert main(["export", where, "--out", str(out), "--epochs", "1,10"]) == 0
    assert "left out: 1 of 3 epochs, as asked for: 5" in capsys.readouterr().out
    assert read(out)[0]["epochs"]["names"] == ["1", "10"]
    assert main(["export", where, "--out", str(out), "--every", "2"]) == 0
    assert read(out)[0]["epochs"]["names"] == ["1", "10"]
    capsys.readouterr()
    for asked, words in (
        (["--epochs", "1,7"], "epoch '7': this training has 1, 5, 10"),
        (["--epochs", "5"], "two or more of 1, 5, 10"),
        (["--every", "3"], "from 1 to 2"),
        (["--every", "2", "--epochs", "1,5"], "expected one of them"),
    ):
        assert main(["export", where, "--out", str(out), *asked]) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
    assert main(["export", str(training.runs[0].path), "--out", str(out), "--every", "2"]) == 2
    assert "is no training" in capsys.readouterr().err


def test_in_a_notebook_all_epochs_are_shown_or_the_one_that_is_said(
    training: explorer.Evolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inside(shown: str) -> dict[str, Any]:
        page = html.unescape(shown[shown.index('srcdoc="') + 8 : shown.rindex('" style=')])
        found = re.search(r'id="data-meta">(.*?)</script>', page, re.DOTALL)
        assert found
        return dict(json.loads(found[1]))

    scene = training.scene(epoch=1)
    assert inside(scene._repr_html_())["epochs"]["names"] == ["1", "5", "10"]
    one = explorer.scene(training.runs[1], training.projections[1])
    for limit in np.arange(0.2, 0.5, 0.01):  # the least that one epoch needs is too little for three
        monkeypatch.setattr("explorer.render.export.exporting.IN_A_NOTEBOOK", float(limit))
        try:
            one._repr_html_()
            break
        except InputError:
            continue
    shown = scene._repr_html_()
    assert shown.startswith("<p>epoch 5 alone: the points of all 3 are too much for a notebook")
    assert "epochs" not in inside(shown)


@pytest.mark.slow
def test_fifty_thousand_places_over_all_epochs_weigh_less_than_fifteen_megabytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "kept").mkdir()
    (tmp_path / "images").mkdir()
    for image in range(100):
        pixels = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{image:03}.png")
    for epoch in range(5):
        values = rng.normal(size=(100, 10, 10, 64)) + epoch * rng.normal(size=(100, 1, 1, 64))
        np.savez(tmp_path / "kept" / f"epoch{epoch}.npz", allow_pickle=False, block=values.astype(np.float32))
    asked: Any = {"layer": "block", "method": "pca", "n_components": 3, "sample": 10_000}
    made = explorer.evolve(tmp_path / "kept", tmp_path / "images", out=tmp_path / "course", **asked)
    assert sum(one.n_samples for one in made.projections) == 50_000
    written = export_html(made.scene(colour="cluster"), tmp_path / "cloud.html")
    assert written.megabytes < 15
    _, blocks = read(written.path)
    kept = ("coordinates", "norm", "rgb", "near", "vectors")
    assert {f"e{epoch}-{name}" for epoch in range(5) for name in kept} <= set(blocks)
    assert all("of 64 channels of every epoch" in words for words in written.left)  # noise packs worst
