"""Find the layers of a PyTorch model by watching it run, and capture some of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.capture.protocol import LayerInfo
from explorer.errors import LayerError, ModelError, suggest

from .asked import checked_cotangent, checked_inputs, known_shape
from .jit_capture import named_errors
from .torch_attention import attention_of
from .torch_forward import Call, Edit, ModuleForward, Part, Visit, tensors
from .torch_gradient import Pass
from .torch_held import Held
from .torch_layout import Key, Layer, Seen, Trace, Traces, plan

ORDERS = ("channels_first", "channels_last")
MOST_COLOURS = 4
TOKENS_FIRST = "tokens_first"
"""How sequences are given to a model that takes (tokens, batch, channels)."""


class Forward(Protocol):
    """A model that can be run while somebody watches: a module, or an exported program."""

    batch: int | None
    sizes: tuple[int, ...] | None
    device: Any
    dtype: Any

    @property
    def weights(self) -> Collection[Any]:
        """Every tensor that stays from one pass to the next."""
        ...

    def run(self, inputs: Any, visit: Visit, paths: Collection[str] | None, edit: Edit | None = None) -> None:
        """Run it and show `visit` what is answered at these paths, everywhere for None.

        With `edit`, what that returns takes the place of an answer, and autograd keeps the graph.
        """
        ...

    def named_weights(self) -> dict[tuple[str, ...], NDArray[Any]]:
        """Them by path, as arrays."""
        ...

    def with_weights(self, weights: Mapping[tuple[str, ...], NDArray[Any]]) -> Self:
        """A copy of the model in which these are others."""
        ...

    def twin(self) -> Self | None:
        """The same model on the device "meta", where nothing is computed; None without one."""
        ...


class TorchCapture:
    """The layers of a model by the shape of its inputs.

    Attributes:
        notes: what was left out of the layers found last, a line each.
    """

    def __init__(self, model: str, forward: Forward, layout: str | None) -> None:
        if layout not in (None, *ORDERS):
            raise ModelError(f"{model}: layout {layout}: {suggest(str(layout), ORDERS)}")
        self._model, self._forward, self._layout = model, forward, layout
        self._known: dict[tuple[int, ...], tuple[dict[str, Layer], str]] = {}
        self._is_left: dict[Key, bool] = {}
        self.notes: tuple[str, ...] = ()

    def infos(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        """Every layer for inputs (*spatial, channels), in the order they answer.

        Raises:
            ModelError: the shape is not given, or the model does not take it.
        """
        shape = known_shape(input_shape or self._own_shape(), self._model)
        return tuple(layer.info for layer in self._layers(shape)[0].values())

    def _own_shape(self) -> tuple[int, ...] | None:
        """The shape (*spatial, channels) that the model says it takes; few channels tell where they are."""
        sizes = self._forward.sizes
        if sizes is None or self._layout == "channels_last":
            return sizes
        is_last = self._layout is None and sizes[-1] <= MOST_COLOURS < sizes[0]
        return sizes if is_last else (*sizes[1:], sizes[0])

    def run(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        """The values of these layers for inputs (batch, *spatial, channels).

        Raises:
            LayerError: the model has no such layer, or does not reach it with these inputs.
            ModelError: the model does not take such inputs.
        """
        inputs = checked_inputs(inputs)
        known, order = self._layers(inputs.shape[1:])
        chosen = {name: self._find(name, known) for name in layers}
        size = self._forward.batch or len(inputs)
        parts: dict[str, list[NDArray[Any]]] = {name: [] for name in chosen}
        with named_errors(self._model, inputs.shape[1:]):
            for start in range(0, len(inputs), size):
                piece = inputs[start : start + size]
                if len(piece) < size:
                    piece = np.concatenate([piece, np.repeat(piece[-1:], size - len(piece), axis=0)])
                for name, values in self._pass(piece, order, chosen).items():
                    parts[name].append(values[: len(inputs) - start])
        return {
            name: Activations(name, pieces[0] if len(pieces) == 1 else np.concatenate(pieces))
            for name, pieces in parts.items()
        }

    def gradient(
        self,
        inputs: NDArray[Any],
        *,
        layer: str,
        cotangent: NDArray[Any],
        at: str | None = None,
        guided: bool = False,
    ) -> NDArray[Any]:
        """What `Differentiable.gradient` says, for an adapter's method of that name."""
        inputs = checked_inputs(inputs)
        known, order = self._layers(inputs.shape[1:])
        found, inner = self._find(layer, known), None if at is None else self._find(at, known)
        counts = checked_cotangent(cotangent, found.info, batch=len(inputs), model=self._model)
        size, parts = self._forward.batch or len(inputs), []
        with named_errors(self._model, inputs.shape[1:]):
            for start in range(0, len(inputs), size):
                rows = np.minimum(np.arange(start, start + size), len(inputs) - 1)
                one = Pass(found, inner)
                given = one.begin(self._tensor(inputs[rows], order))
                self._forward.run(given, one.visit, one.paths, one.edit)
                answer = one.gradient(counts[rows], guided=guided, model=self._model)
                answer = _as_given(answer, order) if inner is None else answer
                parts.append(answer.float().cpu().numpy()[: len(inputs) - start])
        return np.ascontiguousarray(np.concatenate(parts))

    def attention(self, inputs: NDArray[Any], layer: str) -> dict[str, NDArray[np.float32]]:
        """What `Attentive.attention` says; a saved program's softmaxes are layers, and so found as those."""
        inputs = np.asarray(inputs, dtype=np.float32)
        known, order = self._layers(inputs.shape[1:])
        key = self._find(layer, known).key
        if not isinstance(self._forward, ModuleForward):
            return {}
        with named_errors(self._model, inputs.shape[1:]):
            return attention_of(self._forward, self._tensor(inputs, order), len(inputs), key[:2])

    def _pass(self, inputs: NDArray[Any], order: str, chosen: dict[str, Layer]) -> dict[str, NDArray[Any]]:
        """One forward pass, ended as soon as everything chosen has been seen."""
        wanted = {layer.key for layer in chosen.values()}
        found: dict[Key, Held] = {}

        def visit(call: Call, _: Part, answer: Any) -> bool:
            if any(key[:2] == call for key in wanted):
                for place, tensor in tensors(answer):
                    key = (*call, place)
                    if key in wanted and key not in found:
                        found[key] = Held(tensor, copied=not self._is_left.get(key, False))
            return len(found) == len(wanted)

        if wanted:
            self._forward.run(self._tensor(inputs, order), visit, {key[0] for key in wanted})
        missing = [name for name, layer in chosen.items() if layer.key not in found]
        if missing:
            raise LayerError(f"{self._model}: with these inputs, layer {missing[0]!r} is not reached")
        if not self._are_whole(found):
            return self._pass(inputs, order, chosen)
        return {name: found[layer.key].read(layer.reading) for name, layer in chosen.items()}

    def _are_whole(self, found: Mapping[Key, Held]) -> bool:
        """Whether nothing was written into a tensor after it was seen, but for those that were copied.

        A tensor that has been left alone once is not copied the next time, only watched.
        """
        for key, held in found.items():
            if key not in self._is_left:
                self._is_left[key] = held.is_left_alone(self._forward.weights)
        spoilt = [key for key, held in found.items() if held.is_spoilt]
        self._is_left |= dict.fromkeys(spoilt, False)
        return not spoilt

    def _tensor(self, inputs: NDArray[Any], order: str) -> Any:
        """Inputs as the model wants them."""
        import torch

        tensor = torch.from_numpy(np.array(inputs)).to(self._forward.device, self._forward.dtype)
        return _ordered(tensor, order)

    def _layers(self, input_shape: tuple[int, ...]) -> tuple[dict[str, Layer], str]:
        """Every layer by name, and the order of axes in which the model takes its inputs.

        Without a layout that says it, channels come first, or last when the model refuses that;
        sequences come with their tokens first to a model that would take them for the batch.
        """
        if input_shape not in self._known:
            orders = [self._layout] if self._layout else list(ORDERS[: len(input_shape)])
            if len(input_shape) == 2:
                orders.append(TOKENS_FIRST)
            refusals: list[Exception] = []
            for order in orders:
                try:
                    traces = self._traces(input_shape, order)
                except Exception as error:  # a framework refuses a shape in its own words
                    refusals.append(error)
                    continue
                if order != orders[-1] and _is_misread(traces, order, input_shape):
                    continue
                layers, left_out = plan(traces, self._layout)
                self._known[input_shape] = (layers, order)
                self._note(left_out, order, len(input_shape))
                break
            else:
                with named_errors(self._model, input_shape):
                    raise refusals[0]
        return self._known[input_shape]

    def _traces(self, input_shape: tuple[int, ...], order: str) -> Traces:
        """Watch passes with other batches and larger pictures; only shapes, where that works."""
        *spatial, channels = input_shape
        big = [2 * size for size in spatial]
        fixed = self._forward.batch
        shapes = [(batch, *spatial, channels) for batch in ([fixed] if fixed else [2, 3])]
        twin = self._forward.twin()
        try:
            traces = [self._trace(twin or self._forward, shape, order) for shape in shapes]
        except Exception:  # no kernel for shapes alone, or a choice that depends on values
            if twin is None:
                raise
            twin = None
            traces = [self._trace(self._forward, shape, order) for shape in shapes]
        try:
            grown = self._trace(twin, (fixed or 2, *big, channels), order) if twin and spatial else None
        except Exception:  # the model takes pictures of one size only
            grown = None
        return Traces(traces[0], None if fixed else traces[1], grown, fixed or 2, tuple(spatial))

    def _trace(self, forward: Forward, shape: tuple[int, ...], order: str) -> Trace:
        """Every tensor that is answered for inputs of this shape."""
        import torch

        seen: dict[Key, Seen] = {}

        def visit(call: Call, part: Part, answer: Any) -> bool:
            for place, tensor in tensors(answer):
                seen[*call, place] = Seen(part, tuple(tensor.shape), tensor.dtype)
            return False

        zeros = torch.zeros(shape, dtype=forward.dtype, device=forward.device)
        forward.run(_ordered(zeros, order), visit, None)
        return seen

    def _note(self, left_out: list[str], order: str, rank: int) -> None:
        """Say what is no layer, and how inputs are given."""
        notes = []
        if rank > 1:
            notes.append(f"inputs are given to the model with {order.replace('_', ' ')}")
        if left_out:
            some = ", ".join(left_out[:4]) + (f" and {len(left_out) - 4} more" if len(left_out) > 4 else "")
            notes.append(f"not listed: {some}: no arrays of one row an input, with at most 3 spatial axes")
        self.notes = tuple(notes)

    def _find(self, name: str, known: dict[str, Layer]) -> Layer:
        """The layer of this name; "block1/conv" is understood as "block1.conv"."""
        for form in (name, name.replace("/", ".")):
            if form in known:
                return known[form]
        raise LayerError(f"{self._model}: no layer {name!r}; {suggest(name, known)}")


def _ordered(tensor: Any, order: str) -> Any:
    """(batch, *spatial, channels) as the model wants it."""
    places = {"channels_first": (-1, 1), TOKENS_FIRST: (0, 1)}
    return tensor.movedim(*places[order]).contiguous() if order in places else tensor


def _as_given(tensor: Any, order: str) -> Any:
    """What the model wants as (batch, *spatial, channels)."""
    places = {"channels_first": (1, -1), TOKENS_FIRST: (1, 0)}
    return tensor.movedim(*places[order]) if order in places else tensor


def _is_misread(traces: Traces, order: str, input_shape: tuple[int, ...]) -> bool:
    """Whether a model that took sequences without complaint has taken them for something else."""
    if len(input_shape) != 2:
        return False
    answers = [(key, seen) for key, seen in traces.one.items() if key[2] in ((), ("0",))]
    if order == "channels_first":  # as long as wide, so that either fits
        first = next((seen.part.order for _, seen in answers if seen.part.order), "")
        return input_shape[0] == input_shape[1] and first == "channels_last"
    if order == TOKENS_FIRST or traces.other is None:
        return False
    follows = {
        key[:2]
        for key, seen in answers
        if seen.shape[:1] == (2,) and traces.other.get(key, seen).shape[:1] == (3,)
    }
    return any(seen.part.takes_tokens_first and key[:2] in follows for key, seen in answers)
