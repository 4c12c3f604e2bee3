"""Read a program that `torch.export.save` wrote: its graph as JSON, its weights as numbers.

`torch.export.load` unpickles parts of such a file without an allow-list, evaluates the text of
symbolic sizes as Python, looks operators up by attribute in the whole of `torch`, and loads shared
libraries where the file has any. None of that is needed to run the graph, and none of it is done
here: this reads JSON and raw numbers, and passes over the pickles.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ModelError

from .limits import DAMAGE, check_memory, first_line
from .torch_files import strided
from .torch_records import item_type

MAJOR = 8
"""Version of the schema that is read, as PyTorch writes it since 2.8."""
LARGEST_GRAPH = 200_000_000
SCALARS = {
    **dict(enumerate(("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"), start=1)),
    **{10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16"},
    **{28: "uint16", 29: "float8_e4m3fn", 30: "float8_e5m2", 34: "uint32", 35: "uint64"},
}
"""Types by their numbers in the file."""


@dataclass(frozen=True)
class Archive:
    """What is needed of a program.

    Attributes:
        graph: its nodes, inputs and outputs, as JSON.
        specs: what each of its inputs is, as JSON.
        weights: parameters, buffers and constants by name.
        parameters: names of those that are parameters.
    """

    graph: Mapping[str, Any]
    specs: list[Mapping[str, Any]]
    weights: Mapping[str, NDArray[Any]]
    parameters: frozenset[str]


def read_archive(source: Path | io.BytesIO, name: str) -> Archive:
    """Read a .pt2 file.

    Raises:
        ModelError: it is missing, damaged, of another version, or holds more than a program.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            return _read(archive)
    except FileNotFoundError:
        raise ModelError(f"{name}: no such file") from None
    except (*DAMAGE, IndexError) as error:
        raise ModelError(f"{name}: cannot be read as a torch.export program: {first_line(error)}") from None


def _read(archive: zipfile.ZipFile) -> Archive:
    members = {member.filename.partition("/")[2]: member for member in archive.infolist()}
    if len(members) != len(archive.infolist()) or any(m.compress_type for m in members.values()):
        raise ValueError("has a name twice or compressed members, as torch.export.save never writes")
    models = [name for name in members if name.startswith("models/") and name.endswith(".json")]
    if "serialized_exported_program.json" in {m.filename for m in archive.infolist()}:
        raise ValueError("was written by PyTorch before 2.8; save it again with a newer one")
    if any(name.startswith("data/aotinductor/") for name in members):
        raise ValueError("brings compiled code, which is not loaded; save the program itself")
    if len(models) != 1:
        raise ValueError(f"has {len(models)} programs in it, expected one")
    model = models[0].removeprefix("models/").removesuffix(".json")
    if sum(members[name].file_size for name in members if name.endswith(".json")) > LARGEST_GRAPH:
        raise ValueError(f"has a graph of more than {LARGEST_GRAPH:,} bytes")
    program = json.loads(archive.read(members[models[0]]))
    major = program["schema_version"]["major"]
    if major != MAJOR:
        raise ValueError(f"is of schema version {major}, expected {MAJOR}")
    weights: dict[str, NDArray[Any]] = {}
    parameters: set[str] = set()
    check_memory(sum(m.file_size for name, m in members.items() if name.startswith("data/")))
    for folder in ("weights", "constants"):
        config = json.loads(archive.read(members[f"data/{folder}/{model}_{folder}_config.json"]))["config"]
        for name, entry in config.items():
            place = f"data/{folder}/{entry['path_name']}"
            weights[name] = _weight(partial(_bytes, archive, members, place), name, entry)
            if entry["is_param"]:
                parameters.add(name)
    module = program["graph_module"]
    return Archive(module["graph"], module["signature"]["input_specs"], weights, frozenset(parameters))


def _bytes(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], name: str) -> bytes:
    """A member of the archive."""
    if name not in members:
        raise ValueError(f"lacks {name}")
    return archive.read(members[name])


def _weight(read: Callable[[], bytes], name: str, entry: Mapping[str, Any]) -> NDArray[Any]:
    """One weight, in memory of its own; `read` gives its bytes."""
    meta = entry["tensor_meta"]
    if entry["use_pickle"] or meta is None:
        raise ValueError(f"keeps {name} as a pickle, which is not opened; save plain tensors")
    if meta["dtype"] not in SCALARS:
        raise ValueError(f"has {name} in a type that numpy has no word for")
    dtype = item_type(SCALARS[meta["dtype"]])
    numbers = [*meta["sizes"], *meta["strides"], meta["storage_offset"]]
    values = [number["as_int"] for number in numbers]
    if any(type(value) is not int or value < 0 for value in values):
        raise ValueError(f"has {name} in a shape that is no shape")
    rank = len(meta["sizes"])
    return strided(
        np.frombuffer(read(), np.uint8), dtype, (tuple(values[:rank]), tuple(values[rank:-1]), values[-1])
    )
