"""Capture from PyTorch modules through forward hooks, and from exported programs."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.capture.protocol import LayerInfo, ModelOptions
from explorer.errors import ModelError

from .random_weights import drawn, is_drawn, part_of
from .torch_capture import Forward, TorchCapture
from .torch_forward import ModuleForward
from .torch_weights import arrays, state_of, with_weights
from .weights import digest

WEIGHTS = (".pt", ".pth", ".safetensors")
FUNCTIONS = (
    "what forward() itself computes (sums, concatenations, functional calls) has no name here; "
    "saved with torch.export as .pt2, each operation has one"
)


class TorchModules:
    """A module that is run where it lies, or a program of `torch.export`.

    A module in memory is used as it is, so that later training shows; it is put into inference mode
    while it runs and back into its own afterwards, and no hook is left in it.

    Attributes:
        layout: the layout that was given, or "found" where the model tells it.
    """

    requires: ClassVar[tuple[str, ...]] = ("torch",)

    def __init__(self, forward: Forward, options: ModelOptions, facts: Mapping[str, Any]) -> None:
        self._forward = forward
        self._options = options
        self._facts = facts
        self.layout = options.layout or "found"
        self._capture = TorchCapture(str(facts["name"]), forward, options.layout)

    @classmethod
    def open(cls, source: object, options: ModelOptions) -> Self | None:
        """Open a module, with its own weights or those of the options, or a .pt2 file.

        Raises:
            ModelError: a file of weights alone, or a module whose parts cannot be watched.
            CheckpointError: the weights are missing, damaged, or not those of the module.
        """
        if isinstance(source, Path):
            return cls._open_file(source, options)
        if _is_of(type(source), "torch.export.exported_program", "ExportedProgram"):
            return cls._open_program(_saved(source), "ExportedProgram", options)
        if not _is_of(type(source), "torch.nn.modules.module", "Module"):
            return None
        module: Any = _unwrapped(source)
        name = type(module).__name__
        if any(base.__name__ == "ScriptModule" for base in type(module).__mro__):
            raise ModelError(
                f"{name}: TorchScript shows nothing of its parts; give the nn.Module it came from"
            )
        module, facts = with_weights(module, options)
        return cls(ModuleForward(module, options.call), options, {"name": name, **facts})

    @classmethod
    def _open_file(cls, path: Path, options: ModelOptions) -> Self | None:
        suffix = path.suffix.lower()
        if suffix == ".pt2":
            return cls._open_program(path, str(path), options)
        if suffix in WEIGHTS and _is_script(path):
            raise ModelError(
                f"{path}: TorchScript shows nothing of its parts; export the nn.Module it came from to .pt2 "
                "(torch.export), or name that module in a model.toml with this file's weights"
            )
        if suffix in WEIGHTS:
            raise ModelError(
                f"{path}: holds weights and no model; name it as path under [checkpoint] in a model.toml "
                'whose [model] has factory = "package.module:callable"'
            )
        return None

    @classmethod
    def _open_program(cls, source: Path | io.BytesIO, name: str, options: ModelOptions) -> Self:
        from .torch_export import open_program

        if options.variables is not None or options.checkpoint is not None:
            raise ModelError(f"{name}: a program brings its own weights; export the module with the others")
        program, facts = open_program(source, name)
        return cls(program, options, facts)

    def layers(self, input_shape: tuple[int, ...] | None) -> tuple[LayerInfo, ...]:
        """Every tensor that a module answers, for inputs (*spatial, channels).

        Raises:
            ModelError: the shape is not given, or the model does not take it.
        """
        return self._capture.infos(input_shape)

    def capture(self, inputs: NDArray[Any], layers: Sequence[str]) -> dict[str, Activations]:
        """The values of these layers in inference mode, for inputs (batch, *spatial, channels).

        Raises:
            LayerError: the model has no such layer.
            ModelError: the model does not take such inputs.
        """
        return self._capture.run(inputs, layers)

    def gradient(
        self,
        inputs: NDArray[Any],
        layer: str,
        cotangent: NDArray[Any],
        *,
        at: str | None = None,
        guided: bool = False,
    ) -> NDArray[Any]:
        """How a layer's values, each times its `cotangent`, answer to changes of the inputs or of `at`.

        Raises:
            LayerError: the model has no such layer, or it is of whole numbers.
            InputError: the cotangent has not the layer's shape (batch, *spatial, channels).
        """
        return self._capture.gradient(inputs, layer=layer, cotangent=cotangent, at=at, guided=guided)

    def attention(self, inputs: NDArray[Any], layer: str) -> dict[str, NDArray[np.float32]]:
        """The self-attention that a layer depends on, (batch, heads, tokens that look, looked at) each.

        Raises:
            LayerError: the model has no such layer.
        """
        return self._capture.attention(inputs, layer)

    def weight_groups(self) -> tuple[str, ...]:
        """Parts of the model with weights of two or more axes, in the order of the weights."""
        named = self._forward.named_weights()
        return tuple(dict.fromkeys(part_of(path) for path, weight in named.items() if is_drawn(path, weight)))

    def with_random(self, groups: Collection[str], seed: int) -> Self:
        """A copy of the model with the weights of these parts drawn anew.

        Raises:
            ModelError: the module cannot be copied.
        """
        made = {
            path: drawn(path, weight, seed)
            for path, weight in self._forward.named_weights().items()
            if is_drawn(path, weight) and part_of(path) in groups
        }
        return type(self)(self._forward.with_weights(made), self._options, self._facts)

    def find_layer(self, name: str, input_shape: tuple[int, ...] | None) -> LayerInfo | None:
        """The layer that a name with slashes in place of dots means, None where there is none."""
        known = {info.name: info for info in self.layers(input_shape)}
        return known.get(name.replace("/", "."))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the layers found last leave out, and what else is worth knowing of them, a line each."""
        found = self._capture.notes
        if isinstance(self._forward, ModuleForward):
            found = (*found, *self._forward.doubts(), FUNCTIONS)
        return found

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Versions, where the weights came from, and a digest of them as they are now."""
        import torch

        checkpoint = self._options.checkpoint
        facts = {name: value for name, value in self._facts.items() if name != "name"}
        origin = {
            "framework": "torch",
            "torch": str(torch.__version__),
            "checkpoint": None if checkpoint is None else str(checkpoint),
        }
        if isinstance(self._forward, ModuleForward):
            facts["digest"] = digest(arrays(state_of(self._forward.module)))
        return {**origin, **facts}


def _saved(program: Any) -> io.BytesIO:
    """A program in memory as the file it would be."""
    import torch

    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer


def _is_script(path: Path) -> bool:
    """Whether a file is TorchScript's archive, which has code beside its tensors; nothing of it is run."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return any("/code/" in name for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _is_of(kind: type, module: str, name: str) -> bool:
    """Whether a class is one of PyTorch's or derived from it, told without importing PyTorch."""
    return any(base.__module__ == module and base.__name__ == name for base in kind.__mro__)


def _unwrapped(module: Any) -> Any:
    """The module inside what compiles it or spreads it over devices."""
    inner = {"OptimizedModule": "_orig_mod", "DataParallel": "module", "DistributedDataParallel": "module"}
    while type(module).__name__ in inner and type(module).__module__.startswith("torch."):
        module = getattr(module, inner[type(module).__name__])
    return module
