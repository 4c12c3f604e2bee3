"""Saliency maps on disk: arrays and a description in JSON, in one .npz."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.errors import InputError
from explorer.whole import whole_file

if TYPE_CHECKING:
    from explorer.capture.store import Run
    from explorer.explain.saliency import Saliency

FORMAT = 1


def save_saliency(found: Saliency, path: str | Path) -> Path:
    """Write maps; see `Saliency.save`."""
    target = Path(path)
    if target.suffix.lower() != ".npz":
        raise InputError(f"{target}: saliency maps are written as .npz")
    arrays: dict[str, Any] = {
        "values": found.values,
        "scores": found.scores,
        "names": np.array(found.names),
        "target": np.array(found.target),
        "description": np.array(json.dumps(describe(found), ensure_ascii=False)),
    }
    if found.labels is not None:
        arrays["labels"] = np.array(found.labels)
    if found.completeness is not None:
        arrays["completeness"] = found.completeness
    with whole_file(target) as beside, beside.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    return target


def keep_saliency(found: Saliency, run: Run, name: str | None) -> Path:
    """Put maps into a run; see `Saliency.keep`."""
    if found.names != run.image_names:
        raise InputError(
            f"{run.path}: holds {run.n_images} images, and these maps are of {len(found.names)} that are not "
            "the same; explain all images of the run, in its order"
        )
    one = describe(found)
    words = name or f"{found.method} {one['target'] if len(set(found.target)) == 1 else 'answered'}"
    plain = re.sub(r"[^A-Za-z0-9._+-]+", "-", words).strip("-.") or "saliency"
    folder = Path(run.path) / "saliency"
    folder.mkdir(exist_ok=True)
    return save_saliency(found, folder / f"{plain}.npz")


def describe(found: Saliency) -> dict[str, Any]:
    """What is known of maps beside their numbers."""
    one = found.target[0] if len(set(found.target)) == 1 else "the class each picture is answered with"
    return {
        "format": FORMAT,
        "method": found.method,
        "layer": found.layer,
        "target": one,
        "signed": found.signed,
        "averaged": found.averaged,
        "facts": dict(found.facts),
        "model": found.model,
        "settings": asdict(found.settings),
        **_asked(found),
    }


def _asked(found: Saliency) -> dict[str, Any]:
    """What was asked, as it is asked of the same layer again, and a digest of the weights that answered."""
    question = found.question
    if question is None or question.asked is None:
        return {}
    told = question.asked.told(question.target.masks)
    if question.target.kind != "class":
        told["layer"] = question.target.layer
    return {"asked": told, "weights": question.model.provenance.get("digest")}
