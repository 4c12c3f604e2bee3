"""TensorBoard opens what is logged: read back by its own reader, and by the real program over HTTP."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import explorer
from explorer.errors import InputError
from explorer.tracking import Embedding
from explorer.tracking.measures import histogram
from explorer.tracking.protocol import open_tracker, tag

pytest.importorskip("tensorboardX")
IMAGES = np.random.default_rng(0).integers(0, 255, (5, 16, 16, 3), np.uint8)
LABELS = list("abcab")


def forward(params: Any, inputs: Any) -> Any:
    return {"block/half": inputs[:, ::2, ::2] @ params}


def weights(step: int) -> Any:
    import jax.numpy as jnp

    return jnp.asarray(np.random.default_rng(step).normal(size=(3, 4)), jnp.float32)


def values(step: int) -> Any:
    """What the layer answers, by hand."""
    return (IMAGES / np.float32(255))[:, ::2, ::2].astype(np.float32) @ np.asarray(weights(step))


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two steps of a layer of 8 × 8 positions and 4 channels."""
    folder = tmp_path_factory.mktemp("logs") / "tb"
    rule = {"size": [16, 16]}
    with explorer.watch(
        forward, IMAGES, to=folder, layers=["block/half"], labels=LABELS, preprocessing=rule
    ) as w:
        for step in (0, 1):
            w.on_epoch(step, weights(step))
    return folder


def test_tensorboards_own_reader_finds_pictures_histograms_and_numbers(logged: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    read = accumulator.EventAccumulator(
        str(logged), size_guidance={"images": 0, "histograms": 0, "scalars": 0}
    )
    read.Reload()
    tags = read.Tags()
    assert set(tags["images"]) == {"feature_maps/block/half", "grids/block/half"}
    for name in tags["images"]:
        assert [event.step for event in read.Images(name)] == [0, 1]
        for event in read.Images(name):
            with Image.open(io.BytesIO(event.encoded_image_string)) as picture:
                assert picture.size == (event.width, event.height)
                assert np.asarray(picture).std() > 10
    for step, event in enumerate(read.Histograms("activations/block/half")):
        found, expected = event.histogram_value, values(step)
        assert found.num == sum(found.bucket) == expected.size
        assert found.min == pytest.approx(expected.min(), rel=1e-5)
        assert found.max == pytest.approx(expected.max(), rel=1e-5)
        assert found.sum == pytest.approx(expected.sum(), rel=1e-4, abs=1e-3)
        below = np.searchsorted(np.sort(expected.ravel()), found.bucket_limit)
        assert np.abs(np.cumsum(found.bucket) - below).max() <= 2
    norms = [event.value for event in read.Scalars("mean_norm/block/half")]
    assert norms == pytest.approx([np.linalg.norm(values(s), axis=-1).mean() for s in (0, 1)], rel=1e-5)
    assert min(event.value for event in read.Scalars("explorer/seconds")) > 0


def test_rows_are_written_so_that_they_are_the_same_float32_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(50, 3)) * 10.0 ** rng.integers(-30, 30, (50, 3))).astype(np.float32)
    tracker = open_tracker(tmp_path)
    tracker.log_embedding("layer", Embedding(rows), 3)
    tracker.close()
    assert np.array_equal(np.loadtxt(tmp_path / "projector" / "layer" / "00003.tsv", np.float32), rows)


def test_a_second_program_adds_to_the_projector_and_replaces_its_own_steps(tmp_path: Path) -> None:
    for step in (0, 1, 1):
        tracker = open_tracker(tmp_path)
        tracker.log_embedding(
            "a/b", Embedding(np.full((2, 3), step, np.float32), {"label": ["x", "y"]}), step
        )
        tracker.close()
    text = (tmp_path / "projector_config.pbtxt").read_text()
    assert text.count("tensor_name") == 2
    assert text.count('tensor_name: "a/b@00001"') == 1
    assert len(list((tmp_path / "projector").glob("rows-*"))) == 1


def test_metadata_keep_their_lines_whatever_is_in_a_name(tmp_path: Path) -> None:
    tracker = open_tracker(tmp_path)
    columns = {"image": ["a\tb\nc", "\ud800", ""], "row": [1, 2, 3]}
    tracker.log_embedding("layer", Embedding(np.zeros((3, 2), np.float32), columns), 0)
    tracker.close()
    (path,) = tmp_path.glob("projector/rows-*/metadata.tsv")
    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines == ["image\trow", "a b c\t1", "?\t2", "\t3", ""]


def test_names_are_those_that_tensorboard_allows() -> None:
    assert tag("grids/blocks[0].conv é") == "grids/blocks_0_.conv__"


def test_what_cannot_be_written_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file: cannot be written"):
        open_tracker(tmp_path / "file")
    tracker = open_tracker(tmp_path / "logs")
    many = Embedding(np.zeros((70_000, 1), np.float32), {}, np.zeros((70_000, 32, 32, 3), np.uint8))
    with pytest.raises(InputError, match="70000 sprites of 32 × 32 pixels"):
        tracker.log_embedding("layer", many, 0)
    tracker.log_histogram("empty", histogram(np.full(3, np.nan)), 0)
    tracker.close()


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The real TensorBoard on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", str(port)]
    command += ["--host", "127.0.0.1", "--load_fast", "false"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
        try:
            yield f"http://127.0.0.1:{port}/data"
        finally:
            program.terminate()


def fetched(address: str, seconds: float = 90) -> bytes:
    """What is answered, once the program is up."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    ends = time.monotonic() + seconds
    while True:
        try:
            with opener.open(address, timeout=20) as answer:
                return bytes(answer.read())
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.5)


def told(base: str, plugin: str, what: str, **asked: object) -> Any:
    query = urllib.parse.urlencode(asked)
    return json.loads(fetched(f"{base}/plugin/{plugin}/{what}?{query}"))


@pytest.mark.slow
def test_the_real_tensorboard_serves_everything_that_was_logged(logged: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    shutil.copytree(logged, tmp_path / "logs" / "run")
    with served(tmp_path / "logs") as base:
        ends = time.monotonic() + 90
        while not json.loads(fetched(f"{base}/runs")) and time.monotonic() < ends:
            time.sleep(0.5)
        for name in ("feature_maps", "grids"):
            where = {"run": "run", "tag": f"{name}/block/half", "sample": 0}
            events = told(base, "images", "images", **where)
            assert [event["step"] for event in events] == [0, 1]
            blob = fetched(f"{base}/plugin/images/individualImage?{events[1]['query']}")
            with Image.open(io.BytesIO(blob)) as picture:
                assert min(picture.size) >= 128
                assert np.asarray(picture).std() > 10
        histograms = told(base, "histograms", "histograms", run="run", tag="activations/block/half")
        assert [event[1] for event in histograms] == [0, 1]
        assert sum(bucket[2] for bucket in histograms[1][2]) == pytest.approx(values(1).size)
        scalars = told(base, "scalars", "scalars", run="run", tag="mean_norm/block/half")
        norm = np.linalg.norm(values(1), axis=-1).mean()
        assert scalars[1][1:] == [1, pytest.approx(norm, rel=1e-5)]
        _check_projector(base)


def _check_projector(base: str) -> None:
    (run,) = told(base, "projector", "runs")
    config = told(base, "projector", "info", run=run)
    names = [one["tensorName"] for one in config["embeddings"]]
    assert names == ["block/half@00000", "block/half@00001"]
    assert config["embeddings"][1]["tensorShape"] == [320, 4]
    assert config["embeddings"][1]["sprite"]["singleImageDim"] == [32, 32]
    asked = urllib.parse.urlencode({"run": run, "name": names[1]})
    tensor = np.frombuffer(fetched(f"{base}/plugin/projector/tensor?{asked}"), np.float32).reshape(-1, 4)
    assert np.allclose(tensor, values(1).reshape(-1, 4), atol=1e-5)
    lines = fetched(f"{base}/plugin/projector/metadata?{asked}").decode().splitlines()
    assert lines[0] == "label\timage\trow\tcolumn"
    assert lines[1 + 64 + 9] == "b\t1\t1\t1"
    sheet = Image.open(io.BytesIO(fetched(f"{base}/plugin/projector/sprite_image?{asked}")))
    assert sheet.size == (18 * 32, 18 * 32)
