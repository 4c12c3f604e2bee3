"""model.toml: which code makes the model, where its weights are, and how pictures become inputs."""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from explorer.capture.preprocessing import Preprocessing, read_preprocessing
from explorer.capture.protocol import Factory, ModelOptions
from explorer.errors import ModelError, first_line, suggest

TABLES: dict[str, tuple[str, ...]] = {
    "model": ("factory", "arguments", "call", "adapter", "file", "layout", "name"),
    "checkpoint": ("path", "format", "step"),
    "preprocessing": (),
    "labels": ("names",),
    "explore": ("layer", "images"),
}


@dataclass(frozen=True)
class ModelFile:
    """A model.toml, read and checked; nothing of it has been run.

    Attributes:
        path: the file.
        source: "package.module:callable", or the path of a file that stands alone.
        arguments: keyword arguments of the callable.
        options: how the adapter is to open it.
        adapter: the adapter's name, None to find out.
        preprocessing: how pictures become inputs, None when the file does not say.
        class_names: in the order of the model's outputs.
        name: for titles and folders; the file's own, or for a model.toml its folder's, where none is given.
        hints: the table [explore]: the layer and images worth showing first.
    """

    path: Path
    source: str | Path
    arguments: Mapping[str, Any]
    options: ModelOptions
    adapter: str | None
    preprocessing: Preprocessing | None
    class_names: tuple[str, ...] | None
    name: str
    hints: Mapping[str, Any] = field(default_factory=dict)


def read_model_file(path: Path) -> ModelFile:
    """Read and check a model.toml. Paths in it are relative to it.

    Raises:
        ModelError: one line naming the file, the key, and what would be right.
    """
    tables = _read_tables(path)
    model, checkpoint = tables.get("model", {}), tables.get("checkpoint", {})
    options = ModelOptions(
        checkpoint=path.parent / _typed(checkpoint, "path", str, path) if checkpoint else None,
        checkpoint_format=_typed(checkpoint, "format", str, path, optional=True),
        step=_typed(checkpoint, "step", int, path, optional=True),
        call=_typed(model, "call", dict, path, optional=True) or {},
        layout=_typed(model, "layout", str, path, optional=True),
    )
    names = _typed(tables.get("labels", {}), "names", list, path, optional=True)
    hints = tables.get("explore", {})
    _typed(hints, "layer", str, path, optional=True)
    _typed(hints, "images", str, path, optional=True)
    return ModelFile(
        path,
        _source(model, path),
        _typed(model, "arguments", dict, path, optional=True) or {},
        options,
        _typed(model, "adapter", str, path, optional=True),
        read_preprocessing(tables["preprocessing"], str(path)) if "preprocessing" in tables else None,
        None if names is None else tuple(str(name) for name in names),
        _typed(model, "name", str, path, optional=True) or _own_name(path.resolve()),
        hints,
    )


def _read_tables(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModelError(f"{path}: cannot be read as TOML ({error})") from None
    for name, table in tables.items():
        if name not in TABLES:
            raise ModelError(f"{path}: unknown table [{name}]; {suggest(name, TABLES)}")
        if not isinstance(table, dict):
            raise ModelError(f"{path}: {name} = {table!r}, expected a table [{name}]")
        for key in table:
            if TABLES[name] and key not in TABLES[name]:
                raise ModelError(f"{path}: unknown key {key!r} in [{name}]; {suggest(key, TABLES[name])}")
    return tables


def _source(model: Mapping[str, Any], path: Path) -> str | Path:
    factory = _typed(model, "factory", str, path, optional=True)
    file = _typed(model, "file", str, path, optional=True)
    if (factory is None) == (file is None):
        raise ModelError(
            f'{path}: [model] needs factory = "package.module:callable", '
            'or file = "…" for a model that stands alone'
        )
    if file is not None:
        return path.parent / str(file)
    module, _, name = str(factory).partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), *name.split(".")]):
        raise ModelError(f'{path}: factory = {factory!r}, expected "package.module:callable"')
    return str(factory)


def _typed(table: Mapping[str, Any], key: str, kind: type, path: Path, *, optional: bool = False) -> Any:
    value = table.get(key)
    if value is None and optional:
        return None
    if not isinstance(value, kind) or isinstance(value, bool):
        words = {str: "text", int: "a whole number", dict: "a table", list: "a list"}
        raise ModelError(f"{path}: {key} = {value!r}, expected {words[kind]}")
    return value


def _own_name(path: Path) -> str:
    """The file's name, or that of its folder where all such files are called alike."""
    return path.parent.name if path.stem == "model" else path.stem


def import_factory(file: ModelFile) -> Factory:
    """Import the callable that a model.toml names, from installed packages or from beside the file.

    This runs the module's code, as importing always does: open only a model.toml you trust.

    Raises:
        ModelError: it cannot be imported, or is nothing that can be called.
    """
    module_name, _, attribute = str(file.source).partition(":")
    try:
        _prefer(file.path.resolve().parent, module_name.split(".")[0])
        made: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and module_name.startswith(error.name):
            raise ModelError(
                f"{file.path}: module {error.name!r} is neither installed nor beside this file"
            ) from None
        raise ModelError(f"{file.path}: importing {module_name} failed: {error}") from error
    except (Exception, SystemExit) as error:  # the user's own code may raise anything
        raise ModelError(
            f"{file.path}: importing {module_name} raised {type(error).__name__}: {first_line(error)}"
        ) from error
    for part in attribute.split("."):
        if not hasattr(made, part):
            public = [name for name in vars(made) if not name.startswith("_")]
            raise ModelError(f"{file.path}: {module_name} has no {part!r}; {suggest(part, public)}")
        made = getattr(made, part)
    if not callable(made):
        raise ModelError(f"{file.path}: {file.source} is {type(made).__name__}, expected a class or function")
    return Factory(made, file.arguments, str(file.source))


_BESIDE: dict[str, Path] = {}
"""Which folder's module of a name was imported, for modules that lie beside a model.toml."""


def _prefer(folder: Path, module: str) -> None:
    """Let a module beside the model.toml be imported, after everything installed.

    A module of the same name beside another model.toml, imported before, makes way.
    """
    if not ((folder / f"{module}.py").is_file() or (folder / module).is_dir()):
        return
    before = _BESIDE.get(module)
    if before not in (None, folder):
        sys.path[:] = [entry for entry in sys.path if entry != str(before)]
        for name in [name for name in sys.modules if name.split(".")[0] == module]:
            del sys.modules[name]
    importlib.invalidate_caches()
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    _BESIDE[module] = folder
