"""A disk that is full: one line that names the file, and nothing half-written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from test_scene import made

import explorer
from explorer.errors import RenderError
from explorer.render.export.exporting import Options

resource = pytest.importorskip("resource", reason="the size of files is limited on POSIX alone")
KINDS = (".pdf", ".svg", ".png", ".jpg", ".html", ".vtp", ".ply", ".glb", ".gltf", ".py", ".json")


@contextmanager
def room(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes: what a full disk answers, without one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_is_one_line_that_names_the_file(tmp_path: Path, kind: str) -> None:
    scene, target = made(), tmp_path / f"cloud{kind}"
    scene.export(target)
    before = target.read_bytes()
    with pytest.raises(RenderError, match=rf"cloud\{kind}: cannot be written \(.+\)$"), room(300):
        scene.export(target)
    assert target.read_bytes() == before
    assert os.listdir(tmp_path) == [target.name]


def test_a_film_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    from explorer.render.export.turntable import export_turntable

    scene = made(components=3)
    with pytest.raises(RenderError, match=r"turn\.mp4: cannot be written \(ffmpeg: .+\)$"), room(300):
        export_turntable(scene, tmp_path / "turn.mp4", Options(seconds=0.2))
    assert os.listdir(tmp_path) == []


def test_a_grid_as_pdf_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(2, 5, 5, 4)).astype(np.float32)
    drawn = explorer.grid(explorer.Activations("conv", values))
    with pytest.raises(RenderError, match=r"maps\.pdf: cannot be written \(.+\)$"), room(300):
        drawn.save(tmp_path / "maps.pdf")
    assert os.listdir(tmp_path) == []
