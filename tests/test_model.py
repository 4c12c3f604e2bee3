from pathlib import Path

import pytest

import explorer
from explorer.capture import registry
from explorer.capture.protocol import Adapter


def test_every_shipped_adapter_is_installed_and_keeps_the_protocol() -> None:
    found = registry.installed_adapters()
    assert {"arrays", "flax-linen", "flax-nnx"} <= set(found)
    for name in ("arrays", "flax-linen", "flax-nnx"):
        adapter = found[name]
        assert isinstance(adapter, type), adapter
        for member in ("open", "layers", "capture", "requires"):
            assert hasattr(adapter, member)
    assert issubclass(type(Adapter), type)


def test_every_adapter_says_whether_it_is_usable() -> None:
    states = {state.name: state.problem for state in registry.adapter_states()}
    assert states["flax-linen"] == ""


def test_an_adapter_that_does_not_load_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        name = "broken"

        def load(self) -> None:
            raise RuntimeError("boom")

    registry.installed_adapters.cache_clear()
    real = registry.entry_points
    monkeypatch.setattr(registry, "entry_points", lambda: [Broken(), *real()])
    states = {state.name: state.problem for state in registry.adapter_states()}
    registry.installed_adapters.cache_clear()
    assert states["broken"] == "does not load: boom"
    assert states["arrays"] == ""


def test_a_missing_framework_is_an_error_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    class Needy:
        requires = ("absent_framework",)

        @classmethod
        def open(cls, source: object, options: object) -> None:
            import absent_framework  # noqa: F401

    monkeypatch.setattr(registry, "installed_adapters", lambda: {"needy": Needy})
    with pytest.raises(explorer.MissingExtraError, match=r"activation-explorer\[needy\]"):
        explorer.load_model(object())
    assert "needs absent_framework" in registry.adapter_states()[0].problem


def test_what_no_adapter_takes_is_one_line_that_lists_the_installed() -> None:
    with pytest.raises(explorer.ModelError, match="flax-linen"):
        explorer.load_model(object())


def test_no_such_model(tmp_path: Path) -> None:
    with pytest.raises(explorer.ModelError, match="no such file"):
        explorer.load_model(tmp_path / "net.onnx")


def test_an_unknown_adapter_name_is_one_line() -> None:
    with pytest.raises(explorer.ModelError, match="did you mean flax-linen"):
        explorer.load_model(object(), adapter="flax-linnen")


def test_the_demo_models_open_by_file_and_by_folder() -> None:
    from explorer.demo import DIGITS

    model = explorer.load_model(DIGITS)
    assert explorer.load_model(DIGITS.parent).provenance["digest"] == model.provenance["digest"]
    names = [info.name for info in model.layers()]
    assert model.default_layer() in names
    assert len(set(names)) == len(names)
