"""SVG and PDF say and show what the picture does."""

import base64
import io
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image
from test_scene import SMALL, cell_pixel, made, run_of

from explorer.errors import InputError
from explorer.render.drawing.shapes import Cells, Drawing, Raster, Words
from explorer.render.export.exporting import Options
from explorer.render.export.vector_page import drawn_page
from explorer.render.linked.paper import Paper
from explorer.render.linked.scene import Scene

SVG = "{http://www.w3.org/2000/svg}"


def drawing_of(scene: Scene, *, transparent: bool = False) -> Drawing:
    with scene.aside():
        return drawn_page(scene, Paper(SMALL), transparent)


def test_every_cell_of_a_map_is_a_rectangle_where_the_picture_has_it() -> None:
    scene = made(run_of(pictures=False))
    picture = scene.frame(SMALL)
    maps = [shape for shape in drawing_of(scene).shapes if isinstance(shape, Cells)]
    assert len(maps) == 3
    for panel, cells in enumerate(maps, start=1):
        assert cells.colours.shape == (4, 6, 3)
        for row in range(4):
            for column in range(6):
                left, top, wide, tall = cells.place
                x, y = cell_pixel(scene, panel, row, column)
                at = int((y - top) / tall * 4), int((x - left) / wide * 6)
                assert at == (row, column)
                colour = tuple(cells.colours[at].tolist())
                assert picture.getpixel((int(x), int(y))) == colour


def test_the_svg_has_its_words_as_text_and_its_pictures_within(tmp_path: Path) -> None:
    scene = made()
    scene.select(1, 2, 3)
    root = ET.parse(scene.export(tmp_path / "a.svg", Options(size=SMALL))).getroot()
    words = [element.text for element in root.iter(f"{SVG}text")]
    assert root.get("viewBox") == "0 0 800 600"
    for said in ("net · block2 · UMAP", "label", "Row 2, column 3", "PCA→RGB", "UMAP axes"):
        assert said in words
    assert len(list(root.iter(f"{SVG}rect"))) > 2 * 24  # two maps' cells; the third lies over the picture
    links = [element.get("href") or "" for element in root.iter(f"{SVG}image")]
    assert links
    assert all(link.startswith("data:image/png;base64,") for link in links)
    sizes = []
    for link in links:
        with Image.open(io.BytesIO(base64.b64decode(link.split(",")[1]))) as picture:
            sizes.append(picture.size)
    with scene.aside():
        scene.frame(SMALL)
        place = scene.layout.cloud
    assert (2 * place.width, 2 * place.height) in sizes


def test_names_cannot_break_the_svg(tmp_path: Path) -> None:
    run = run_of()
    run.image_names = tuple(f'<script>&"{index}]]>\x00' for index in range(run.n_images))
    scene = made(run)
    root = ET.parse(scene.export(tmp_path / "a.svg", Options(size=SMALL))).getroot()
    assert not list(root.iter(f"{SVG}script"))
    assert any("<script>" in (element.text or "") for element in root.iter(f"{SVG}text"))


def test_the_pdf_is_one_page_with_its_fonts_and_looks_alike(tmp_path: Path) -> None:
    scene = made()
    scene.select_cells(1, (0, 0, 2, 2))
    data = scene.export(tmp_path / "a.pdf", Options(size=SMALL)).read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.count(b"/Type /Page\n") + data.count(b"/Type /Page ") == 1
    assert b"/MediaBox [ 0 0 800 600 ]" in data
    assert b"DejaVuSans-Bold" in data
    again = scene.export(tmp_path / "b.pdf", Options(size=SMALL)).read_bytes()
    assert again == data


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_pdf_drawn_is_the_picture(tmp_path: Path) -> None:
    pdfium = pytest.importorskip("pypdfium2")
    scene = made(run_of((8, 8)))
    path = scene.export(tmp_path / "a.pdf", Options(size=SMALL))
    document = pdfium.PdfDocument(path)
    drawn = np.asarray(document[0].render(scale=1).to_pil().convert("RGB"), float)
    words = document[0].get_textpage().get_text_range()
    document.close()
    assert "net · block2 · UMAP" in words
    expected = np.asarray(scene.frame(SMALL), float)
    assert drawn.shape == expected.shape
    assert np.abs(drawn - expected).mean() < 3


def test_a_transparent_page_has_no_ground_and_a_cloud_that_lets_light_through() -> None:
    shapes = drawing_of(made(), transparent=True).shapes
    assert isinstance(shapes[0], Words)
    cloud = max((shape for shape in shapes if isinstance(shape, Raster)), key=lambda one: one.pixels.size)
    assert cloud.pixels.shape[2] == 4
    assert cloud.pixels[0, 0, 3] == 0
    assert (cloud.pixels[..., 3] > 200).any()


def test_a_page_leaves_the_scene_as_it_was(tmp_path: Path) -> None:
    scene = made()
    before = np.asarray(scene.frame(SMALL))
    for name in ("a.svg", "a.pdf"):
        scene.export(tmp_path / name, Options(size=(1000, 800), transparent=True, alone=True))
    assert scene.size == SMALL
    np.testing.assert_array_equal(np.asarray(scene.frame(SMALL)), before)


def test_a_page_too_small_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="size 100 × 100"):
        made().export(tmp_path / "a.svg", Options(size=(100, 100)))
