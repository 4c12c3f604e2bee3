"""A capture to disk against the same loop by hand, and its memory over the number of images.

Both sides read the same folder of JPEGs, resize with the same filter, run the same Flax network jitted
for just one middle layer, and leave that layer on disk for every image. The loop by hand is what somebody
who knows NumPy, Pillow and JAX writes: sorted paths, batches of 64, float32 throughout, a padded last
batch so that nothing is compiled twice, and one np.save a batch. Each side is a process of its own, in turn;
imports and making the weights are not timed, compiling is.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from benchmarks.results import Result

SIZE = 128
BATCH = 64
LAYER = "block2"
REPEAT = 5
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def write_images(folder: Path, count: int) -> None:
    """Write `count` JPEGs of 640 × 480 that are as costly to decode as photographs."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(len(list(folder.iterdir())), count):
        coarse = rng.integers(0, 255, (24, 32, 3), np.uint8)
        picture = np.asarray(Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC), np.int16)
        grain = rng.normal(0, 12, picture.shape).astype(np.int16)
        Image.fromarray(np.clip(picture + grain, 0, 255).astype(np.uint8)).save(
            folder / f"{number:06d}.jpg", quality=90
        )


def make_network() -> tuple[object, object]:
    """A small residual-free network of four blocks, and seeded weights."""
    import flax.linen as nn
    import jax

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            for number, width in enumerate((16, 32, 64, 128), start=1):
                x = nn.relu(nn.Conv(width, (3, 3), strides=2, name=f"block{number}")(x))
            return nn.Dense(10, name="head")(x.mean((1, 2)))

    module = Net()
    return module, module.init(jax.random.key(0), np.zeros((1, SIZE, SIZE, 3), np.float32))


def ours(folder: Path, out: Path) -> float:
    """Capture with the product; seconds."""
    import tensorstore  # noqa: F401  imported when it is first needed, and imports are not timed

    import explorer

    module, variables = make_network()
    rule = {"size": [SIZE, SIZE], "mean": list(MEAN), "std": list(STD)}
    model = explorer.load_model(module, variables=variables, preprocessing=rule)
    start = time.perf_counter()
    explorer.capture(model, folder, layers=[LAYER], out=out / "run")
    return time.perf_counter() - start


def by_hand(folder: Path, out: Path) -> float:
    """The same loop with Pillow, NumPy and JAX; seconds."""
    import jax

    module, variables = make_network()
    out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()

    @jax.jit
    def forward(variables: object, x: jax.Array) -> jax.Array:
        only = lambda inner, name: inner.name == LAYER  # noqa: E731
        _, state = module.apply(variables, x, capture_intermediates=only, mutable=["intermediates"])
        return state["intermediates"][LAYER]["__call__"][0]

    paths = sorted(folder.glob("*.jpg"))
    mean, std = np.array(MEAN, np.float32), np.array(STD, np.float32)
    x = np.zeros((BATCH, SIZE, SIZE, 3), np.float32)
    for first in range(0, len(paths), BATCH):
        chosen = paths[first : first + BATCH]
        for row, path in enumerate(chosen):
            picture = Image.open(path).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
            x[row] = (np.asarray(picture, np.float32) / 255 - mean) / std
        np.save(out / f"{first:06d}.npy", np.asarray(forward(variables, x))[: len(chosen)])
    return time.perf_counter() - start


SIDES = {"ours": ours, "by hand": by_hand}


def to_disk(folder: Path, count: int = 2000) -> list[Result]:
    """One middle layer of so many JPEGs, from files to files; what memory 500 and 5,000 need is printed."""
    write_images(folder / "jpegs", count)
    times: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(REPEAT):
        for side, taken in times.items():
            out = folder / side
            shutil.rmtree(out, ignore_errors=True)
            taken.append(child(side, folder / "jpegs", out)["seconds"])
    off = largest_difference(folder / "ours" / "run", folder / "by hand")
    for images in (500, 5000):
        write_images(folder / f"jpegs-{images}", images)
        shutil.rmtree(folder / "ours")
        peak = child("ours", folder / f"jpegs-{images}", folder / "ours")["megabytes"]
        print(f"(capture of {images:,} images to disk: peak {peak:.0f} MB)")
    mine, theirs = (median(taken) for taken in times.values())
    what = f"capture of one layer to disk, {count:,} JPEGs"
    against = "the loop by hand: Pillow, NumPy, jitted Flax"
    return [Result(what, against, mine, theirs, 1.5, "off by", (off, 0.0), off < 1e-4)]


def child(side: str, folder: Path, out: Path) -> dict[str, float]:
    """Run one side in a process of its own: seconds, and its largest memory in MB."""
    code = f"from benchmarks import against_loop; against_loop.main({side!r}, {str(folder)!r}, {str(out)!r})"
    scripts = Path(__file__).resolve().parents[1]
    said = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=scripts)
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def largest_difference(run: Path, saved: Path) -> float:
    """How far the two sides' values differ at most; infinity where they are not as many."""
    import explorer

    read, worst, start = explorer.open_run(run), 0.0, 0
    for path in sorted(saved.glob("*.npy")):
        values = np.load(path)
        worst = max(worst, float(np.abs(read.read(LAYER, start, start + len(values)) - values).max()))
        start += len(values)
    return worst if start == read.n_images else float("inf")


def main(side: str, folder: str, out: str) -> None:
    """Be one of the sides."""
    seconds = SIDES[side](Path(folder), Path(out))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "megabytes": peak}))
