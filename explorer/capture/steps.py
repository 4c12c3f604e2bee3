"""The checkpoints of one training in their order: Orbax steps, files of weights, models that stand alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from explorer.errors import CheckpointError, suggest

WEIGHTS = (".msgpack", ".mpk", ".flax", ".safetensors", ".npz", ".pt", ".pth")
ALONE = (".onnx", ".keras", ".h5", ".hdf5", ".npz", ".npy", ".toml")
NUMBER = re.compile(r"\d+")
ONE_STEP = ("_METADATA", "_CHECKPOINT_METADATA")
"""What Orbax writes into each step."""
CUT_OFF = "orbax-checkpoint-tmp"
"""In the name of a step whose saving has not ended."""
BLOCK = 2**20


@dataclass(frozen=True)
class Step:
    """One checkpoint.

    Attributes:
        name: what it is called on screen: its number where the numbers tell the checkpoints apart.
        path: the folder of an Orbax step, or the file.
    """

    name: str
    path: Path

    def digest(self) -> str:
        """Digest of the bytes of its files: another one means another checkpoint.

        Raises:
            CheckpointError: a file cannot be read.
        """
        found = hashlib.blake2b(digest_size=16)
        files = sorted(self.path.rglob("*")) if self.path.is_dir() else [self.path]
        try:
            for file in files:
                if not file.is_file():
                    continue
                found.update(file.relative_to(self.path).as_posix().encode() + b"\0")
                with file.open("rb") as opened:
                    while part := opened.read(BLOCK):
                        found.update(part)
        except OSError as error:
            raise CheckpointError(f"{file}: cannot be read ({error.strerror or error})") from None
        return found.hexdigest()


def find_steps(source: str | Path | Sequence[str | Path], *, alone: bool = False) -> tuple[Step, ...]:
    """The checkpoints of a folder, or these files, in the natural order of the numbers in their names.

    Sub-folders with a number in their names are steps; otherwise files of weights are. Two models that
    stand alone (.onnx, .keras, …) are steps too, where that is asked for.

    Args:
        source: a folder, or files and folders, each one step.
        alone: look for models that stand alone, in place of weights.

    Raises:
        CheckpointError: no such folder or file, or fewer than two checkpoints.
    """
    if isinstance(source, str | Path):
        places, where = _in_folder(Path(source), ALONE if alone else WEIGHTS), str(source)
    else:
        places, where = [Path(one) for one in source], "checkpoints"
    for place in places:
        if not place.exists():
            raise CheckpointError(f"{place}: no such file or folder")
    if len(places) < 2:
        raise CheckpointError(f"{where}: {len(places)} checkpoints, expected at least two of one training")
    places = sorted(places, key=lambda place: natural(place.name))
    return tuple(
        Step(name, place)
        for name, place in zip(step_names([place.name for place in places]), places, strict=True)
    )


def _in_folder(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """The steps of a folder."""
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder; expected a folder of checkpoints, or files")
    if is_one_step(folder):
        raise CheckpointError(f"{folder}: is one checkpoint; name the folder above it, or several")
    inside = [place for place in folder.iterdir() if not place.name.startswith(".")]
    steps = [place for place in inside if place.is_dir() and _is_step(place.name)]
    files = [place for place in inside if place.is_file() and place.suffix.lower() in suffixes]
    if not steps and not files:
        names = [place.name for place in inside]
        raise CheckpointError(
            f"{folder}: no checkpoints here; expected numbered folders (Orbax steps) or files "
            f"{' '.join(suffixes)}; {suggest('', names)}"
        )
    return steps or files


def is_one_step(folder: Path) -> bool:
    """Whether a folder is one Orbax checkpoint, and not a folder of steps."""
    return any((folder / name).is_file() for name in ONE_STEP)


def _is_step(name: str) -> bool:
    """Whether a folder's name ends in a number: a saving that was cut off says so."""
    return re.fullmatch(r"(?:.*[_.-])?\d+", name) is not None and CUT_OFF not in name


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """The key that sorts numbers in names by their size.

    >>> sorted(["epoch10.pt", "epoch9.pt", "best.pt"], key=natural)
    ['best.pt', 'epoch9.pt', 'epoch10.pt']
    """
    parts = re.split(r"(\d+)", name.lower())
    return tuple((1, int(part), "") if index % 2 else (0, 0, part) for index, part in enumerate(parts))


def step_names(files: Sequence[str]) -> list[str]:
    """Short names for checkpoints: the last number of each where it tells them apart, else all of the name.

    >>> step_names(["epoch_1.pt", "epoch_12.pt"])
    ['1', '12']
    >>> step_names(["best.pt", "last.pt"])
    ['best', 'last']
    """
    stems = [name.removesuffix(Path(name).suffix) if _is_file_name(name) else name for name in files]
    numbers = [NUMBER.findall(stem) for stem in stems]
    last = [str(int(found[-1])) if found else "" for found in numbers]
    if all(last) and len(set(last)) == len(last):
        return last
    return stems if len(set(stems)) == len(stems) else list(files)


def _is_file_name(name: str) -> bool:
    return Path(name).suffix.lower() in (*WEIGHTS, *ALONE)
