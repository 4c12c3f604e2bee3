"""Weights as a flat mapping from path to array: fitted to a model's template, and hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import CheckpointError

WeightPath = tuple[str, ...]
Flat = dict[WeightPath, Any]

OPTIMISER = frozenset({"opt_state", "optimizer_state", "optimizer", "ema_params"})
"""Names beside the weights under which training code keeps arrays that no forward pass reads."""
COUNTERS = frozenset({"step", "epoch", "rng", "rngs", "dropout_rng", "key", "loss_scale"})
"""Names beside the weights under which training code keeps single values."""


@dataclass(frozen=True)
class Leaf:
    """What the model expects of one array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def flatten(tree: Any, prefix: WeightPath = ()) -> Flat:
    """The arrays of a nested mapping by path, every key as a string; empty places are left out."""
    if isinstance(tree, Mapping):
        return {
            path: leaf
            for key, value in tree.items()
            for path, leaf in flatten(value, (*prefix, str(key))).items()
        }
    return {} if tree is None else {prefix: tree}


def nest(flat: Mapping[WeightPath, Any]) -> dict[str, Any]:
    """The nested dictionary of a flat mapping.

    Raises:
        ValueError: a path is both an array and a folder of arrays.
    """
    tree: dict[str, Any] = {}
    for path, leaf in flat.items():
        node = tree
        for key in path[:-1]:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                raise ValueError(f"{'/'.join(path)} lies below an array")
        if path[-1] in node:
            raise ValueError(f"{'/'.join(path)} is there twice")
        node[path[-1]] = leaf
    return tree


def fit(
    flat: Flat,
    template: Mapping[WeightPath, Leaf],
    *,
    where: str,
    ignored: Callable[[WeightPath], bool] = lambda _: False,
    extras_allowed: bool = False,
) -> dict[WeightPath, NDArray[Any]]:
    """Take what training code wrapped around the weights away and match them to the model.

    Args:
        flat: arrays by path, as they were found.
        template: what the model needs.
        where: the file, or "variables", for the error.
        ignored: says of a path that the model has use for neither its presence nor its absence.
        extras_allowed: whether arrays that the model does not need are passed over.

    Raises:
        CheckpointError: arrays are missing, left over, or of other shapes.
    """
    if () in flat:
        raise CheckpointError(f"{where}: one single array, expected a tree of them")
    best: tuple[int, list[str], Flat] | None = None
    for form in _forms(flat, template):
        kept = {path: leaf for path, leaf in form.items() if not ignored(path)}
        if extras_allowed:
            kept = {path: leaf for path, leaf in kept.items() if path in template}
        problems = _problems(kept, template)
        if best is None or len(problems) < best[0]:
            best = (len(problems), problems, kept)
        if not problems:
            break
    assert best is not None  # there is always the form as found
    _, problems, kept = best
    if problems:
        raise CheckpointError(f"{where}: does not fit the model: {_summary(problems, template)}")
    return {path: np.asarray(kept[path]).astype(leaf.dtype, copy=False) for path, leaf in template.items()}


def _forms(flat: Flat, template: Mapping[WeightPath, Leaf]) -> Iterator[Flat]:
    """What `flat` may mean, likeliest first: as found, unwrapped, with its collections merged."""
    tops = {path[0] for path in template}
    level = flat
    for _ in range(5):
        level = _without_training(level, tops)
        lean = _without_notes(level, tops)
        for form in (level, lean) if len(lean) < len(level) else (level,):
            for meant in (form, *_renamed(form, tops)):
                yield meant
                yield _unboxed(meant)
        if len({path[0] for path in lean}) != 1 or any(len(path) == 1 for path in lean):
            return
        level = {path[1:]: leaf for path, leaf in lean.items()}


def _renamed(flat: Flat, tops: set[str]) -> Iterator[Flat]:
    """The same arrays as one collection of params, and with the collections' own names left out."""
    if "params" in tops:
        yield {("params", *path): leaf for path, leaf in flat.items()}
    merged = {path if path[0] in tops else path[1:]: leaf for path, leaf in flat.items()}
    if len(merged) == len(flat) and () not in merged:
        yield _without_training(merged, tops)


def _without_training(flat: Flat, tops: set[str]) -> Flat:
    """Leave out what belongs to the training: the optimiser's arrays, counters, random keys."""

    def is_training(path: WeightPath) -> bool:
        if path[0] in tops:
            return False
        return path[0] in OPTIMISER or (path[0] in COUNTERS and len(path) == 1)

    return {path: leaf for path, leaf in flat.items() if not is_training(path)}


def _without_notes(flat: Flat, tops: set[str]) -> Flat:
    """Leave out what is but single numbers, as a configuration or the best score so far are."""
    with_arrays = {path[0] for path, leaf in flat.items() if np.shape(leaf)}
    return {path: leaf for path, leaf in flat.items() if path[0] in tops or path[0] in with_arrays}


def _unboxed(flat: Flat) -> Flat:
    """NNX keeps a variable as {"value": array} or {"raw_value": array}: take the array out."""
    boxes = ("value", "raw_value")
    return {path[:-1] if len(path) > 1 and path[-1] in boxes else path: leaf for path, leaf in flat.items()}


def _problems(flat: Flat, template: Mapping[WeightPath, Leaf]) -> list[str]:
    """Everything in which `flat` differs from what the model needs, one line each."""
    problems = []
    for path, expected in template.items():
        name = "/".join(path)
        if path not in flat:
            problems.append(f"missing {name} {expected.shape}")
            continue
        shape, dtype = np.shape(flat[path]), _dtype(flat[path])
        if shape != expected.shape:
            problems.append(f"misshapen {name} {shape}, the model has {expected.shape}")
        elif not _castable(dtype, expected.dtype):
            problems.append(f"misshapen {name} of {dtype}, the model has {expected.dtype}")
    problems += [f"extra {'/'.join(path)} {np.shape(flat[path])}" for path in flat if path not in template]
    return problems


def _summary(problems: list[str], template: Mapping[WeightPath, Leaf]) -> str:
    """How many arrays are wrong in which way, and the first three of them."""
    words = ("missing", "misshapen", "extra")
    counts = {word: sum(line.startswith(word) for line in problems) for word in words}
    said = ", ".join(f"{counts[word]} {word}" for word in words)
    more = "; …" if len(problems) > 3 else ""
    return f"{said} of {len(template)} arrays ({'; '.join(problems[:3])}{more})"


def _dtype(leaf: Any) -> np.dtype[Any]:
    """The type of an array or a number."""
    return np.dtype(leaf.dtype) if hasattr(leaf, "dtype") else np.asarray(leaf).dtype


def _is_float(dtype: np.dtype[Any]) -> bool:
    """Whether a type holds real numbers, bfloat16 and its kin included."""
    import jax

    return bool(jax.dtypes.issubdtype(dtype, np.floating))


def _castable(found: np.dtype[Any], expected: np.dtype[Any]) -> bool:
    """Whether only the precision differs."""
    if found == expected or (_is_float(found) and _is_float(expected)):
        return True
    return found.kind in "iu" and expected.kind in "iu"


def collections(flat: Flat) -> Flat:
    """Linen's variables without what training code wrapped around them, told without a template.

    This is what is hashed: it must not wait until the shape of an input is known.
    """
    found = _with_params(flat)
    if found is not None:
        return found
    level = flat
    while level and () not in level:
        level = _without_training(level, {"params"})
        if len({path[0] for path in level}) != 1 or any(len(path) == 1 for path in level):
            return {("params", *path): leaf for path, leaf in level.items()}
        level = {path[1:]: leaf for path, leaf in level.items()}
    return flat


def _with_params(flat: Flat) -> Flat | None:
    """The level that has a collection "params", however it is wrapped; None where none has."""
    level = flat
    while level and () not in level:
        level = _without_notes(_without_training(level, {"params"}), {"params"})
        tops = {path[0] for path in level}
        inner = {path[1] for path in level if path[0] == "params" and len(path) > 1}
        if inner and not (len(tops) == 1 and "params" in inner):  # {"params": variables}
            return level
        if len(tops) != 1 or any(len(path) == 1 for path in level):
            return None
        level = {path[1:]: leaf for path, leaf in level.items()}
    return None


def digest(flat: Mapping[WeightPath, Any]) -> str:
    """SHA-256 over path, type, shape and bytes of every array, sorted by path.

    Equal weights have equal digests, whatever file they came from.
    """
    sha = hashlib.sha256()
    for path in sorted(flat):
        array = np.asarray(flat[path])
        sha.update(f"{'/'.join(path)}\0{array.dtype.name}\0{array.shape}\0".encode())
        little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
        sha.update(little.reshape(-1).view(np.uint8).data)  # not copied: it may be mapped from a file
    return sha.hexdigest()
