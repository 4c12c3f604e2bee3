"""Evolution: one layer over the checkpoints of a training, its maps laid over each other, kept in a folder.

FOLDER/
  evolution.json           the epochs in their order, their figures, and what was left out
  figures.csv              the figures as a table, one line an epoch
  captures.json            which checkpoint each run was captured from
  epochs/<checkpoint>/     one run folder a checkpoint
  maps/<settings>/         one projection a checkpoint, and movement.npz
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.capture.manifest import read_json, write_json
from explorer.capture.store import Run, open_run
from explorer.errors import RunError, first_line
from explorer.reduce.projection import Projection, load_projection
from explorer.schema import list_of, maybe, number, table, text, whole
from explorer.whole import whole_file

if TYPE_CHECKING:
    from PIL import Image

    from explorer.render.epochs.scene import EpochScene

FORMAT = 1
EVOLUTION = "evolution.json"
FIGURES = "figures.csv"
AGAIN = "run the same evolve again"


@dataclass(frozen=True)
class EpochFigures:
    """What is measured of a layer at one checkpoint.

    Attributes:
        separation: share of the positions' variance that lies between the classes, 0 to 1: those of the
            masks, or of the labels where there are no masks; None without either.
        image_separation: the same of the images' means over their positions.
        trust: trustworthiness of the map (Venna & Kaski 2001), 0.5 for chance; None where it was not
            measured.
        effective_rank: how many directions the layer uses (Roy & Vetterli 2007).
        dead: channels that hardly vary over all positions.
        channels: of how many.
        cka_last: linear CKA to the last checkpoint (Kornblith et al. 2019), 0 to 1.
        moved: share of the positions that have moved since the checkpoint before by more than another
            seed of the map moves them; None for the first, and for PCA, which has no seed.
    """

    separation: float | None
    image_separation: float | None
    trust: float | None
    effective_rank: float
    dead: int
    channels: int
    cka_last: float | None
    moved: float | None


@dataclass(frozen=True)
class Evolution:
    """One layer over the checkpoints of a training; E of them, n positions.

    Attributes:
        path: the folder it is kept in.
        layer: the layer.
        epochs: (E,) the checkpoints' names, in their order: their numbers where those tell them apart.
        runs: (E,) what was captured from each.
        projections: (E,) maps of the same positions, laid over each other.
        figures: (E,) what was measured of each.
        movement: (E - 1, n) how far each position has moved against its neighbours to the next map.
        beyond: (E - 1, n) whether that is farther than another seed moves it (`explorer.compare`); all
            False for PCA, which has no seed.
        left_out: checkpoints that are not shown, each with why, in a line.
        notes: what this call made and what it found there, in words.
        part: whether `only` has left epochs out.
    """

    path: Path
    layer: str
    epochs: tuple[str, ...]
    runs: tuple[Run, ...]
    projections: tuple[Projection, ...]
    figures: tuple[EpochFigures, ...]
    movement: NDArray[np.float64]
    beyond: NDArray[np.bool_]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    part: bool = False

    def __repr__(self) -> str:
        return f"Evolution({str(self.path)!r}: {self.layer}, epochs {', '.join(self.epochs)})"

    def table(self) -> str:
        """The figures as CSV, one line an epoch; what was not measured is empty."""
        out = io.StringIO()
        names = [field.name for field in fields(EpochFigures)]
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["epoch", *names])
        for epoch, figures in zip(self.epochs, self.figures, strict=True):
            writer.writerow([epoch, *("" if (v := getattr(figures, n)) is None else v for n in names)])
        return out.getvalue()

    def only(self, epochs: Sequence[str]) -> Evolution:
        """The same training with some of its epochs, by name; movement is between those that are kept.

        Raises:
            InputError: an epoch that there is not, or fewer than two.
            RunError: the other seed's map of an epoch before a gap is gone or damaged.
        """
        from explorer.evolution.choosing import chosen

        return chosen(self, epochs)

    def scene(self, *, epoch: int | None = None, colour: str = "label", theme: str = "light") -> EpochScene:
        """The linked scene with a slider over the epochs; it opens at the last, or at this one, from 0.

        Raises:
            InputError: a colour, theme or epoch that there is not.
        """
        from explorer.render.epochs.scene import EpochScene

        return EpochScene(self, epoch=epoch, colour=colour, theme=theme)

    def picture(
        self,
        *,
        trail: tuple[int, ...] | None = None,
        only_moved: bool = False,
        colour: str = "label",
        theme: str = "light",
    ) -> Image.Image:
        """Small multiples: the clouds from one camera, and the figures below them.

        Args:
            trail: (image, *position) whose way is drawn through the clouds; None for no trail.
            only_moved: grey what has not moved since the epoch before beyond what another seed does.
            colour: what the points' colours mean, as for `scene`.
            theme: "light" or "dark".
        """
        from explorer.render.epochs.sheet import epoch_sheet

        made = self.scene(colour=colour, theme=theme)
        made.only_moved = only_moved
        return epoch_sheet(made, trail=trail)

    def maps(
        self, image: int = 0, *, channels: int | None = None, theme: str = "light", scale: str = "map"
    ) -> Image.Image:
        """The feature maps of one image over the epochs: a row a channel, a column an epoch.

        Args:
            image: number of the image.
            channels: at most so many channels, those that vary most at the last epoch; None for 12.
            theme: "light" or "dark".
            scale: "map" to scale every map by itself, "channel" to scale a channel over all epochs.
        """
        from explorer.render.epochs.maps import epoch_maps

        return epoch_maps(self, image, channels=channels, theme=theme, scale=scale)

    def export(
        self,
        path: str | Path,
        *,
        seconds: float = 1.5,
        fps: float = 25.0,
        trail: tuple[int, ...] | None = None,
        colour: str = "label",
        theme: str = "light",
    ) -> Path:
        """Write the clouds on their way from epoch to epoch, .mp4 or .gif.

        Args:
            path: the file.
            seconds: how long the way from one epoch to the next takes.
            fps: frames a second.
            trail: (image, *position) whose way is drawn.
            colour: what the points' colours mean.
            theme: "light" or "dark".

        Raises:
            InputError: another ending, or a length or rate that cannot be.
            MissingExtraError: .mp4 without imageio-ffmpeg.
        """
        from explorer.render.epochs.film import export_film

        made = self.scene(colour=colour, theme=theme)
        if trail is not None:
            made.select(*trail)
        return export_film(made, Path(path), seconds=seconds, fps=fps)


def save_evolution(evolution: Evolution, keys: tuple[str, ...], maps: str) -> None:
    """Write what `open_evolution` reads; the runs and projections are there already.

    Args:
        evolution: what to write.
        keys: (E,) names of the epochs' folders.
        maps: name of the folder of maps.
    """
    root = evolution.path
    with whole_file(root / "maps" / maps / "movement.npz") as beside:
        np.savez(beside, allow_pickle=False, movement=evolution.movement, beyond=evolution.beyond)
    with whole_file(root / FIGURES) as beside:
        beside.write_text(evolution.table(), encoding="utf-8")
    rows = zip(evolution.epochs, keys, evolution.figures, strict=True)
    content = {
        "format": FORMAT,
        "layer": evolution.layer,
        "maps": maps,
        "epochs": [{"name": name, "folder": key, "figures": asdict(own)} for name, key, own in rows],
        "left_out": list(evolution.left_out),
    }
    write_json(root / EVOLUTION, content)


_FIGURES = table(
    {
        "separation": maybe(number),
        "image_separation": maybe(number),
        "trust": maybe(number),
        "effective_rank": number,
        "dead": whole(0),
        "channels": whole(1),
        "cka_last": maybe(number),
        "moved": maybe(number),
    }
)
_CHECK = table(
    {
        "format": whole(FORMAT, FORMAT),
        "layer": text,
        "maps": text,
        "epochs": list_of(table({"name": text, "folder": text, "figures": _FIGURES}), 2),
        "left_out": list_of(text),
    }
)


def is_evolution(path: Path) -> bool:
    """Whether a folder holds an evolution."""
    return (path / EVOLUTION).is_file()


def open_evolution(path: str | Path) -> Evolution:
    """Open the folder that `evolve` wrote.

    Raises:
        RunError: it holds none, or a damaged one; one line naming the file.
    """
    root = Path(path)
    if not is_evolution(root):
        raise RunError(f"{root}: no evolution here; `activation-explorer evolve` writes one")
    with _mended_by_evolve():
        content = read_json(root / EVOLUTION)
    wrong = _CHECK(content, "")
    names = [] if wrong else [content["maps"], *(one["folder"] for one in content["epochs"])]
    outside = [name for name in names if "/" in name or "\\" in name or name in ("", ".", "..")]
    if wrong or outside:
        raise RunError(f"{root / EVOLUTION}: damaged: {wrong or f'folder {outside[0]!r}'}; {AGAIN}")
    epochs = content["epochs"]
    maps = root / "maps" / content["maps"]
    with _mended_by_evolve():
        runs = tuple(open_run(root / "epochs" / one["folder"]) for one in epochs)
        projections = tuple(load_projection(maps / one["folder"]) for one in epochs)
    for run, one in zip(runs, projections, strict=True):
        if run.grid_shape(content["layer"]) != one.grid_shape or one.n_samples != projections[0].n_samples:
            raise RunError(f"{maps}: maps that do not fit the runs in {root / 'epochs'}; {AGAIN}")
    movement, beyond = _movement(maps / "movement.npz", (len(epochs) - 1, projections[0].n_samples))
    return Evolution(
        root,
        content["layer"],
        tuple(one["name"] for one in epochs),
        runs,
        projections,
        tuple(EpochFigures(**one["figures"]) for one in epochs),
        movement,
        beyond,
        tuple(content["left_out"]),
    )


@contextmanager
def _mended_by_evolve() -> Iterator[None]:
    """Say of what is damaged that the same evolve makes it anew, whatever makes it elsewhere."""
    try:
        yield
    except RunError as error:
        raise RunError(f"{str(error).rpartition('; ')[0] or error}; {AGAIN}") from None


def _movement(path: Path, shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            movement, beyond = arrays["movement"], arrays["beyond"]
    except Exception as error:  # zipfile, zlib and arrays that do not fit have errors of their own
        raise RunError(f"{path}: damaged ({first_line(error)}); {AGAIN}") from None
    if movement.shape != shape or beyond.shape != shape:
        raise RunError(f"{path}: of shape {movement.shape}, expected {shape}; {AGAIN}")
    return movement, beyond.astype(bool)
