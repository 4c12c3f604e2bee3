"""What a traced model answers, and the names of the layers it makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.protocol import LayerInfo, plain_name
from explorer.errors import LayerError, suggest

from .jaxpr_grids import Grid
from .tokens import split_tokens, token_names

Key = tuple[tuple[str, ...], str, int, str]
"""Path of the module, method, number of the call, place in the answer."""


@dataclass(frozen=True)
class Answer:
    """What one method of one module answered, or what one name was sown with.

    Attributes:
        path: the module's names from the top; of a sown value, its own name at the end.
        method: "__call__", another method's name, or "" for a sown value.
        kind: the module's class.
        parameters: number of weights of the module and everything inside it.
        calls: one value for each call: an array, or a tuple or dictionary with arrays.
    """

    path: tuple[str, ...]
    method: str
    kind: str
    parameters: int
    calls: tuple[Any, ...]


@dataclass(frozen=True)
class Layer:
    """Where a named layer is found among the answers.

    Attributes:
        key: the answer.
        info: what is known of the layer.
        grid: how its tokens lie in the picture, None when it is no sequence of patches.
        token: which of the tokens of no patch it is, None for the patches.
    """

    key: Key
    info: LayerInfo
    grid: Grid | None = None
    token: int | None = None

    def read(self, values: NDArray[Any]) -> NDArray[Any]:
        """The layer's own values (batch, *spatial, channels) in those of its answer."""
        if self.grid is None:
            return values
        patches, others = split_tokens(values, self.grid.shape, self.grid.before)
        return np.ascontiguousarray(patches if self.token is None else others[:, self.token])


def arrays_of(answer: Answer) -> Iterator[tuple[Key, Any]]:
    """The arrays in an answer, and their keys."""
    import jax

    for number, value in enumerate(answer.calls):
        for place, leaf in jax.tree_util.tree_flatten_with_path(value)[0]:
            if hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
                where = "".join(f"[{_entry(entry)}]" for entry in place)
                yield (answer.path, answer.method, number, where), leaf


def _entry(entry: Any) -> str:
    """The index, key or attribute of one step into a tuple, dictionary or dataclass."""
    for attribute in ("idx", "key", "name"):
        if hasattr(entry, attribute):
            return str(getattr(entry, attribute))
    return str(entry)


def captured_type(dtype: Any) -> np.dtype[Any]:
    """The type that values are returned in: what numpy has no word for becomes float32, exactly."""
    return np.dtype(dtype) if np.dtype(dtype).kind in "fiub" else np.dtype(np.float32)


def named_layers(traced: dict[Key, tuple[Answer, Any]], grids: Mapping[int, Grid]) -> dict[str, Layer]:
    """Give every array its name; the model's own output is "output" when nothing else is."""
    taken = {key[0][0] for key in traced if key[0]}
    top = "__call__" if "output" in taken else "output"
    layers: dict[str, Layer] = {}
    for (path, method, number, place), (answer, array) in traced.items():
        name = "/".join(path)
        if method == "__call__":
            name = name or top
        elif method:
            name = f"{name}.{method}" if name else method
        if len(answer.calls) > 1:
            name += f"#{number + 1}"
        info = LayerInfo(
            name + place,
            answer.kind,
            tuple(array.shape[1:]),
            answer.parameters,
            str(captured_type(array.dtype)),
        )
        layer = Layer((path, method, number, place), info)
        layers |= {part.info.name: part for part in _parts(layer, grids)}
    return layers


def _parts(layer: Layer, grids: Mapping[int, Grid]) -> list[Layer]:
    """A layer, or where it is a sequence of patches: their grid, and each token of no patch."""
    shape = layer.info.shape
    assert shape is not None  # it was traced
    grid = grids.get(shape[0]) if len(shape) == 2 else None
    if grid is None:
        return [layer]
    patches = replace(layer.info, shape=(*grid.shape, shape[1]))
    others = token_names(layer.info.name, grid.before + grid.behind) if grid.before + grid.behind else ()
    return [
        Layer(layer.key, patches, grid),
        *(
            Layer(layer.key, replace(layer.info, name=name, shape=shape[1:]), grid, token)
            for token, name in enumerate(others)
        ),
    ]


def find_layer(name: str, known: dict[str, Layer], model: str) -> Layer:
    """The layer of this name; "block1.conv" is understood as "block1/conv".

    Raises:
        LayerError: the model has no such layer.
    """
    if name in known:
        return known[name]
    plain = {plain_name(layer): layer for layer in known}
    if plain_name(name) in plain:
        return known[plain[plain_name(name)]]
    raise LayerError(f"{model}: no layer {name!r}; {suggest(name, known)}")
