"""What a model answers to most: pictures that were climbed to, beside the strongest real ones."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.batches import read_arrays
from explorer.errors import InputError, first_line
from explorer.whole import whole_file


@dataclass(frozen=True)
class Real:
    """The real inputs that an objective is highest for.

    Attributes:
        values: (objectives, inputs), highest first.
        images: their numbers in the run.
        places: the position that adds most, (objectives, inputs, spatial axes).
        boxes: first and one behind the last pixel that this position sees, (objectives, inputs, 2, 2);
            all of the picture where that is not known.
        pictures: (objectives, inputs, height, width, 3) uint8.
        n_images: among how many they were looked for.
    """

    values: NDArray[np.float64]
    images: NDArray[np.int64]
    places: NDArray[np.int64]
    boxes: NDArray[np.int64]
    pictures: NDArray[np.uint8]
    n_images: int


@dataclass(frozen=True)
class Maximised:
    """Pictures that a layer answers to most.

    Attributes:
        model: the model's name.
        layer: the layer.
        names: one objective each.
        pictures: (objectives, variants, height, width, 1 or 3), 0 black to 1 white, as a person sees them.
        reached: the objective of each picture as it is, (objectives, variants).
        real: the strongest real inputs; None where no images were given.
        settings: steps, seed and the rest of how they were made; "weights", a digest of whose they are.
        finished: objectives that were climbed for to the end; fewer than all after an interrupt.
    """

    model: str
    layer: str
    names: tuple[str, ...]
    pictures: NDArray[np.float32]
    reached: NDArray[np.float64]
    real: Real | None
    settings: dict[str, Any]
    finished: int

    def __repr__(self) -> str:
        n, variants = self.pictures.shape[:2]
        return f"Maximised({self.layer}: {n} objectives, {variants} pictures each)"

    def shown(self) -> NDArray[np.uint8]:
        """The pictures (objectives, variants, height, width, 3) of 0 to 255."""
        scaled = np.rint(np.clip(self.pictures, 0, 1) * 255).astype(np.uint8)
        return np.ascontiguousarray(np.broadcast_to(scaled, (*scaled.shape[:-1], 3)))

    def alone(self, number: int) -> Maximised:
        """One of the objectives, as if nothing else had been climbed for."""
        at, real = slice(number, number + 1), self.real
        if real is not None:
            seen = real.values[at], real.images[at], real.places[at], real.boxes[at]
            real = Real(*seen, real.pictures[at], real.n_images)
        own = self.names[at], self.pictures[at], self.reached[at], real
        done = min(1, max(0, self.finished - number))
        return Maximised(self.model, self.layer, *own, self.settings, done)

    def title(self, number: int) -> str:
        """An objective with the best of what was reached, and what the strongest real input has."""
        best = self.reached[number].max()
        words = f"{self.names[number]} · reached {best:.3g}" if np.isfinite(best) else self.names[number]
        if self.real is not None:
            words += f", strongest real {self.real.values[number, 0]:.3g}"
        return words

    def save(self, path: str | Path) -> Path:
        """Write everything as an .npz; `load_maximised` reads it back.

        Raises:
            InputError: another suffix.
        """
        target = Path(path)
        if target.suffix != ".npz":
            raise InputError(f"{target}: maximised pictures are kept as .npz")
        about = {
            "model": self.model,
            "layer": self.layer,
            "names": list(self.names),
            "settings": self.settings,
            "finished": self.finished,
            "n_images": None if self.real is None else self.real.n_images,
        }
        real = {} if self.real is None else {f"real_{k}": v for k, v in asdict(self.real).items()}
        real.pop("real_n_images", None)
        text = np.frombuffer(json.dumps(about).encode(), np.uint8)
        with whole_file(target) as beside:
            np.savez_compressed(beside, about=text, pictures=self.pictures, reached=self.reached, **real)
        return target


def load_maximised(path: str | Path) -> Maximised:
    """Read what `Maximised.save` wrote.

    Raises:
        InputError: it is missing or damaged.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    arrays = read_arrays(Path(path))
    try:
        about = json.loads(arrays.pop("about").tobytes().decode())
        real = {name.removeprefix("real_"): arrays[name] for name in arrays if name.startswith("real_")}
        return Maximised(
            str(about["model"]),
            str(about["layer"]),
            tuple(map(str, about["names"])),
            arrays["pictures"],
            arrays["reached"],
            Real(**real, n_images=int(about["n_images"])) if real else None,
            dict(about["settings"]),
            int(about["finished"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as maximised pictures ({first_line(error)})") from None
