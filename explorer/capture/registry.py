"""Finding adapters: everything installed under the entry-point group `explorer.adapters`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.capture.protocol import Adapter, Factory, ModelOptions
from explorer.errors import MissingExtraError, ModelError, first_line, suggest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "explorer.adapters"


@dataclass(frozen=True)
class AdapterState:
    """Whether an adapter can be used.

    Attributes:
        name: its entry point's name.
        problem: what is wrong, "" when nothing is.
        is_optional: whether all that can be wrong is a framework that was not asked for.
    """

    name: str
    problem: str
    is_optional: bool = False


def entry_points() -> Iterable[EntryPoint]:
    """What every installed package has put under our group."""
    from importlib import metadata  # a third of this package's own import time

    return metadata.entry_points(group=GROUP)


@cache
def installed_adapters() -> dict[str, type[Adapter] | str]:
    """Every adapter by name: its class, or the line that says why it does not load."""
    found: dict[str, type[Adapter] | str] = {}
    for point in sorted(entry_points(), key=lambda point: point.name):
        try:
            found[point.name] = point.load()
        except Exception as error:  # a stranger's package may fail in any way; the others still work
            found[point.name] = f"does not load: {error}"
    return found


def adapter_states() -> tuple[AdapterState, ...]:
    """Which adapters are usable here, and what each other one needs."""
    states = []
    for name, adapter in installed_adapters().items():
        problem = adapter if isinstance(adapter, str) else ""
        if not isinstance(adapter, str):
            missing = [module for module in adapter.requires if find_spec(module) is None]
            problem = f"needs {', '.join(missing)}: {_remedy(name)}" if missing else ""
        states.append(AdapterState(name, problem, not isinstance(adapter, str)))
    return tuple(states)


def _remedy(name: str) -> str:
    return f"pip install 'activation-explorer[{name}]'"


def open_source(source: object, options: ModelOptions, *, only: str | None = None) -> tuple[str, Adapter]:
    """Offer a source to every adapter (or to the one named `only`) and return the one that takes it.

    Raises:
        ModelError: no adapter takes it.
        MissingExtraError: its adapter takes it, but the framework is not installed.
    """
    adapters = installed_adapters()
    if only is not None and only not in adapters:
        raise ModelError(f"no adapter {only!r}; {suggest(only, adapters)}")
    for name, adapter in adapters.items():
        if isinstance(adapter, str) or only not in (None, name):
            continue
        try:
            opened = adapter.open(source, options)
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] in adapter.requires:
                raise MissingExtraError(f"{name} needs {error.name}: {_remedy(name)}") from None
            raise
        if opened is not None:
            return name, opened
    if isinstance(source, Factory):
        return open_source(_make(source), options, only=only)
    usable = [name for name, adapter in adapters.items() if not isinstance(adapter, str)]
    if isinstance(source, Path) and (source / "manifest.json").is_file():
        raise ModelError(
            f"{source}: is a run, captured already; `activation-explorer view {source}` opens it"
        )
    what = source if isinstance(source, Path) else f"an object of type {_type_name(source)}"
    raise ModelError(f"{what}: no adapter takes it; installed are {', '.join(usable) or 'none'}")


def _make(factory: Factory) -> object:
    try:
        made: object = factory.make(**factory.arguments)
    except (Exception, SystemExit) as error:  # the user's own code may raise anything
        raise ModelError(f"{factory.name}: raised {type(error).__name__}: {first_line(error)}") from error
    return made


def _type_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
