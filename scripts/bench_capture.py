"""Measure a capture to disk against the same loop by hand, and its memory over the number of images.

    python scripts/bench_capture.py                        # 2,000 images; memory for 500 and 5,000
    python scripts/bench_capture.py --images 100 --repeat 1 --memory 50 100

Both sides read the same folder of JPEGs, resize with the same filter, run the same Flax network jitted
for just one middle layer, and leave that layer on disk for every image. The loop by hand is what somebody
who knows NumPy, Pillow and JAX writes: sorted paths, batches of 64, float32 throughout, a padded last
batch so that nothing is compiled twice, and one np.save a batch. Each side is a process of its own, in turn;
imports and making the weights are not timed, compiling is. The values are compared: a ratio counts only when
they agree. A ratio above 1 means ours is faster.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 128
BATCH = 64
LAYER = "block2"
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


def child(side: str, folder: Path, out: Path) -> dict[str, float]:
    """Run one side in a process of its own: seconds, and its largest memory in MB."""
    words = [sys.executable, __file__, "--side", side, "--folder", str(folder), "--out", str(out)]
    return json.loads(subprocess.check_output(words, text=True).splitlines()[-1])


def agree(run: Path, saved: Path) -> float:
    """The largest difference between the two sides' values."""
    import explorer

    read, worst, start = explorer.open_run(run), 0.0, 0
    for path in sorted(saved.glob("*.npy")):
        values = np.load(path)
        worst = max(worst, float(np.abs(read.read(LAYER, start, start + len(values)) - values).max()))
        start += len(values)
    if start != read.n_images:
        raise SystemExit(f"{read.n_images} images captured, {start} by hand")
    return worst


def compare(work: Path, count: int, repeat: int) -> None:
    """Print the median of both sides in turn, and their ratio."""
    folder, times = work / f"{count}", {side: [] for side in SIDES}
    for _ in range(repeat):
        for side in SIDES:
            out = work / side.replace(" ", "-")
            shutil.rmtree(out, ignore_errors=True)
            times[side].append(child(side, folder, out)["seconds"])
    worst = agree(work / "ours" / "run", work / "by-hand")
    if worst > 1e-4:
        raise SystemExit(f"the values differ by {worst:g}")
    mine, theirs = (statistics.median(times[side]) for side in SIDES)
    print(f"| {count:,} images to disk | {mine:.2f} s | {theirs:.2f} s | {theirs / mine:.2f} | {worst:.1e} |")


def main() -> None:
    """Compare, or be one of the sides."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--memory", type=int, nargs="*", default=[500, 5000], help="numbers of images")
    parser.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        seconds = SIDES[asked.side](asked.folder, asked.out)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "megabytes": peak}))
        return
    with tempfile.TemporaryDirectory(prefix="bench-capture-") as name:
        work = Path(name)
        for count in {asked.images, *asked.memory}:
            write_images(work / f"{count}", count)
        print(f"{os.cpu_count()} cores ({platform.machine()}), median of {asked.repeat} runs each, in turn\n")
        print("| what | ours | by hand | ratio | largest difference |\n|---|---|---|---|---|")
        compare(work, asked.images, asked.repeat)
        for count in asked.memory:
            shutil.rmtree(work / "memory", ignore_errors=True)
            peak = child("ours", work / f"{count}", work / "memory")["megabytes"]
            print(f"memory for {count:,} images: {peak:,.0f} MB")


if __name__ == "__main__":
    main()
