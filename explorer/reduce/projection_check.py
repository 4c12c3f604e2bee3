"""What a saved projection must hold; checked whenever one is loaded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.schema import Check, either, list_of, maybe, number, table, text, truth, whole

FORMAT = 1
_FIGURES = ("trustworthiness", "continuity", "neighbourhood_preservation", "shepard_correlation")
_SEED = maybe(whole(0, 2**64))


def _figure(value: Any, key: str) -> str | None:
    """A number, or NaN where nothing could be measured."""
    return None if isinstance(value, float) and math.isnan(value) else number(value, key)


_SCORES = table(dict.fromkeys(_FIGURES, _figure))
_LOOSE = table({}, rest=either(table({}, rest=_figure), _figure))
_ASKED: dict[str, dict[str, Check]] = {
    "pca": {"standardise": truth},
    "tsne": {"perplexity": number, "metric": text, "engine": text},
    "umap": {"n_neighbors": whole(1), "min_dist": number, "metric": text, "engine": text},
}


def _measured(beside_pca: bool) -> Check:
    """The figures of a map, and those of a random map and, where it was compared, of PCA."""
    figures = {**dict.fromkeys(_FIGURES, _figure), "random": _SCORES, "measured_on": whole(0)}
    return table(figures | ({"pca": _SCORES} if beside_pca else {}), rest=_figure)


def problem(described: Mapping[str, Any]) -> str | None:
    """The first place where a projection.json does not hold what it must, None if all is well."""
    quality = described.get("quality")
    known: dict[str, Any] = quality if isinstance(quality, dict) else {}
    compared = described.get("method") != "pca" or "pca" in known  # files of before compare PCA with PCA
    asked = _ASKED.get(str(described.get("method")), {})
    check = table(
        {
            "format": whole(FORMAT, FORMAT),
            "method": text,
            "layer": text,
            "grid_shape": list_of(whole(1), 1, 4),
            "parameters": table(
                {"method": maybe(text), "n_components": maybe(whole(2)), "random_state": _SEED, **asked}
            ),
            "quality": _measured(compared) if "trustworthiness" in known else _LOOSE,
            "provenance": table({"n_samples": maybe(whole(1)), "n_positions": maybe(whole(1))}),
        }
    )
    return check(dict(described), "")


def array_problem(arrays: Mapping[str, NDArray[Any]], grid_shape: tuple[int, ...]) -> str | None:
    """The first array that does not fit the others, in one line; None if all do."""
    coordinates, rows, trust = arrays["coordinates"], arrays.get("rows"), arrays.get("trust")
    positions = math.prod(grid_shape)
    if coordinates.ndim != 2 or coordinates.shape[1] not in (2, 3) or coordinates.dtype.kind != "f":
        return f"coordinates of shape {coordinates.shape} {coordinates.dtype}, expected floats (n, 2 or 3)"
    count = positions if rows is None else len(rows)
    if len(coordinates) != count:
        return (
            f"coordinates of {len(coordinates)} positions, expected {count} of grid_shape {list(grid_shape)}"
        )
    if rows is not None and (
        rows.ndim != 1 or rows.dtype.kind not in "iu" or not _increasing(rows, positions)
    ):
        return f"rows are not places below {positions}, each once and in order"
    if trust is not None and (trust.shape != (len(coordinates),) or trust.dtype.kind != "f"):
        return f"trust of shape {trust.shape} for {len(coordinates)} positions"
    return None


def _increasing(rows: NDArray[Any], positions: int) -> bool:
    steps = np.diff(rows.astype(np.int64))
    return bool(len(rows)) and int(rows[0]) >= 0 and int(rows[-1]) < positions and bool((steps > 0).all())
