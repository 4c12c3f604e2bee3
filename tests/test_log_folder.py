"""Embeddings of a TensorBoard log folder open as layers; hostile files each get one clear line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import explorer
from explorer.cli import main
from explorer.demo import DIGITS
from explorer.errors import ExplorerError, InputError, LayerError
from explorer.tracking import Embedding
from explorer.tracking.log_folder import LogFolder, configs_in
from explorer.tracking.projector import Projector
from explorer.tracking.projector_text import parse

ROWS = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
SPRITES = np.random.default_rng(1).integers(0, 255, (12, 6, 8, 3), np.uint8)
COLUMNS = {"label": list("abcabcabcabc"), "size": list(range(12)), "weight": [0.5 * n for n in range(12)]}


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Three steps of one layer, with metadata and sprites, and one layer of other rows."""
    written = Projector(tmp_path / "tb")
    (tmp_path / "tb").mkdir()
    for step in range(3):
        written.add("block", Embedding(ROWS * (step + 1), COLUMNS, SPRITES), step)
    written.add("head", Embedding(ROWS[:4], {"label": list("abca")}), 0)
    return tmp_path / "tb"


def test_what_was_logged_is_opened_again(logs: Path) -> None:
    model = explorer.load_model(logs)
    assert model.adapter_name == "tensorboard"
    run = explorer.capture(model, layers=[f"block@0000{step}" for step in range(3)])
    for step in range(3):
        assert np.array_equal(run[f"block@0000{step}"].values, ROWS * np.float32(step + 1))
    assert run.labels == tuple("abcabcabcabc")
    assert run.metadata["size"].tolist() == list(range(12))
    assert run.metadata["size"].dtype == np.int64
    assert run.metadata["weight"].tolist() == [0.5 * n for n in range(12)]
    for row in range(12):
        picture = run.picture(row)
        assert picture is not None
        assert np.array_equal(picture, SPRITES[row])
    scene = explorer.scene(
        run, explorer.project(run, layer="block@00002", method="pca"), colour="metadata:size"
    )
    assert len(scene.state.projection.coordinates) == 12


def test_embeddings_of_other_rows_are_passed_over_and_it_is_said(
    logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    explorer.capture(logs)
    said = capsys.readouterr().err
    assert "passed over head@00000: it has other rows than block@00000; open" in said
    where = logs / "projector" / "head" / "00000.tsv"
    assert str(where) in said
    with pytest.raises(LayerError, match="head@00000: it has other rows"):
        explorer.capture(logs, layers=["head@00000"])
    assert np.array_equal(explorer.capture(where)["head@00000"].values, ROWS[:4])


def test_the_command_line_explores_and_views_a_log_folder(
    logs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(logs.parent)
    assert main(["explore", "tb", "--method", "pca"]) == 0
    assert "tb-embeddings/block@00002-pca-3d.png" in capsys.readouterr().out
    from explorer.commands.arguments import captured

    assert captured(Path("tb")) == Path("runs/tb-embeddings")
    run = explorer.open_run("runs/tb-embeddings")
    assert set(run.layers) == {f"block@0000{step}" for step in range(3)}
    assert captured(Path("runs/tb-embeddings")) == Path("runs/tb-embeddings")
    Projector(logs).add("block", Embedding(ROWS * 9, COLUMNS, SPRITES), 3)
    assert captured(Path("tb")) == Path("runs/tb-embeddings")
    assert "have changed" in capsys.readouterr().out
    assert np.array_equal(explorer.open_run("runs/tb-embeddings")["block@00003"].values, ROWS * 9)


def test_log_writes_a_captured_run_that_opens_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboardX")
    monkeypatch.chdir(tmp_path)
    run = explorer.capture(DIGITS, layers=["block4", "block5"], out="run")
    assert main(["log", "run", "--to", "tb", "--images", "40", "--positions", "200", "--step", "16"]) == 0
    said = capsys.readouterr()
    assert "tensorboard --logdir tb" in said.out
    assert "takes 40 of 360 images, evenly" in said.err
    assert "block5: embeds 200 of 2,560 positions, evenly drawn" in said.err
    again = explorer.capture("tb", layers=["block5@00016"])
    names = again.metadata["image"]
    for at in (0, 57, 199):
        image = run.image_names.index(names[at])
        row, column = (int(again.metadata[name][at]) for name in ("row", "column"))
        assert np.array_equal(again["block5@00016"].values[at], run["block5"].values[image, row, column])
        assert again.labels is not None
        assert run.labels is not None
        assert again.labels[at] == run.labels[image]
    assert main(["log", "run", "--to", "tb", "--images", "few"]) == 2
    assert "--images few: expected a number, or all" in capsys.readouterr().err


def write(folder: Path, config: str, **files: bytes | str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        blob = content.encode() if isinstance(content, str) else content
        (folder / name.replace("_", ".")).write_bytes(blob)
    (folder / "projector_config.pbtxt").write_text(config, encoding="utf-8")
    return folder


def test_files_of_other_programs_open(tmp_path: Path) -> None:
    """Bytes with a shape, one column of metadata without a name, comments, lists, and angle brackets."""
    words = "\n".join(["caf\u00e9", "b", "b", ""])
    folder = write(
        tmp_path / "others",
        "# made by hand\nmodel_checkpoint_path: 'model.ckpt' embeddings: <\n"
        " tensor_name: 'words:0', tensor_shape: [3, 2]; tensor_path: \"w.\" 'bytes' metadata_path: 'm.tsv' >",
        w_bytes=np.arange(6, dtype="<f4").tobytes(),
        m_tsv=words,
    )
    run = explorer.capture(folder)
    assert run["words"].values.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert run.labels == ("caf\u00e9", "b", "b")
    assert run.picture(0) is None


def test_words_that_are_all_different_are_metadata_and_no_labels(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "w",
        'embeddings { tensor_path: "a.tsv" metadata_path: "m.tsv" }',
        a_tsv="1\n2\n",
        m_tsv="x\ny\n",
    )
    run = explorer.capture(folder)
    assert run.labels is None
    assert run.metadata["label"].tolist() == ["x", "y"]
    assert run.layers == ("embedding 0",)


def test_a_folder_of_several_runs_names_them(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, 'embeddings { tensor_path: "a.tsv" }', a_tsv="1\t2\n")
    with pytest.raises(InputError, match=r"embeddings of 2 runs; name one of .*one, .*two"):
        explorer.load_model(tmp_path)
    assert explorer.load_model(tmp_path / "two").n_inputs == 1
    assert LogFolder.open(tmp_path / "one" / "b.tsv", None) is None  # type: ignore[arg-type]
    assert configs_in(tmp_path / "nowhere") == []


ONE = 'embeddings { tensor_name: "t" tensor_path: "a.tsv" %s }'
SPRITE = 'sprite { image_path: "s.png" single_image_dim: %s single_image_dim: %s }'


def png(width: int, height: int) -> bytes:
    from io import BytesIO

    file = BytesIO()
    Image.new("RGB", (width, height)).save(file, "PNG")
    return file.getvalue()


META = ONE % 'metadata_path: "m.tsv"'
EIGHT, NONE = SPRITE % (8, 8), SPRITE % (0, 8)


HOSTILE: dict[str, tuple[str, dict[str, bytes | str], str]] = {
    "upwards": ('embeddings { tensor_path: "../secret.tsv" }', {}, "names ../secret.tsv, outside"),
    "absolute": ('embeddings { tensor_path: "/etc/passwd" }', {}, "outside its own folder"),
    "metadata outside": (ONE % 'metadata_path: "/etc/passwd"', {"a_tsv": "1\n"}, "outside its own folder"),
    "zero byte": (ONE % 'metadata_path: "a\\000b"', {"a_tsv": "1\n"}, "which is no path"),
    "missing": (ONE % "", {}, "a.tsv: no such file"),
    "no numbers": (ONE % "", {"a_tsv": "1\tx\n"}, "a.tsv: .*"),
    "ragged": (ONE % "", {"a_tsv": "1\t2\n3\n"}, "a.tsv: cannot be read as rows of numbers"),
    "nothing": (ONE % "", {"a_tsv": ""}, "a.tsv: .*"),
    "other shape": (ONE % "tensor_shape: [3, 3]", {"a_tsv": "1\t2\n"}, r"but tensor_shape says \[3, 3\]"),
    "bytes too few": (ONE % "tensor_shape: [9, 9]", {"a_tsv": b"\0\1\2\3"}, "9 × 9 float32 are 324"),
    "bytes of 2 GB": (ONE % "tensor_shape: [999999999, 999999]", {"a_tsv": b"\0\1\2\3"}, "4 bytes, but"),
    "bytes and no shape": (ONE % "", {"a_tsv": b"\0\1\2\3"}, "does not tell rows and columns"),
    "huge size": (ONE % "tensor_shape: 1e99", {"a_tsv": "1\n"}, "expected a whole number"),
    "negative size": (ONE % "tensor_shape: -3", {"a_tsv": "1\n"}, "a size of -3.0"),
    "metadata too few": (META, {"a_tsv": "1\n2\n", "m_tsv": "x\n"}, "of 1 rows"),
    "metadata ragged": (
        META,
        {"a_tsv": "1\n2\n", "m_tsv": "p\tq\n1\t2\n3\n"},
        "entry 2 has 1 cells",
    ),
    "metadata twice": (META, {"a_tsv": "1\n", "m_tsv": "p\tp\n1\t2\n"}, "names a column twice"),
    "metadata no text": (META, {"a_tsv": "1\n", "m_tsv": b"\xff\xfe"}, "cannot be read as text"),
    "sprites too few": (
        ONE % EIGHT,
        {"a_tsv": "1\n2\n", "s_png": png(8, 8)},
        "hold 1 sprites of 8 × 8",
    ),
    "sprites of nothing": (ONE % NONE, {"a_tsv": "1\n", "s_png": png(8, 8)}, "expected width and height"),
    "sprite no picture": (ONE % EIGHT, {"a_tsv": "1\n", "s_png": b"MZ"}, "s.png: not a picture"),
    "sprite bomb": (ONE % EIGHT, {"a_tsv": "1\n", "s_png": png(14000, 14000)}, "s.png: .*pixels"),
    "no embeddings": ("", {}, "names no embeddings"),
    "in a checkpoint": ('embeddings { tensor_name: "w" }', {}, "in a checkpoint of TensorFlow"),
    "not closed": ("embeddings {", {}, "not closed"),
    "never opened": ("}", {}, "where nothing is open"),
    "deep": ("a {" * 100_000, {}, "nested more than 8 deep"),
    "no text format": ("\x00\x01", {}, "line 1: .* is no text of protobuf"),
    "a word for a message": ("embeddings: 3", {}, "expected embeddings"),
    "sprite a word": (ONE % "sprite: 3", {"a_tsv": "1\n"}, "expected sprite"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_get_one_clear_line(case: str, tmp_path: Path) -> None:
    config, files, said = HOSTILE[case]
    (tmp_path / "secret.tsv").write_text("1\n")
    folder = write(tmp_path / "logs", config, **files)
    with pytest.raises(ExplorerError, match=said) as caught:
        explorer.load_model(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.tsv").write_text("1\n")
    folder = write(tmp_path / "logs", ONE % "")
    (folder / "a.tsv").symlink_to(tmp_path / "secret.tsv")
    with pytest.raises(InputError, match=r"names a\.tsv, outside its own folder"):
        explorer.load_model(folder)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a: "x\\n\\"" b: \'\\303\\244\'', {"a": ['x\n"'], "b": ["ä"]}),
        ("a: -1.5e3 a: .5, b { c: TRUE }", {"a": [-1500.0, 0.5], "b": [{"c": ["TRUE"]}]}),
        ("a: [1, 2] # the rest\n", {"a": [1.0, 2.0]}),
    ],
)
def test_the_text_format_of_protobuf_is_read(text: str, expected: object) -> None:
    assert parse(text) == expected


def test_our_configuration_is_read_alike_by_protobuf_itself(logs: Path) -> None:
    config = pytest.importorskip("tensorboard.plugins.projector.projector_config_pb2")
    from google.protobuf import text_format

    text = (logs / "projector_config.pbtxt").read_text()
    theirs = text_format.Parse(text, config.ProjectorConfig())
    ours = parse(text)["embeddings"]
    assert len(theirs.embeddings) == len(ours) == 4
    for one, other in zip(theirs.embeddings, ours, strict=True):
        assert [one.tensor_name] == other["tensor_name"]
        assert list(one.tensor_shape) == other["tensor_shape"]
        assert [one.tensor_path] == other["tensor_path"]
