"""One forward pass of a PyTorch module, watched through hooks that do not outlive it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from numpy.typing import NDArray

from explorer.errors import ModelError

from .inference import call_arguments
from .limits import first_line
from .torch_weights import arrays, copied, like, state_of, to_torch
from .weights import WeightPath

CHANNELS_FIRST = frozenset(
    {"_ConvNd", "_NormBase", "GroupNorm", "LocalResponseNorm", "Upsample", "PixelShuffle", "PixelUnshuffle"}
    | {"_MaxPoolNd", "_AvgPoolNd", "_AdaptiveAvgPoolNd", "_AdaptiveMaxPoolNd", "_LPPoolNd"}
)
CHANNELS_LAST = frozenset(
    {"Linear", "LayerNorm", "RMSNorm", "Embedding", "MultiheadAttention", "RNNBase"}
    | {"TransformerEncoder", "TransformerEncoderLayer", "TransformerDecoder", "TransformerDecoderLayer"}
)
"""PyTorch's own layers whose answers have their channels in a known place."""


@dataclass(frozen=True)
class Part:
    """What is known of a module, or of an operation, beside its answers.

    Attributes:
        kind: its class, or the operation's name.
        order: "channels_first" or "channels_last" where its kind alone decides that, else "".
        parameters: number of weights of it and everything inside it.
        takes_tokens_first: whether it wants (tokens, batch, channels), and answers so.
        has_grid: whether its positions are those of a picture, as a convolution's are.
    """

    kind: str
    order: str
    parameters: int
    takes_tokens_first: bool = False
    has_grid: bool = False


Call = tuple[str, int]
"""Path of a module, and number of the call, from 0."""
Visit = Callable[[Call, Part, Any], bool]
"""Given a call, the part, and what it answered; says whether that was all."""

Edit = Callable[[Call, Any], Any]
"""Given a call and what it answered; what is to take that place."""


class _Enough(BaseException):
    """Everything that was asked for has been seen. No Exception: models catch those."""


class ModuleForward:
    """Forward passes of a module on the device where it lies."""

    batch: int | None = None
    """The only batch size it takes, None for any."""
    sizes: tuple[int, ...] | None = None
    """The only shape of an input, without the batch, that it takes; None when it does not say."""

    def __init__(self, module: Any, call: Mapping[str, Any]) -> None:
        import torch

        self.module = module
        self._call = call_arguments(type(module).forward, call)
        tensors = [*module.parameters(), *module.buffers()]
        real = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
        first = next((tensor for tensor in tensors if tensor.dtype in real), torch.zeros(()))
        self.device, self.dtype = first.device, first.dtype

    def run(self, inputs: Any, visit: Visit, paths: Collection[str] | None, edit: Edit | None = None) -> None:
        """Run the module in inference mode and show `visit` what these modules answer, all for None.

        With `edit`, what that returns takes the place of an answer, and autograd keeps the graph.
        Nothing is left behind, also when the module raises.
        """
        with ExitStack() as stack:
            stack.enter_context(_inference(self.module, grads=edit is not None))
            for path, part in self.module.named_modules():
                if paths is None or path in paths:
                    hook = part.register_forward_hook(_Watcher(path, _part(part), visit, edit))
                    stack.callback(hook.remove)
            with suppress(_Enough):
                self.module(inputs, **self._call)

    @property
    def weights(self) -> list[Any]:
        """Every parameter and buffer."""
        return [*self.module.parameters(), *self.module.buffers()]

    def named_weights(self) -> dict[WeightPath, NDArray[Any]]:
        """The weights of the module's state by path, as arrays."""
        return arrays(state_of(self.module))

    def with_weights(self, weights: Mapping[WeightPath, NDArray[Any]]) -> ModuleForward:
        """A copy of the module in which these weights are others.

        Raises:
            ModelError: the module cannot be copied.
        """
        state = state_of(self.module)
        made = {id(state[path]): like(state[path], to_torch(weights[path])) for path in weights}
        other = object.__new__(ModuleForward)
        other.__dict__ |= self.__dict__
        try:
            other.module = copied(self.module, {key: value.to(self.device) for key, value in made.items()})
        except Exception as error:  # the copying of a user's module may fail in any way
            raise ModelError(
                f"{type(self.module).__name__}: cannot be copied: {first_line(error)}"
            ) from error
        return other

    def twin(self) -> ModuleForward | None:
        """A copy of the module that knows shapes alone and computes nothing; None if it can't be copied."""
        import torch

        tensors = [*self.module.parameters(), *self.module.buffers()]
        shapes = {id(tensor): like(tensor, torch.empty_like(tensor, device="meta")) for tensor in tensors}
        try:
            made = object.__new__(ModuleForward)
            made.module = copied(self.module, shapes)
        except Exception:  # the copying of a user's module may fail in any way
            return None
        made._call, made.device, made.dtype = self._call, torch.device("meta"), self.dtype
        return made

    def doubts(self) -> list[str]:
        """What about this module makes its values less than certain, a line each."""
        lines = []
        for path, module in self.module.named_modules():
            if getattr(module, "track_running_stats", True) is False and "BatchNorm" in type(module).__name__:
                lines.append(f"{path}: normalises each batch by itself (track_running_stats=False)")
        return lines


class _Watcher:
    """A forward hook that shows what one module answered, and stops the pass when that was all."""

    def __init__(self, path: str, part: Part, visit: Visit, edit: Edit | None) -> None:
        self._path, self._part, self._visit, self._edit = path, part, visit, edit
        self._calls = 0

    def __call__(self, module: Any, arguments: Any, answer: Any) -> Any:
        self._calls += 1
        call = (self._path, self._calls - 1)
        edited = answer if self._edit is None else self._edit(call, answer)
        if self._visit(call, self._part, edited):
            raise _Enough
        return None if edited is answer else edited


@contextmanager
def _inference(module: Any, *, grads: bool = False) -> Iterator[None]:
    """Evaluate without dropout, compiled code and (usually) gradients; put back what is changed for it.

    The flags are set one by one: a module's own `train` may do more than that, such as merging weights.
    """
    import torch

    flags = [(part, part.training) for part in module.modules()]
    fast_path = torch.backends.mha.get_fastpath_enabled()
    compiled = any(getattr(part, "_compiled_call_impl", None) for part, _ in flags)
    compiled = compiled or any(type(part).__name__ == "OptimizedModule" for part, _ in flags)
    with ExitStack() as stack:
        stack.enter_context(torch.set_grad_enabled(grads))
        on_cuda = sorted({w.device.index for w in module.parameters() if w.device.type == "cuda"})
        stack.enter_context(torch.random.fork_rng(on_cuda))
        if on_cuda:
            stack.enter_context(torch.backends.cudnn.flags(True, False, deterministic=True, allow_tf32=False))
        if compiled and hasattr(torch.compiler, "set_stance"):  # compiled code knows no hooks
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        (torch.manual_seed if on_cuda else torch.default_generator.manual_seed)(0)
        try:
            torch.backends.mha.set_fastpath_enabled(False)  # it goes past modules and their hooks
            for part, _ in flags:
                part.training = False
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast_path)
            for part, training in flags:
                part.training = training


def _part(module: Any) -> Part:
    """What is known of a module; its order only where it runs PyTorch's own forward."""
    kind, order = type(module), ""
    for base in kind.__mro__:
        if (
            base.__module__.startswith("torch.nn.modules.")
            and base.__name__ in CHANNELS_FIRST | CHANNELS_LAST
        ):
            own: Any = kind
            home = next(c for c in kind.__mro__ if "forward" in vars(c))
            if home.__module__.startswith("torch.nn.modules.") or own.forward is getattr(
                base, "forward", None
            ):
                order = "channels_first" if base.__name__ in CHANNELS_FIRST else "channels_last"
            break
    count = sum(_numel(weight) for weight in module.parameters())
    bases = {base.__name__ for base in kind.__mro__ if base.__module__.startswith("torch.nn.modules.")}
    has_grid = order == "channels_first" or "_ConvNd" in bases
    return Part(kind.__name__, order, count, bool(order) and _takes_tokens_first(module), has_grid)


def _takes_tokens_first(module: Any) -> bool:
    """Whether one of PyTorch's own layers has its batch second."""
    attention = getattr(module, "self_attn", module)  # as in TransformerEncoderLayer
    return getattr(attention, "batch_first", True) is False


def _numel(weight: Any) -> int:
    try:
        return int(weight.numel())
    except ValueError:  # a lazy module has no shapes before its first input
        return 0


def tensors(answer: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The tensors in what a module answered, and their places in nested tuples and dictionaries."""
    import torch

    if isinstance(answer, torch.Tensor):
        if answer.layout == torch.strided and not answer.is_nested:
            yield place, answer
        return
    if isinstance(answer, Mapping):
        items = [(str(key), value) for key, value in answer.items()]
    elif isinstance(answer, tuple) and hasattr(answer, "_fields"):
        items = [(name, getattr(answer, name)) for name in answer._fields]
    elif isinstance(answer, tuple | list):
        items = [(str(index), value) for index, value in enumerate(answer)]
    elif is_dataclass(answer):
        items = [(f.name, getattr(answer, f.name)) for f in fields(answer)]
    else:
        return
    for name, value in items:
        yield from tensors(value, (*place, name))
