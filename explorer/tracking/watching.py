"""`watch`: what a training loop calls at each epoch to see what its network answers by now."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from explorer.errors import InputError
from explorer.tracking.protocol import Tracker, open_tracker
from explorer.tracking.subject import Subject

if TYPE_CHECKING:
    from explorer.capture import Model
    from explorer.tracking.layers import Logger


class Watch:
    """Logs what layers answer to the same images at each step of a training; made by `watch`.

    Attributes:
        seconds: how long all calls together have taken so far.
        steps: the steps that were logged.
    """

    def __init__(self, subject: Subject, logger: Logger, trackers: Sequence[Tracker], every: int) -> None:
        self._subject, self._logger, self._trackers, self._every = subject, logger, tuple(trackers), every
        self.seconds = 0.0
        self.steps: list[int] = []

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers; empty as long as the weights, and so the layers, are not known."""
        return self._logger.layers

    def on_epoch(self, step: int, model: object = None) -> None:
        """Log the layers at this step, when it is one that `every` names.

        The model is run in inference mode and comes back as it was: its mode, its buffers and its
        random state.

        Args:
            step: number of the epoch, or of the step of the optimiser.
            model: the model after it: an NNX or Equinox module, a Keras or PyTorch model; or the
                weights: Linen's variables or params, a TrainState, the params of a function. May be left
                out where training changes the very object that is watched.

        Raises:
            ExplorerError: one line saying what is wrong; with `every` named steps only.
        """
        if step % self._every:
            return
        begun = time.perf_counter()
        self._logger.log(self._subject.now(model), step)
        taken = time.perf_counter() - begun
        for tracker in self._trackers:
            tracker.log_scalar("explorer/seconds", taken, step)
            tracker.flush()
        self.seconds += time.perf_counter() - begun
        self.steps.append(step)

    def close(self) -> None:
        """Close what was opened for it."""
        for tracker in self._trackers:
            tracker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def watch(
    model: object,
    images: object,
    *,
    layers: Sequence[str] | None = None,
    to: str | Path | Tracker | Sequence[str | Path | Tracker] = "runs/tensorboard",
    every: int = 1,
    variables: Any = None,
    labels: Sequence[str] | None = None,
    shown: int = 8,
    positions: int = 1000,
    embed_every: int = 1,
    most_images: int | None = 256,
    preprocessing: Mapping[str, Any] | None = None,
    call: Mapping[str, Any] | None = None,
    layout: str | None = None,
) -> Watch:
    """Watch a network while it is trained: call `on_epoch(step, model)` of what this returns.

    At each step and for each layer it logs `feature_maps/LAYER` (images, and where the layer answers in
    them), `grids/LAYER` (all maps of the first image), `activations/LAYER` (a histogram), the figures
    `dead_channels/LAYER`, `mean_norm/LAYER`, `zeros/LAYER` and `not_finite/LAYER`, an embedding LAYER of
    positions with sprites and metadata, and `explorer/seconds`, which is what the step of logging took.

    Args:
        model: anything `load_model` takes: a flax.linen.Module, a flax.nnx.Module, a torch.nn.Module, a
            JAX function of (params, inputs), …
        images: a folder (sub-folders are labels), a file, a table, or an array (batch, *spatial,
            channels); read once and kept in memory.
        layers: names of layers; None for the one the model suggests, else the last spatial one.
        to: a folder for TensorBoard, "mlflow", "mlflow:EXPERIMENT", "wandb", "wandb:PROJECT", an object
            with the methods of `Tracker`, or several of these.
        every: log the steps that this divides.
        variables: weights at the start, where the model does not bring its own.
        labels: one an image, in place of the names of sub-folders.
        shown: how many images are drawn, taken evenly.
        positions: most positions of a layer that are embedded, the same at each step; from each image
            as many, to within one.
        embed_every: embed at every so many of the logged steps; 0 for no embeddings.
        most_images: of more images so many are taken evenly, and that is said; None for all.
        preprocessing: how pictures become inputs; the same keys as in a model.toml.
        call: further keyword arguments of the forward call.
        layout: "channels_last" or "channels_first", where a model does not tell.

    Raises:
        ExplorerError: one line saying what is wrong.
    """
    from explorer.capture import load_model
    from explorer.tracking.layers import Logger, Settings

    for name, value, least in (
        ("every", every, 1),
        ("shown", shown, 1),
        ("positions", positions, 1),
        ("embed_every", embed_every, 0),
    ):
        if not isinstance(value, int) or value < least:
            raise InputError(f"{name} {value!r}: expected a whole number of at least {least}")
    places = [to] if isinstance(to, str | Path) or not isinstance(to, Sequence) else list(to)

    def load(source: object, weights: Any) -> Model:
        return load_model(source, variables=weights, preprocessing=preprocessing, call=call, layout=layout)

    subject = Subject(model, load, variables)
    settings = Settings(tuple(layers) if layers else None, shown, positions, embed_every, most_images)
    trackers: list[Tracker] = []
    logger = Logger(images, labels, settings, trackers=trackers)
    started = subject.start()
    if started is not None:  # what is wrong with layers and images is told before anything is written
        logger.prepare(started)
    trackers += [open_tracker(place) for place in places]
    return Watch(subject, logger, trackers, every)
