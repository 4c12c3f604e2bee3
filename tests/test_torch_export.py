"""Programs of torch.export: every operation a layer, nothing of the file's run but tensor operations."""

from __future__ import annotations

import io
import json
import pickle
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch_networks import ResNet, UNet, ViT, filled  # noqa: E402

import explorer  # noqa: E402
from explorer.adapters.torch_modules import TorchModules  # noqa: E402
from explorer.capture.conformance import check_adapter  # noqa: E402
from explorer.capture.protocol import ModelOptions  # noqa: E402
from explorer.errors import MissingExtraError, ModelError  # noqa: E402


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def exported(module: nn.Module, *shape: int, dynamic: dict[int, Any] | None = None) -> io.BytesIO:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(
            module.eval(), (torch.zeros(shape),), dynamic_shapes=None if dynamic is None else (dynamic,)
        )
        buffer = io.BytesIO()
        torch.export.save(program, buffer)
    return buffer


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("programs")
    batch = torch.export.Dim("batch", min=1, max=1024)
    height, width = (torch.export.Dim(name, min=2, max=64) for name in ("height", "width"))
    made = {
        "resnet": exported(filled(ResNet()), 2, 3, 8, 8, dynamic={0: batch}),
        "vit": exported(filled(ViT()), 1, 3, 12, 20),
        "unet": exported(filled(UNet()), 2, 3, 8, 12, dynamic={0: batch, 2: 4 * height, 3: 4 * width}),
    }
    for name, buffer in made.items():
        (folder / f"{name}.pt2").write_bytes(buffer.getvalue())
    return {name: folder / f"{name}.pt2" for name in made}


def opened(path: Path, **options: Any) -> TorchModules:
    adapter = TorchModules.open(path, ModelOptions(**options))
    assert adapter is not None
    return adapter


CASES = {"resnet": (ResNet, (8, 8, 3)), "vit": (ViT, (12, 20, 3)), "unet": (UNet, (8, 12, 3))}


@pytest.mark.parametrize("name", CASES)
def test_every_program_keeps_the_contract(name: str, files: dict[str, Path]) -> None:
    check_adapter(opened(files[name]), images(3, *CASES[name][1]))


@pytest.mark.parametrize("name", CASES)
def test_what_was_a_module_answers_as_the_module_does(name: str, files: dict[str, Path]) -> None:
    make, shape = CASES[name]
    program, module = opened(files[name]), TorchModules.open(filled(make()), ModelOptions())
    here, there = ({info.name: info for info in adapter.layers(shape)} for adapter in (program, module))
    # the answers of attention and of the whole are several there
    both = [layer for layer in there if layer in here]
    assert {layer for layer in there if ".attention" not in layer and "output" not in layer} <= set(both)
    inputs = images(3, *shape)
    found, expected = program.capture(inputs, both), module.capture(inputs, both)
    for layer in both:
        assert here[layer].shape == there[layer].shape, layer
        np.testing.assert_allclose(found[layer].values, expected[layer].values, atol=1e-5, err_msg=layer)


def test_operations_that_were_no_modules_have_names(files: dict[str, Path]) -> None:
    adapter = opened(files["resnet"])
    infos = {info.name: info for info in adapter.layers((8, 8, 3))}
    assert [name for name in infos if name in ("add", "add_1", "flatten")] == ["add", "add_1", "flatten"]
    assert (infos["add"].kind, infos["stem"].kind, infos["stem"].parameters) == ("add", "Conv2d", 112)
    captured = adapter.capture(images(2, 8, 8, 3), ["add", "blocks.0", "blocks.0.drop", "act#1"])
    values = {name: activations.values for name, activations in captured.items()}
    np.testing.assert_allclose(values["add"], values["blocks.0.drop"] + values["act#1"], atol=1e-6)
    assert values["add"].min() < 0 <= values["blocks.0"].min()  # before the ReLU that works in place
    np.testing.assert_allclose(np.maximum(values["add"], 0), values["blocks.0"], atol=1e-6)


def test_shapes_are_known_from_the_file_and_others_refused(files: dict[str, Path]) -> None:
    model = explorer.load_model(files["vit"])
    assert {info.name: info.shape for info in model.layers()}["norm"] == (3, 5, 6)
    with pytest.raises(
        ModelError, match=r"exported for inputs \(1, 3, 12, 20\), and is given \(1, 3, 12, 24\)"
    ):
        model.layers((12, 24, 3))
    with pytest.raises(ModelError, match=r"exported for inputs \(any, 3, 8, 8\)"):
        opened(files["resnet"]).capture(images(2, 8, 9, 3), ["stem"])
    wide = opened(files["unet"]).capture(images(2, 16, 20, 3), ["middle"])["middle"]
    assert wide.values.shape == (2, 8, 10, 8)


def test_a_batch_of_one_size_is_filled_up_and_cut(files: dict[str, Path]) -> None:
    adapter, inputs = opened(files["vit"]), images(5, 12, 20, 3)
    whole = adapter.capture(inputs, ["head"])["head"].values
    assert whole.shape == (5, 7)
    np.testing.assert_allclose(adapter.capture(inputs[3:4], ["head"])["head"].values, whole[3:4], atol=1e-6)


def test_a_program_in_memory_is_taken_too(files: dict[str, Path]) -> None:
    program = torch.export.load(files["resnet"])
    model = explorer.load_model(program)
    inputs = images(2, 8, 8, 3)
    found = model.adapter.capture(inputs, ["twice#2"])["twice#2"].values
    assert np.array_equal(found, opened(files["resnet"]).capture(inputs, ["twice#2"])["twice#2"].values)
    assert model.provenance["digest"] == opened(files["resnet"]).provenance["digest"]
    digest = TorchModules.open(filled(ResNet()), ModelOptions()).provenance["digest"]
    assert model.provenance["digest"] == digest


def test_training_mode_is_taken_out_of_a_program(tmp_path: Path) -> None:
    module = filled(ResNet()).train()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(module, (torch.zeros(2, 3, 8, 8),))
        torch.export.save(program, tmp_path / "net.pt2")
    adapter, inputs = opened(tmp_path / "net.pt2"), images(4, 8, 8, 3)
    check_adapter(adapter, inputs)
    expected = TorchModules.open(filled(ResNet()), ModelOptions()).capture(inputs, ["head"])["head"].values
    np.testing.assert_allclose(adapter.capture(inputs, ["head"])["head"].values, expected, atol=1e-5)


def test_an_early_layer_ends_the_run(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = opened(files["resnet"])
    adapter.layers((8, 8, 3))
    ran: list[str] = []
    for step in adapter._forward._steps:
        run = step.run
        object.__setattr__(
            step, "run", lambda run=run, name=step.name, **given: (ran.append(name), run(**given))[1]
        )
    adapter.capture(images(2, 8, 8, 3), ["blocks.0.conv"])
    assert ran == ["conv2d", "relu_", "conv2d_1"]


def edited(path: Path, folder: Path, edit: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy of a program whose members were changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    edit(members)
    with zipfile.ZipFile(folder / "edited.pt2", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return folder / "edited.pt2"


def graph(change: Callable[[Any], None]) -> Callable[[dict[str, bytes]], None]:
    """An edit of the program's JSON."""

    def edit(members: dict[str, bytes]) -> None:
        name = next(name for name in members if name.endswith("models/model.json"))
        program = json.loads(members[name])
        change(program)
        members[name] = json.dumps(program).encode()

    return edit


def target(name: str, **arguments: Any) -> Callable[[dict[str, bytes]], None]:
    """The first operation made another one."""

    def change(program: Any) -> None:
        node = program["graph_module"]["graph"]["nodes"][0]
        node["target"] = name
        if arguments:
            node["inputs"] = [{"name": name, "arg": arg, "kind": 1} for name, arg in arguments.items()]

    return graph(change)


def weights(change: Callable[[Any], None], folder: str = "weights") -> Callable[[dict[str, bytes]], None]:
    def edit(members: dict[str, bytes]) -> None:
        name = next(name for name in members if name.endswith(f"_{folder}_config.json"))
        config = json.loads(members[name])
        change(config["config"])
        members[name] = json.dumps(config).encode()

    return edit


class Touch:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("open('canary', 'w').close()",)


def pickled_sample(members: dict[str, bytes]) -> None:
    name = next(name for name in members if "sample_inputs" in name)
    members[name] = pickle.dumps(Touch())


def expression(program: Any) -> None:
    values = program["graph_module"]["graph"]["tensor_values"]
    values["x"]["sizes"][0] = {
        "as_expr": {"expr_str": "__import__('os').system('touch canary')", "hint": None}
    }


@pytest.mark.parametrize("edit", [pickled_sample, graph(expression)])
def test_what_the_framework_would_run_on_loading_is_not_run(
    edit: Callable[..., None], files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = edited(files["resnet"], tmp_path, edit)
    adapter = opened(path)
    assert adapter.capture(images(2, 8, 8, 3), ["head"])["head"].values.shape == (2, 3)
    assert not (tmp_path / "canary").exists()


OPAQUE = {
    "config": {"x": {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}}
}


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (target("torch.load"), r"has the operation 'torch\.load', which is not run"),
        (target("torch.hub.load"), "which is not run"),
        (target("torch.ops.load_library"), "which is not run"),
        (target("torch.ops.aten.from_file.default"), "which is not run"),
        (target("torch.ops.aten.__class__.default"), "which is not run"),
        (target("torch.ops.aten.conv2d.__call__"), "which is not run"),
        (target("torch.ops.aten.conv2d.default.__globals__"), "which is not run"),
        (target("torch.ops.higher_order.cond"), "which is not run"),
        (target("torch.ops.prims.iota.default"), "which is not run"),
        (target("_operator.attrgetter"), "which is not run"),
        (target("math.__loader__"), "which is not run"),
        (target("#namespace:op"), "which is not run"),
        (target("torch.ops.aten.gelu.default", approximate={"as_string": "/etc/passwd"}), "not passed on"),
        (target("torch.ops.aten.add.Tensor", self={"as_graph": {"name": "g", "graph": {}}}), "as_graph"),
        (weights(lambda config: config["stem.weight"].update(use_pickle=True)), "as a pickle"),
        (weights(lambda config: config.update(OPAQUE["config"]), "constants"), "as a pickle"),
        (weights(lambda config: config.pop("stem.weight")), r"has no weight 'stem\.weight'"),
        (weights(lambda config: config["stem.weight"].update(path_name="../../x")), "cannot be read"),
        (
            weights(lambda config: config["stem.weight"]["tensor_meta"]["sizes"][0].update(as_int=10**6)),
            "larger than its storage",
        ),
        (
            weights(lambda config: config["stem.weight"]["tensor_meta"]["sizes"][0].update(as_int=-1)),
            "no shape",
        ),
        (weights(lambda config: config["stem.weight"]["tensor_meta"].update(dtype=99)), "no word for"),
        (graph(lambda program: program["schema_version"].update(major=99)), "schema version 99, expected 8"),
        (graph(lambda program: program.pop("graph_module")), "cannot be read"),
        (graph(lambda program: program["graph_module"]["graph"]["nodes"][0].pop("inputs")), "cannot be read"),
        (
            graph(lambda program: program["graph_module"]["signature"]["input_specs"].pop()),
            "takes 0 tensors, expected one",
        ),
        (
            lambda members: members.update({"edited/data/aotinductor/model/x.so": b"\x7fELF"}),
            "brings compiled code, which is not loaded",
        ),
    ],
)
def test_a_hostile_or_damaged_program_is_refused_in_one_line(
    edit: Callable[..., None], said: str, files: dict[str, Path], tmp_path: Path
) -> None:
    path = edited(files["resnet"], tmp_path, edit)
    with pytest.raises(ModelError, match=said) as caught:
        opened(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_program_is_refused(tmp_path: Path, files: dict[str, Path]) -> None:
    (tmp_path / "text.pt2").write_text("no zip file")
    whole = files["resnet"].read_bytes()
    (tmp_path / "half.pt2").write_bytes(whole[: len(whole) // 2])
    for path in (tmp_path / "text.pt2", tmp_path / "half.pt2"):
        with pytest.raises(ModelError, match=r"cannot be read as a torch\.export program") as caught:
            opened(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="no such file"):
        opened(tmp_path / "absent.pt2")
    with pytest.raises(ModelError, match="a program brings its own weights"):
        opened(files["resnet"], checkpoint=tmp_path / "net.pt")


def test_without_pytorch_the_extra_is_named(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    with pytest.raises(
        MissingExtraError, match=r"torch needs torch: pip install 'activation-explorer\[torch\]'"
    ):
        explorer.load_model(files["resnet"])


def test_channels_last_programs_say_their_shape() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Linear(3, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.dense(x))

    adapter = TorchModules.open(torch.export.export(Last(), (torch.zeros(1, 6, 7, 3),)), ModelOptions())
    assert [(info.name, info.shape) for info in adapter.layers(None)] == [
        ("dense", (6, 7, 5)),
        ("relu", (6, 7, 5)),
        ("output", (6, 7, 5)),
    ]


def test_values_are_let_go_when_nothing_needs_them_and_weights_stay_as_they_are(tmp_path: Path) -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.count.add_(1.0)
            return x * self.count

    adapter = TorchModules.open(torch.export.export(Counting(), (torch.zeros(2, 3),)), ModelOptions())
    inputs = images(2, 3)
    for _ in range(3):
        assert np.array_equal(adapter.capture(inputs, ["output"])["output"].values, inputs)
    chain = nn.Sequential(*(nn.Linear(3, 3) for _ in range(9)))
    program = TorchModules.open(torch.export.export(chain, (torch.zeros(2, 3),)), ModelOptions())
    kept = [len(step.over) for step in program._forward._steps]
    assert kept == [3] * 9  # what came in, and the weights' own names


def test_a_permutation_moves_the_channels_in_a_program_of_one_size_too() -> None:
    class Windows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.dense = nn.Conv2d(3, 8, 4, stride=4), nn.Linear(8, 6)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x).permute(0, 2, 3, 1)
            return torch.relu(self.dense(x).view(1, 2, 4, 6))  # which holds it to its size

    program = torch.export.export(Windows(), (torch.zeros(1, 3, 8, 16),))
    infos = TorchModules.open(program, ModelOptions()).layers(None)
    assert {info.name: info.shape for info in infos} == {
        "conv": (2, 4, 8),
        "permute": (2, 4, 8),
        "dense": (2, 4, 6),
        "view": (2, 4, 6),
        "output": (2, 4, 6),
        "relu": (2, 4, 6),
    }


def test_two_inputs_are_refused(tmp_path: Path) -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x + y

    program = torch.export.export(Two(), (torch.zeros(2, 3), torch.zeros(2, 3)))
    torch.export.save(program, tmp_path / "two.pt2")
    with pytest.raises(ModelError, match="takes 2 tensors, expected one: the images"):
        opened(tmp_path / "two.pt2")
