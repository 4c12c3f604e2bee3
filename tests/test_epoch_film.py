"""Films of the epochs: their frames, their rate, and what stands in them."""

from pathlib import Path

import numpy as np
import pytest
from epoch_runs import evolution
from PIL import Image

from explorer.errors import InputError
from explorer.render.epochs.film import export_film, way
from explorer.render.export.exporting import Options

SMALL = (640, 480)


def test_the_way_rests_at_every_epoch_and_passes_all_of_them() -> None:
    places = way(3, 2.0, 10)
    assert places[0] == 0.0
    assert [places.count(float(epoch)) for epoch in range(3)] == [8, 9, 17]
    steps = np.diff(places)
    assert (steps >= 0).all()
    assert steps.max() == pytest.approx(1 / 12)
    assert way(3, 0.0, 10) == []
    assert way(3, float("nan"), 10) == []


def test_a_gif_shows_the_first_and_the_last_epoch(tmp_path: Path) -> None:
    scene = evolution().scene()
    scene.epoch = 1
    path = export_film(scene, tmp_path / "a.gif", seconds=0.6, fps=10, size=SMALL)
    assert scene.epoch == 1
    with Image.open(path) as gif:
        assert gif.size == SMALL
        frames, lasts = [], 0
        for index in range(gif.n_frames):  # type: ignore[attr-defined]  # frames at rest are one, and last longer
            gif.seek(index)
            lasts += gif.info["duration"]
        assert lasts == 100 * len(way(3, 0.6, 10))
        for index in (0, gif.n_frames - 1):  # type: ignore[attr-defined]
            gif.seek(index)
            frames.append(np.asarray(gif.convert("RGB")).astype(int))
    for epoch, frame in zip((0, 2), frames, strict=True):
        scene.epoch = epoch
        expected = np.asarray(scene.frame(SMALL, alone=True)).astype(int)
        assert np.abs(frame - expected).mean() < 3
    assert (np.abs(frames[0] - frames[1]).max(axis=-1) > 60).mean() > 0.005


@pytest.mark.slow
def test_a_scene_over_epochs_exports_its_film_flat_maps_too(tmp_path: Path) -> None:
    scene = evolution(components=2).scene()
    path = scene.export(tmp_path / "a.gif", Options(size=SMALL, seconds=1.2, fps=10))
    with Image.open(path) as gif:
        lasts = 0
        for index in range(gif.n_frames):  # type: ignore[attr-defined]
            gif.seek(index)
            lasts += gif.info["duration"]
    assert lasts == 100 * len(way(3, 0.4, 10))
    assert abs(lasts - 1200) <= 400


def test_an_mp4_is_written(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    path = evolution().export(tmp_path / "a.mp4", seconds=0.2, fps=10, trail=(1, 2, 3))
    assert path.read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a.avi", {}, r"\.mp4 or \.gif"),
        ("a.mp4", {"size": (641, 480)}, "even"),
        ("a.gif", {"seconds": 0.0}, "2 to 10,000 frames"),
        ("a.gif", {"seconds": 1e9}, "2 to 10,000 frames"),
        ("a.gif", {"fps": 0.0}, "1 to 100"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, name: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        export_film(evolution().scene(), tmp_path / name, **options)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
