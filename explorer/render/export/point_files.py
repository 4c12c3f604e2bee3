"""The points as other programs read them: glTF and GLB, PLY, VTP, with colours and where each comes from."""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.render.cloud.camera import spatial
from explorer.render.drawing.text import plural, printable
from explorer.render.export.exporting import Options
from explorer.render.files import written
from explorer.render.linked.selection_files import NAMES

if TYPE_CHECKING:
    from explorer.render.linked.scene import Scene

POINTS, ARRAY_BUFFER, FLOAT, UNSIGNED_SHORT = 0, 34962, 5126, 5123  # glTF's numbers
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
LARGEST = 2**32 - 1  # bytes of a GLB


@dataclass(frozen=True)
class Points:
    """What a file of points holds, a row for each of n points.

    Attributes:
        title: what they are.
        places: (n, 3) float32 in the projection's coordinates; the third is 0 on a flat map.
        colours: (n, 3) uint8, as the legend shows them.
        numbers: int32 columns (n,): image, the place on the grid, label (its number), and selected (0 or 1).
        labels: the labels' names, by number; empty where the run has none.
        images: the images' names, by number.
    """

    title: str
    places: NDArray[np.float32]
    colours: NDArray[np.uint8]
    numbers: dict[str, NDArray[np.int32]]
    labels: tuple[str, ...]
    images: tuple[str, ...]


@dataclass(frozen=True)
class WrittenPoints:
    """A file of points that was written.

    Attributes:
        path: where it is.
        facts: what it holds.
        left: what was left out.
    """

    path: Path
    facts: tuple[str, ...]
    left: tuple[str, ...]


def export_points(scene: Scene, path: Path, options: Options | None = None) -> WrittenPoints:
    """Write the points that are shown, .glb, .gltf, .ply or .vtp.

    Every format has coordinates, colours and, a point, the number of its image, its place on the grid, the
    number of its label and whether it is selected; .vtp names the label too, and the others list the names.
    Points that a filter hides or that have no finite place are left out.

    Raises:
        InputError: no point is left.
        RenderError: the file cannot be written.
    """
    del options
    points, left = gathered(scene)
    n = len(points.places)
    if not n:
        raise InputError(f"{path}: no point of {points.title} is shown")
    write = {".glb": write_glb, ".gltf": write_gltf, ".ply": write_ply, ".vtp": write_vtp}[
        path.suffix.lower()
    ]
    with written(path) as beside:
        write(points, beside)
    return WrittenPoints(path, (plural(n, "point"),), left)


def gathered(scene: Scene) -> tuple[Points, tuple[str, ...]]:
    """The points that are shown, and what is left out, in words."""
    state = scene.state
    finite = np.isfinite(spatial(state.projection.coordinates)).all(axis=1)
    rows = np.flatnonzero(finite & state.shown)
    positions = np.stack(np.unravel_index(state.rows[rows], state.values.grid_shape), axis=1)
    numbers = {"image": positions[:, 0]}
    for axis, name in enumerate(NAMES[len(state.values.spatial)]):
        numbers[name] = positions[:, 1 + axis]
    labels: tuple[str, ...] = ()
    if state.run.labels is not None:
        labels = tuple(sorted(set(state.run.labels)))
        number = {name: code for code, name in enumerate(labels)}
        numbers["label"] = np.array([number[name] for name in state.run.labels])[positions[:, 0]]
    numbers["selected"] = state.selected[rows].astype(np.int64)
    left = []
    if not finite.all():
        left.append(f"{plural(int((~finite).sum()), 'point')} without a finite place")
    if len(rows) < finite.sum():
        left.append(f"{plural(int(finite.sum()) - len(rows), 'point')} that a filter hides")
    points = Points(
        f"{state.run.name} · {state.projection.layer} · {state.projection.method}",
        spatial(state.projection.coordinates)[rows].astype(np.float32),
        scene.colouring().colours[rows],
        {name: np.asarray(column, np.int32) for name, column in numbers.items()},
        labels,
        state.run.image_names,
    )
    return points, tuple(left)


def write_ply(points: Points, path: Path) -> None:
    """Binary little-endian PLY; names are in comments, a number and a name each."""
    columns: list[tuple[str, str, str]] = [(axis, "float", "<f4") for axis in "xyz"]
    columns += [(name, "uchar", "u1") for name in ("red", "green", "blue")]
    columns += [(name, "int", "<i4") for name in points.numbers]
    table = np.empty(len(points.places), [(name, kind) for name, _, kind in columns])
    for axis, name in enumerate("xyz"):
        table[name] = points.places[:, axis]
    for channel, name in enumerate(("red", "green", "blue")):
        table[name] = points.colours[:, channel]
    for name, column in points.numbers.items():
        table[name] = column
    comments = [points.title, *(f"label {code} {name}" for code, name in enumerate(points.labels))]
    lines = ["ply", "format binary_little_endian 1.0"]
    # A header is ASCII: other letters are escaped, and no name can end a line.
    lines += [
        "comment " + printable(words).encode("ascii", "backslashreplace").decode() for words in comments
    ]
    lines += [f"element vertex {len(table)}", *(f"property {kind} {name}" for name, kind, _ in columns)]
    head = "\n".join([*lines, "end_header"]) + "\n"
    with path.open("wb") as file:
        file.write(head.encode("ascii"))
        table.tofile(file)


def write_vtp(points: Points, path: Path) -> None:
    """VTK's XML of polygonal data, compressed, as ParaView and PyVista read it."""
    import pyvista
    from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

    mesh = pyvista.PolyData(points.places)
    mesh.point_data["colours"] = points.colours
    for name, column in points.numbers.items():
        # Wherever there is a number, the name beside it is what a reader looks for.
        mesh.point_data["label_number" if name == "label" else name] = column
    if points.labels:
        names = np.array([printable(name) for name in points.labels])
        mesh.point_data["label"] = names[points.numbers["label"]]
    mesh.point_data["name"] = np.array([printable(name) for name in points.images])[points.numbers["image"]]
    mesh.point_data.active_scalars_name = "colours"
    writer = vtkXMLPolyDataWriter()
    writer.SetInputData(mesh)
    writer.SetDataModeToBinary()
    writer.WriteToOutputStringOn()  # to a file it would write what a full disk holds, and say nothing
    writer.Write()
    path.write_text(writer.GetOutputString(), encoding="utf-8")


def write_glb(points: Points, path: Path) -> None:
    """Binary glTF 2.0."""
    content, binary = _gltf(points)
    text = _padded(json.dumps({**content, "buffers": [{"byteLength": len(binary)}]}).encode("ascii"), b" ")
    whole = 12 + 8 + len(text) + 8 + len(binary)
    if whole > LARGEST:
        raise InputError(f"{path.name}: {whole:,} bytes, more than a GLB can hold; write .ply or .vtp")
    with path.open("wb") as file:
        file.write(struct.pack("<4sII", b"glTF", 2, whole))
        file.write(struct.pack("<II", len(text), JSON_CHUNK) + text)
        file.write(struct.pack("<II", len(binary), BINARY_CHUNK) + binary)


def write_gltf(points: Points, path: Path) -> None:
    """Write glTF 2.0 as one JSON file that holds its numbers."""
    content, binary = _gltf(points)
    uri = "data:application/octet-stream;base64," + base64.b64encode(binary).decode("ascii")
    content["buffers"] = [{"byteLength": len(binary), "uri": uri}]
    path.write_text(json.dumps(content), encoding="ascii")


def _gltf(points: Points) -> tuple[dict[str, Any], bytes]:
    """Describe the points as glTF does, without the buffer, and give the buffer.

    Colours are linear light, as glTF has them. What each point is stands in attributes of our own, as
    floats, for integers of 32 bits are not allowed there; names stand in `extras`.
    """
    attributes: dict[str, NDArray[Any]] = {
        "POSITION": points.places.astype("<f4"),
        "COLOR_0": _linear(points.colours),
    }
    for name, column in points.numbers.items():
        attributes[f"_{name.upper()}"] = column.astype("<f4")
    views, accessors, parts, offset = [], [], [], 0
    for array in attributes.values():
        part = _padded(array.tobytes(), b"\0")
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": array.nbytes, "target": ARRAY_BUFFER})
        accessors.append(_accessor(array, len(views) - 1))
        parts.append(part)
        offset += len(part)
    accessors[0] |= {"min": points.places.min(axis=0).tolist(), "max": points.places.max(axis=0).tolist()}
    at = {name: index for index, name in enumerate(attributes)}
    extras = {"labels": list(points.labels), "images": list(points.images)}
    content: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "activation-explorer"},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": points.title}],
        "meshes": [
            {"primitives": [{"attributes": at, "mode": POINTS, "material": 0}], "extras": extras},
        ],
        "materials": [{"extensions": {"KHR_materials_unlit": {}}, "pbrMetallicRoughness": {}}],
        "accessors": accessors,
        "bufferViews": views,
    }
    return content, b"".join(parts)


def _accessor(array: NDArray[Any], view: int) -> dict[str, Any]:
    """How glTF reads an array (n,) or (n, k)."""
    kind = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}[1 if array.ndim == 1 else array.shape[1]]
    short = array.dtype.kind == "u"
    found = {"bufferView": view, "count": len(array), "type": kind}
    found["componentType"] = UNSIGNED_SHORT if short else FLOAT
    return found | {"normalized": True} if short else found


def _linear(colours: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Colours of sRGB (n, 3) as linear red, green, blue and opacity (n, 4): 16 bits keep all steps."""
    part = np.arange(256) / 255
    light = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    table = np.rint(light * 65535).astype("<u2")
    return np.concatenate([table[colours], np.full((len(colours), 1), 65535, "<u2")], axis=1)


def _padded(part: bytes, by: bytes) -> bytes:
    """Bytes at a length that four divides."""
    return part + by * (-len(part) % 4)


WRITERS = {".glb": write_glb, ".gltf": write_gltf, ".ply": write_ply, ".vtp": write_vtp}
