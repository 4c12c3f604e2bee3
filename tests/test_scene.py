"""The scene: a point, its pixel in the heatmaps and its row in the projection are one thing."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from explorer.errors import InputError, LayerError
from explorer.reduce.projection import Projection
from explorer.reduce.rgb_basis import rgb
from explorer.render import scene
from explorer.render.cloud.camera import Camera, frame
from explorer.render.drawing.layout import Rect, lay_out
from explorer.render.linked.scene import Scene
from explorer.render.linked.state import COLOURS

SMALL = (800, 600)


class ArrayRun:
    """A run that lives in memory."""

    def __init__(self, values: NDArray[Any], *, labels: bool = True, pictures: bool = True) -> None:
        self.values = values
        self.layers = ("block2",)
        self.manifest = {"layers": {"block2": {"chunk": 4}}}
        self.name = "net"
        self.n_images = len(values)
        self.image_names = tuple(f"class/{index:04d}.png" for index in range(len(values)))
        self.labels = tuple("ab"[index % 2] for index in range(len(values))) if labels else None
        self.pictures = pictures

    def grid_shape(self, layer: str) -> tuple[int, ...]:
        if layer not in self.layers:
            raise LayerError(f"no layer {layer}")
        return self.values.shape[:-1]

    def channels(self, layer: str) -> int:
        return int(self.values.shape[-1])

    def read(self, layer: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        return self.values[start:stop]

    def picture(self, image: int) -> NDArray[np.uint8] | None:
        return np.full((12, 18, 3), 40 * (image % 5), np.uint8) if self.pictures else None


def run_of(spatial: tuple[int, ...] = (4, 6), images: int = 6, **options: Any) -> ArrayRun:
    rng = np.random.default_rng(0)
    return ArrayRun(rng.normal(size=(images, *spatial, 5)).astype(np.float32), **options)


def projected(run: ArrayRun, *, components: int = 3, every: int = 1) -> Projection:
    shape = run.grid_shape("block2")
    rows = None if every == 1 else np.arange(0, int(np.prod(shape)), every, dtype=np.int64)
    n = int(np.prod(shape)) if rows is None else len(rows)
    coordinates = np.random.default_rng(1).normal(size=(n, components)).astype(np.float32)
    return Projection(
        "umap",
        coordinates,
        "block2",
        shape,
        rows,
        parameters={"n_neighbors": 15},
        quality={
            "trustworthiness": 0.98,
            "random": {"trustworthiness": 0.5},
            "pca": {"trustworthiness": 0.9},
        },
        trust=np.linspace(0, 1, n, dtype=np.float32),
    )


def made(run: ArrayRun | None = None, *, components: int = 3, every: int = 1, **options: Any) -> Scene:
    run = run or run_of()
    made = scene(run, projected(run, components=components, every=every), **options)
    made.frame(SMALL)
    return made


def cell_pixel(at: Scene, panel: int, row: int, column: int) -> tuple[float, float]:
    left, top, right, bottom = at.page(SMALL).shown[panel].box(row, column)
    return (left + right) / 2, (top + bottom) / 2


@pytest.mark.parametrize("components", [2, 3])
def test_picking_a_points_pixel_gives_the_frontmost_point_there(components: int) -> None:
    shown = made(components=components)
    place = shown.page(SMALL).layout.cloud
    pixels, depth = shown.view.project(shown.cloud.points, (place.width, place.height))
    size = (place.width, place.height)
    away = shown.cloud.on_screen(shown.view, size).depth
    radius = shown.cloud.point_size(size) / 2 * shown.cloud.larger(shown.view, away)
    for row in range(0, len(pixels), 7):
        x, y = pixels[row]
        near = np.flatnonzero(np.hypot(*(pixels - pixels[row]).T) <= radius)
        assert shown.pick(x + place.left, y + place.top) == near[np.argmin(depth[near])]


def test_nothing_is_picked_beside_the_cloud_or_far_from_points() -> None:
    shown = made()
    place = shown.page(SMALL).layout.cloud
    assert shown.pick(place.right + 5, place.top + 5) is None
    shown.camera = frame(shown.cloud.points * 40, np.eye(3), 1.0).to_dict()
    assert shown.pick(place.left + 3, place.top + 3) is None


def test_a_clicked_point_selects_its_image_and_its_position() -> None:
    shown = made()
    seen = [row for row in range(144) if shown.pick(*(shown.pixel(row) or (0, 0))) == row]
    assert len(seen) > 30
    for row in seen[::9]:
        pixel = shown.pixel(row)
        assert pixel is not None
        chosen = shown.click(*pixel)
        assert chosen is not None
        image, *position = np.unravel_index(row, (6, 4, 6))
        assert (chosen.row, chosen.image, chosen.position) == (row, image, tuple(position))
        assert shown.image == image
        assert chosen.label == "ab"[int(image) % 2]
        np.testing.assert_allclose(chosen.coordinates, shown.state.projection.coordinates[row])


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("panel", [0, 1, 2, 3])
def test_a_clicked_heatmap_cell_selects_its_row_of_the_projection(panel: int, every: int) -> None:
    shown = made(every=every, image=2)
    rows = shown.state.projection.samples.grid_rows()
    for row, column in ((0, 0), (3, 5), (2, 1), (1, 4)):
        chosen = shown.click(*cell_pixel(shown, panel, row, column))
        assert chosen is not None
        assert (chosen.image, chosen.position) == (2, (row, column))
        place = 2 * 24 + row * 6 + column
        if place in rows:
            assert chosen.row is not None
            assert rows[chosen.row] == place
            assert chosen.nearest == chosen.row
        else:
            assert chosen.row is None
            assert chosen.coordinates is None
            assert chosen.nearest is not None
            near = np.unravel_index(rows[chosen.nearest], (6, 4, 6))
            distances = [
                np.hypot(r - row, c - column)
                for i, r, c in zip(*np.unravel_index(rows, (6, 4, 6)), strict=True)
                if i == 2
            ]
            assert near[0] == 2
            assert np.hypot(near[1] - row, near[2] - column) == min(distances)


def test_a_position_outside_the_sample_is_told() -> None:
    shown = made(every=5)
    shown.select(0, 0, 1)
    words = shown.page(SMALL)
    assert words is not None
    from explorer.render.linked.words import header, info

    box = info(shown.state, interactive=True)
    assert box.warns
    assert "Not in the sample of 29" in box.foot
    assert "29 of 144 positions" in header(shown.state).facts
    assert "trustworthiness 0.98 (random 0.5, PCA 0.9)" in header(shown.state).facts


def test_an_image_without_sampled_positions_is_told() -> None:
    run = run_of()
    part = Projection("pca", np.zeros((2, 3), np.float32), "block2", (6, 4, 6), np.array([0, 1]))
    shown = scene(run, part)
    chosen = shown.select(5, 0, 0)
    assert (chosen.row, chosen.nearest) == (None, None)
    shown.frame(SMALL)


def test_the_selected_cell_is_outlined_in_all_four_maps() -> None:
    shown = made()
    shown.select(1, 2, 3)
    page = shown.page(SMALL)
    accent = np.array([255, 42, 85])
    for picture in page.shown:
        left, top, right, bottom = (round(edge) for edge in picture.box(2, 3))
        around = page.canvas[top - 6 : bottom + 6, left - 6 : right + 6]
        assert (around == accent).all(axis=-1).sum() > 20


def test_the_ring_lies_on_the_selected_point() -> None:
    shown = made()
    plain = np.asarray(shown.frame(SMALL)).astype(int)
    shown.select(*(int(part) for part in np.unravel_index(40, (6, 4, 6))))
    ringed = np.asarray(shown.frame(SMALL)).astype(int)
    place = shown.page(SMALL).layout.cloud
    inside = (slice(place.top, place.bottom), slice(place.left, place.right))
    rows, columns = np.nonzero((plain[inside] != ringed[inside]).any(axis=-1))
    pixel = shown.pixel(40)
    assert pixel is not None
    assert abs((columns.min() + columns.max()) / 2 + place.left - pixel[0]) < 1.5
    assert abs((rows.min() + rows.max()) / 2 + place.top - pixel[1]) < 1.5


def test_points_are_drawn_where_they_are_picked() -> None:
    shown = made(colour="image")
    shown.named = False  # a name may lie over a point
    picture = np.asarray(shown.frame(SMALL))
    page = np.array([255, 255, 255])
    for row in range(0, 144, 11):
        pixel = shown.pixel(row)
        assert pixel is not None
        assert (picture[int(pixel[1]), int(pixel[0])] != page).any()


def test_the_opening_view_fills_the_frame_and_is_the_same_each_time() -> None:
    first, second = made(), made()
    assert first.camera == second.camera
    place = first.page(SMALL).layout.cloud
    pixels, _ = first.view.project(first.cloud.points, (place.width, place.height))
    spans = np.ptp(pixels, axis=0) / (place.width, place.height)
    assert spans.max() > 0.85
    assert pixels.min() >= 0
    assert (pixels.max(axis=0) <= (place.width, place.height)).all()


def test_a_flat_projection_is_seen_face_on() -> None:
    shown = made(components=2)
    assert shown.camera["parallel_scale"] is not None
    first, second = shown.pixel(0), shown.pixel(1)
    assert first is not None
    assert second is not None
    step = shown.state.projection.coordinates[1] - shown.state.projection.coordinates[0]
    moved = np.subtract(second, first)
    np.testing.assert_allclose(moved[0] / step[0], -moved[1] / step[1], rtol=1e-4)


def test_the_camera_survives_a_file(tmp_path: Path) -> None:
    shown = made()
    shown.camera = {**shown.camera, "view_angle": 40.0}
    path = shown.save_camera(tmp_path / "camera.json")
    other = made()
    other.load_camera(path)
    assert other.camera == shown.camera == json.loads(path.read_text())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"position": [0, 0, "a"]}',
        '{"position": [0, 0, 0], "focal_point": [0, 0, 0], "view_up": [0, 1, 0]}',
    ],
)
def test_a_damaged_camera_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "camera.json"
    path.write_text(text)
    with pytest.raises(InputError, match="not a camera"):
        made().load_camera(path)


def test_a_screenshot_is_as_large_as_asked_and_leaves_the_camera(tmp_path: Path) -> None:
    shown = made()
    before = shown.camera
    away = frame(shown.cloud.points * 3, np.eye(3), 1.0).to_dict()
    path = shown.screenshot(tmp_path / "far.PNG", size=(640, 480), camera=away)
    near = shown.screenshot(tmp_path / "near.jpg", size=(640, 480))
    with Image.open(path) as picture, Image.open(near) as other:
        assert picture.size == other.size == (640, 480)
        assert picture.format == "PNG"
        assert other.format == "JPEG"
    shown.frame(SMALL)
    assert shown.camera == before
    with pytest.raises(InputError, match=r"\.png, \.jpg, \.jpeg"):
        shown.screenshot(tmp_path / "picture.gif")
    with pytest.raises(InputError, match="size"):
        shown.screenshot(tmp_path / "a.png", size=(100, 100))


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("labels", [True, False])
def test_every_colour_mode_has_colours_and_a_legend(colour: str, labels: bool) -> None:
    run = run_of(labels=labels)
    shown = scene(run, projected(run, every=2), colour=colour)
    assert shown.colour == ("image" if colour == "label" and not labels else colour)
    found = shown.colouring()
    assert found.colours.shape == (72, 3)
    assert found.legend.title
    assert found.legend.swatches or found.legend.scale is not None
    shown.page(SMALL)


def test_colours_are_those_of_the_rows() -> None:
    shown = made(run_of(), every=2, colour="channel", channel=3)
    rows = shown.state.projection.samples.grid_rows()
    run = shown.state.run
    values = run.read("block2").reshape(-1, 5)[rows, 3]
    scale = shown.colouring().legend.scale
    assert scale is not None
    np.testing.assert_array_equal(shown.colouring().colours, scale.colours(values, (0, 0, 0)))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("spatial", [(), (9,), (4, 6), (3, 4, 5)])
def test_every_spatial_rank_has_a_scene(spatial: tuple[int, ...], theme: str) -> None:
    shown = made(run_of(spatial), theme=theme)
    for mode in ("norm", "channel", "component"):
        shown.state.map = mode
        shown.page(SMALL)
    if spatial:
        row, column = (0, 4) if len(spatial) == 1 else (2, 4)
        chosen = shown.click(*cell_pixel(shown, 1, row, column))
        assert chosen is not None
        assert chosen.position == {1: (4,), 2: (2, 4), 3: (1, 2, 4)}[len(spatial)]
        assert chosen.row == np.ravel_multi_index((0, *chosen.position), (6, *spatial))
    else:
        shown.select(3)
    shown.frame(SMALL)


def test_awkward_runs_are_shown() -> None:
    run = run_of(pictures=False, labels=False)
    run.values[:, 0, 0] = np.nan
    run.values[0] = 0
    run.image_names = ("a very long name " * 20, *run.image_names[1:])
    for coordinates in (np.zeros((144, 3)), np.full((144, 3), np.nan), np.full((144, 3), 1e30)):
        awkward = Projection("tsne", coordinates.astype(np.float32), "block2", (6, 4, 6))
        shown = scene(run, awkward, colour="norm")
        shown.select(0, 0, 0)
        shown.frame(SMALL)


def test_wrong_arguments_are_told() -> None:
    run = run_of()
    fits = projected(run)
    for options, words in (
        ({"image": 6}, "images 0 to 5"),
        ({"channel": 5}, "channels 0 to 4"),
        ({"colour": "lable"}, "did you mean label"),
        ({"theme": "drak"}, "did you mean dark"),
    ):
        with pytest.raises(InputError, match=words):
            scene(run, fits, **options)
    with pytest.raises(InputError, match="projection"):
        scene(run_of((5, 5)), fits)
    with pytest.raises(LayerError):
        scene(run, Projection("pca", fits.coordinates, "head", (6, 4, 6)))
    for position in ((0, 0), (0, 4, 0), (0, 0, 6), (6, 0, 0), (0, 0, 0, 0)):
        with pytest.raises(InputError, match="4 × 6"):
            scene(run, fits).select(*position)


@pytest.mark.parametrize(
    "size", [(640, 480), (800, 600), (1000, 1400), (1280, 720), (1600, 900), (2400, 800), (3840, 2160)]
)
def test_nothing_overlaps_at_any_size(size: tuple[int, int]) -> None:
    layout = lay_out(size)
    places = [layout.header, layout.cloud, layout.legend, layout.axes, *layout.panels, layout.info]
    for index, one in enumerate(places):
        assert one.width > 0
        assert one.height > 0
        assert one.left >= 0
        assert one.top >= 0
        assert one.right <= size[0]
        assert one.bottom <= size[1]
        assert not any(overlap(one, other) for other in places[index + 1 :])
    assert layout.cloud.width > 0.4 * size[0]


def overlap(one: Rect, other: Rect) -> bool:
    return (
        one.left < other.right
        and other.left < one.right
        and one.top < other.bottom
        and other.top < one.bottom
    )


def test_projecting_agrees_with_the_definition_of_the_frame() -> None:
    camera = Camera((0.0, 0.0, 10.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0), view_angle=90.0)
    pixels, depth = camera.project(np.array([[0, 0, 0], [10, 10, 0], [0, 0, 20]]), (200, 100))
    np.testing.assert_allclose(pixels[:2], [[100, 50], [150, 0]], atol=1e-9)
    np.testing.assert_allclose(depth, [10, 10, -10])


@pytest.mark.parametrize("spatial", [(400,), (300, 300)])
def test_cells_narrower_than_a_pixel_can_be_selected(spatial: tuple[int, ...]) -> None:
    run = run_of(spatial, images=2)
    coordinates = np.zeros((2 * int(np.prod(spatial)), 3), np.float32)
    shown = scene(run, Projection("pca", coordinates, "block2", (2, *spatial)))
    shown.select(1, *(3,) * len(spatial))
    assert shown.page(SMALL).canvas.size


def test_colours_of_another_run_are_used_and_held_against_the_channels() -> None:
    run, other = run_of(), rgb(run_of(images=3))
    shown = made(run, colour="rgb")
    own = np.asarray(shown.frame(SMALL))
    swapped = dataclasses.replace(other, low=other.high, high=other.high + 1)
    shown.use_rgb(swapped)
    assert shown.basis() is swapped
    assert (np.asarray(shown.frame(SMALL)) != own).any()
    narrow = ArrayRun(run.values[..., :4])
    with pytest.raises(InputError, match="has 4 channels, the colours are of 5"):
        scene(narrow, projected(narrow), rgb=other)
