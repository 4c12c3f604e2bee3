"""Nearest neighbours of rows: one graph for t-SNE, UMAP and the measures of a map.

Few rows are compared all with all. More are sorted into cells about centroids (an inverted file, Jégou,
Douze & Schmid 2011, by faiss), and each row is compared with those of the cells nearest to it: as many
cells as a sample of rows needs for a recall of 0.99. A graph index (HNSW) came out slower, lost rows
among duplicates, and depends on the order in which its threads insert. Equal rows are searched once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ReductionError
from explorer.whole import whole_file

Metric = Literal["euclidean", "cosine"]
Floats = NDArray[np.float32]
Found = tuple[Floats, NDArray[np.int64]]

EXACT_TO = 10_000
"""Rows up to which comparing all with all costs no more than sorting them into cells."""
EXACT_AT_MOST = 200_000
"""Rows that are still compared all with all where cells do not tell them apart: some minutes."""
FAISS_FROM = 3_000
"""Rows from which importing faiss (0.3 s) pays; fewer are compared by numpy."""
RECALL = 0.99
SAMPLE = 256
SPARE = 8
"""Candidates beyond k of a comparison by matrix products, which rounding may have put out of order."""


@dataclass(frozen=True)
class Neighbours:
    """The k nearest rows of every row, nearest first, equally near ones by their index.

    Attributes:
        indices: (n, k) int32; no row is its own neighbour.
        distances: (n, k) float32, of the metric: lengths, or 1 - cosine.
        metric: "euclidean" or "cosine".
        exact: whether every row was compared with every other.
        recall: share of the true neighbours found, measured on a sample of rows; None if exact.
    """

    indices: NDArray[np.int32]
    distances: Floats
    metric: str
    exact: bool
    recall: float | None

    @property
    def k(self) -> int:
        """Number of neighbours of each row."""
        return int(self.indices.shape[1])

    def take(self, k: int) -> Neighbours:
        """The k nearest of them.

        Raises:
            ReductionError: fewer than that are known.
        """
        if not 1 <= k <= self.k:
            raise ReductionError(f"{k} neighbours asked for, 1 to {self.k} are known")
        return Neighbours(self.indices[:, :k], self.distances[:, :k], self.metric, self.exact, self.recall)

    def save(self, path: str | PathLike[str]) -> None:
        """Write an .npz file, in place of one that is there."""
        recall = np.nan if self.recall is None else self.recall
        with whole_file(path) as beside, open(beside, "wb") as file:
            np.savez(
                file,
                indices=self.indices,
                distances=self.distances,
                metric=np.array(self.metric),
                exact=np.array(self.exact),
                recall=np.array(recall),
            )

    @staticmethod
    def load(path: str | PathLike[str]) -> Neighbours:
        """Read what `save` wrote.

        Raises:
            ReductionError: not such a file, or one whose arrays do not fit together.
        """
        try:
            with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
                indices, distances = file["indices"], file["distances"]
                metric, exact, recall = str(file["metric"]), bool(file["exact"]), float(file["recall"])
        except Exception as error:  # zipfile and zlib have errors of their own
            raise ReductionError(f"{path}: no whole file of neighbours ({error})") from None
        fits = indices.ndim == 2 and indices.shape == distances.shape and metric in ("euclidean", "cosine")
        if not fits or indices.dtype != np.int32 or distances.dtype != np.float32 or not indices.size:
            raise ReductionError(f"{path}: neighbours {indices.shape} with distances {distances.shape}")
        if indices.min() < 0:
            raise ReductionError(f"{path}: a negative index among the neighbours")
        return Neighbours(indices, distances, metric, exact, None if np.isnan(recall) else recall)


def find_neighbours(
    features: NDArray[Any],
    k: int,
    *,
    metric: Metric = "euclidean",
    random_state: int | None = 0,
    queries: NDArray[Any] | None = None,
) -> Neighbours:
    """Find the k nearest rows of every row, the row itself left out.

    Args:
        features: (n, n_features), finite; n at least 2.
        k: number of neighbours; n - 1 where there are no more.
        metric: "euclidean", or "cosine" (1 - cosine; rows of zeros are near each other and at 1 from
            all else).
        random_state: seed of the cells and of the sample that measures recall.
        queries: (m, n_features) other rows whose neighbours among the features are wanted instead;
            an equal row is then a neighbour, at distance 0.

    Raises:
        ReductionError: fewer than two rows, no columns, or another metric.
    """
    own = queries is None
    if features.ndim != 2 or features.shape[1] < 1 or len(features) < (2 if own else 1) or k < 1:
        raise ReductionError(f"{k} neighbours of rows of shape {features.shape}: nothing to find")
    if metric not in ("euclidean", "cosine"):
        raise ReductionError(f"metric {metric!r}, expected 'euclidean' or 'cosine'")
    n = len(features)
    rows, scale = _comparable(features if queries is None else np.concatenate([features, queries]), metric)
    seed = int(np.random.SeedSequence(random_state).generate_state(1)[0] >> 1)
    if queries is None:
        distances, indices, recall = _among_themselves(rows, min(k, n - 1), seed)
    else:
        distances, indices, recall = _search(rows[:n], rows[n:], min(k, n), seed)
    distances = np.asarray(distances**2 / 2 if metric == "cosine" else distances * scale, np.float32)
    order = np.argsort(indices, axis=1)
    order = np.take_along_axis(
        order, np.argsort(np.take_along_axis(distances, order, 1), axis=1, kind="stable"), 1
    )
    indices, distances = np.take_along_axis(indices, order, 1), np.take_along_axis(distances, order, 1)
    return Neighbours(indices.astype(np.int32), distances, metric, recall is None, recall)


def _comparable(features: NDArray[Any], metric: Metric) -> tuple[Floats, float]:
    """Rows of order 1 about their mean, and their unit; for the cosine, of length 1.

    Sums of squares then neither overflow nor vanish, and products about the mean lose least.
    """
    largest = float(np.abs(features).max()) or 1.0
    wide = np.asarray(features, np.float64) / largest
    if metric == "cosine":
        lengths = np.sqrt((wide**2).sum(axis=1))
        empty = lengths == 0
        wide /= np.where(empty, 1.0, lengths)[:, None]
        if empty.any():
            wide = np.concatenate([wide, empty[:, None]], axis=1)
        return np.ascontiguousarray(wide, np.float32), 1.0
    wide -= wide.mean(axis=0)
    spread = float(np.abs(wide).max()) or 1.0
    return np.ascontiguousarray(wide / spread, np.float32), largest * spread


def _among_themselves(rows: Floats, k: int, seed: int) -> tuple[Floats, NDArray[np.int64], float | None]:
    """Search the distinct rows once, then give every row its equals first and others of theirs after.

    Each of many equal rows gets equals ever farther on in turn: no hub that they all point at, and no
    long chain of them, which a layout would draw as a strand.
    """
    first, group, counts = _distinct(rows)
    reach = min(k, len(first) - 1)
    distinct = rows[first]
    recall = None
    if reach:
        apart, near, recall = _search(distinct, distinct, reach + 1, seed)
        near, apart = _drop_self(near, apart)
    else:
        near, apart = np.empty((1, 0), np.int64), np.empty((1, 0), np.float32)
    if len(first) == len(rows):
        return apart[group], first[near[group]], recall
    near = np.concatenate([np.arange(len(first))[:, None], near], axis=1)
    apart = np.concatenate([np.zeros((len(first), 1), np.float32), apart], axis=1)
    ends = np.minimum(counts[near].cumsum(axis=1), k + 1)
    taken = np.diff(ends, axis=1, prepend=0)
    lists = np.repeat(near.ravel(), taken.ravel()).reshape(-1, k + 1)
    gaps = np.repeat(apart.ravel(), taken.ravel()).reshape(-1, k + 1)
    offsets = np.arange(k + 1) - np.repeat((ends - taken).ravel(), taken.ravel()).reshape(-1, k + 1)
    many = counts > k + 1
    further = ((counts[many, None] - 1.0) ** (np.arange(1, k + 1) / k)).astype(np.int64) - np.arange(k)
    offsets[many, 1:] = np.maximum.accumulate(further, axis=1) + np.arange(k)
    members = np.argsort(group, kind="stable")
    starts = np.cumsum(counts) - counts
    rank = np.empty(len(rows), np.int64)
    rank[members] = np.arange(len(rows)) - starts[group[members]]
    places = (offsets[group] + rank[:, None]) % counts[lists][group]
    return gaps[group][:, 1:], members[starts[lists][group] + places][:, 1:], recall


def _distinct(rows: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """First index of each distinct row, each row's number among those, and how many share it."""
    rows = rows + np.float32(0)  # -0 and 0 are equal
    weights = np.random.default_rng(7).integers(1, 2**63, rows.shape[1], dtype=np.uint64) | np.uint64(1)
    keys = rows.view(np.uint32).astype(np.uint64) @ weights
    _, first, group, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    if not np.array_equal(rows[first][group], rows):  # two rows under one key: compare them in full
        _, first, group, counts = np.unique(
            rows, axis=0, return_index=True, return_inverse=True, return_counts=True
        )
    return first, group.reshape(-1), counts


def _drop_self(near: NDArray[np.int64], apart: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Take each row out of its own list by index, or the farthest where it is not there."""
    keep = near != np.arange(len(near))[:, None]
    keep[keep.all(axis=1), -1] = False
    shape = (len(near), near.shape[1] - 1)
    return near[keep].reshape(shape), apart[keep].reshape(shape)


def _search(
    rows: Floats, queries: Floats, k: int, seed: int
) -> tuple[Floats, NDArray[np.int64], float | None]:
    """The k nearest rows of each query: distances, indices and, unless exact, the recall."""
    if len(rows) > EXACT_TO:
        found = _in_cells(rows, queries, k, seed)
        if found is not None:
            return found
    return *_exact(rows, queries, k), None


def _exact(rows: Floats, queries: Floats, k: int) -> Found:
    wanted = min(k + SPARE, len(rows))
    faiss = _faiss() if len(rows) >= FAISS_FROM else None
    if faiss is None:
        indices = np.concatenate([_nearest(rows, block, wanted) for block in _blocks(queries, len(rows))])
    else:
        indices = faiss.knn(queries, rows, wanted)[1]
    parts = []
    for start, block in zip(_starts(queries, wanted), _blocks(queries, wanted), strict=True):
        gaps = block[:, None, :] - rows[indices[start : start + len(block)]]
        parts.append(np.sqrt(np.einsum("nkd,nkd->nk", gaps, gaps)))
    distances = np.concatenate(parts)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, 1), np.take_along_axis(indices, order, 1)


def _nearest(rows: Floats, queries: Floats, k: int) -> NDArray[np.int64]:
    squares = np.einsum("nd,nd->n", rows, rows)[None, :] - 2 * queries @ rows.T
    if k == len(rows):
        return np.broadcast_to(np.arange(k), (len(queries), k))
    return np.argpartition(squares, k - 1, axis=1)[:, :k]


def _starts(queries: Floats, per_query: int) -> range:
    """Where blocks begin that need about 32 million numbers each."""
    return range(0, len(queries), max(1, 32_000_000 // (per_query * (1 + queries.shape[1] // 8))))


def _blocks(queries: Floats, per_query: int) -> Iterator[Floats]:
    starts = _starts(queries, per_query)
    return (queries[start : start + starts.step] for start in starts)


def _in_cells(
    rows: Floats, queries: Floats, k: int, seed: int
) -> tuple[Floats, NDArray[np.int64], float] | None:
    """Search some cells only; None where faiss is missing or so many are needed that it does not pay."""
    faiss = _faiss()
    if faiss is None:
        return None
    width, cells = rows.shape[1], int(2 * np.sqrt(len(rows)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(width), width, cells)
    index.cp.seed, index.cp.niter = seed, 6
    index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = 64, 1
    index.train(rows)
    index.add(rows)
    drawn = np.random.default_rng(seed).choice(len(queries), min(SAMPLE, len(queries)), replace=False)
    sample = queries[np.sort(drawn)]
    true = _exact(rows, sample, k)[0][:, -1:] * np.float32(1 + 1e-4)  # equally near ones count as found
    index.nprobe = 4
    while True:
        index.nprobe *= 2
        squares, found = index.search(sample, k)
        recall = float(np.mean((np.sqrt(squares) <= true) & (found >= 0)))
        if recall >= RECALL and (found >= 0).all():
            break
        if index.nprobe > cells // 4:
            if len(rows) <= EXACT_AT_MOST:
                return None
            break
    squares, indices = index.search(queries, k)
    if (indices < 0).any():
        return None
    return np.sqrt(squares), indices, round(recall, 4)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        return None
    return faiss
