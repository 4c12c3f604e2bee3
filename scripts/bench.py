"""Measure the product against what people use today, side by side in one run.

    python scripts/bench.py                # everything
    python scripts/bench.py import help    # some of it
    python scripts/bench.py --repeat 9 --out bench.md

Every line is a ratio of two medians of whole processes, run in turn on the same machine, so that
noise and caches meet both sides. Timings in seconds; a ratio below 1 means we are faster.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEMO = HERE.parent / "explorer" / "demo" / "digits"


@dataclass(frozen=True)
class Contest:
    """Two commands that do the same, and the most that ours may take of the other's time."""

    what: str
    against: str
    target: float
    ours: Callable[[Path], list[str]]
    theirs: Callable[[Path], list[str]]


def python(code: str) -> Callable[[Path], list[str]]:
    """A bare Python that runs one line."""
    return lambda _: [sys.executable, "-c", code]


def command(*words: str) -> Callable[[Path], list[str]]:
    """Our command line, as installed beside this Python; {out} becomes an empty folder."""
    program = str(Path(sys.executable).with_name("activation-explorer"))
    return lambda out: [program, *(word.format(out=out) for word in words)]


CONTESTS = {
    "import": Contest(
        "import explorer", "import numpy", 1.5, python("import explorer"), python("import numpy")
    ),
    "help": Contest(
        "activation-explorer --help", "python, import numpy", 4.0, command("--help"), python("import numpy")
    ),
    "picture": Contest(
        "digits demo to first picture, PCA 3D",
        "by hand: flax, scikit-learn, matplotlib",
        1.0,
        command("explore", str(DEMO), "--method", "pca", "--out", "{out}/run"),
        lambda out: [sys.executable, str(HERE / "bench_by_hand.py"), str(DEMO), f"{out}/picture.png"],
    ),
}


def seconds(make: Callable[[Path], list[str]], environment: dict[str, str]) -> float:
    """Run one process in an empty folder and return how long it took."""
    out = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        start = time.perf_counter()
        subprocess.run(make(out), check=True, capture_output=True, env=environment, cwd=out)
        return time.perf_counter() - start
    finally:
        shutil.rmtree(out)


def measure(contest: Contest, repeat: int) -> tuple[float, float]:
    """Median seconds of ours and theirs, run in turn after one unmeasured round of each."""
    unwanted = {"DISPLAY", "PYTHONDONTWRITEBYTECODE"}  # a user has no screen here, and compiled files
    environment = {key: value for key, value in os.environ.items() if key not in unwanted}
    ours, theirs = [], []
    for round_ in range(repeat + 1):
        both = seconds(contest.ours, environment), seconds(contest.theirs, environment)
        if round_:
            ours.append(both[0])
            theirs.append(both[1])
    return statistics.median(ours), statistics.median(theirs)


def main() -> None:
    """Run the contests and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(CONTESTS)} (default: all)")
    parser.add_argument("--repeat", type=int, default=5, help="measured rounds of each")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(CONTESTS)
    if unknown:
        parser.error(f"no contest {', '.join(sorted(unknown))}; there are {', '.join(CONTESTS)}")
    lines = [
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, "
        f"median of {arguments.repeat} whole processes each",
        "",
        "| what | ours | against | theirs | ratio | at most |",
        "|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    for name in arguments.names or CONTESTS:
        contest = CONTESTS[name]
        ours, theirs = measure(contest, arguments.repeat)
        lines.append(
            f"| {contest.what} | {ours:.2f} s | {contest.against} | {theirs:.2f} s "
            f"| {ours / theirs:.2f} | {contest.target:g} |"
        )
        print(lines[-1], flush=True)
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
