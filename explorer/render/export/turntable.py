"""A turntable: one full turn of the cloud about a fixed upright axis, as MP4 or GIF that loops."""

from __future__ import annotations

import errno
import math
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, MissingExtraError
from explorer.progress import Advance, progress, say
from explorer.render.cloud.camera import ANGLE, MARGIN, Camera, vector
from explorer.render.cloud.motion import rotated
from explorer.render.drawing.text import number, plural
from explorer.render.export.exporting import Options
from explorer.render.files import written

if TYPE_CHECKING:
    from PIL import Image

    from explorer.render.linked.scene import Scene

Draw = Callable[[int], "Image.Image"]
SIZES = {".mp4": (1280, 720), ".gif": (960, 540)}
MOST_FRAMES = 10_000
LOOKED_AT = 60  # angles for which the distance is fitted
QUALITY = 17  # x264's constant rate factor: edges of points stay clean
PALETTE_OF = 6  # frames from which a GIF's colours are taken
KEPT = 48  # of its 256 colours, those that are exactly the most frequent ones


@dataclass(frozen=True)
class Turned:
    """A turntable that was written.

    Attributes:
        path: where it is.
        frames: how many frames it has.
        fps: how many a second.
        size: (width, height) in pixels.
    """

    path: Path
    frames: int
    fps: float
    size: tuple[int, int]

    @property
    def facts(self) -> tuple[str, ...]:
        """What is to be known of it, in words."""
        wide, tall = self.size
        long = f"{plural(self.frames, 'frame')} at {number(self.fps, 4)} a second"
        return f"{number(self.frames / self.fps, 4)} s", long, f"{wide} × {tall}"


def export_turntable(scene: Scene, path: Path, options: Options | None = None) -> Turned:
    """Write one full turn of the cloud with its title and legend, .mp4 or .gif.

    The axis is what is up in the view, and stays up. A camera that was set keeps its distance and what it
    looks at; otherwise the cloud fills the frame as far as it does from every side. The first frame
    follows the last as every frame follows another, so that it loops without a seam.

    Args:
        scene: what is turned.
        path: the file.
        options: `size`, `seconds` and `fps` are looked at.

    Raises:
        InputError: a map of two components, or a length, rate or size that cannot be.
        MissingExtraError: .mp4 without imageio-ffmpeg.
        RenderError: the file cannot be written.
    """
    options = options or Options()
    suffix = path.suffix.lower()
    size = options.size or SIZES[suffix]
    if scene.projection.n_components != 3:
        raise InputError(f"{path}: a map of two components does not turn; take one of three (--components 3)")
    if suffix == ".mp4" and (size[0] % 2 or size[1] % 2):
        raise InputError(f"{path}: size {size[0]} × {size[1]}; an MP4's width and height are even")
    fps = rate_of(path, options.fps)
    n = _frames(path, options.seconds, fps)
    encode = write_mp4 if suffix == ".mp4" else write_gif
    with scene.aside(), progress(path.name, n, "frames") as advance, written(path) as beside:
        encode(beside, _drawing(scene, size, n), Coding(n, fps, size, _telling(advance, n, options)))
    return Turned(path, n, fps, size)


def _telling(advance: Advance, n: int, options: Options) -> Advance:
    """What is called with the number of frames just drawn: the terminal's bar, and who else asked."""
    done = 0

    def both(frames: int) -> None:
        nonlocal done
        advance(frames)
        done += frames
        if options.tell is not None:
            options.tell(done, n)

    return both


def rate_of(path: Path, fps: float) -> float:
    """The frames a second that the file can have: a GIF counts in hundredths of a second."""
    if not 1 <= fps <= 100:
        raise InputError(f"{path}: {fps:g} frames a second; expected 1 to 100")
    if path.suffix.lower() == ".mp4":
        return fps
    near = 100 / max(2, round(100 / fps))
    if abs(near - fps) > 1e-9:
        say(f"{path}: a GIF counts in hundredths of a second: {near:.4g} frames a second, not {fps:g}")
    return near


def _frames(path: Path, seconds: float, fps: float) -> int:
    """How many frames one turn has."""
    n = round(seconds * fps) if math.isfinite(seconds) else 0
    if not 2 <= n <= MOST_FRAMES:
        raise InputError(
            f"{path}: {seconds:g} seconds at {fps:g} frames a second; expected 2 to {MOST_FRAMES:,} frames"
        )
    return n


def path_of(scene: Scene, aspect: float, n: int) -> list[Camera]:
    """The cameras of one full turn, all at the same height and distance.

    Args:
        scene: what is looked at; its camera is the first, or the first's direction.
        aspect: the frame's width over its height.
        n: how many.
    """
    start = scene.view
    if scene.views.chosen is None or start.parallel_scale is not None:
        start = fitted(scene.views.fitted, start.basis(), aspect)
    _, up, back = start.basis()
    focus = np.array(start.focal_point)
    distance = float(np.linalg.norm(np.subtract(start.position, focus)))
    sides = [rotated(back, up, 2 * math.pi * k / n) for k in range(n)]
    return [replace(start, position=vector(focus + distance * side), view_up=vector(up)) for side in sides]


def fitted(points: NDArray[np.float64], basis: NDArray[np.float64], aspect: float) -> Camera:
    """The perspective camera of this orientation from whose distance points (n, 3) fit at every turn.

    Args:
        points: (n, 3).
        basis: right, up and back as rows.
        aspect: the frame's width over its height.
    """
    local = points[:: -(-len(points) // 20_000)] @ basis.T
    middle = (local.min(axis=0) + local.max(axis=0)) / 2
    local = local - middle
    tall = math.tan(math.radians(ANGLE / 2)) * MARGIN
    angles = np.arange(LOOKED_AT) * 2 * math.pi / LOOKED_AT
    distance = 1e-9
    for cos, sin in zip(np.cos(angles), np.sin(angles), strict=True):
        across = cos * local[:, 0] - sin * local[:, 2]
        nearer = sin * local[:, 0] + cos * local[:, 2]
        need = np.maximum(np.abs(across) / (tall * aspect), np.abs(local[:, 1]) / tall) + nearer
        distance = max(distance, float(need.max()))
    focus = middle @ basis
    return Camera(vector(focus + distance * basis[2]), vector(focus), vector(basis[1]))


def _drawing(scene: Scene, size: tuple[int, int], n: int) -> Draw:
    """What draws any frame of one turn, by its number."""
    scene.frame(size, alone=True)
    place = scene.layout.cloud
    cameras = path_of(scene, place.width / place.height, n)

    def draw(index: int) -> Image.Image:
        scene.view = cameras[index]
        return scene.frame(size, alone=True)

    return draw


@dataclass(frozen=True)
class Coding:
    """How frames are written: how many, how many a second, how large; and whom to tell of each."""

    n: int
    fps: float
    size: tuple[int, int]
    advance: Advance


def write_mp4(path: Path, draw: Draw, coding: Coding) -> None:
    """Hand frames to ffmpeg as they are drawn: H.264, as browsers and slides play it."""
    try:
        import imageio_ffmpeg
    except ImportError:
        raise MissingExtraError(
            f"{path.suffix} needs imageio-ffmpeg: pip install 'activation-explorer[video]'; or write .gif"
        ) from None
    with _ffmpeg(imageio_ffmpeg, path, coding) as writer:
        for index in range(coding.n):
            writer.write(np.ascontiguousarray(draw(index)).tobytes())
            coding.advance(1)


@contextmanager
def _ffmpeg(library: Any, path: Path, coding: Coding) -> Iterator[Any]:
    """The pipe into which frames are written; the encoder is ended in any case.

    It is started here, not by the library, which forks in a way that JAX's threads do not bear.
    """
    wide, tall = coding.size
    taken = [
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        f"{wide}x{tall}",
        "-r",
        f"{coding.fps:g}",
        "-i",
        "-",
    ]
    coded = ["-an", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", str(QUALITY), "-movflags", "+faststart"]
    command = [library.get_ffmpeg_exe(), "-y", "-v", "error", *taken, *coded, str(path)]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=errors, stderr=errors, start_new_session=True
        )
        try:
            with suppress(BrokenPipeError):  # it has ended, and says why
                yield process.stdin
                process.communicate()
        finally:
            if process.stdin is not None:
                with suppress(BrokenPipeError):
                    process.stdin.close()
            if process.poll() is None:
                process.kill()
            process.wait()
        if process.returncode:
            errors.seek(0)
            words = (errors.read().decode("utf-8", "replace").strip().splitlines() or ["no reason given"])[-1]
            raise OSError(errno.EIO, f"ffmpeg: {words[:160]}")


def write_gif(path: Path, draw: Draw, coding: Coding) -> None:
    """One palette for all frames, so that nothing flickers, and no dither, so that flat stays flat."""
    colours = palette([draw(k) for k in range(0, coding.n, -(-coding.n // PALETTE_OF))])

    def frames() -> Iterator[Image.Image]:
        for index in range(coding.n):
            yield painted(draw(index), colours)
            coding.advance(1)

    drawn, each = frames(), round(1000 / coding.fps)
    next(drawn).save(path, save_all=True, append_images=drawn, duration=each, loop=0, optimize=False)


def palette(pictures: list[Image.Image]) -> NDArray[np.uint8]:
    """256 colours (256, 3) for some pictures.

    The colours that most pixels have (page, text, classes) are kept as they are. Among all others every
    colour counts once, so that a small class keeps its own.
    """
    from PIL import Image

    pixels = np.concatenate([np.asarray(picture).reshape(-1, 3) for picture in pictures])
    found, counts = np.unique(pixels, axis=0, return_counts=True)
    kept = found[np.argsort(-counts, kind="stable")[:KEPT]]
    mixed = Image.fromarray(found[None]).quantize(256 - len(kept), method=Image.Quantize.MEDIANCUT)
    others = np.array(mixed.getpalette(), np.uint8).reshape(-1, 3)
    colours = np.concatenate([kept, others])[:256]
    return np.pad(colours, ((0, 256 - len(colours)), (0, 0)), mode="edge")


def painted(picture: Image.Image, colours: NDArray[np.uint8]) -> Image.Image:
    """A picture in the nearest of 256 colours (256, 3)."""
    from PIL import Image
    from scipy.spatial import cKDTree

    pixels = np.asarray(picture).astype(np.int64) @ np.array([65536, 256, 1])
    found, where = np.unique(pixels, return_inverse=True)
    asked = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1)
    nearest = cKDTree(colours.astype(np.float64)).query(asked)[1].astype(np.uint8)
    out = Image.fromarray(nearest[where].reshape(pixels.shape))
    out.putpalette(colours.tobytes())
    return out
