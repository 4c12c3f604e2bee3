"""One full turn: upright, at one distance, everything in the frame, without a seam."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_scene import SMALL, made

from explorer.errors import InputError
from explorer.render.export.exporting import Options
from explorer.render.export.turntable import export_turntable, painted, palette, path_of


@pytest.mark.parametrize("own", [False, True])
def test_the_axis_stands_still_and_the_turn_closes(own: bool) -> None:
    scene = made()
    if own:
        scene.camera = {"position": [9, 1, 2], "focal_point": [0, 0.5, 0], "view_up": [0, 0, 1]}
    first = scene.view
    cameras = path_of(scene, 1.5, 12)
    assert {camera.view_up for camera in cameras} == {cameras[0].view_up}
    eyes = np.array([camera.position for camera in cameras]) - cameras[0].focal_point
    up = np.array(cameras[0].view_up)
    assert np.ptp(np.linalg.norm(eyes, axis=1)) < 1e-9
    assert np.ptp(eyes @ up) < 1e-9
    steps = np.linalg.norm(np.diff(np.vstack([eyes, eyes[:1]]), axis=0), axis=1)
    assert np.ptp(steps) < 1e-9  # from the last to the first as from any to the next
    np.testing.assert_allclose(cameras[0].basis(), first.basis(), atol=1e-9)
    if own:
        np.testing.assert_allclose(cameras[0].position, first.position, atol=1e-9)


def test_every_point_stays_in_the_frame() -> None:
    scene = made()
    points = scene.views.fitted
    most = 0.0
    for camera in path_of(scene, 1.5, 24):
        pixels, depth = camera.project(points, (600, 400))
        assert (depth > 0).all()
        assert (pixels >= 0).all()
        assert (pixels <= (600, 400)).all()
        most = max(most, float(np.abs(pixels / (600, 400) - 0.5).max() * 2))
    assert most > 0.85  # and fills it


@pytest.mark.slow
def test_a_gif_has_its_frames_its_rate_and_loops(tmp_path: Path) -> None:
    scene = made()
    before = scene.to_dict()
    told = export_turntable(scene, tmp_path / "a.gif", Options(size=SMALL, seconds=0.6, fps=10))
    assert (told.frames, told.fps) == (6, 10)
    assert told.facts == ("0.6 s", "6 frames at 10 a second", "800 × 600")
    with Image.open(told.path) as gif:
        assert (gif.n_frames, gif.info["loop"], gif.info["duration"]) == (6, 0, 100)  # type: ignore[attr-defined]
        assert gif.size == SMALL
        assert gif.convert("RGB").getpixel((1, 1)) == (255, 255, 255)
    assert scene.to_dict() == before


def test_a_gifs_rate_that_cannot_be_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = export_turntable(made(), tmp_path / "a.gif", Options(size=SMALL, seconds=0.1, fps=30))
    assert told.fps == pytest.approx(100 / 3)
    assert "33.33 frames a second, not 30" in capsys.readouterr().err


def test_an_mp4_has_its_frames_and_rate(tmp_path: Path) -> None:
    library = pytest.importorskip("imageio_ffmpeg")
    scene = made()
    told = export_turntable(scene, tmp_path / "a.mp4", Options(size=SMALL, seconds=1, fps=6))
    command = [library.get_ffmpeg_exe(), "-i", str(told.path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert re.search(rb"h264.*yuv420p.*800x600.* 6 fps", done.stderr)
    frames = np.frombuffer(done.stdout, np.uint8).reshape(-1, 600, 800, 3)
    assert len(frames) == 6
    scene.view = path_of(scene, scene.layout.cloud.width / scene.layout.cloud.height, 6)[0]
    with scene.aside():
        expected = np.asarray(scene.frame(SMALL, alone=True), float)
    assert np.abs(frames[0] - expected).mean() < 3
    assert np.abs(frames[0].astype(float) - frames[3]).mean() > 0.2


def test_an_interrupted_turn_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("imageio_ffmpeg")
    scene = made()
    drawn, frame = [], scene.frame

    def interrupted(*args: object, **options: object) -> Image.Image:
        drawn.append(1)
        if len(drawn) == 4:
            raise KeyboardInterrupt
        return frame(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(scene, "frame", interrupted)
    for name in ("a.mp4", "a.gif"):
        drawn.clear()
        with pytest.raises(KeyboardInterrupt):
            scene.export(tmp_path / name, Options(size=SMALL, seconds=1, fps=8))
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a.mp4", Options(size=(801, 600)), "even"),
        ("a.gif", Options(fps=0), "1 to 100"),
        ("a.gif", Options(seconds=float("nan")), "2 to 10,000 frames"),
        ("a.gif", Options(seconds=1e9), "2 to 10,000 frames"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, name: str, options: Options, words: str) -> None:
    with pytest.raises(InputError, match=words):
        made().export(tmp_path / name, options)


def test_a_flat_map_has_nothing_to_turn(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not turn"):
        made(components=2).export(tmp_path / "a.gif")


def test_frequent_colours_are_kept_exactly() -> None:
    rng = np.random.default_rng(0)
    noisy = rng.integers(0, 256, (80, 100, 3), dtype=np.uint8)
    noisy[:40], noisy[40:50] = (255, 255, 255), (52, 43, 176)
    colours = palette([Image.fromarray(noisy)])
    assert colours.shape == (256, 3)
    out = np.asarray(painted(Image.fromarray(noisy), colours).convert("RGB"))
    np.testing.assert_array_equal(out[:50], noisy[:50])
    assert np.abs(out.astype(int) - noisy)[50:].mean() < 25
