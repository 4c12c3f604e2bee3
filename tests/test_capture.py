import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Toy

import explorer
from explorer.capture import open_inputs
from explorer.capture.model import Model
from explorer.capture.preprocessing import Preprocessing


def model(digest: str = "toy weights") -> Model:
    return Model(
        Toy(digest), "toy", "toy", Preprocessing(size=(8, 8), channels="gray"), input_shape=(8, 8, 1)
    )


def test_every_value_is_that_of_its_own_image(toy: Model, folder: Path, tmp_path: Path) -> None:
    run = explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run", memory=20_000)
    inputs = open_inputs(toy, folder)
    for index in range(10):
        one = toy.adapter.capture(inputs.load(index)[0][None], ["half"])["half"].values[0]
        np.testing.assert_array_equal(run["half"].values[index], one)


def test_batches_stay_within_the_memory(toy: Model, folder: Path, tmp_path: Path) -> None:
    explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run", memory=20_000)
    each = 4 * (4 * 4 * 5 + 3 * 8 * 8)
    assert max(size for size, _ in toy.adapter.calls) <= 20_000 // (3 * each)
    assert sum(size for size, _ in toy.adapter.calls) == 10


def test_broken_images_are_skipped_said_and_recorded(
    toy: Model, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a" / "00.png").write_bytes(b"not a picture")
    (folder / "b" / "99.png").write_bytes(b"")
    run = explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run", memory=20_000)
    said = capsys.readouterr().err
    assert run.n_images == 10
    assert len(run.labels or ()) == 10
    assert [entry["name"] for entry in run.manifest["images"]["skipped"]] == ["a/00.png", "b/99.png"]
    assert "00.png" in said
    assert "skipped 2" in said


def test_when_no_image_can_be_read_it_is_an_error(toy: Model, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(explorer.InputError, match="none of the 1 inputs"):
        explorer.capture(toy, tmp_path / "a.png", layers=["half"], out=tmp_path / "run")


def test_the_same_capture_again_computes_nothing(folder: Path, tmp_path: Path) -> None:
    explorer.capture(model(), folder, layers=["half"], out=tmp_path / "run")
    again = model()
    explorer.capture(again, folder, layers=["half"], out=tmp_path / "run")
    assert again.adapter.calls == []


def test_another_layer_is_added_to_a_run(folder: Path, tmp_path: Path) -> None:
    before = explorer.capture(model(), folder, layers=["half"], out=tmp_path / "run")["half"].values
    again = model()
    run = explorer.capture(again, folder, layers=["half", "flat"], out=tmp_path / "run")
    assert {layers for _, layers in again.adapter.calls} == {("flat",)}
    assert run.layers == ("half", "flat")
    np.testing.assert_array_equal(run["half"].values, before)


class Dying(Toy):
    """Is interrupted at its third batch."""

    def capture(self, inputs, layers):
        if len(self.calls) == 2:
            raise KeyboardInterrupt
        return super().capture(inputs, layers)


def test_an_interrupted_capture_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    (folder / "a" / "00.png").write_bytes(b"not a picture")
    whole = explorer.capture(model(), folder, layers=["half"], out=tmp_path / "whole", memory=7_000)
    dying = Model(Dying(), "toy", "toy", model().preprocessing, input_shape=(8, 8, 1))
    with pytest.raises(KeyboardInterrupt):
        explorer.capture(dying, folder, layers=["half"], out=tmp_path / "run", memory=7_000)
    with pytest.raises(explorer.RunError, match="not finished"):
        explorer.open_run(tmp_path / "run")
    again = model()
    run = explorer.capture(again, folder, layers=["half"], out=tmp_path / "run", memory=7_000)
    assert 0 < sum(size for size, _ in again.adapter.calls) < 10
    np.testing.assert_array_equal(run["half"].values, whole["half"].values)
    assert run.manifest["images"] == whole.manifest["images"]
    assert run.picture(9) is not None
    np.testing.assert_array_equal(run.picture(9), whole.picture(9))


def test_another_models_run_is_not_overwritten_unless_asked(folder: Path, tmp_path: Path) -> None:
    explorer.capture(model(), folder, layers=["half"], out=tmp_path / "run")
    with pytest.raises(explorer.RunError, match="another model"):
        explorer.capture(model("other weights"), folder, layers=["half"], out=tmp_path / "run")
    explorer.capture(model("other weights"), folder, layers=["half"], out=tmp_path / "run", overwrite=True)


def test_a_folder_that_is_no_run_is_never_overwritten(toy: Model, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    for overwrite in (False, True):
        with pytest.raises(explorer.RunError, match="not a run"):
            explorer.capture(toy, folder, layers=["half"], out=tmp_path / "mine", overwrite=overwrite)
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_images_of_different_sizes_need_a_declared_size(folder: Path, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (9, 9)).save(folder / "a" / "0.png")
    loose = Model(Toy(), "toy", "toy", Preprocessing(channels="gray"))
    with pytest.raises(explorer.InputError, match=r"declare a size"):
        explorer.capture(loose, folder, layers=["half"], out=tmp_path / "run")


def test_labels_can_be_given(toy: Model, folder: Path, tmp_path: Path) -> None:
    names = [str(index) for index in range(10)]
    run = explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run", labels=names)
    assert run.labels == tuple(names)
    with pytest.raises(explorer.InputError, match="2 labels for 10 inputs"):
        explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run2", labels=["a", "b"])


def test_an_unknown_layer_leaves_nothing_computed(toy: Model, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(explorer.LayerError, match="did you mean half"):
        explorer.capture(toy, folder, layers=["hallf"], out=tmp_path / "run")
    assert toy.adapter.calls == []


def test_the_last_spatial_layer_is_the_default(toy: Model, folder: Path, tmp_path: Path) -> None:
    assert explorer.capture(toy, folder, out=tmp_path / "run").layers == ("half",)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    """A whole process captures 1,000 MB with 64 MB allowed to wait: its peak, in MB, stays far below."""
    code = """
import sys, numpy as np
sys.path.insert(0, sys.argv[2])
import explorer
from conftest import Toy
from explorer.activations import Activations
from explorer.capture.model import Model
from explorer.capture.protocol import LayerInfo

class Wide(Toy):
    def layers(self, input_shape):
        return (LayerInfo("wide", "Toy", (32, 32, 100)),)
    def capture(self, inputs, layers):
        return {"wide": Activations("wide", np.repeat(inputs, 100, axis=-1))}

shape = (int(sys.argv[1]), 32, 32, 1)
values = np.lib.stride_tricks.as_strided(np.ones((32, 32, 1), "f"), shape, (0, 128, 4, 4))
run = explorer.capture(Model(Wide(), "toy", "toy"), values, layers=["wide"], out=sys.argv[3], memory=2**26)
assert run.n_images == int(sys.argv[1])
# Its own peak: what getrusage tells is at least what the process that started it held.
peaks = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(int(peaks[0].split()[1]) // 1024)
"""
    words = [sys.executable, "-c", code, "2500", str(Path(__file__).parent), str(tmp_path / "run")]
    assert int(subprocess.check_output(words, text=True)) < 400


def test_a_changed_recipe_is_another_capture(folder: Path, tmp_path: Path) -> None:
    explorer.capture(model(), folder, layers=["half"], out=tmp_path / "run")
    changed = replace(model(), recipe={"arguments": {"act": "gelu"}})
    with pytest.raises(explorer.RunError, match="another model"):
        explorer.capture(changed, folder, layers=["half"], out=tmp_path / "run")


def test_overwriting_deletes_nothing_before_the_new_capture_is_sure(folder: Path, tmp_path: Path) -> None:
    explorer.capture(model(), folder, layers=["half"], out=tmp_path / "run")
    with pytest.raises(explorer.LayerError):
        explorer.capture(model(), folder, layers=["typo"], out=tmp_path / "run", overwrite=True)
    assert explorer.open_run(tmp_path / "run").layers == ("half",)


def test_overwriting_leaves_what_is_not_of_the_run(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "manifest.json").write_text('{"name": "my app"}')
    with pytest.raises(explorer.RunError, match="not a run"):
        explorer.capture(model(), folder, layers=["half"], out=tmp_path / "app", overwrite=True)
    explorer.capture(model(), folder, layers=["half"], out=tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    explorer.capture(model("other"), folder, layers=["half"], out=tmp_path / "run", overwrite=True)
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_a_layer_of_other_images_is_not_added(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "a" / "0.png").read_bytes()
    (folder / "a" / "0.png").write_bytes(b"x" * len(whole))
    time = (folder / "a" / "0.png").stat().st_mtime_ns
    explorer.capture(model(), folder, layers=["half"], out=tmp_path / "run")
    (folder / "a" / "0.png").write_bytes(whole)
    os.utime(folder / "a" / "0.png", ns=(time, time))
    with pytest.raises(explorer.RunError, match="10 inputs can be read now, but 9"):
        explorer.capture(model(), folder, layers=["flat"], out=tmp_path / "run")
    assert explorer.open_run(tmp_path / "run").layers == ("half",)


def test_two_captures_do_not_write_into_one_folder(folder: Path, tmp_path: Path) -> None:
    from explorer.capture.resume import alone

    (tmp_path / "run").mkdir()
    with alone(tmp_path / "run"), pytest.raises(explorer.RunError, match="another capture is writing"):
        explorer.capture(model(), folder, layers=["half"], out=tmp_path / "run")
    explorer.capture(model(), folder, layers=["half"], out=tmp_path / "run")


def test_links_pipes_and_odd_names_do_not_stop_a_capture(folder: Path, tmp_path: Path) -> None:
    (folder / "a" / "broken.png").symlink_to("nowhere.png")
    (folder / "a" / "loop.png").symlink_to("loop.png")
    os.mkfifo(folder / "a" / "pipe.png")
    (folder / "a" / "new\nline.png").write_bytes((folder / "a" / "0.png").read_bytes())
    run = explorer.capture(model(), folder, layers=["half"], out=tmp_path / "run")
    assert run.n_images == 11
    assert len(run.manifest["images"]["skipped"]) == 2


def test_layers_named_like_folders_have_folders_of_their_own() -> None:
    from explorer.capture.manifest import array_folder

    folders = {array_folder(name) for name in ("", ".", "..", "a", "%", "a.b")}
    assert len(folders) == 6
    assert not folders & {"layers/", "layers/.", "layers/.."}


def test_a_run_tells_what_a_position_sees_of_its_input(tmp_path: Path) -> None:
    import jax.numpy as jnp

    def network(x: jnp.ndarray) -> dict[str, jnp.ndarray]:
        pooled = x.reshape(x.shape[0], 4, 2, 3, 2, 1).mean(axis=(2, 4))
        return {"pooled": pooled, "all": x.sum(axis=(1, 2)), "sorted": jnp.sort(x, axis=1)}

    inputs = np.random.default_rng(0).normal(size=(3, 8, 6, 1)).astype(np.float32)
    loaded = explorer.load_model(network, input_shape=(8, 6, 1))
    run = explorer.capture(loaded, inputs, layers=["pooled", "all"], out=tmp_path / "run")
    assert run.receptive_box("pooled", (2, 1)) == ((4, 6), (2, 4))
    assert run.receptive_box("all", ()) == ((0, 8), (0, 6))
    run = explorer.capture(loaded, inputs, layers=["sorted"], out=tmp_path / "run")
    assert run.receptive_box("sorted", (0, 2)) == ((0, 8), (2, 3))
    assert run.receptive_box("pooled", (2, 1)) == ((4, 6), (2, 4))


def test_a_field_that_nobody_told_is_none(toy: Model, folder: Path, tmp_path: Path) -> None:
    run = explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run")
    assert run.receptive_field("half") is None
    assert run.receptive_box("half", (0, 0)) is None


def test_overwriting_leaves_a_run_of_the_same_capture(folder: Path, tmp_path: Path) -> None:
    explorer.capture(model(), folder, layers=["half"], out=tmp_path / "run")
    run = explorer.capture(model(), folder, layers=["flat"], out=tmp_path / "run", overwrite=True)
    assert run.layers == ("half", "flat")
    run = explorer.capture(model("other"), folder, layers=["flat"], out=tmp_path / "run", overwrite=True)
    assert run.layers == ("flat",)


def test_a_run_in_place_of_a_model_is_told_apart(toy: Model, folder: Path, tmp_path: Path) -> None:
    explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run")
    with pytest.raises(explorer.ModelError, match=r"is a run, captured already; .*view"):
        explorer.load_model(tmp_path / "run")
