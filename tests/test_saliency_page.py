"""The page of saliency maps, maps kept in a run as a colour of its clouds, and the command."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer.cli import main
from explorer.demo import DIGITS
from explorer.render.linked.saliency_files import cell_means, kept, read_kept
from explorer.render.sheets.saliency_page import scale_of_map


@pytest.fixture(scope="module")
def digits() -> explorer.Model:
    return explorer.load_model(DIGITS)


@pytest.fixture(scope="module")
def pictures(digits: explorer.Model) -> list[Path]:
    folder = DIGITS.parent / "images"
    return sorted(folder.rglob("*.png"))[::90]


@pytest.fixture(scope="module")
def found(digits: explorer.Model, pictures: list[Path]) -> list[explorer.Saliency]:
    ways = ("grad-cam", "integrated-gradients")
    return [explorer.saliency(digits, pictures, method=way, target=3, steps=4) for way in ways]


def test_signed_maps_are_centred_on_zero() -> None:
    values = np.linspace(-1, 3, 400, dtype=np.float32).reshape(20, 20)
    signed, unsigned = scale_of_map(values, signed=True), scale_of_map(np.abs(values), signed=False)
    assert signed.low == -signed.high < 0
    assert unsigned.low >= 0
    assert signed.colours(np.zeros(1), (1, 2, 3)).tolist() == [[211, 210, 208]]


def test_the_page_tells_what_is_drawn(found: list[explorer.Saliency]) -> None:
    one = explorer.saliency_page(found[1])
    assert "digits · what drives class 3" in one.words
    assert {"picture", "integrated-gradients", "over the picture"} <= set(one.words)
    assert any(word.startswith("completeness error") for word in one.words)
    both = explorer.saliency_page(found, fidelity=[each.fidelity(steps=2, orders=1) for each in found])
    assert {"grad-cam", "integrated-gradients"} <= set(both.words)
    assert sum(word.startswith("deletion ") for word in both.words) == 2 * len(found[0].names)
    assert len(explorer.saliency_page(found, images=[1]).words) < len(explorer.saliency_page(found).words)


def test_nothing_lies_outside_the_page(found: list[explorer.Saliency]) -> None:
    from explorer.render.drawing.sheet import Line, Patch
    from explorer.render.drawing.text import font, width

    for page in (
        explorer.saliency_page(found[0]),
        explorer.saliency_page(found, fidelity=[each.fidelity(steps=2, orders=1) for each in found]),
    ):
        wide, tall = (part / page.zoom for part in page.size)
        boxes = []
        for item in page.items:
            if isinstance(item, Patch):
                height, across = (part / page.zoom for part in item.pixels.shape[:2])
                boxes.append((*item.at, across, height))
                assert item.at[0] + across <= wide
                assert item.at[1] + height <= tall
            if isinstance(item, Line):
                assert item.at[0] + width(item.text, font(item.size, item.style)) <= wide
        for place, (x, y, across, height) in enumerate(boxes):
            for left, top, over, down in boxes[place + 1 :]:
                assert x + across <= left or left + over <= x or y + height <= top or top + down <= y


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_page_is_written(found: list[explorer.Saliency], tmp_path: Path, suffix: str) -> None:
    path = explorer.saliency_page(found).save(tmp_path / f"page.{suffix}")
    assert path.stat().st_size > 1000


def test_what_cannot_be_drawn_is_one_line(digits: explorer.Model, found: list[explorer.Saliency]) -> None:
    with pytest.raises(explorer.InputError, match="no maps"):
        explorer.saliency_page([])
    other = explorer.saliency(digits, np.zeros((1, 32, 32, 1), np.float32))
    with pytest.raises(explorer.InputError, match="different pictures"):
        explorer.saliency_page([found[0], other])


def test_cells_are_means_of_their_pixels() -> None:
    values = np.random.default_rng(0).normal(size=(2, 7, 8)).astype(np.float32)
    means = cell_means(values, (2, 4))
    assert np.allclose(means[1, 0, 1], values[1, :3, 2:4].mean(), atol=1e-6)
    assert np.allclose(means[0, 1, 3], values[0, 3:, 6:].mean(), atol=1e-6)
    assert np.array_equal(cell_means(values, (14, 16))[:, ::2, ::2], values)
    assert np.allclose(cell_means(values, ()), values.mean(axis=(1, 2)), atol=1e-6)


@pytest.fixture
def run(digits: explorer.Model, pictures: list[Path], tmp_path: Path) -> Any:
    return explorer.capture(digits, pictures, layers=["block2", "output"], out=tmp_path / "run")


def test_kept_maps_colour_the_cloud_without_the_model(run: Any, found: list[explorer.Saliency]) -> None:
    projection = explorer.project(run, layer="block2", method="pca", n_components=2)
    with pytest.raises(explorer.InputError, match="keeps no saliency maps"):
        explorer.scene(run, projection, colour="saliency")
    for one in found:
        one.keep(run)
    opened = explorer.open_run(run.path)
    scene = explorer.scene(opened, projection, colour="saliency:grad-cam-class-3")
    quantity = scene.state.quantity(scene.state.colour)
    assert np.array_equal(quantity.values, cell_means(found[0].values, (8, 8)).ravel())
    assert "grad-cam: what drives class 3" in quantity.title
    scene.colour = "saliency"  # the newest
    assert scene.state.colour == "saliency:integrated-gradients-class-3"
    assert scene.state.quantity(scene.state.colour).signed
    picture = scene.screenshot(run.path / "cloud.png")
    assert picture.stat().st_size > 1000
    whole = explorer.project(run, layer="output", method="pca", n_components=2)
    scene.state.show(whole)
    assert np.allclose(
        scene.state.quantity(scene.state.colour).values, found[1].values.mean(axis=(1, 2)), atol=1e-6
    )


def test_maps_of_other_images_are_not_kept(run: Any, digits: explorer.Model) -> None:
    with pytest.raises(explorer.InputError, match="explain all images of the run"):
        explorer.saliency(digits, np.zeros((1, 32, 32, 1), np.float32)).keep(run)


def lying(*shape: int) -> bytes:
    """An array file that declares a shape and holds nothing."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00\x76\x00" + header.ljust(117) + b"\n"


@pytest.mark.parametrize("damage", ["cut", "bomb", "shape", "other"])
def test_damaged_maps_are_one_line(run: Any, found: list[explorer.Saliency], damage: str) -> None:
    path = found[0].keep(run, "maps")
    with np.load(path) as read:
        arrays = dict(read)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:2000])
    elif damage == "bomb":
        np.savez_compressed(path, **arrays)
    elif damage == "shape":
        np.savez(path, **{name: array for name, array in arrays.items() if name != "values"})
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("values.npy", lying(4, 99_999_999, 9))
    else:
        np.savez(path, **arrays | {"names": arrays["names"][::-1]})
    assert kept(run) == ("maps",)
    with pytest.raises(explorer.RunError) as raised:
        read_kept(run, "maps")
    assert "\n" not in str(raised.value)
    assert "maps.npz" in str(raised.value)


@pytest.mark.slow
def test_the_command_draws_keeps_and_measures(
    run: Any, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for picture in pictures[:2]:
        (folder / picture.name).write_bytes(picture.read_bytes())
    command = ["saliency", str(DIGITS), str(folder), "--class", "3"]
    page = tmp_path / "page.png"
    assert (
        main([*command, "--method", "grad-cam", "--method", "gradient", "--fidelity", "--out", str(page)])
        == 0
    )
    assert page.stat().st_size > 1000
    said = capsys.readouterr().out
    assert "grad-cam: deletion" in said
    assert main([*command, "--sanity", "--out", str(tmp_path / "maps.npz")]) == 0
    assert "random down to block1/conv" in capsys.readouterr().out
    with np.load(tmp_path / "maps.npz") as read:
        assert read["values"].shape == (2, 32, 32)
    masks = np.zeros((2, 8, 8), bool)
    masks[1, 3, 4] = True
    np.savez(tmp_path / "chosen.npz", masks=masks)
    chosen = ["saliency", str(DIGITS), str(folder), "--layer", "block2", "--out", str(tmp_path / "one.npz")]
    assert main([*chosen, "--selection", str(tmp_path / "chosen.npz")]) == 0
    assert "1 of 2 pictures have selected positions" in capsys.readouterr().err
    with np.load(tmp_path / "one.npz") as read:
        assert read["names"].tolist() == [pictures[1].name]
    own = explorer.capture(DIGITS, folder, layers=["block2"], out=tmp_path / "own")
    assert main([*command, "--run", str(own.path)]) == 0
    assert kept(own) == ("gradient-class-3",)
    for wrong, words in (
        ([], "name a file with --out"),
        (["--out", "x.gif"], "x.gif"),
        (["--out", "x.npz", "--method", "gradient", "--method", "occlusion"], "holds the values of one"),
        (["--out", "x.png", "--image", "nobody"], "--image nobody"),
        (["--run", str(run.path)], "is not among those named"),
    ):
        assert main([*command, *wrong]) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.strip().count("\n") == 0
