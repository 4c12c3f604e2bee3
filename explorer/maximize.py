"""maximize(): pictures that a channel, a class or a direction answers to most, beside real ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.capture import Model, Run, load_model
from explorer.capture import capture as capture_run
from explorer.capture.protocol import Differentiable, LayerInfo
from explorer.errors import ExplorerError, InputError, LayerError, ModelError, check_seed, check_whole
from explorer.explain.logits import before_softmax
from explorer.explain.maximised import Maximised, Real
from explorer.explain.moving import Robustness
from explorer.progress import progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from explorer.explain.canvas import Canvas, Kind
    from explorer.explain.climbing import Climb
    from explorer.explain.objectives import Objective

PIXELS = 3_000_000
"""Pixels of inputs in one batch, about."""
LARGEST_BATCH = 64
LARGEST_SIDE = 4096
SIDE = 128
"""Pixels a side, for a model that takes pictures of any size."""
STRONGEST = 4


def maximize(
    model: object,
    *,
    layer: str | None = None,
    channels: Sequence[int] | None = None,
    position: Sequence[int] | None = None,
    classes: Sequence[str | int] | None = None,
    directions: dict[str, NDArray[np.floating]] | None = None,
    whole: bool = False,
    images: object = None,
    size: tuple[int, int] | None = None,
    variants: int = 1,
    steps: int = 128,
    rate: float = 0.05,
    decay: float = 1.0,
    parametrisation: Kind = "fourier",
    robustness: Robustness = Robustness(),  # noqa: B008
    diversity: float = 0.5,
    bounds: tuple[float, float] | None = None,
    seed: int = 0,
    watch: Callable[[Maximised], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Maximised:
    """Climb to pictures that parts of a layer answer to most.

    Of `channels` the mean over all positions counts, or the value at `position`; of `classes` the score; of
    `directions` the mean over all positions of the part along them; with `whole` the mean of all squares of
    the layer. Several of them are climbed for together, in shared batches; each comes out as it would alone.

    Args:
        model: a `Model` or anything `load_model` opens, of an adapter with gradients.
        layer: the layer; None for the last vector (classes), else the model's default.
        channels: numbers of channels; None, without any other objective, for the first 16 of the layer.
        position: index on the layer's grid, to ask for single neurons.
        classes: names or numbers.
        directions: vectors (channels,) by name, such as `{"cluster": run[layer].values[mask].mean(0)}`.
        whole: the whole layer.
        images: what `capture` takes, or a `Run` with this layer, to show the strongest real pictures beside.
        size: (height, width) of the pictures, for a model that takes more than one.
        variants: pictures for each objective, pushed apart.
        steps: of gradient ascent (Adam).
        rate: its learning rate.
        decay: how strongly pictures are drawn to gray, so that only what is needed stands out.
        parametrisation: "fourier", as photographs have their frequencies, or "pixels"; colours decorrelated
            in both.
        robustness: how far pictures are shifted, turned and scaled at each step.
        diversity: how much variants push each other apart, against the objective's own slope.
        bounds: what black and white are for a model without preprocessing.
        seed: the same seed gives the same pictures.
        watch: called now and then with what there is.
        stop: asked after every step; True ends the climb with what there is, as an interrupt does.

    Raises:
        ModelError: the adapter has no gradients, or the inputs are no pictures.
        LayerError, InputError: no such layer, channel, class, or a number out of its range.
    """
    from explorer.explain.climbing import Climb

    opened, adapter = _with_gradients(model)
    _check(steps=steps, variants=variants, rate=rate, decay=decay, diversity=diversity, seed=seed)
    canvas = _canvas(opened, size, bounds, parametrisation)
    info = _layer(opened, layer, canvas.shape, scores=classes is not None)
    objectives = _objectives(
        opened,
        info,
        channels=channels,
        position=position,
        classes=classes,
        directions=directions,
        whole=whole,
    )
    batch = _batch(canvas, variants)
    climb = Climb(
        adapter, info.name, canvas, variants, steps, rate, decay, diversity, robustness, seed, batch
    )
    real = _real(opened, info, objectives, images=images, fits=size is None)
    names, order = tuple(one.name for one in objectives), _as_seen(opened)
    settings = {**climb.settings, "weights": opened.provenance.get("digest")}

    def result(pictures: Any, reached: Any, finished: int) -> Maximised:
        return Maximised(
            opened.name, info.name, names, pictures[..., order], reached, real, settings, finished
        )

    return _climbed(climb, objectives, result, watch=watch, stop=stop)


def _with_gradients(model: object) -> tuple[Model, Differentiable]:
    """The model, and its adapter, which gives gradients."""
    opened = model if isinstance(model, Model) else load_model(model)
    if not isinstance(opened.adapter, Differentiable):
        raise ModelError(
            f"{opened.name}: the adapter {opened.adapter_name} has no gradients, which maximising needs; "
            "open the network in JAX, Flax, Equinox, Haiku, Keras or PyTorch"
        )
    return opened, opened.adapter


def _climbed(
    climb: Climb,
    objectives: Sequence[Objective],
    result: Callable[[Any, Any, int], Maximised],
    *,
    watch: Callable[[Maximised], None] | None,
    stop: Callable[[], bool] | None,
) -> Maximised:
    """Climb with a bar; who watches is told now and then what there is, without what it reaches."""
    from explorer.explain.climbing import climb_all

    told = None
    if watch is not None:
        unknown = np.full((len(objectives), climb.variants), np.nan)
        told = _now_and_then(climb.steps, lambda pictures: watch(result(pictures, unknown, 0)))
    with progress(f"maximise {climb.layer}", climb.steps * len(objectives), "steps") as advance:
        return result(*climb_all(climb, objectives, told, _until(stop, advance)))


def smaller(model: Model, layer: str) -> tuple[int, int] | None:
    """A smaller size than the model's own, where it takes one: each step takes as long as it has pixels."""
    shape = model.input_shape
    if shape is None or math.prod(shape[:2]) <= SIDE**2:
        return None
    try:
        model.find_layers([layer], (SIDE, SIDE, shape[2]))
    except ExplorerError:
        return None
    return SIDE, SIDE


def steps_in_all(model: Model, n: int, steps: int, size: tuple[int, int] | None) -> int:
    """How many steps `maximize` takes for n objectives of one picture each, several of them at once.

    Raises:
        ModelError: the model's inputs are no pictures.
    """
    return steps * -(-n // _batch(_canvas(model, size, None, "fourier"), 1))


def _batch(canvas: Canvas, variants: int) -> int:
    """How many inputs are computed at once."""
    return max(variants, min(LARGEST_BATCH, PIXELS // (canvas.shape[0] * canvas.shape[1])))


def _until(stop: Callable[[], bool] | None, advance: Callable[[int], None]) -> Callable[[int], None]:
    """Count steps on, and end the climb where that is asked for."""

    def counted(count: int) -> None:
        advance(count)
        if stop is not None and stop():
            raise KeyboardInterrupt

    return counted


def _check(*, steps: int, variants: int, rate: float, decay: float, diversity: float, seed: int) -> None:
    check_whole(steps, "steps")
    check_whole(variants, "variants")
    if steps < 1 or variants < 1:
        raise InputError(f"steps = {steps}, variants = {variants}: expected at least 1")
    if not 0 < rate <= 10:
        raise InputError(f"rate = {rate:g}, expected more than 0, and 10 at most")
    for name, value, most in (("decay", decay, 1 / rate), ("diversity", diversity, 1e3)):
        if not 0 <= value <= most:
            raise InputError(f"{name} = {value:g}, expected 0 to {most:g}")
    check_seed(seed)


def _canvas(
    model: Model, size: tuple[int, int] | None, bounds: tuple[float, float] | None, kind: Kind
) -> Canvas:
    """The canvas of this model's inputs."""
    from explorer.explain.canvas import canvas_of

    rule = model.preprocessing
    shape = model.input_shape
    if shape is None and rule is not None:
        shape = (SIDE, SIDE, {"gray": 1}.get(rule.channels, 3))
    if shape is None:
        raise ModelError(f"{model.name}: the shape of an input is not known; give size under [preprocessing]")
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise ModelError(
            f"{model.name}: takes inputs {shape}; pictures (height, width, 1 or 3) are maximised"
        )
    if bounds is None and rule is None:
        raise ModelError(
            f"{model.name}: no preprocessing says what black and white are; give bounds=(low, high)"
        )
    if bounds is not None and not -math.inf < bounds[0] < bounds[1] < math.inf:
        raise InputError(f"bounds = {bounds}: expected (low, high), two finite numbers")
    if kind not in ("fourier", "pixels"):
        raise InputError(f"parametrisation {kind!r}: expected fourier or pixels")
    if size is not None:
        if not all(4 <= side <= LARGEST_SIDE for side in size):
            raise InputError(f"size {size}: expected 4 × 4 to {LARGEST_SIDE} × {LARGEST_SIDE} pixels")
        shape = (*size, shape[2])
    return canvas_of((shape[0], shape[1], shape[2]), rule, bounds=bounds, kind=kind)


def _layer(model: Model, name: str | None, shape: tuple[int, ...], *, scores: bool) -> LayerInfo:
    """The layer that is asked for, for inputs of this shape."""
    if name is None and scores:
        vectors = [info for info in model.layers(shape) if info.positions == 1]
        if not vectors:
            raise LayerError(f"{model.name}: no layer is a vector of scores; name it with layer")
        infos = {info.name: info for info in model.layers(shape)}
        before = before_softmax(model, infos, vectors[-1].name, shape)
        return vectors[-1] if before is None else infos[before]
    return model.find_layers(None if name is None else [name], shape)[0]


def _objectives(
    model: Model,
    info: LayerInfo,
    *,
    channels: Sequence[int] | None,
    position: Sequence[int] | None,
    classes: Sequence[str | int] | None,
    directions: dict[str, NDArray[np.floating]] | None,
    whole: bool,
) -> list[Objective]:
    """Everything asked for, in the order of the arguments."""
    from explorer.explain import objectives as make

    if channels is None and not (classes or directions or whole):
        channels = range(min(16, info.channels or 0))
    if position is not None and not channels:
        raise InputError(f"position {list(position)}: of which channels?")
    made = (
        make.channels(info, list(channels or ()))
        if position is None
        else [make.neuron(info, channel, position) for channel in channels or ()]
    )
    made += make.classes(model, info, list(classes)) if classes else []
    made += [make.direction(info, vector, name) for name, vector in (directions or {}).items()]
    made += [make.whole(info)] if whole else []
    if not made:
        raise InputError(f"{info.name}: nothing to maximise; name channels, classes or directions")
    return made


def _real(
    model: Model, info: LayerInfo, objectives: Sequence[Objective], *, images: object, fits: bool
) -> Real | None:
    """The strongest real pictures, where there are any."""
    from explorer.explain.real import strongest

    if images is None:
        return None
    if not fits:
        raise InputError("real images are of the model's own size; leave out size, or images")
    run = images if isinstance(images, Run) else capture_run(model, images, layers=[info.name])
    return strongest(run, info.name, objectives, STRONGEST)


def _as_seen(model: Model) -> list[int]:
    """The order of channels in which a person sees an input."""
    rule = model.preprocessing
    if rule is not None and rule.channels == "bgr":
        return [2, 1, 0]
    return list(range(1 if rule is not None and rule.channels == "gray" else (model.input_shape or (3,))[-1]))


def _now_and_then(steps: int, told: Callable[[Any], None]) -> Callable[[int, Any], None]:
    """Tell after some of the steps only: each telling may draw a sheet."""
    every = max(1, steps // 8)

    def watch(step: int, pictures: Any) -> None:
        if step % every == 0:
            told(pictures)

    return watch
