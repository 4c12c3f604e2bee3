"""Points come back from their files as they are in the projection, with their colours and places."""

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista
from numpy.typing import NDArray
from test_scene import made

from explorer.errors import InputError
from explorer.render.linked.colouring import hide
from explorer.render.linked.scene import Scene

TYPES = {5126: np.dtype("<f4"), 5123: np.dtype("<u2")}
WIDE = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}


def expected(scene: Scene) -> dict[str, NDArray[Any]]:
    projection = scene.projection
    places = np.pad(projection.coordinates, ((0, 0), (0, 3 - projection.n_components)))
    positions = projection.positions()
    labels = np.array([sorted(set("ab")).index("ab"[image % 2]) for image in positions[:, 0]])
    selected = scene.state.selected.astype(int)
    return {"places": places, "colours": scene.colouring().colours, "image": positions[:, 0]} | {
        "row": positions[:, 1],
        "column": positions[:, 2],
        "label": labels,
        "selected": selected,
    }


def read_gltf(path: Path) -> tuple[dict[str, Any], bytes]:
    if path.suffix == ".gltf":
        content = json.loads(path.read_text())
        return content, base64.b64decode(content["buffers"][0]["uri"].split(",")[1])
    data = path.read_bytes()
    magic, version, whole, n, kind = struct.unpack("<4sIIII", data[:20])
    assert (magic, version, whole, kind) == (b"glTF", 2, len(data), 0x4E4F534A)
    m, kind = struct.unpack("<II", data[20 + n : 28 + n])
    assert kind == 0x004E4942
    assert n % 4 == m % 4 == 0
    return json.loads(data[20 : 20 + n]), data[28 + n : 28 + n + m]


def gltf_arrays(content: dict[str, Any], binary: bytes) -> dict[str, NDArray[Any]]:
    primitive = content["meshes"][0]["primitives"][0]
    assert primitive["mode"] == 0
    out = {}
    for name, index in primitive["attributes"].items():
        accessor = content["accessors"][index]
        view = content["bufferViews"][accessor["bufferView"]]
        part = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        array = np.frombuffer(part, TYPES[accessor["componentType"]])
        out[name] = array.reshape(accessor["count"], WIDE[accessor["type"]])
    return out


def srgb(linear: NDArray[Any]) -> NDArray[np.uint8]:
    part = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(part * 255).astype(np.uint8)


def chosen(components: int = 3) -> Scene:
    scene = made(components=components, every=3)
    scene.select(1, 0, 1)
    return scene


@pytest.mark.parametrize("components", [2, 3])
@pytest.mark.parametrize("ending", ["glb", "gltf"])
def test_gltf_holds_every_point(tmp_path: Path, ending: str, components: int) -> None:
    scene = chosen(components)
    path, wanted = scene.export(tmp_path / f"a.{ending}"), expected(scene)
    content, binary = read_gltf(path)
    found = gltf_arrays(content, binary)
    np.testing.assert_array_equal(found["POSITION"], wanted["places"])
    np.testing.assert_array_equal(srgb(found["COLOR_0"][:, :3] / 65535), wanted["colours"])
    assert (found["COLOR_0"][:, 3] == 65535).all()
    for name in ("image", "row", "column", "label", "selected"):
        np.testing.assert_array_equal(found[f"_{name.upper()}"][:, 0], wanted[name])
    assert content["meshes"][0]["extras"]["labels"] == ["a", "b"]
    position = content["accessors"][0]
    np.testing.assert_array_equal(position["min"], wanted["places"].min(axis=0))
    mesh = pyvista.read(path)
    while isinstance(mesh, pyvista.MultiBlock):
        mesh = mesh[0]
    np.testing.assert_array_equal(mesh.points, wanted["places"])


def test_all_256_steps_of_a_colour_survive_linear_light() -> None:
    from explorer.render.export.point_files import _linear

    grey = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    np.testing.assert_array_equal(srgb(_linear(grey)[:, :3] / 65535), grey)


def test_ply_holds_every_point(tmp_path: Path) -> None:
    scene = chosen()
    path, wanted = scene.export(tmp_path / "a.ply"), expected(scene)
    head, _, body = path.read_bytes().partition(b"end_header\n")
    lines = head.decode("ascii").splitlines()
    assert "comment label 1 b" in lines
    kinds = {"float": "<f4", "uchar": "u1", "int": "<i4"}
    columns = [(line.split()[2], kinds[line.split()[1]]) for line in lines if line.startswith("property")]
    table = np.frombuffer(body, columns)
    assert len(table) == scene.projection.n_samples
    np.testing.assert_array_equal(np.stack([table[a] for a in "xyz"], 1), wanted["places"])
    colours = np.stack([table[c] for c in ("red", "green", "blue")], 1)
    np.testing.assert_array_equal(colours, wanted["colours"])
    for name in ("image", "row", "column", "label", "selected"):
        np.testing.assert_array_equal(table[name], wanted[name])
    mesh = pyvista.read(path)
    np.testing.assert_array_equal(mesh.points, wanted["places"])
    np.testing.assert_array_equal(mesh["RGB"], wanted["colours"])


def test_vtp_holds_every_point_and_its_names(tmp_path: Path) -> None:
    scene = chosen()
    mesh, wanted = pyvista.read(scene.export(tmp_path / "a.vtp")), expected(scene)
    np.testing.assert_array_equal(mesh.points, wanted["places"])
    np.testing.assert_array_equal(mesh["colours"], wanted["colours"])
    for name in ("image", "row", "column", "selected"):
        np.testing.assert_array_equal(mesh[name], wanted[name])
    assert list(mesh["label"]) == ["ab"[image % 2] for image in wanted["image"]]
    assert list(mesh["name"]) == [scene.state.run.image_names[image] for image in wanted["image"]]


def test_what_a_filter_hides_is_left_out_and_said(tmp_path: Path) -> None:
    from explorer.render.export.point_files import export_points

    scene = chosen()
    hide(scene.state, "b")
    told = export_points(scene, tmp_path / "a.ply")
    n = int(scene.state.shown.sum())
    assert 0 < n < scene.projection.n_samples
    assert told.left == (f"{scene.projection.n_samples - n} points that a filter hides",)
    assert pyvista.read(tmp_path / "a.ply").n_points == n


def test_points_without_a_finite_place_are_left_out(tmp_path: Path) -> None:
    from explorer.render.export.point_files import export_points

    scene = chosen()
    scene.projection.coordinates[3] = np.nan
    told = export_points(scene, tmp_path / "a.glb")
    assert told.left == ("1 point without a finite place",)
    scene.projection.coordinates[:] = np.nan
    with pytest.raises(InputError, match="no point"):
        export_points(scene, tmp_path / "b.glb")
    assert not (tmp_path / "b.glb").exists()
