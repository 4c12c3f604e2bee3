"""Which checkpoints an evolution is of, in their order, and what opens each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from explorer.capture import load_model
from explorer.capture.model import Model
from explorer.capture.steps import Step, find_steps, is_one_step, natural, step_names
from explorer.errors import CheckpointError, InputError, ModelError

if TYPE_CHECKING:
    from explorer.evolution.captures import Book


@dataclass(frozen=True)
class Source:
    """One checkpoint and what opens it.

    Attributes:
        key: the name of its folder below epochs/.
        name: what it is called on screen.
        step: its files; None for a model in memory, and for one whose files are gone.
        model: what `load_model` opens; None where the files are gone.
        alone: whether the file stands alone, without a model that takes it as weights.
        file: its file name.
    """

    key: str
    name: str
    step: Step | None
    model: object
    alone: bool
    file: str

    def open(self) -> Model:
        """The model with this checkpoint's weights.

        Raises:
            CheckpointError: the checkpoint cannot be read.
            ModelError: anything else that is wrong with the model.
        """
        if isinstance(self.model, Model):
            return self.model
        if self.step is not None and not self.alone:
            return load_model(self.model, checkpoint=self.step.path)
        try:
            return load_model(self.model)
        except (ModelError, InputError) as error:
            if self.alone:  # the file is the checkpoint
                raise CheckpointError(str(error)) from None
            raise


def sources_of(model: object, checkpoints: Any, book: Book) -> list[Source]:
    """The checkpoints in their order, with those captured before whose files are gone.

    Raises:
        CheckpointError: fewer than two are named, or two are called alike.
        InputError: a model that is open already, into which no other checkpoint goes.
    """
    if isinstance(checkpoints, Mapping):
        if len(checkpoints) < 2:
            raise CheckpointError(f"checkpoints: {len(checkpoints)}, expected at least two of one training")
        return [
            Source(quote(str(name), safe=" "), str(name), None, one, False, str(name))
            for name, one in checkpoints.items()
        ]
    if isinstance(model, Model):
        raise InputError(
            f"{model.name}: is open already, so no other checkpoint goes into it; give the model.toml or the "
            "module itself, or checkpoints={name: model}"
        )
    place, alone = checkpoints, False
    if place is None:
        place, alone = _own_checkpoints(model)
    steps = list(find_steps(place, alone=alone))
    files = [step.path.name for step in steps]
    if len(set(files)) < len(files):
        files = [f"{step.path.parent.name}-{step.path.name}" for step in steps]
    if len(set(files)) < len(files):
        raise CheckpointError(f"checkpoints: two are called {sorted(files)[0]}; give them different names")
    whole = isinstance(place, str | Path)
    gone = [e["file"] for e in book.entries.values() if whole and e["file"] not in files]
    every = sorted([*files, *gone], key=natural)
    names = dict(zip(every, step_names(every), strict=True))
    by_file = dict(zip(files, steps, strict=True))
    found = []
    for file in every:
        step = by_file.get(file)
        opens = None if step is None else (step.path if alone else model)
        found.append(Source(quote(file, safe=" "), names[file], step, opens, alone, file))
    return found


def _own_checkpoints(model: object) -> tuple[Path, bool]:
    """Where a model keeps its checkpoints, and whether those are models that stand alone."""
    from explorer.capture.model_file import read_model_file

    path = Path(model) if isinstance(model, str | Path) else None
    if path is not None and path.is_dir() and (path / "model.toml").is_file():
        path = path / "model.toml"
    if path is None or (path.is_file() and path.suffix != ".toml"):
        raise InputError(f"{path or 'model'}: name its checkpoints with checkpoints: a folder, or files")
    if path.suffix == ".toml":
        kept = read_model_file(path).options.checkpoint
        if kept is None:
            raise InputError(f"{path}: names no checkpoint; name a folder of them, or files")
        return (kept if kept.is_dir() and not is_one_step(kept) else kept.parent), False
    return path, True
