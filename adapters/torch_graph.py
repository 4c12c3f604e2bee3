"""The graph of a `torch.export` program: its operations checked, named, and what they need of each other.

Only PyTorch's own tensor operations (`torch.ops.aten`) and arithmetic of sizes pass; a program that
names anything else is refused before any of it is run.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from explorer.errors import ModelError

from .torch_archive import Archive
from .torch_forward import Part

OPERATION = re.compile(r"torch\.ops\.aten\.(\w+)\.(\w+)")
PRIVATE = frozenset(
    """
    __and__ __or__ __xor__ _adaptive_avg_pool2d _adaptive_avg_pool3d _assert_async _assert_scalar
    _assert_tensor_metadata _cdist_forward _convolution _log_softmax _native_batch_norm_legit
    _native_batch_norm_legit_functional _native_batch_norm_legit_no_training _safe_softmax
    _scaled_dot_product_flash_attention_for_cpu _softmax _to_copy _trilinear _unsafe_index _unsafe_view
    _upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_nearest_exact1d _upsample_nearest_exact2d
    _upsample_nearest_exact3d _weight_norm
    """.split()  # noqa: SIM905
)
"""Operations with a leading underscore that exported programs are known to need."""
BARRED = frozenset({"from_file", "set_", "set_data", "resize_", "resize_as_", "rename_", "record_stream"})
WORDS = frozenset(
    {"none", "tanh", "floor", "trunc", "same", "valid", "mean", "sum", "prod", "amax", "amin", "constant"}
    | {"reflect", "replicate", "circular", "linear", "lower", "higher", "midpoint", "nearest", "ij", "xy"}
)
"""All that an operation may be told in words, an einsum apart: so none is told a file's name."""
ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    **{f"_operator.{name}": getattr(operator, name) for name in ("add", "sub", "mul", "floordiv", "truediv")},
    **{f"_operator.{name}": getattr(operator, name) for name in ("mod", "neg", "eq", "ne", "lt", "le", "gt")},
    **{f"_operator.{name}": getattr(operator, name) for name in ("ge", "and_", "or_")},
    **{f"math.{name}": getattr(math, name) for name in ("trunc", "ceil", "floor", "sqrt")},
    **{"torch.sym_int": int, "torch.sym_float": float, "torch.sym_max": max, "torch.sym_min": min},
    **{"torch.sym_not": operator.not_, "math.pow": lambda base, power: float(base) ** float(power)},
}
CHANNELS_FIRST = re.compile(
    r"_?(native_)?(conv\d?d?|conv_transpose\d?d?|convolution|\w*batch_norm\w*|\w*group_norm|instance_norm"
    r"|(adaptive_)?(avg|max)_pool\dd\w*|upsample_\w+|pixel_(un)?shuffle)"
)
CHANNELS_LAST = re.compile(r"linear|(native_)?layer_norm|rms_norm|embedding")


@dataclass(frozen=True)
class Step:
    """One operation.

    Attributes:
        name: unique in the program.
        run: the operation.
        arguments: by name, as JSON.
        outputs: where the answers go, as JSON.
        answers: what this step answers for: (path, number of the call, part).
        over: values that no later step needs.
    """

    name: str
    run: Callable[..., Any]
    arguments: Mapping[str, Mapping[str, Any]]
    outputs: list[Mapping[str, Any]]
    answers: tuple[tuple[str, int, Part], ...]
    over: frozenset[str]


def checked_steps(archive: Archive, where: str) -> list[Step]:
    """Every operation of the graph, all of them checked."""
    nodes = archive.graph["nodes"]
    stacks = [_stack(node) for node in nodes]
    answering = _answering(archive.graph, stacks)
    calls: dict[str, list[str]] = {}
    for stack in stacks:
        for instance, path, _ in stack:
            known = calls.setdefault(path, [])
            if instance not in known:
                known.append(instance)
    over = _over(archive.graph)
    steps = []
    for index, (node, stack) in enumerate(zip(nodes, stacks, strict=True)):
        run, operation = _operation(node, where)
        order = "channels_first" if CHANNELS_FIRST.fullmatch(operation) else ""
        order = "channels_last" if CHANNELS_LAST.fullmatch(operation) else order
        answers = tuple(
            (path, calls[path].index(instance), _part(kind, order, _count(archive, path)))
            for instance, path, kind in reversed(stack)
            if path and answering[instance] == {index}
        )
        name = str(node.get("name") or f"{operation}_{index}")
        if name in calls:
            name = f"{name} operation"
        arguments = {entry["name"]: entry["arg"] for entry in node["inputs"]}
        _check_words(node["target"], arguments, where)
        answers = answers or ((name, 0, _part(operation, order, 0)),)
        steps.append(Step(name, run, arguments, node["outputs"], answers, frozenset(over[index])))
    return steps


def _used(node: Mapping[str, Any]) -> set[str]:
    """Values that a node takes."""
    return _names_in([entry["arg"] for entry in node["inputs"]])


def _over(graph: Mapping[str, Any]) -> list[set[str]]:
    """For each node the values that nothing after it needs."""
    needed = _names_in(graph["outputs"])
    over: list[set[str]] = []
    for node in reversed(graph["nodes"]):
        here = _used(node) | _names_in(node["outputs"])
        over.append(here - needed)
        needed |= here
    return over[::-1]


def written(graph: Mapping[str, Any]) -> set[str]:
    """Values that an operation changes in place."""
    written = set()
    for node in graph["nodes"]:
        if str(node["target"]).rpartition(".")[0].endswith("_") and node["inputs"]:
            written |= _names_in(node["inputs"][0]["arg"])
    return written


def _part(kind: str, order: str, count: int) -> Part:
    return Part(kind, order, count, has_grid=order == "channels_first")


def _answering(graph: Mapping[str, Any], stacks: list[list[tuple[str, str, str]]]) -> dict[str, set[int]]:
    """Which nodes inside each call of a module are used outside of it."""
    made = {name: index for index, node in enumerate(graph["nodes"]) for name in _names_in(node["outputs"])}
    instances = [{instance for instance, _, _ in stack} for stack in stacks]
    found: dict[str, set[int]] = {instance: set() for inside in instances for instance in inside}
    used = [(_used(node), inside) for node, inside in zip(graph["nodes"], instances, strict=True)]
    for names, inside in [*used, (_names_in(graph["outputs"]), set())]:
        for name in names:
            if name in made:
                for instance in instances[made[name]] - inside:
                    found[instance].add(made[name])
    return found


def _names_in(arguments: Any) -> set[str]:
    """Every value that arguments or outputs mention, without the arguments' own names."""
    if isinstance(arguments, list):
        return set().union(*map(_names_in, arguments))
    if not isinstance(arguments, dict):
        return set()
    here = {arguments[key] for key in ("as_name", "name") if isinstance(arguments.get(key), str)}
    return here.union(*map(_names_in, arguments.values()))


def _stack(node: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The calls of modules that an operation was exported from, outermost first: call, path, class."""
    stack = []
    for entry in str(node.get("metadata", {}).get("nn_module_stack", "")).split(";"):
        parts = entry.split(",")
        if len(parts) == 3:
            stack.append((parts[0], parts[1], parts[2].rpartition(".")[2]))
    return stack


def _count(archive: Archive, path: str) -> int:
    """Number of weights of a module and everything inside it."""
    return sum(int(archive.weights[name].size) for name in archive.parameters if name.startswith(f"{path}."))


def _operation(node: Mapping[str, Any], where: str) -> tuple[Callable[..., Any], str]:
    """What runs a node, and its short name.

    Raises:
        ModelError: it is no operation on tensors, or one that is not run.
    """
    import torch

    target = str(node["target"])
    if target in ARITHMETIC:
        return _arithmetic(ARITHMETIC[target]), target.rpartition(".")[2]
    found = OPERATION.fullmatch(target)
    name = found[1] if found else ""
    if found and name not in BARRED and (not name.startswith("_") or name in PRIVATE):
        overload = getattr(getattr(torch.ops.aten, name, None), found[2], None)
        if isinstance(overload, torch._ops.OpOverload):
            return _inferring(overload), name
    raise ModelError(
        f"{where}: has the operation {target[:120]!r}, which is not run; expected torch.ops.aten.…"
    )


def _arithmetic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Arithmetic of sizes: numbers in, a number out."""

    def run(**arguments: Any) -> Any:
        if not all(isinstance(value, int | float) for value in arguments.values()):
            raise TypeError("arithmetic of something that is no number")
        return function(*arguments.values())

    return run


def _inferring(overload: Any) -> Callable[..., Any]:
    """An operation of PyTorch's, in inference mode where it has a word for it."""
    names = {argument.name for argument in overload._schema.arguments}
    forced = dict.fromkeys(names & {"train", "training"}, False)
    return lambda **arguments: overload(**(arguments | forced))


def _check_words(target: str, arguments: Mapping[str, Mapping[str, Any]], where: str) -> None:
    """Refuse words that no operation on tensors needs, and arguments that are no data."""
    for name, argument in arguments.items():
        for kind, content in argument.items():
            words = [content] if kind == "as_string" else content if kind == "as_strings" else []
            if any(word not in WORDS for word in words) and ".einsum." not in target:
                raise ModelError(
                    f"{where}: {target[:120]} is told {name} = {words!r:.60}, which is not passed on"
                )
            if kind in ("as_graph", "as_custom_obj", "as_operator", "as_string_to_argument"):
                raise ModelError(f"{where}: {target[:120]} takes {name} as {kind}, which is not run")
