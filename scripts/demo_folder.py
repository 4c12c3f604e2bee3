"""What the scripts that train the demo's networks do with the folder they write."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp


def clear(out: Path, names: Iterable[str], script: Path) -> None:
    """Remove what an earlier run of this script wrote, and refuse to touch anybody else's folders."""
    ours = (out / "model.toml").is_file() and script.name in (out / "model.toml").read_text()
    for name in names:
        if (out / name).exists() and not ours:
            raise SystemExit(f"{out / name}: exists and was not written by this script; choose another --out")
        shutil.rmtree(out / name, ignore_errors=True)


def save_checkpoint(folder: Path, variables: dict[str, Any]) -> None:
    """Write the variables as NumPy arrays: these carry no record of the device they lived on."""
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder.resolve(), jax.tree.map(np.asarray, variables))
    # Orbax notes in this file where the folder lay; readers only ask whether the file exists,
    # and a shipped checkpoint should not tell one machine's paths.
    note = folder / "commit_success.txt"
    if note.exists():
        note.write_text("Checkpoint commit was successful\n", encoding="utf-8")
