"""What must hold of the house itself: import directions, lightness, exported names, true examples."""

import ast
import doctest
import importlib
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import explorer

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {
    # room: what it may import of explorer
    "errors": set(),
    "progress": set(),
    "schema": set(),
    "whole": set(),
    "activations": {"errors"},
    "samples": {"activations", "errors"},
    "capture": {"activations", "errors", "samples", "progress", "schema", "whole"},
    "reduce": {"activations", "errors", "samples", "progress", "schema", "capture.store", "whole"},
    "render": {"activations", "errors", "samples", "reduce", "explain", "maximize", "progress", "whole"},
    "explain": {"activations", "errors", "samples", "progress", "schema", "capture", "whole"},
    "tracking": {"activations", "errors", "samples", "progress", "capture", "reduce", "explain", "render"},
    "web": {"activations", "errors", "samples", "reduce", "explain", "render", "progress"},
    "explore": {"capture", "reduce", "render"},
    "atlas": {"capture", "errors", "maximize", "reduce", "render"},
    "maximize": {"capture", "errors", "explain", "progress"},
    "evolution": {"capture", "errors", "progress", "reduce", "render", "samples", "schema", "whole"},
    "evolve": {"errors", "evolution", "progress", "reduce"},
    "parity": {"activations", "capture", "errors", "progress"},
    "adapters": {"activations", "errors", "capture.protocol", "capture.receptive_field"},
}
DRAWING = {
    # part of the render room: what of the room it may import
    "drawing": {"files"},
    "cloud": {"drawing", "files"},
    "sheets": {"drawing", "files", "values"},
}
FRAMEWORKS = {"jax", "flax", "torch", "onnx", "onnxruntime", "keras", "optax", "orbax"}
FRAMEWORKS |= {"equinox", "haiku", "h5py"}
SOURCES = [path for room in ("explorer", "adapters") for path in sorted((ROOT / room).rglob("*.py"))]


@cache
def imports(path: Path) -> set[str]:
    """Every module that a file imports at run time, also inside functions; type checking set apart."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and getattr(block.test, "id", "") == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    found = set()
    for node in set(ast.walk(tree)) - typing_only:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module or "")
    return found


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return "adapters" if parts[0] == "adapters" else parts[1]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_import_only_from_the_left(path: Path) -> None:
    room = room_of(path)
    if room not in ROOMS:
        return
    allowed = {f"explorer.{name}" for name in {*ROOMS[room], room}}
    for module in imports(path):
        if module == "explorer" or module.startswith("explorer."):
            near = any(module == name or module.startswith(f"{name}.") for name in allowed)
            assert near, f"{path.name} imports {module}"


@pytest.mark.parametrize("path", sorted((ROOT / "explorer/render").rglob("*.py")), ids=lambda path: path.stem)
def test_drawing_knows_no_cloud_and_the_cloud_no_scene(path: Path) -> None:
    part = path.parent.name
    for module in imports(path) if part in DRAWING else ():
        if module.startswith("explorer.render."):
            assert module.split(".")[2] in {*DRAWING[part], part}, f"{path.name} imports {module}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_adapters_know_a_framework(path: Path) -> None:
    if room_of(path) == "adapters" or path.name in ("networks.py", "accelerated.py"):
        return
    assert not {module.split(".")[0] for module in imports(path)} & FRAMEWORKS


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_render_room_knows_pyvista(path: Path) -> None:
    if room_of(path) == "render":
        return
    assert not {module.split(".")[0] for module in imports(path)} & {"pyvista", "vtk", "vtkmodules"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_imports_an_adapter_by_name(path: Path) -> None:
    assert not [module for module in imports(path) if module.startswith("explorer.adapters")]


def test_importing_explorer_loads_numpy_and_nothing_heavy() -> None:
    code = "import sys, json, explorer; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    loaded = set(json.loads(subprocess.check_output([sys.executable, "-c", code], text=True)))
    heavy = FRAMEWORKS | {"sklearn", "umap", "numba", "scipy", "pyvista", "vtkmodules", "matplotlib", "PIL"}
    heavy |= {"tensorstore", "rich", "cyclopts", "openTSNE"}
    assert "numpy" in loaded
    assert not loaded & heavy


def test_the_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, json; from explorer.cli import main; main(['--help']); "
        "sys.stderr.write(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(json.loads(done.stderr)) & (
        FRAMEWORKS | {"sklearn", "umap", "pyvista", "matplotlib", "scipy"}
    )


def test_the_exported_names_are_sorted_and_there() -> None:
    assert explorer.__all__ == sorted(explorer.__all__)
    for name in explorer.__all__:
        assert getattr(explorer, name) is not None
    assert {name for name in vars(explorer) if not name.startswith("_")} - set(explorer.__all__) <= {
        *(path.stem for path in (ROOT / "explorer").iterdir()),
        "adapters",
    }


@pytest.mark.parametrize("name", ["capture", "evolve", "explore", "grid", "parity", "project", "scene"])
def test_verbs_are_functions_whatever_was_imported_first(name: str) -> None:
    importlib.import_module("explorer.explore")
    importlib.import_module("explorer.capture.stream")
    assert callable(getattr(explorer, name))


MODULES = [
    ".".join(("explorer", *path.relative_to(ROOT / path.relative_to(ROOT).parts[0]).with_suffix("").parts))
    if path.relative_to(ROOT).parts[0] == "explorer"
    else f"explorer.adapters.{path.stem}"
    for path in SOURCES
    if ">>>" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_every_example_in_a_docstring_runs(name: str) -> None:
    module = sys.modules.get(name.removesuffix(".__init__")) or importlib.import_module(
        name.removesuffix(".__init__")
    )
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_nothing_unpickles() -> None:
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert "allow_pickle=True" not in text, path
        assert not {"pickle", "cloudpickle", "dill", "joblib"} & imports(path), path
