"""Receptive fields of ONNX graphs, held against what changes when single pixels change."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx_nets import Net, integer_net, listed, opened, quantised_net, residual_net, saved, transformer

HEIGHT, WIDTH = 11, 14
Support = dict[tuple[int, ...], tuple[tuple[int, int], ...]]


def numbers(net: Net, name: str, *values: int) -> str:
    return net.constant(name, np.array(values, np.int64))


def positive(net: Net, name: str, *shape: int) -> str:
    return net.constant(name, net.rng.uniform(0.5, 1.0, shape).astype(np.float32))


def conv(net: Net, x: str, name: str, size: tuple[int, ...], **attributes: Any) -> str:
    return net.node("Conv", [x, positive(net, f"{name}.w", *size)], name, **attributes)


def windows() -> Any:
    """Convolutions and pooling of every kind of stride, dilation, padding, and their transposes."""
    net = Net()
    a = conv(net, "x", "even", (4, 2, 2, 4), strides=[2, 1], pads=[1, 0, 0, 2])
    conv(net, a, "dilated", (4, 4, 3, 2), dilations=[1, 3], pads=[1, 1, 1, 2])
    conv(net, a, "upper", (4, 4, 4, 3), auto_pad="SAME_UPPER", strides=[3, 2])
    conv(net, a, "lower", (4, 4, 4, 2), auto_pad="SAME_LOWER")
    conv(net, a, "valid", (4, 4, 3, 3), auto_pad="VALID", strides=[2, 2])
    conv(net, "x", "depthwise", (2, 1, 3, 3), group=2)
    net.node("MaxPool", ["x"], "pool", kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1)
    net.node("AveragePool", ["x"], "average", kernel_shape=[3, 4], pads=[1, 2, 1, 1])
    kernel = positive(net, "up.w", 2, 3, 4, 4)
    net.node("ConvTranspose", ["x", kernel], "up", strides=[2, 2], pads=[1, 1, 1, 1])
    kernel = positive(net, "out.w", 4, 3, 3, 3)
    net.node("ConvTranspose", [a, kernel], "out", strides=[3, 2], dilations=[1, 2], output_padding=[1, 0])
    return net.model(("N", 2, HEIGHT, WIDTH), ["out_out"])


def moves() -> Any:
    """Padding, slices, splits, transposes, reshapes, enlargement, sums and concatenations."""
    net = Net(seed=1)
    a = conv(net, "x", "conv", (4, 2, 3, 3), pads=[1, 1, 1, 1])
    b = conv(net, a, "second", (4, 4, 2, 2), pads=[0, 1, 1, 0])
    net.node("Concat", [net.node("Add", [a, b], "sum"), a], "concat", axis=1)
    net.node("Pad", [a, numbers(net, "pads", 0, 0, 2, 0, 0, 0, 1, 3)], "pad")
    cut = [numbers(net, "starts", 1, -9), numbers(net, "ends", 99, 12), numbers(net, "axes", 2, 3)]
    net.node("Slice", [a, *cut, numbers(net, "steps", 2, 3)], "slice")
    net.node("Split", [a, numbers(net, "parts", 3, 8)], "split", outputs=2, axis=2)
    net.node("Transpose", [a], "last", perm=[0, 2, 3, 1])
    net.node("Transpose", [a], "turned", perm=[0, 1, 3, 2])
    net.node("GlobalAveragePool", [a], "global")
    net.node("ReduceMean", [a], "rows", axes=[3], keepdims=0)
    net.node("InstanceNormalization", [a, positive(net, "in.s", 4), positive(net, "in.b", 4)], "instance")
    flat = net.node("Flatten", [a], "flat")
    net.node("Gemm", [flat, positive(net, "gemm.w", 4 * HEIGHT * WIDTH, 3)], "gemm")
    scales = net.constant("scales", np.array([1, 1, 2, 3], np.float32))
    nearest = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    net.node("Resize", [a, "", scales], "nearest", mode="nearest", **nearest)
    net.node("Resize", [a, "", scales], "linear", mode="linear")
    four = net.constant("four", np.array([1, 1, 4, 1], np.float32))
    net.node("Resize", [a, "", four], "cubic", mode="cubic")
    deep = net.node("DepthToSpace", [a], "deep", blocksize=2)
    net.node("SpaceToDepth", [deep], "shallow", blocksize=2)
    scaled = net.node("Mul", [a, net.node("Sigmoid", ["global_out"], "gate")], "excited")
    net.node("Softmax", [scaled], "softmax", axis=1)
    return net.model(("N", 2, HEIGHT, WIDTH), ["softmax_out"])


def lost() -> Any:
    """What is not followed."""
    net = Net(seed=2)
    a = conv(net, "x", "conv", (4, 2, 3, 3), pads=[1, 1, 1, 1])
    net.node("Pad", [a, numbers(net, "pads", 0, 0, 2, 0, 0, 0, 0, 3)], "reflect", mode="reflect")
    net.node("Concat", [a, a], "stacked", axis=2)
    half = net.constant("half", np.array([1, 1, 1.5, 1], np.float32))
    net.node("Resize", [a, "", half], "by_half", mode="linear")
    net.node("CumSum", [a, net.constant("axis", np.array(3))], "cumsum")
    net.node("Gather", [a, numbers(net, "picked", 3, 1, 2)], "picked", axis=2)
    back = [numbers(net, "starts", -1), numbers(net, "ends", -99), numbers(net, "axes", 3)]
    net.node("Slice", [a, *back, numbers(net, "steps", -1)], "reversed")
    flat = net.node("Reshape", [a, numbers(net, "flat", 0, 4, -1)], "tokens")
    net.node("Einsum", [flat], "einsum", equation="ncp->npc")
    net.node("Relu", ["picked_out"], "after")
    return net.model(("N", 2, HEIGHT, WIDTH), ["after_out"])


def supports(adapter: Any, layers: list[str], shape: tuple[int, int, int]) -> dict[str, Support]:
    """By layer and position: the smallest box around the pixels whose change changes it."""
    height, width, channels = shape
    rng = np.random.default_rng(0)
    made = {}
    base = rng.uniform(0.2, 1.0, (1, *shape)).astype(np.float32)
    changed = np.repeat(base, height * width + 1, axis=0)
    for pixel, (row, column) in enumerate(itertools.product(range(height), range(width))):
        changed[pixel, row, column] += rng.uniform(0.5, 1.0, channels)
    for layer, activations in adapter.capture(changed, layers).items():
        values = activations.values.astype(np.float64)
        spatial = values.shape[1:-1]
        differs = (values[:-1] != values[-1:]).any(axis=-1).reshape(height, width, *spatial)
        made[layer] = {}
        for position in itertools.product(*map(range, spatial)):
            places = np.argwhere(differs[(slice(None), slice(None), *position)])
            ends = zip(places.min(0), places.max(0), strict=True) if len(places) else ()
            made[layer][position] = tuple((int(low), int(high) + 1) for low, high in ends)
    return made


def checked(
    path: Path, make: Callable[[], Any], shape: tuple[int, int, int]
) -> tuple[dict[str, Any], dict[str, Support]]:
    """The layers of a graph and their supports; no position sees more than its box."""
    adapter = opened(saved(make(), path))
    infos = listed(adapter, shape)
    seen = supports(adapter, list(infos), shape)
    for name, info in infos.items():
        for position, box in seen[name].items():
            told = info.receptive_field.box(position, shape)
            for (low, high), (least, most) in zip(told, box, strict=bool(box)):
                assert low <= least < most <= high, (name, position, told, box)
    return infos, seen


LOOSE = {"out_out", "nearest", "deep", "shallow", "linear", "cubic", "up"}
"""Behind an enlargement runs follow a pattern, which one size and stride hold with room to spare."""
BORDERS = {"dilated", "upper", "valid", "lower", "pad"}
"""Padding beyond pixels that a layer before has left over."""


@pytest.mark.parametrize("make", [windows, moves])
def test_boxes_hold_what_is_seen_and_no_more(tmp_path: Path, make: Callable[[], Any]) -> None:
    infos, seen = checked(tmp_path / "net.onnx", make, (HEIGHT, WIDTH, 2))
    for name, info in infos.items():
        assert info.receptive_field.how == "computed", (name, info.receptive_field.why)
        for position, box in seen[name].items():
            told = info.receptive_field.box(position, (HEIGHT, WIDTH, 2))
            empty = any(low == high for low, high in told)
            border = any(
                low == 0 or high == size for (low, high), size in zip(told, (HEIGHT, WIDTH), strict=True)
            )
            loose = name in LOOSE or (name in BORDERS and border)
            assert loose or (told == box if box else empty), (name, position, told, box)


def test_behind_an_enlargement_the_box_is_hardly_larger_than_what_is_seen(tmp_path: Path) -> None:
    for make in (windows, moves):
        infos, seen = checked(tmp_path / "net.onnx", make, (HEIGHT, WIDTH, 2))
        for name in LOOSE & set(infos):
            boxes = [box for box in seen[name].values() if box]
            for axis, size in enumerate(infos[name].receptive_field.size):
                assert size <= 1 + max(high - low for low, high in (box[axis] for box in boxes)), name


def test_what_is_not_followed_is_said(tmp_path: Path) -> None:
    infos, _ = checked(tmp_path / "net.onnx", lost, (HEIGHT, WIDTH, 2))
    fields = {name: info.receptive_field for name, info in infos.items()}
    assert fields.pop("conv").how == "computed"
    assert {field.how for field in fields.values()} == {"unknown"}
    for name, why in {
        "reflect": "reflect padding",
        "stacked": "concatenated positions",
        "by_half": "Resize by_half",
        "cumsum": "CumSum cumsum",
        "reversed": "reversed",
        "tokens": "reshape of positions",
        "after_out": "Gather picked",
    }.items():
        assert why in fields[name].why, name


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: residual_net(("N", 3, 12, 10)), (12, 10, 3)),
        (lambda: quantised_net(("N", 3, 9, 8)), (9, 8, 3)),
        (integer_net, (8, 9, 3)),
        (lambda: transformer(shape=("N", 3, 8, 12)), (8, 12, 3)),
    ],
)
def test_networks_as_people_have_them(
    tmp_path: Path, make: Callable[[], Any], shape: tuple[int, int, int]
) -> None:
    checked(tmp_path / "net.onnx", make, shape)


def test_attention_sees_everything(tmp_path: Path) -> None:
    adapter = opened(saved(transformer(shape=("N", 3, 8, 12)), tmp_path / "net.onnx"))
    infos = listed(adapter, (8, 12, 3))
    assert infos["block"].receptive_field.is_whole((8, 12, 3))
    assert infos["logits"].receptive_field.is_whole((8, 12, 3))
    assert infos["patch"].receptive_field.size == (4, 4)
    assert infos["embedded"].receptive_field.how == "unknown"


def test_without_the_size_of_an_input_nothing_is_told(tmp_path: Path) -> None:
    adapter = opened(saved(residual_net(), tmp_path / "net.onnx"))
    assert {info.receptive_field for info in adapter.layers(None)} == {None}
