"""Measure the product against what people use today, side by side in one run.

    python scripts/bench.py                    # everything, half an hour
    python scripts/bench.py start tsne-3d-10k  # some of it
    python scripts/bench.py --show             # what was measured last, as a table

Every line is a ratio of two times of the same work on the same machine, taken in turn, with the quality of
both outcomes beside it. Results are kept in docs/benchmarks.json and drawn in docs/benchmarks.png.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    against_forward,
    against_grids,
    against_loop,
    against_maximize,
    against_pca,
    against_saliency,
    against_training,
    against_tsne,
    against_umap,
    against_viewer,
    processes,
)
from benchmarks.results import Result, draw, keep, kept, machine, table

DOCS = Path(__file__).resolve().parents[1] / "docs"
Contest = Callable[[Path], list[Result]]
CONTESTS: dict[str, Contest] = {
    "start": lambda _: processes.started(),
    "picture": lambda _: processes.pictured(),
    "three-maps": processes.three_maps,
    "tsne-3d-2k": lambda folder: against_tsne.in_3d(folder, 2_000),
    "tsne-3d-10k": lambda folder: against_tsne.in_3d(folder, 10_000),
    "tsne-3d-50k": lambda folder: against_tsne.in_3d(folder, 50_000),
    "tsne-3d-200k": against_tsne.at_200_000,
    "tsne-2d-10k": lambda folder: against_tsne.in_2d(folder, 10_000),
    "tsne-2d-50k": lambda folder: against_tsne.in_2d(folder, 50_000),
    "umap-2k": lambda folder: against_umap.in_3d(folder, 2_000),
    "umap-10k": lambda folder: against_umap.in_3d(folder, 10_000),
    "umap-50k": lambda folder: against_umap.in_3d(folder, 50_000),
    "capture-linen": against_forward.in_linen,
    "capture-nnx": against_forward.in_nnx,
    "capture-onnx": against_forward.in_onnx,
    "capture-torch": against_forward.in_torch,
    "capture-to-disk": against_loop.to_disk,
    "pca": lambda _: against_pca.in_memory(),
    "pca-streamed": against_pca.streamed,
    "grid": against_grids.drawn,
    "maximize": against_maximize.together,
    "watch": against_training.watched,
    "viewer": against_viewer.at_a_million,
    "saliency": against_saliency.explained,
}


def main() -> int:
    """Run the contests, keep their results, and print a Markdown table. Returns 1 if one falls short."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(CONTESTS)} (default: all)")
    parser.add_argument("--show", action="store_true", help="only print what was measured last")
    parser.add_argument("--readme", action="store_true", help="also put the table into README.md")
    parser.add_argument("--out", type=Path, default=DOCS, help="folder for benchmarks.json and .png")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(CONTESTS)
    if unknown:
        parser.error(f"no contest {', '.join(sorted(unknown))}; there are {', '.join(CONTESTS)}")
    path = asked.out / "benchmarks.json"
    if not asked.show:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            for name in asked.names or CONTESTS:
                found = CONTESTS[name](Path(folder))
                print(table(found).split("\n", 2)[2], flush=True)
                keep({name: found}, path)
    known = kept(path)
    results = [result for name in CONTESTS if name in known for result in known[name]]
    draw(results, asked.out / "benchmarks.png")
    print(f"{machine()}\n\n{table(results)}")
    if asked.readme:
        readme = DOCS.parent / "README.md"
        before, _, after = readme.read_text(encoding="utf-8").split("<!-- bench -->\n")
        shown = f"{machine()}\n\n{table(results)}\n"
        readme.write_text("<!-- bench -->\n".join([before, shown, after]), encoding="utf-8")
    return 0 if all(result.met for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
