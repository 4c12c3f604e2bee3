"""PCA→RGB: the first three principal components of a layer as red, green and blue.

One basis and one scale are fitted over all images of a run, kept with it, and may be saved and used on
other runs of the same layer, so the same colour means the same features everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, ReductionError, RunError, first_line
from explorer.progress import say, working
from explorer.reduce.pca import PCA, Moments, fit_pca, of_many
from explorer.reduce.rows import fingerprint, layer_of
from explorer.reduce.streaming import fit_run, over_chunks
from explorer.whole import whole_file

if TYPE_CHECKING:
    from explorer.capture.store import Run

MOST_FOR_SCALE = 200_000
"""Rows from which percentiles and the threshold are taken, spread evenly over the images."""
BACKGROUND = 0
BINS = 256


@dataclass(frozen=True)
class RgbBasis:
    """Fitted colours of a layer.

    Attributes:
        pca: the basis, of up to three components; of the foreground alone where that is told apart.
        low: (n_components,) the lower percentile of each component, which becomes 0.
        high: (n_components,) the upper one, which becomes 255.
        percentiles: which percentiles those are.
        first: the first component of all positions, along which the foreground lies above the threshold;
            None where it is not told apart.
        threshold: score on `first` above which a position is foreground.
    """

    pca: PCA
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    percentiles: tuple[float, float] = (2.0, 98.0)
    first: PCA | None = None
    threshold: float = -math.inf

    def colours(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Colours of feature vectors: (..., channels) to (..., 3) uint8.

        Mid-gray where a component lacks, black where a position is background.
        """
        rows = values.reshape(-1, values.shape[-1])
        scores = self.pca.transform(rows)
        span = np.where(self.high > self.low, self.high - self.low, 1.0)
        unit = np.where(self.high > self.low, (scores - self.low) / span, 0.5)
        colours = np.full((len(unit), 3), 128, np.uint8)
        colours[:, : unit.shape[1]] = np.rint(np.clip(unit, 0, 1) * 255)
        colours[~self.foreground(rows)] = BACKGROUND
        return colours.reshape(*values.shape[:-1], 3)

    def foreground(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which positions are foreground: (..., channels) to (...); all where it is not told apart."""
        if self.first is None:
            return np.ones(values.shape[:-1], bool)
        scores = self.first.transform(values.reshape(-1, values.shape[-1]))[:, 0]
        return (scores > self.threshold).reshape(values.shape[:-1])

    def save(self, path: str | Path) -> Path:
        """Write an .npz file; `load_rgb` reads it."""
        target = Path(path)
        arrays = {f"pca.{name}": array for name, array in vars(self.pca).items()}
        if self.first is not None:
            arrays |= {f"first.{name}": array for name, array in vars(self.first).items()}
        numbers = np.array([*self.percentiles, self.threshold])
        with whole_file(target) as beside, open(beside, "wb") as file:
            np.savez(file, allow_pickle=False, low=self.low, high=self.high, numbers=numbers, **arrays)
        return target


def load_rgb(path: str | Path) -> RgbBasis:
    """Read colours that were saved.

    Raises:
        RunError: there is no such file, or it holds no colours.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            pca = {field.name: file[f"pca.{field.name}"] for field in fields(PCA)}
            first = {name.removeprefix("first."): file[name] for name in file if name.startswith("first.")}
            low, high, (lower, upper, threshold) = file["low"], file["high"], file["numbers"].tolist()
        basis = RgbBasis(PCA(**pca), low, high, (lower, upper), PCA(**first) if first else None, threshold)
        basis.colours(np.zeros((1, len(basis.pca.mean)), np.float32))
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; `activation-explorer rgb … --save` writes one") from None
    except Exception as error:  # zipfile, zlib and arrays that do not fit have errors of their own
        raise RunError(f"{path}: no whole file of PCA→RGB colours ({first_line(error)})") from None
    return basis


def rgb(
    run: Run,
    layer: str | None = None,
    *,
    foreground: bool = False,
    percentiles: Sequence[float] = (2.0, 98.0),
) -> RgbBasis:
    """Fit the colours of a layer over every position of every image of a run, or open those it keeps.

    Args:
        run: an opened run folder.
        layer: one of its layers; may be left out when it has one.
        foreground: tell foreground from background along the first component, at the threshold that parts
            its scores best (Otsu 1979); the background is the side that more of the images' borders are
            of. The components and the scale are then those of the foreground, and the rest is black.
        percentiles: of each component's scores, which become 0 and 255.

    Raises:
        InputError: the layer is not named and the run has several, or percentiles that are none.
        LayerError: the run has no such layer.
    """
    layer = layer_of(run, layer)
    low, high = (float(value) for value in percentiles)
    if not 0 <= low < high <= 100:
        raise InputError(f"percentiles {low:g} and {high:g}: expected two rising numbers from 0 to 100")
    name = f"{quote(layer, safe=' ')} {fingerprint([foreground, low, high])}.npz"
    folder: Path | None = getattr(run, "path", None)  # a run in memory has none
    if folder is None:
        return _fit(run, layer, foreground, (low, high))
    kept = folder / "rgb" / name
    if kept.is_file():
        try:
            return load_rgb(kept)
        except RunError as error:
            say(f"{error}: fitting them again")
    basis = _fit(run, layer, foreground, (low, high))
    try:
        kept.parent.mkdir(exist_ok=True)
        basis.save(kept)
    except OSError as error:  # a run that may only be read is still there to be looked at
        say(f"{kept}: not kept ({error.strerror or error})")
    return basis


def _fit(run: Run, layer: str, foreground: bool, percentiles: tuple[float, float]) -> RgbBasis:
    count = min(3, run.channels(layer))
    with working(f"PCA→RGB of {layer}"):
        pca, _ = fit_run(run, layer, count)
        first, threshold = None, -math.inf
        if foreground:
            first, threshold = _part(run, layer, pca)
            pca = _fit_where(run, layer, count, (first, threshold))
        each = _scores(run, layer, pca, within=(first, threshold))
        low, high = np.percentile(each, percentiles, axis=0)
    return RgbBasis(pca, low, high, percentiles, first, threshold)


def _part(run: Run, layer: str, pca: PCA) -> tuple[PCA, float]:
    """The first component with the foreground above, and the threshold.

    Raises:
        ReductionError: all positions are the same.
    """
    scores = _scores(run, layer, pca)[:, 0]
    if np.ptp(scores) == 0:
        raise ReductionError(f"layer {layer}: all positions have the same values; no foreground to tell")
    threshold = otsu(scores)
    border = _scores(run, layer, pca, border=True)[:, 0]
    above = float((border > threshold).mean()) if len(border) else 0.0
    turn = -1.0 if above > float((scores > threshold).mean()) else 1.0
    one = PCA(
        pca.mean, pca.scale, turn * pca.components[:1], pca.explained_variance[:1],
        pca.explained_variance_ratio[:1], pca.lengths[:1],
    )  # fmt: skip
    return one, turn * threshold


def otsu(scores: NDArray[np.floating]) -> float:
    """The threshold, of 255, that parts scores (n,) into two classes of least variance (Otsu 1979)."""
    counts, edges = np.histogram(scores, BINS)
    middles = (edges[1:] + edges[:-1]) / 2
    below = counts.cumsum()[:-1]
    above = len(scores) - below
    sums = (counts * middles).cumsum()
    gap = sums[:-1] / np.maximum(below, 1) - (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    between = below * above * gap**2
    best = np.flatnonzero(between == between.max())
    return float(edges[1 + int(best[len(best) // 2])])  # amid an empty gap, in its middle


def _fit_where(run: Run, layer: str, count: int, part: tuple[PCA, float]) -> PCA:
    """PCA of the positions above a threshold."""
    first, threshold = part

    def work(_: int, rows: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(rows[first.transform(rows)[:, 0] > threshold])

    chunks = over_chunks(run, layer, work)
    head = next((rows for rows in chunks if len(rows)), None)
    if head is None or len(head) <= head.shape[1]:
        return fit_pca([rows for rows in (head, *chunks) if rows is not None and len(rows)], count)
    moments = Moments(head)
    moments.add(moments.sums(head))
    for rows in chunks:
        moments.add(moments.sums(rows))
    return of_many(moments, count)


def _scores(
    run: Run,
    layer: str,
    pca: PCA,
    *,
    within: tuple[PCA | None, float] = (None, 0.0),
    border: bool = False,
) -> NDArray[np.float64]:
    """Scores (m, n_components) of at most 200,000 positions, spread evenly.

    Args:
        run: an opened run folder.
        layer: one of its layers.
        pca: the basis.
        within: only positions whose score on this component is above this threshold.
        border: only positions at the border of their image.
    """
    batch, *spatial = run.grid_shape(layer)
    at_border = np.zeros(spatial, bool)
    for axis in range(len(spatial)):
        np.moveaxis(at_border, axis, 0)[[0, -1]] = True
    rim = at_border.ravel()
    step = max(1, -(-batch * (int(rim.sum()) if border else rim.size) // MOST_FOR_SCALE))

    def work(_: int, rows: NDArray[Any]) -> NDArray[np.float64]:
        if border:
            rows = rows[np.tile(rim, len(rows) // rim.size)]
        rows = rows[::step]
        if within[0] is not None:
            rows = rows[within[0].transform(rows)[:, 0] > within[1]]
        return pca.transform(rows)

    return np.concatenate(list(over_chunks(run, layer, work)))
