"""The model-randomisation check: a map that stays the same with random weights shows the picture alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.capture.protocol import Randomisable, plain_name
from explorer.errors import InputError, ModelError, check_seed
from explorer.explain.question import Question
from explorer.progress import progress

if TYPE_CHECKING:
    from explorer.explain.saliency import Saliency

ALIKE = 0.5
"""Mean rank correlation, with all weights random, from which a map is said not to depend on them."""


@dataclass(frozen=True, eq=False)
class Sanity:
    """How alike the maps of a model and of ever more random forms of it are.

    Attributes:
        method: of the maps.
        stages: the part that was drawn last at each stage, from the target's layer down to the inputs.
        correlations: (n_stages, batch) Spearman's rank correlation of the maps' absolute values with the
            true ones'; NaN where a map is constant.
        maps: (n_stages, batch, height, width) the maps.
        parts: how many parts there are in all.
    """

    method: str
    stages: tuple[str, ...]
    correlations: NDArray[np.float64]
    maps: NDArray[np.float32]
    parts: int

    @property
    def means(self) -> NDArray[np.float64]:
        """(n_stages,) the mean correlation over inputs; NaN where every map is constant."""
        known = np.isfinite(self.correlations)
        total = np.where(known, self.correlations, 0).sum(axis=1)
        mean = np.full(len(total), np.nan)
        return np.asarray(np.divide(total, known.sum(axis=1), where=known.any(axis=1), out=mean))

    def words(self) -> str:
        """One line: the mean correlation at the first and the last stage, and what that says."""
        first, last = self.means[0], self.means[-1]
        alike = np.isfinite(last) and last >= ALIKE
        verdict = "hardly depends on what was learned" if alike else "depends on what was learned"
        verdict = verdict if np.isfinite(last) else "the maps are constant, so nothing is told"
        return (
            f"{self.method}: rank correlation {first:.2f} with {self.stages[0]} random, {last:.2f} with all "
            f"{self.parts} parts random: {verdict}"
        )


def check(found: Saliency, *, most: int, seed: int) -> Sanity:
    """See `Saliency.sanity`."""
    from explorer.explain.saliency import find

    question = found.question
    if question is None:
        raise InputError("sanity: maps without their model and inputs; make them with saliency()")
    if most < 1:
        raise InputError(f"sanity: at most {most} stages, expected at least 1")
    check_seed(seed)
    adapter = question.model.adapter
    if not isinstance(adapter, Randomisable):
        raise ModelError(
            f"{question.model.name}: weights of {question.model.adapter_name} models cannot be drawn anew; "
            "open the model in the framework that it was trained in"
        )
    parts = cascade(question)
    ends = np.unique(np.linspace(1, len(parts), min(most, len(parts))).round().astype(int))
    maps, correlations = [], []
    with progress("sanity", len(ends), "stages") as advance:
        for end in ends:
            other = replace(question.model, adapter=adapter.with_random(parts[:end], seed))
            made = find(replace(question, model=other), found.method, found.settings).values
            maps.append(made)
            correlations.append([rank_correlation(a, b) for a, b in zip(found.values, made, strict=True)])
            advance(1)
    stages = tuple(parts[end - 1] or "the model" for end in ends)
    return Sanity(found.method, stages, np.array(correlations), np.stack(maps), len(parts))


def cascade(question: Question) -> list[str]:
    """The parts with weights that the target depends on, the last to answer first.

    Raises:
        ModelError: there are none.
    """
    adapter = question.model.adapter
    assert isinstance(adapter, Randomisable)  # the caller has looked
    order = {plain_name(name): place for place, name in enumerate(question.infos)}
    end = order[plain_name(question.target.layer)]
    groups = list(adapter.weight_groups())
    placed = {name: order.get(plain_name(name), _within(plain_name(name), order)) for name in groups}
    reached = [name for name in groups if placed[name] <= end or plain_name(name) not in order]
    if not reached:
        raise ModelError(f"{question.model.name}: has no weights before {question.target.layer} to draw anew")
    return sorted(reached, key=lambda name: (placed[name], groups.index(name)), reverse=True)


def _within(name: str, order: dict[str, int]) -> int:
    """The place of the nearest layer around a part that is none itself; before all others without one."""
    while "." in name:
        name = name.rpartition(".")[0]
        if name in order:
            return order[name]
    return -1


def rank_correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Spearman's rank correlation of absolute values; NaN where one of them is constant."""
    from scipy.stats import rankdata

    ranks = [rankdata(np.abs(values).ravel()) for values in (one, other)]
    if any(rank.min() == rank.max() for rank in ranks):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])
