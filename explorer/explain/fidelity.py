"""Deletion and insertion curves: what the target loses and gains with the pixels a map points at.

Petsiuk et al. 2018. Of a class its probability is followed (the softmax of the model's answer, where that is
no probability yet); of anything else the target's value, as a share of its value on the whole picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, check_seed
from explorer.explain.question import Question
from explorer.progress import progress

if TYPE_CHECKING:
    from explorer.explain.saliency import Saliency


@dataclass(frozen=True, eq=False)
class Fidelity:
    """How well a map orders the pixels.

    Attributes:
        method: of the map.
        shares: (n_steps + 1,) of the pixels, 0 to 1.
        of: what is followed, in words.
        deletion: (batch, n_steps + 1) its value with the most salient share gone. NaN where it is zero on the
            whole picture and should be a share of that.
        insertion: (batch, n_steps + 1) with that share alone there.
        random_deletion: (batch, n_steps + 1) the mean over random orders.
        random_insertion: (batch, n_steps + 1) the same.
        orders: how many random orders.
        baseline: what stands for nothing.
    """

    method: str
    shares: NDArray[np.float64]
    of: str
    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]
    random_deletion: NDArray[np.float64]
    random_insertion: NDArray[np.float64]
    orders: int
    baseline: float | str

    @property
    def areas(self) -> dict[str, NDArray[np.float64]]:
        """The area under each curve, (batch,): a good map's is small for deletion and large for insertion."""
        curves = {
            "deletion": self.deletion,
            "insertion": self.insertion,
            "random deletion": self.random_deletion,
            "random insertion": self.random_insertion,
        }
        return {name: np.asarray(np.trapezoid(curve, self.shares)) for name, curve in curves.items()}

    def words(self) -> str:
        """One line: the mean areas beside those of random orders."""
        mean = {name: float(np.nanmean(area)) for name, area in self.areas.items()}
        better = (
            mean["deletion"] < mean["random deletion"],
            mean["insertion"] > mean["random insertion"],
        )
        verdict = {
            (True, True): "better than a random order",
            (True, False): "better than a random order by deletion alone",
            (False, True): "better than a random order by insertion alone",
            (False, False): "no better than a random order",
        }[better]
        return (
            f"{self.method}: deletion {mean['deletion']:.3f} (random {mean['random deletion']:.3f}, lower is "
            f"better), insertion {mean['insertion']:.3f} (random {mean['random insertion']:.3f}, higher is "
            f"better): {verdict}"
        )


def measure(found: Saliency, *, steps: int, orders: int, baseline: float | str, seed: int) -> Fidelity:
    """See `Saliency.fidelity`."""
    question = found.question
    if question is None:
        raise InputError("fidelity: maps without their model and inputs; make them with saliency()")
    if steps < 1 or orders < 1:
        raise InputError(f"fidelity: steps {steps} and orders {orders}, expected at least 1")
    check_seed(seed)
    n, pixels = len(question.inputs), int(np.prod(question.spatial))
    base = question.baseline(baseline)
    shares = np.linspace(0, 1, steps + 1)
    ranks = [_ranks(found.values.reshape(n, -1), seed)]
    for order in range(orders):
        drawn = [np.random.default_rng([seed, 1 + order, row]).permutation(pixels) for row in range(n)]
        ranks.append(np.stack(drawn))
    with progress("fidelity", 2 * len(ranks) * n * (steps + 1), "passes") as advance:
        curves = []
        for rank in ranks:
            for inserts in (False, True):
                curves.append(_curve(question, base, rank, shares, inserts=inserts))
                advance(n * (steps + 1))
    return Fidelity(
        found.method,
        shares,
        "probability" if question.target.kind == "class" else "value, as a share of the whole picture's",
        deletion=curves[0],
        insertion=curves[1],
        random_deletion=np.mean(curves[2::2], axis=0),
        random_insertion=np.mean(curves[3::2], axis=0),
        orders=orders,
        baseline=baseline,
    )


def _ranks(values: NDArray[np.float32], seed: int) -> NDArray[np.intp]:
    """The place of each pixel from the most salient on, (batch, pixels); equals in a random order."""
    ranks = np.empty(values.shape, np.intp)
    for row, one in enumerate(values):
        ties = np.random.default_rng([seed, 0, row]).random(len(one))
        ranks[row, np.lexsort((ties, -one))] = np.arange(len(one))
    return ranks


def _curve(
    question: Question,
    base: NDArray[np.float32],
    ranks: NDArray[np.intp],
    shares: NDArray[np.float64],
    *,
    inserts: bool,
) -> NDArray[np.float64]:
    """What is followed, (batch, n_steps + 1)."""
    n, steps = len(question.inputs), len(shares)
    scores = np.empty(n * steps, np.float64)
    for points in question.chunks(n * steps):
        rows = points // steps
        first = np.round(shares[points % steps] * ranks.shape[1]).astype(np.intp)
        salient = (ranks[rows] < first[:, None]).reshape(len(rows), *question.spatial, 1)
        inputs = np.where(salient == inserts, question.inputs[rows], base[rows])
        follow = question.probabilities if question.target.kind == "class" else question.scores
        scores[points] = follow(inputs, rows)
    curve = scores.reshape(n, steps)
    if question.target.kind == "class":
        return curve
    whole = curve[:, -1 if inserts else 0]
    return np.asarray(curve / np.where(whole == 0, np.nan, whole)[:, None])
