"""Answers that a run keeps already, found by what was asked: they are shown and not computed again.

An answer is taken for the same only where what was asked, how, and the weights that answered are written down
with it and are those of the run; of older files, which do not say so, nothing is taken.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.errors import RunError
from explorer.explain.beside_run import maximised_of
from explorer.render.linked.saliency_files import FOLDER, check_kept, kept, member

if TYPE_CHECKING:
    from collections.abc import Sequence

    from explorer.explain.maximised import Maximised
    from explorer.explain.saliency import Saliency
    from explorer.explain.targets import Asked

DRAWN_BY_ROW = ("smoothgrad",)
"""Methods whose noise is of a picture's place among those that were asked about."""


def kept_maps(run: Any, asked: Asked, method: str, images: Sequence[int]) -> tuple[str, Saliency] | None:
    """The maps that a run keeps of some of its pictures, the newest first, and their name; None for none.

    Args:
        run: the run.
        asked: what is to be explained, of all its pictures.
        method: how.
        images: of which pictures.
    """
    from explorer.explain.gradient_maps import Settings

    weights = weights_of(run)
    if weights is None or (method in DRAWN_BY_ROW and len(images) < run.n_images):
        return None
    wanted = {"asked": _plain(asked.told()), "settings": asdict(Settings()), "weights": weights}
    wanted |= {"method": method, "model": run.name}
    for name in kept(run):
        path = Path(run.path) / FOLDER / f"{name}.npz"
        try:
            found = _read(path, wanted, run, images)
        except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError, IndexError):
            continue  # damaged: it is computed again
        except (zipfile.BadZipFile, RunError):
            continue
        if found is not None:
            return name, found
    return None


def _read(path: Path, wanted: dict[str, Any], run: Any, images: Sequence[int]) -> Saliency | None:
    """The maps in a file, where they are what is wanted."""
    from explorer.explain.gradient_maps import Settings
    from explorer.explain.saliency import Saliency

    with zipfile.ZipFile(path) as archive:
        told = json.loads(str(member(archive, "description.npy")[()]))
        if not isinstance(told, dict) or any(told.get(key) != value for key, value in wanted.items()):
            return None
        if [str(one) for one in member(archive, "names.npy")] != list(run.image_names):
            return None
        values, rows = member(archive, "values.npy"), list(images)
        check_kept(path, values, told)
        target, scores = member(archive, "target.npy")[rows], member(archive, "scores.npy")[rows]
        missed = None
        if "completeness.npy" in archive.namelist():
            missed = member(archive, "completeness.npy")[rows].astype(np.float64)
    return Saliency(
        values=values if len(rows) == len(values) else values[rows],
        method=told["method"],
        layer=told["layer"],
        target=tuple(map(str, target)),
        signed=told["signed"],
        averaged=str(told["averaged"]),
        names=tuple(run.image_names[row] for row in rows),
        labels=None if run.labels is None else tuple(run.labels[row] for row in rows),
        completeness=missed,
        facts=dict(told["facts"]),
        model=told["model"],
        settings=Settings(),
        known=np.asarray(scores, np.float64),
    )


def kept_picture(run: Any, layer: str, channel: int) -> Maximised | None:
    """The grown picture that a run keeps of a channel, the newest first; None for none."""
    weights = weights_of(run)
    return None if weights is None else maximised_of(run, layer, channel, weights=weights)


def weights_of(run: Any) -> str | None:
    """The digest of the weights that a run was captured with; None where it is not known."""
    if getattr(run, "path", None) is None or not hasattr(run, "manifest"):
        return None
    digest = run.manifest["model"].get("digest")
    return digest if isinstance(digest, str) else None


def _plain(told: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(json.dumps(told)))
