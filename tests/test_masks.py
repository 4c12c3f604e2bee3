from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import explorer
from explorer.capture.images import read_inputs
from explorer.capture.mask_grid import majority, nearest
from explorer.capture.masks import open_masks, read_mask
from explorer.capture.model import Model
from explorer.capture.preprocessing import Preprocessing

rng = np.random.default_rng(0)


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """Four pictures of 16 × 16 in images/, and masks/ of their left and right halves."""
    for number in range(4):
        path = tmp_path / "data" / "images" / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(path)
        mask = np.zeros((16, 16), np.uint8)
        mask[:, 8:] = number + 1
        where = tmp_path / "data" / "masks" / "ab"[number % 2] / f"{number}.png"
        where.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(where)
    (tmp_path / "data" / "masks" / "classes.csv").write_text("id,name\n0,background\n2,liver\n")
    return tmp_path / "data"


@pytest.mark.parametrize("given", ["images", ""])
def test_masks_beside_images_are_found_and_kept(toy: Model, beside: Path, tmp_path: Path, given: str) -> None:
    run = explorer.capture(toy, beside / given, layers=["half", "flat"], out=tmp_path / "run")
    again = explorer.open_run(run.path)
    assert again.image_names == ("a/0.jpg", "a/2.jpg", "b/1.jpg", "b/3.jpg")
    classes = again.mask_classes("half")
    assert classes.shape == (4, 4, 4)
    for row, right in enumerate((1, 3, 2, 4)):
        assert (classes[row, :, :2] == 0).all()
        assert (classes[row, :, 2:] == right).all()
    assert again.mask_names == {-1: "no mask", 0: "background", 1: "1", 2: "liver", 3: "3", 4: "4"}
    assert again.mask_classes("flat").tolist() == [0, 0, 0, 0]
    with pytest.raises(explorer.LayerError, match="half"):
        again.mask_classes("halv")


def test_a_class_belongs_to_the_very_pixels_of_its_image(toy: Model, tmp_path: Path) -> None:
    """Black and white pictures whose mask is the picture: every position agrees with the layer."""
    for number in range(3):
        blocks = rng.integers(0, 2, (4, 4), dtype=np.uint8)
        picture = np.kron(blocks, np.ones((10, 10), np.uint8))
        for kind, scale in (("images", 255), ("masks", 1)):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(picture * np.uint8(scale)).save(tmp_path / kind / f"{number}.png")
    rule = Preprocessing(size=(8, 8), channels="gray", resize="crop")
    model = Model(toy.adapter, "toy", "toy", rule, input_shape=(8, 8, 1))
    run = explorer.capture(model, tmp_path / "images", layers=["half"], out=tmp_path / "run")
    np.testing.assert_array_equal(run.mask_classes("half"), run["half"].values[..., 0] > 0.5)


def test_missing_and_broken_masks_are_said_and_counted(
    toy: Model, beside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (beside / "masks" / "a" / "0.png").unlink()
    (beside / "masks" / "b" / "1.png").write_bytes(b"x")
    Image.new("L", (30, 10)).save(beside / "masks" / "b" / "3.png")
    run = explorer.capture(toy, beside / "images", layers=["half"], out=tmp_path / "run")
    said = capsys.readouterr().err
    assert "masks for 1 of 4 inputs; 3 have none" in said
    assert "a mask of 30 × 10, its image is 16 × 16" in said
    assert [(run.mask_classes("half")[row] == -1).all() for row in range(4)] == [True, False, True, True]
    assert [entry["name"] for entry in run.manifest["masks"]["without"]] == ["a/0.jpg", "b/1.jpg", "b/3.jpg"]


def test_masks_can_come_later_and_change_without_capturing(toy: Model, beside: Path, tmp_path: Path) -> None:
    images, later = beside / "images", tmp_path / "later"
    (beside / "masks").rename(later)
    run = explorer.capture(toy, images, layers=["half"], out=tmp_path / "run")
    with pytest.raises(explorer.RunError, match="keeps no masks"):
        run.mask_classes("half")
    assert run.mask_names == {}
    calls = len(toy.adapter.calls)
    run = explorer.capture(toy, images, layers=["half"], out=tmp_path / "run", masks=later)
    assert run.mask_classes("half").max() == 4
    changed = np.full((16, 16), 9, np.uint8)
    Image.fromarray(changed).save(later / "a" / "0.png")
    run = explorer.capture(toy, images, layers=["half"], out=tmp_path / "run", masks=later)
    assert (run.mask_classes("half")[0] == 9).all()
    assert len(toy.adapter.calls) == calls


def test_masks_of_skipped_images_are_left_out(toy: Model, beside: Path, tmp_path: Path) -> None:
    (beside / "images" / "a" / "0.jpg").write_bytes(b"x")
    run = explorer.capture(toy, beside / "images", layers=["half"], out=tmp_path / "run")
    assert run.mask_classes("half")[:, 0, -1].tolist() == [3, 2, 4]


def test_an_array_of_masks(toy: Model, tmp_path: Path) -> None:
    values = rng.normal(size=(3, 8, 8, 1)).astype(np.float32)
    masks = rng.integers(0, 3, (3, 4, 4))
    np.save(tmp_path / "m.npy", masks)
    for given in (masks, tmp_path / "m.npy"):
        run = explorer.capture(toy, values, layers=["half"], out=tmp_path / "run", masks=given)
        np.testing.assert_array_equal(run.mask_classes("half"), masks)
    with pytest.raises(explorer.InputError, match=r"masks of shape \(2, 4, 4\) .* for 3 inputs"):
        explorer.capture(toy, values, layers=["half"], out=tmp_path / "run", masks=masks[:2])


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "I;16", "RGB"])
def test_gray_and_palette_values_are_the_classes(tmp_path: Path, mode: str) -> None:
    numbers = np.array([[0, 1], [2, 3]], np.uint8) if mode != "1" else np.array([[0, 1], [1, 0]], np.uint8)
    picture = {
        "1": lambda: Image.fromarray(numbers * 255).convert("1"),
        "I;16": lambda: Image.fromarray(numbers.astype(np.uint16)),
        "P": lambda: Image.frombytes("P", (2, 2), numbers.tobytes()),
    }.get(mode, lambda: Image.fromarray(numbers).convert(mode))()
    if mode == "P":
        picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    picture.save(tmp_path / "a.png")
    assert np.array_equal(read_mask(tmp_path / "a.png", (), Preprocessing()).astype(int), numbers)


def test_a_mask_in_colours_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2), "red").save(tmp_path / "a.png")
    with pytest.raises(explorer.InputError, match="a mask in colours"):
        read_mask(tmp_path / "a.png", (), Preprocessing())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.json", '["sky", "tree"]'),
        ("classes.json", '{"0": "sky", "1": "tree"}'),
        ("classes.csv", "name,id\nsky,0\ntree,1\n"),
    ],
)
def test_names_of_classes(beside: Path, name: str, text: str) -> None:
    (beside / "masks" / "classes.csv").unlink()
    (beside / name).write_text(text)
    inputs = read_inputs(beside / "images", None)
    masks = open_masks(None, inputs, images=beside / "images", rule=None)
    assert masks is not None
    assert dict(masks.names) == {0: "sky", 1: "tree"}


@pytest.mark.parametrize("text", ["", "id\n1\n", "id,name\nx,sky\n", "id,name\n1\n"])
def test_a_wrong_list_of_classes_is_one_line(beside: Path, text: str) -> None:
    (beside / "masks" / "classes.csv").write_text(text)
    with pytest.raises(explorer.InputError, match=r"classes\.csv: cannot be read as class numbers"):
        open_masks(None, read_inputs(beside / "images", None), images=beside / "images", rule=None)


def test_the_majority_of_a_cell_wins_and_the_smaller_of_equals() -> None:
    mask = np.array([[0, 0, 5, 5, 2], [0, 3, 5, 7, 2], [3, 3, 7, 7, 2]], np.int32)[None]
    assert majority(mask, (1, 2)).tolist() == [[[0, 2]]]
    assert majority(mask, ()).tolist() == [0]


@pytest.mark.parametrize(
    ("size", "grid"), [((12, 9), (4, 3)), ((7, 11), (3, 4)), ((5, 5), (10, 2)), ((3, 4, 6), (2, 2, 3))]
)
def test_majority_against_counting_by_hand(size: tuple[int, ...], grid: tuple[int, ...]) -> None:
    masks = rng.integers(-1, 4, (3, *size)).astype(np.int32)
    result = majority(masks, grid)
    assert result.shape == (3, *grid)
    for place in np.ndindex(3, *grid):
        cuts = []
        for index, cells, whole in zip(place[1:], grid, size, strict=True):
            if cells > whole:
                middle = int((index + 0.5) * whole / cells)
                cuts.append(slice(middle, middle + 1))
            else:
                cuts.append(slice(index * whole // cells, (index + 1) * whole // cells))
        numbers, counts = np.unique(masks[place[0]][tuple(cuts)], return_counts=True)
        assert result[place] == numbers[counts.argmax()]


def test_many_numbered_objects_are_counted_the_same() -> None:
    masks = rng.integers(0, 500, (4, 20, 20)).astype(np.int32)
    together = majority(masks, (5, 5))
    np.testing.assert_array_equal(together, np.concatenate([majority(one[None], (5, 5)) for one in masks]))


def test_nearest_takes_the_middle_of_each_new_place() -> None:
    row = np.arange(6, dtype=np.int32)
    assert nearest(row, (3,)).tolist() == [1, 3, 5]
    assert nearest(row, (2,), ((2.0, 6.0),)).tolist() == [3, 5]


def test_masks_of_an_npz(toy: Model, tmp_path: Path) -> None:
    masks = rng.integers(0, 3, (3, 4, 4))
    np.savez(tmp_path / "m.npz", masks=masks, other=np.zeros(5))
    values = rng.normal(size=(3, 8, 8, 1)).astype(np.float32)
    run = explorer.capture(toy, values, layers=["half"], out=tmp_path / "run", masks=tmp_path / "m.npz")
    np.testing.assert_array_equal(run.mask_classes("half"), masks)
    np.savez(tmp_path / "n.npz", one=masks, two=masks)
    with pytest.raises(explorer.InputError, match="no array masks among one, two"):
        explorer.capture(toy, values, layers=["half"], out=tmp_path / "run", masks=tmp_path / "n.npz")


def test_what_was_taken_for_what_is_said(
    toy: Model, beside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (beside / "extra").mkdir()
    explorer.capture(toy, beside, layers=["half"], out=tmp_path / "run")
    said = capsys.readouterr().err
    assert "took its images for the images and its masks for their masks; passed over extra" in said


def test_nifti_masks_turn_with_their_volumes(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    values = rng.integers(0, 4, (4, 5, 6)).astype(np.int16)
    image = nibabel.Nifti1Image(values, np.diag([-1.0, 1, 1, 1]))
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        image.to_filename(tmp_path / kind / "a.nii.gz")
    rule = Preprocessing(slices="axial", channels="gray", window=(1.5, 3))
    inputs = read_inputs(tmp_path / "images", rule)
    masks = open_masks(None, inputs, images=tmp_path / "images", rule=rule)
    assert masks is not None
    for index in range(6):
        expected = np.rint(inputs.load(index).value[..., 0] * 3)
        np.testing.assert_array_equal(masks.load(index), expected)


def test_a_layer_on_another_kind_of_grid_has_no_classes(tmp_path: Path) -> None:
    from collections.abc import Sequence

    from conftest import Toy

    from explorer.activations import Activations
    from explorer.capture.protocol import LayerInfo

    class Tokens(Toy):
        def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
            return (LayerInfo("tokens", "Toy", (8, 8)),)

        def capture(self, inputs: np.ndarray, layers: Sequence[str]) -> dict[str, Activations]:
            return {"tokens": Activations("tokens", inputs[..., 0])}

    values, masks = np.ones((2, 8, 8, 1), np.float32), np.ones((2, 8, 8), int)
    run = explorer.capture(
        Model(Tokens(), "toy", "toy"), values, layers=["tokens"], out=tmp_path, masks=masks
    )
    assert run.mask_classes("tokens").tolist() == [[-1] * 8] * 2


def test_a_table_can_name_the_masks(toy: Model, beside: Path, tmp_path: Path) -> None:
    rows = ["path,mask,n", "images/a/0.jpg,masks/a/0.png,1", "images/b/1.jpg,,2", "images/b/3.jpg,no.png,3"]
    (beside / "t.csv").write_text("\n".join(rows))
    run = explorer.capture(toy, beside / "t.csv", layers=["half"], out=tmp_path / "run")
    assert run.mask_classes("half")[:, 0, -1].tolist() == [1, -1, -1]
    assert list(run.metadata) == ["n"]
    reasons = [entry["reason"] for entry in run.manifest["masks"]["without"]]
    assert reasons == ["no mask", "no such file"]
