"""Run a program of `torch.export` one operation at a time, without `torch.export`."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from explorer.errors import ModelError

from .limits import DAMAGE, first_line
from .torch_archive import SCALARS, Archive, read_archive
from .torch_forward import Edit, Part, Visit
from .torch_graph import checked_steps, written
from .torch_weights import to_numpy, to_torch
from .weights import WeightPath, digest

MEMORY_FORMATS = {1: "contiguous_format", 2: "channels_last", 3: "channels_last_3d", 4: "preserve_format"}


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
        is_fixed = 0 < len(fixed) == len(self._sizes) - 1
        self.sizes: tuple[int, ...] | None = tuple(fixed) if is_fixed else None
        self._steps = checked_steps(archive, where)
        self._written = written(archive.graph) & set(self._bound)
        self._outputs = [output for output in archive.graph["outputs"] if "as_tensor" in output]
        count = sum(int(archive.weights[name].size) for name in archive.parameters)
        self._whole = Part("ExportedProgram", "", count)

    def run(self, inputs: Any, visit: Visit, paths: Collection[str] | None, edit: Edit | None = None) -> None:
        """Run the program on (batch, channels, *spatial) and show `visit` what these paths answer.

        With `edit`, what that returns takes the place of an answer, and autograd keeps the graph.

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
        values |= {name: values[name].clone() for name in self._written}
        values[self._input] = inputs
        with torch.set_grad_enabled(edit is not None), torch.random.fork_rng([]):
            torch.default_generator.manual_seed(0)
            for step in self._steps:
                arguments = {name: self._value(arg, values) for name, arg in step.arguments.items()}
                answer = step.run(**arguments)
                for path, call, _ in step.answers if edit is not None else ():
                    answer = edit((path, call), answer) if edit is not None else answer
                _store(step.outputs, answer, values)
                for path, call, part in step.answers:
                    if (paths is None or path in paths) and visit((path, call), part, answer):
                        return
                for name in step.over:
                    values.pop(name, None)
            if paths is None or "" in paths:
                found = tuple(values[output["as_tensor"]["name"]] for output in self._outputs)
                whole = found[0] if len(found) == 1 else found
                visit(("", 0), self._whole, whole if edit is None else edit(("", 0), whole))

    @property
    def weights(self) -> list[Any]:
        """Every parameter, buffer and constant."""
        return list(self._weights.values())

    def named_weights(self) -> dict[WeightPath, NDArray[Any]]:
        """The weights by path, as arrays."""
        return {tuple(name.split(".")): to_numpy(weight) for name, weight in self._weights.items()}

    def with_weights(self, weights: Mapping[WeightPath, NDArray[Any]]) -> ProgramForward:
        """The same program in which these weights are others."""
        made = object.__new__(ProgramForward)
        made.__dict__ |= self.__dict__
        made._weights = self._weights | {".".join(path): to_torch(array) for path, array in weights.items()}
        return made

    def twin(self) -> ProgramForward:
        """The same program on the device "meta", where nothing is computed."""
        import torch

        made = object.__new__(ProgramForward)
        made.__dict__ |= self.__dict__
        made.device = torch.device("meta")
        made._sizes = [None] * len(self._sizes)  # to see what grows with the picture, where anything may
        made._weights = {name: weight.to("meta") for name, weight in self._weights.items()}
        return made

    def _value(self, argument: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
        """What an argument of an operation stands for."""
        import torch

        ((kind, content),) = ((kind, content) for kind, content in argument.items() if content is not None)
        if kind == "as_tensor":
            return values[content["name"]]
        if kind in ("as_tensors", "as_optional_tensors", "as_sym_ints", "as_sym_floats", "as_sym_bools"):
            return [self._item(item, values) for item in content]
        if kind in ("as_sym_int", "as_sym_float", "as_sym_bool", "as_optional_tensor"):
            return self._item(content, values)
        if kind == "as_scalar_type":
            return getattr(torch, SCALARS[content])
        if kind == "as_memory_format":
            return getattr(torch, MEMORY_FORMATS[content])
        if kind == "as_device":
            return self.device
        if kind == "as_complex":
            return complex(content["real"], content["imag"])
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
    except (*DAMAGE, IndexError) as error:
        said = f"{type(error).__name__}: {first_line(error)}"
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
