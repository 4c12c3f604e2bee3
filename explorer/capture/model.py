"""Model: an adapter with the preprocessing, names and origin that belong to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from explorer.capture.model_file import ModelFile, import_factory, read_model_file
from explorer.capture.preprocessing import Preprocessing, read_preprocessing
from explorer.capture.protocol import Adapter, LayerInfo, ModelOptions, plain_name
from explorer.capture.registry import open_source
from explorer.errors import ExplorerError, LayerError, ModelError, suggest


@dataclass(frozen=True)
class Model:
    """A model that is ready to be captured from.

    Attributes:
        adapter: the framework's side of it.
        adapter_name: the adapter's entry-point name.
        name: for titles.
        preprocessing: how pictures become inputs, None when nothing was declared.
        class_names: in the order of the model's outputs, None when not known.
        input_shape: (*spatial, channels) of one input, None when it depends on the images.
        recipe: what else decides its values: factory, arguments, call, layout.
        hints: what a model.toml suggests to show first: "layer", "images" (absolute).
        made_to_fit: whether nobody declared the preprocessing, and it only fits pictures to the input.
    """

    adapter: Adapter
    adapter_name: str
    name: str
    preprocessing: Preprocessing | None = None
    class_names: tuple[str, ...] | None = None
    input_shape: tuple[int, ...] | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)
    made_to_fit: bool = False

    @property
    def n_inputs(self) -> int | None:
        """Number of inputs that the model brings itself (activations captured elsewhere), else None."""
        return getattr(self.adapter, "n_inputs", None)

    @property
    def provenance(self) -> dict[str, Any]:
        """What the manifest says of the model: name, adapter, recipe, and what the adapter knows."""
        known = getattr(self.adapter, "provenance", {})
        return {"name": self.name, "adapter": self.adapter_name, "recipe": dict(self.recipe), **known}

    def layers(self, input_shape: tuple[int, ...] | None = None) -> tuple[LayerInfo, ...]:
        """Every layer that can be captured, in the order they answer.

        Raises:
            ModelError: the input's shape is needed and not known, or the model does not take it.
        """
        shape = input_shape or self.input_shape
        try:
            return self.adapter.layers(shape)
        except ExplorerError:
            raise
        except Exception as error:  # a framework refuses a shape in its own words
            line = (str(error).splitlines() or [""])[0]
            raise ModelError(
                f"{self.name}: does not take an input of shape {shape} (height, width, channels): "
                f"{type(error).__name__}: {line}; check size and channels under [preprocessing]"
            ) from error

    def measured_layers(self, input_shape: tuple[int, ...] | None = None) -> tuple[LayerInfo, ...]:
        """`layers`, and the receptive fields that the graph does not tell measured on random inputs.

        Raises:
            ModelError: the input's shape is needed and not known, or the model does not take it.
        """
        from explorer.capture.measured_field import with_measured

        return with_measured(self.adapter, self.layers(input_shape), input_shape or self.input_shape)

    def default_layer(self, input_shape: tuple[int, ...] | None = None) -> str:
        """The layer to show when none is named: the hint's, else the last with more than one position.

        Raises:
            LayerError: no layer has more than one position.
        """
        if "layer" in self.hints:
            return self.hints["layer"]
        layers = self.layers(input_shape)
        spatial = [info.name for info in layers if (info.positions or 0) > 1]
        if not spatial and self.n_inputs is not None:  # vectors captured elsewhere are all there is
            return layers[-1].name
        if not spatial:
            raise LayerError(f"{self.name}: no layer has more than one position; name a layer with --layer")
        return spatial[-1]

    def find_layers(
        self, names: Sequence[str] | None, input_shape: tuple[int, ...] | None = None
    ) -> list[LayerInfo]:
        """The layers of these names, or the default one; "block1.conv" is understood as "block1/conv".

        Raises:
            LayerError: the model has no such layer.
        """
        known = {info.name: info for info in self.layers(input_shape)}
        plain = {plain_name(name): info for name, info in known.items()}
        found = []
        for name in names or [self.default_layer(input_shape)]:
            info = known.get(name) or plain.get(plain_name(name))
            if info is None and hasattr(self.adapter, "find_layer"):
                info = self.adapter.find_layer(name, input_shape or self.input_shape)
            if info is None:
                raise LayerError(f"{self.name}: no layer {name!r}; {suggest(name, known)}")
            found.append(info)
        return found


def load_model(
    source: object,
    *,
    variables: Any = None,
    params: Any = None,
    checkpoint: str | Path | None = None,
    step: int | None = None,
    input_shape: Sequence[int] | None = None,
    preprocessing: Preprocessing | Mapping[str, Any] | None = None,
    class_names: Sequence[str] | None = None,
    call: Mapping[str, Any] | None = None,
    layout: str | None = None,
    adapter: str | None = None,
) -> Model:
    """Open a model: a model.toml, a file that stands alone (.npz of activations, …), or a model object.

    Args:
        source: path, or a flax.linen.Module, a flax.nnx.Module, a torch.nn.Module, a JAX function of
            (params, inputs), …
        variables: weights in memory, such as Linen's {"params": …, "batch_stats": …}.
        params: the same as variables={"params": params}; the first argument of a plain JAX function.
        checkpoint: file or folder of weights (Orbax, msgpack, safetensors, npz, PyTorch).
        step: which step of a folder of checkpoints, the latest by default.
        input_shape: (*spatial, channels) of one input, where no preprocessing size tells it.
        preprocessing: how pictures become inputs; the same keys as in a model.toml.
        class_names: names of the outputs' classes.
        call: further keyword arguments of the forward call.
        layout: "channels_last" or "channels_first", where a model or an array does not tell.
        adapter: the adapter's name, where more than one could take the source.

    Raises:
        ModelError: nothing takes the source, or it cannot be opened.
        CheckpointError: the weights are missing, damaged, or do not match.
    """
    options, target, file = ModelOptions(), source, None
    if isinstance(source, str | Path):
        target = Path(source)
        if target.is_dir() and (target / "model.toml").is_file():
            target = target / "model.toml"
        if not target.exists():
            raise ModelError(f"{target}: no such file; expected a model.toml or a model that stands alone")
        if target.suffix == ".toml":
            file = read_model_file(target)
            options = file.options
            target = file.source if isinstance(file.source, Path) else import_factory(file)
    options = ModelOptions(
        variables={"params": params} if params is not None else variables,
        params=params,
        checkpoint=options.checkpoint if checkpoint is None else Path(checkpoint),
        checkpoint_format=options.checkpoint_format if checkpoint is None else None,
        step=options.step if step is None and checkpoint is None else step,
        call=options.call if call is None else call,
        layout=layout or options.layout,
    )
    name, opened = open_source(target, options, only=adapter or (file.adapter if file else None))
    if isinstance(preprocessing, Mapping):
        preprocessing = read_preprocessing(preprocessing, "preprocessing")
    declared = preprocessing or (file.preprocessing if file else None)
    rule = declared or _default_rule(opened, str(target))
    return Model(
        opened,
        name,
        file.name if file else getattr(opened, "title", None) or _name_of(target),
        rule,
        tuple(class_names) if class_names else (file.class_names if file else None),
        tuple(input_shape) if input_shape else (rule.input_shape if rule else None),
        _recipe(replace(options, layout=options.layout or getattr(opened, "layout", "channels_last")), file),
        _hints(file.hints, file.path) if file else {},
        made_to_fit=declared is None and rule is not None,
    )


def _default_rule(opened: Adapter, where: str) -> Preprocessing | None:
    """What the adapter can tell of the preprocessing, where nobody declared one."""
    table = getattr(opened, "default_preprocessing", None)
    return read_preprocessing(table, where) if table else None


def _recipe(options: ModelOptions, file: ModelFile | None) -> dict[str, Any]:
    """What decides a model's values beside its weights, in plain words for the manifest."""
    made: dict[str, Any] = {}
    if file is not None and isinstance(file.source, str):
        made = {"factory": file.source, "arguments": dict(file.arguments)}
    return {**made, "call": dict(options.call), "layout": options.layout or "channels_last"}


def _name_of(target: object) -> str:
    if type(target) is tuple and target:  # (model, weights), as some frameworks have them
        target = target[0]
    if isinstance(target, Path):
        return target.stem
    return str(getattr(target, "__name__", type(target).__name__))


def _hints(hints: Mapping[str, Any], path: Path) -> dict[str, str]:
    """The table [explore], with its image folder made absolute."""
    found = dict(hints)
    if "images" in found:
        found["images"] = str(path.resolve().parent / found["images"])
    return found
