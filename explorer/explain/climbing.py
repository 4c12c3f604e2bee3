"""Gradient ascent on pictures, many objectives in one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.protocol import Differentiable
from explorer.explain.canvas import Canvas
from explorer.explain.diversity import apart
from explorer.explain.moving import Move, Robustness, random_move
from explorer.explain.objectives import Objective

Floats = NDArray[np.float32]
Watch = Callable[[int, Floats], None]
"""Called after a step with its number and the pictures (objectives, variants, height, width, channels)."""
FADE, SPREAD, SMALL, TINY = 0.9, 0.999, 1.0, 1e-30
"""Adam's constants (Kingma and Ba 2015). What is small is so against the root mean square of a picture's
slopes: with less, all frequencies grow alike, those too that hardly count, and pictures are rough."""
KICK, FARTHEST = 1.25, 40.0
"""How much farther from gray a picture starts again at each step while nothing answers to it, and at most."""


@dataclass(frozen=True)
class Climb:
    """How pictures are climbed on.

    Attributes:
        adapter: the model's, with gradients.
        layer: whose values the objectives count.
        canvas: the pictures' size, range and parametrisation.
        variants: pictures for each objective.
        steps: of Adam.
        rate: its learning rate.
        decay: how strongly all numbers are drawn to zero, which is gray (Loshchilov and Hutter 2019).
        diversity: how much the variants of an objective push each other apart, against the objective itself.
        robustness: how far pictures are moved at each step.
        seed: decides all that is random.
        batch: inputs that are computed at once at most.
    """

    adapter: Differentiable
    layer: str
    canvas: Canvas
    variants: int
    steps: int
    rate: float
    decay: float
    diversity: float
    robustness: Robustness
    seed: int
    batch: int

    @property
    def settings(self) -> dict[str, Any]:
        """How the pictures are made, in plain values."""
        canvas = self.canvas
        return {
            "steps": self.steps,
            "rate": self.rate,
            "decay": self.decay,
            "parametrisation": canvas.kind,
            "size": list(canvas.shape[:2]),
            "black and white": [canvas.low.tolist(), canvas.high.tolist()],
            "diversity": self.diversity if self.variants > 1 else None,
            "robustness": vars(self.robustness),
            "seed": self.seed,
        }

    @property
    def at_once(self) -> int:
        """How many objectives share a batch."""
        return max(1, self.batch // self.variants)


@dataclass
class Climber:
    """The numbers of some objectives' pictures, and Adam's memory of them: (inputs, …)."""

    climb: Climb
    objectives: Sequence[Objective]
    numbers: Floats
    mean: Floats = field(init=False)
    square: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.mean, self.square = np.zeros_like(self.numbers), np.zeros_like(self.numbers)

    def step(self, number: int) -> None:
        """One step up, counted from 0."""
        climb, canvas = self.climb, self.climb.canvas
        move = _move(climb, number)
        inputs = canvas.inputs(self.numbers)
        moved = inputs if move is None else move.there(inputs, canvas.gray)
        gradient = climb.adapter.gradient(moved, climb.layer, self._cotangent(moved))
        slope = canvas.slope(self.numbers, gradient if move is None else move.back(gradient))
        self.mean += (1 - FADE) * (slope - self.mean)
        self.square += (1 - SPREAD) * (np.square(slope) - self.square)
        mean = self.mean / (1 - FADE ** (number + 1))
        square = self.square / (1 - SPREAD ** (number + 1))
        size = np.sqrt(square)
        floor = SMALL * np.sqrt(square.reshape(len(square), -1).mean(axis=1))
        up = mean / (size + _along(floor, size.ndim) + TINY)
        self.numbers += climb.rate * (up - climb.decay * self.numbers)
        silent = ~self.mean.reshape(len(slope), -1).any(axis=1)
        # where nothing has answered yet, look elsewhere, farther and farther from gray; each variant in
        # another place, else they would stay the same
        away = min(KICK ** (number + 1), FARTHEST)
        for index in np.flatnonzero(silent).tolist():
            noise = canvas.start([climb.seed * 1009 + number, index % climb.variants])
            self.numbers[index] = away * noise

    def pictures(self) -> Floats:
        """Between 0 and 1, (objectives, variants, height, width, channels)."""
        unit = self.climb.canvas.unit(self.numbers)
        return unit.reshape(len(self.objectives), self.climb.variants, *unit.shape[1:])

    def reached(self) -> NDArray[np.float64]:
        """What each picture reaches as it is, unmoved: (objectives, variants)."""
        values = self._values(self.climb.canvas.inputs(self.numbers))
        parts = values.reshape(len(self.objectives), self.climb.variants, *values.shape[1:])
        return np.stack([one.value(part) for one, part in zip(self.objectives, parts, strict=True)])

    def _values(self, inputs: Floats) -> Floats:
        captured = self.climb.adapter.capture(inputs, [self.climb.layer])  # type: ignore[attr-defined]
        return np.asarray(captured[self.climb.layer].values, np.float32)

    def _cotangent(self, inputs: Floats) -> Floats:
        """What each value counts at these inputs."""
        climb, count = self.climb, self.climb.variants
        pushes = count > 1 and climb.diversity > 0
        needs = pushes or any(one.weights is None for one in self.objectives)
        values = self._values(inputs) if needs else None
        parts = []
        for number, one in enumerate(self.objectives):
            own = None if values is None else values[number * count : (number + 1) * count]
            slope = one.cotangent(own, count)
            if pushes and own is not None:
                sizes = np.sqrt(np.square(slope).reshape(count, -1).sum(axis=1))
                slope = slope + climb.diversity * _along(sizes, slope.ndim) * apart(own)
            parts.append(slope)
        return np.concatenate(parts)


def climb_all(
    climb: Climb, objectives: Sequence[Objective], watch: Watch | None, advance: Callable[[int], None]
) -> tuple[Floats, NDArray[np.float64], int]:
    """Climb for all objectives, batch after batch; an interrupt ends it with what there is.

    Returns:
        Pictures between 0 and 1 (objectives, variants, height, width, channels), what each reaches
        (objectives, variants), and how many objectives were climbed for to the end.
    """
    starts = np.stack([climb.canvas.start(climb.seed * 1009 + variant) for variant in range(climb.variants)])
    first = np.broadcast_to(
        climb.canvas.unit(starts), (len(objectives), climb.variants, *climb.canvas.shape)
    ).copy()
    pictures, reached = np.asarray(first, np.float32), np.full((len(objectives), climb.variants), np.nan)
    done = 0
    for low in range(0, len(objectives), climb.at_once):
        some = objectives[low : low + climb.at_once]
        climber = Climber(climb, some, np.concatenate([starts] * len(some)))
        part = slice(low, low + len(some))
        try:
            for number in range(climb.steps):
                climber.step(number)
                advance(len(some))
                if watch is not None:
                    pictures[part] = climber.pictures()
                    watch(number + 1, pictures)
        except KeyboardInterrupt:
            pictures[part], reached[part] = climber.pictures(), climber.reached()
            return pictures, reached, done
        pictures[part], reached[part] = climber.pictures(), climber.reached()
        done += len(some)
    return pictures, reached, done


def _move(climb: Climb, number: int) -> Move | None:
    """The move of a step, the same for every batch; none in the last steps, so that details settle."""
    if not climb.robustness.moves or number >= climb.steps - max(1, climb.steps // 16):
        return None
    rng = np.random.default_rng([climb.seed, number])
    return random_move((climb.canvas.shape[0], climb.canvas.shape[1]), climb.robustness, rng)


def _along(values: NDArray[np.floating], axes: int) -> Floats:
    return np.asarray(values, np.float32).reshape(-1, *[1] * (axes - 1))
