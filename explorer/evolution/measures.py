"""What is measured of every checkpoint's run, kept beside the runs so that only a new one is measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from explorer.capture.manifest import read_json, write_json
from explorer.capture.store import Run
from explorer.errors import RunError
from explorer.progress import progress
from explorer.reduce.channels import channel_statistics
from explorer.reduce.representation import Spectrum, linear_cka, spectrum

KEPT = "measures.json"


@dataclass(frozen=True)
class Measures:
    """What is measured of a layer at one checkpoint.

    Attributes:
        spectrum: separation and effective rank.
        dead: channels that hardly vary.
        channels: of how many.
        cka_last: linear CKA to the last checkpoint that can be mapped; None where it is not to be had.
    """

    spectrum: Spectrum
    dead: int
    channels: int
    cka_last: float | None = None

    @property
    def why_not(self) -> str:
        """Why it cannot be mapped; empty where it can."""
        if not self.spectrum.finite:
            return "NaN or infinity among the layer's values: did the training diverge?"
        return "" if self.spectrum.varies else "all positions of the layer have the same values"


def measures_of(root: Path, runs: Mapping[str, Run], layer: str) -> tuple[dict[str, Measures], bool]:
    """Measure each run's layer, by key; what was measured of the very same runs before is read.

    Only linear CKA depends on the last checkpoint: where there is a new one it is measured again for all.

    Returns:
        The measures, and whether linear CKA was measured again for runs that had it.
    """
    kept = _read(root / KEPT)
    found: dict[str, Measures] = {}
    with progress("measure", len(runs), "checkpoints") as advance:
        for key, run in runs.items():
            name = f"{layer} {key}"
            own = _measures(kept.get(name), run)
            if own is None:
                dead = len(channel_statistics(run, layer).dead())
                own = Measures(spectrum(run, layer), dead, run.channels(layer))
                kept[name] = {"run": _identity(run), "measures": asdict(own)}
                write_json(root / KEPT, kept)
            found[key] = own
            advance(1)
    again = False
    usable = [key for key, own in found.items() if not own.why_not]
    for key in usable:
        pair = [_identity(runs[key]), _identity(runs[usable[-1]])]
        name = f"{layer} {key} cka"
        if kept.get(name, {}).get("run") != pair or "cka" not in kept[name]:
            again |= name in kept
            kept[name] = {"run": pair, "cka": linear_cka(runs[key], runs[usable[-1]], layer)}
            write_json(root / KEPT, kept)
        value = kept[name]["cka"]
        known = isinstance(value, int | float) and math.isfinite(value)
        found[key] = replace(found[key], cka_last=float(value) if known else None)
    return found, again


def _identity(run: Run) -> list[str]:
    """What tells a run's values, and the classes they are measured by, apart."""
    return [
        str(run.manifest["identity"]),
        str(hash_of(run.labels)),
        *(["by masks"] if run.mask_names else []),
    ]


def hash_of(labels: tuple[str, ...] | None) -> str:
    """Digest of the images' labels."""
    from explorer.reduce.rows import fingerprint

    return fingerprint(labels)


def _read(path: Path) -> dict[str, Any]:
    """What is kept; nothing where there is nothing, or something damaged: it is measured again."""
    try:
        return {key: one for key, one in read_json(path).items() if isinstance(one, dict)}
    except RunError:
        return {}


def _measures(entry: Any, run: Run) -> Measures | None:
    """What is kept of this very run, or None."""
    try:
        own = entry["measures"]
        if entry["run"] != _identity(run):
            return None
        return Measures(Spectrum(**own["spectrum"]), int(own["dead"]), int(own["channels"]))
    except (KeyError, TypeError, ValueError):
        return None
