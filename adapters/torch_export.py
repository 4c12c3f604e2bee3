"""Run a program of `torch.export` one operation at a time, without `torch.export`.

Only PyTorch's own tensor operations (`torch.ops.aten`) and arithmetic of sizes are run; a program
that names anything else is refused before any of it is.
"""

from __future__ import annotations

import io
import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.errors import ModelError

from .torch_archive import SCALARS, Archive, read_archive
from .torch_forward import Part, Visit
from .torch_weights import to_torch
from .weights import digest

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
MEMORY_FORMATS = {1: "contiguous_format", 2: "channels_last", 3: "channels_last_3d", 4: "preserve_format"}


@dataclass(frozen=True)
class Step:
    """One operation.

    Attributes:
        name: unique in the program.
        run: the operation.
        arguments: by name, as JSON.
        outputs: where the answers go, as JSON.
        answers: what this step answers for: (path, number of the call, part).
    """

    name: str
    run: Callable[..., Any]
    arguments: Mapping[str, Mapping[str, Any]]
    outputs: list[Mapping[str, Any]]
    answers: tuple[tuple[str, int, Part], ...]


class ProgramForward:
    """Runs of a program on the CPU.

    An operation whose answer is all that is used of a module, of those the program was exported
    from, is named as the module was; every other one has the name it has in the graph.
    """

    def __init__(self, archive: Archive, where: str) -> None:
        import torch

        self._weights = {name: to_torch(array) for name, array in archive.weights.items()}
        self._bound, inputs = _bindings(archive, where)
        self._input, meta = inputs
        self._sizes = [size.get("as_int") for size in meta["sizes"]]
        self.device, self.dtype = torch.device("cpu"), getattr(torch, SCALARS[meta["dtype"]])
        self.batch = self._sizes[0]
        fixed = [size for size in self._sizes[1:] if size is not None]
        is_fixed = len(fixed) == len(self._sizes) - 1 and len(fixed) > 0
        self.input_shape: tuple[int, ...] | None = (*fixed[1:], fixed[0]) if is_fixed else None
        self._steps = _steps(archive, where)
        self._outputs = [output for output in archive.graph["outputs"] if "as_tensor" in output]
        count = sum(int(archive.weights[name].size) for name in archive.parameters)
        self._whole = Part("ExportedProgram", "", count)

    def run(self, inputs: Any, visit: Visit, paths: Collection[str] | None) -> None:
        """Run the program on (batch, channels, *spatial) and show `visit` what these paths answer.

        Raises:
            ValueError: the program was exported for inputs of another shape.
        """
        import torch

        shape = tuple(inputs.shape)
        fits = len(shape) == len(self._sizes)
        if not fits or any(size not in (None, given) for size, given in zip(self._sizes, shape, strict=True)):
            sizes = ", ".join("any" if size is None else str(size) for size in self._sizes)
            raise ValueError(f"the program was exported for inputs ({sizes}), and is given {shape}")
        values: dict[str, Any] = {name: self._weights[weight] for name, weight in self._bound.items()}
        values[self._input] = inputs
        with torch.no_grad(), torch.random.fork_rng([]):
            torch.default_generator.manual_seed(0)
            for step in self._steps:
                arguments = {name: self._value(arg, values) for name, arg in step.arguments.items()}
                answer = step.run(**arguments)
                _store(step.outputs, answer, values)
                for path, call, part in step.answers:
                    if (paths is None or path in paths) and visit(path, call, part, answer):
                        return
            if paths is None or "" in paths:
                found = tuple(values[output["as_tensor"]["name"]] for output in self._outputs)
                visit("", 0, self._whole, found[0] if len(found) == 1 else found)

    def twin(self) -> ProgramForward:
        """The same program on the device "meta", where nothing is computed."""
        import torch

        made = object.__new__(ProgramForward)
        made.__dict__ |= self.__dict__
        made.device = torch.device("meta")
        made._weights = {name: weight.to("meta") for name, weight in self._weights.items()}
        return made

    def _value(self, argument: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
        """What an argument of an operation stands for."""
        import torch

        ((kind, content),) = ((kind, content) for kind, content in argument.items() if content is not None)
        if kind == "as_tensor":
            return values[content["name"]]
        if kind in ("as_tensors", "as_optional_tensors", "as_sym_ints", "as_sym_floats"):
            return [self._item(item, values) for item in content]
        if kind in ("as_sym_int", "as_sym_float", "as_sym_bool", "as_optional_tensor"):
            return self._item(content, values)
        if kind == "as_scalar_type":
            return getattr(torch, SCALARS[content])
        if kind == "as_memory_format":
            return getattr(torch, MEMORY_FORMATS[content])
        if kind == "as_device":
            return self.device
        return {"as_none": None, "as_layout": torch.strided}.get(kind, content)

    def _item(self, item: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
        """A tensor or a size that is one of several, or may not be there."""
        if "name" in item:
            return values[item["name"]]
        if item.get("as_tensor") is not None:
            return values[item["as_tensor"]["name"]]
        if item.get("as_name") is not None:
            return values[item["as_name"]]
        numbers = (item.get(kind) for kind in ("as_int", "as_float", "as_bool"))
        return next((number for number in numbers if number is not None), None)


def open_program(source: Path | io.BytesIO, name: str) -> tuple[ProgramForward, dict[str, Any]]:
    """Read a program and check all of it.

    Returns:
        The program, and facts for the run's manifest, with "name".

    Raises:
        ModelError: it is damaged, takes more than one input, or has operations that are not run.
    """
    archive = read_archive(source, name)
    try:
        forward = ProgramForward(archive, name)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        said = f"{type(error).__name__}: {error}"
        raise ModelError(f"{name}: cannot be read as a torch.export program: {said}") from None
    checkpoint = str(source) if isinstance(source, Path) else None
    hashed = digest({tuple(path.split(".")): array for path, array in archive.weights.items()})
    facts = {"name": Path(name).name, "checkpoint": checkpoint, "format": "pt2", "step": None}
    return forward, {**facts, "digest": hashed}


def _bindings(archive: Archive, where: str) -> tuple[dict[str, str], tuple[str, Mapping[str, Any]]]:
    """Which weight each input of the graph is, and the one that is the user's: name, shape and type."""
    names = {
        "parameter": "parameter_name",
        "buffer": "buffer_name",
        "tensor_constant": "tensor_constant_name",
    }
    bound, inputs = {}, []
    for spec in archive.specs:
        ((kind, content),) = ((kind, content) for kind, content in spec.items() if content is not None)
        if kind in names:
            bound[content["arg"]["name"]] = content[names[kind]]
            if content[names[kind]] not in archive.weights:
                raise ModelError(f"{where}: has no weight {content[names[kind]]!r}, which its graph needs")
        elif kind == "user_input" and content["arg"].get("as_tensor") is not None:
            inputs.append(content["arg"]["as_tensor"]["name"])
        elif kind not in ("user_input", "constant_input"):
            raise ModelError(f"{where}: takes a {kind}, which is not read; expected tensors")
    if len(inputs) != 1:
        raise ModelError(f"{where}: takes {len(inputs)} tensors, expected one: the images")
    return bound, (inputs[0], archive.graph["tensor_values"][inputs[0]])


def _steps(archive: Archive, where: str) -> list[Step]:
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
        steps.append(
            Step(name, run, arguments, node["outputs"], answers or ((name, 0, _part(operation, order, 0)),))
        )
    return steps


def _part(kind: str, order: str, count: int) -> Part:
    return Part(kind, order, count, has_grid=order == "channels_first")


def _answering(graph: Mapping[str, Any], stacks: list[list[tuple[str, str, str]]]) -> dict[str, set[int]]:
    """Which nodes inside each call of a module are used outside of it."""
    made = {name: index for index, node in enumerate(graph["nodes"]) for name in _names_in(node["outputs"])}
    instances = [{instance for instance, _, _ in stack} for stack in stacks]
    found: dict[str, set[int]] = {instance: set() for inside in instances for instance in inside}
    used = [
        (_names_in(node["inputs"]), inside) for node, inside in zip(graph["nodes"], instances, strict=True)
    ]
    for names, inside in [*used, (_names_in(graph["outputs"]), set())]:
        for name in names:
            if name in made:
                for instance in instances[made[name]] - inside:
                    found[instance].add(made[name])
    return found


def _names_in(arguments: Any) -> set[str]:
    """Every value that JSON of arguments mentions."""
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


def _store(outputs: list[Mapping[str, Any]], answer: Any, values: dict[str, Any]) -> None:
    """Put what an operation answered under its names."""
    if len(outputs) == 1 and outputs[0].get("as_tensors") is not None:
        values.update(zip((item["name"] for item in outputs[0]["as_tensors"]), answer, strict=True))
        return
    answers = answer if len(outputs) > 1 else (answer,)
    for output, value in zip(outputs, answers, strict=False):
        for kind, content in output.items():
            if kind == "as_tensor":
                values[content["name"]] = value
            elif kind.startswith("as_sym_") and content.get("as_name") is not None:
                values[content["as_name"]] = value
