"""A model while it is trained: the same network, with the weights that it has by now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from explorer.capture import Model
from explorer.errors import ModelError

Load = Callable[[object, Any], Model]
"""Opens a source with these weights, or with its own for None."""
NOT_WEIGHTS = ("opt_state", "step", "tx", "apply_fn")
"""Fields of a training state that the forward pass does not read."""


class Subject:
    """What is watched.

    An adapter that can take new weights into what it has compiled is asked to; any other opens its
    source again, and compiles again.

    Args:
        source: a model, as `load_model` takes it, or a `Model`.
        load: how it is opened.
        variables: its weights at the start, where it does not bring its own.
    """

    def __init__(self, source: object, load: Load, variables: Any = None) -> None:
        self._source, self._load, self._variables = source, load, variables
        self._model: Model | None = source if isinstance(source, Model) else None

    def start(self) -> Model | None:
        """The model as it is now; None for one whose weights come with the first step.

        Raises:
            ModelError: it cannot be opened, and not for want of weights.
        """
        if self._model is None:
            try:
                self._model = self._load(self._source, weights_of(self._variables))
            except ModelError as error:
                if self._variables is not None or "has no weights" not in str(error):
                    raise
        return self._model

    def now(self, given: object = None) -> Model:
        """The model with new weights.

        Args:
            given: the model after the step, its variables, params, or training state; None where the
                model that is watched is itself changed by training.

        Raises:
            ModelError: weights are needed, or are not those of the model.
        """
        source, weights = self._told(given)
        if self._model is not None:
            renew = getattr(self._model.adapter, "renewed", None)
            adapter = None if renew is None else renew(source if weights is None else weights)
            if adapter is not None:
                self._model = replace(self._model, adapter=adapter)
                return self._model
            if isinstance(self._source, Model):
                raise ModelError(
                    f"{self._source.name}: watch the model itself, not what load_model made of it"
                )
        self._model = self._load(source, weights)
        return self._model

    def _told(self, given: object) -> tuple[object, Any]:
        """What to open, and with which weights."""
        if given is None:
            return self._source, weights_of(self._variables)
        if _is_like(given, self._source):
            return given, None
        return self._source, weights_of(given)


def _is_like(given: object, source: object) -> bool:
    """Whether what is given is the model again, with its state perhaps, and not its weights."""
    first, own = (one[0] if type(one) is tuple and one else one for one in (given, source))
    return first is own or (type(first) is type(own) and not isinstance(first, Mapping | tuple))


def weights_of(given: Any) -> Any:
    """The variables of a training state: its params, and other collections such as batch_stats.

    Anything else is given back as it is.
    """
    if not (hasattr(given, "params") and hasattr(given, "opt_state")):
        return given
    fields = getattr(given, "__dataclass_fields__", {})
    collections = {
        name: value
        for name in fields
        if name not in NOT_WEIGHTS and isinstance(value := getattr(given, name), Mapping)
    }
    # Params that are themselves {"params": …} are all the variables.
    inner = given.params
    return inner if isinstance(inner, Mapping) and "params" in inner else {"params": inner, **collections}
