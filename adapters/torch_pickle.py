"""The pickles that `torch.save` writes, read as data: nothing is imported, nothing is called.

A pickle is a program. This is a machine for the few instructions of it that a state dict needs, with
names that stand for themselves: a name is looked up in the table below and nowhere else, and
"calling" one of them runs our own few lines. There is no import, no attribute look-up and no
Python call that a file could reach, whatever is in it.
"""

from __future__ import annotations

import pickletools
import struct
import warnings
from collections.abc import Callable, Mapping
from typing import IO, Any

from .torch_records import STORAGES, Name, PassedOver, RefusedError, Storage, counts, is_known, result

_MARK = object()
"""Where a run of items on the stack begins."""


def read_pickle(file: IO[bytes], storages: dict[str, Storage] | None = None) -> Any:
    """Run one pickle up to its STOP; dictionaries, lists, numbers, text and `TensorRecord` come out.

    Args:
        file: stands behind the STOP afterwards.
        storages: filled with every storage that is mentioned, by key.

    Raises:
        RefusedError: it holds what no state dict needs; the message says what.
        ValueError: it is damaged.
    """
    machine = _Machine({} if storages is None else storages)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in text that a damaged file has
            return _run(machine, file)
    except (IndexError, KeyError, TypeError, AttributeError, AssertionError, struct.error) as error:
        raise ValueError(f"its pickle is damaged ({type(error).__name__}: {error})") from None


def _run(machine: _Machine, file: IO[bytes]) -> Any:
    """Follow the instructions up to the last."""
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name == "STOP":
            return machine.stack.pop()
        step = _STEPS.get(opcode.name)
        if step is None:
            raise RefusedError(f"has the pickle instruction {opcode.name}, which no state dict needs")
        step(machine, argument)
    raise ValueError("its pickle has no end")


class _Machine:
    """The stack and memory of one pickle."""

    def __init__(self, storages: dict[str, Storage]) -> None:
        self.storages = storages
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}

    def items(self) -> list[Any]:
        """Take everything above the last mark, and the mark."""
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:  # IndexError when there is none
            place -= 1
        found = self.stack[place + 1 :]
        del self.stack[place:]
        return found

    def take(self, count: int) -> list[Any]:
        """Take the upper `count` items, lowest first."""
        if count > len(self.stack):
            raise ValueError("the pickle takes more from its stack than is there")
        found = self.stack[-count:]
        del self.stack[-count:]
        return found

    def name(self, module: Any, name: Any) -> None:
        """Put a name on the stack, when it is one of the table's."""
        if not (isinstance(module, str) and isinstance(name, str)):
            raise RefusedError("builds a name from something that is no text")
        found = Name("builtins" if module == "__builtin__" else module, name)
        if not is_known(found):
            raise RefusedError(
                f"names {found.full[:120]!r}, which no state dict needs and which was neither imported nor "
                "called; save model.state_dict() alone"
            )
        self.stack.append(found)

    def call(self, function: Any, arguments: Any) -> None:
        """Put on the stack what "calling" a name of the table with these arguments stands for."""
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise RefusedError("calls something that is no name")
        self.stack.append(result(function, arguments))

    def store(self, target: Any, pairs: list[Any]) -> None:
        """Set items of a dictionary that lies on the stack."""
        if isinstance(target, PassedOver):
            return
        if not isinstance(target, dict):
            raise RefusedError(f"sets items of a {type(target).__name__}")
        target.update(zip(pairs[::2], pairs[1::2], strict=True))

    def extend(self, target: Any, items: list[Any]) -> None:
        """Append to a list that lies on the stack."""
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, PassedOver):
            raise RefusedError(f"appends to a {type(target).__name__}")

    def build(self) -> None:
        """Leave out an object's state: a dictionary's `_metadata`, or that of what is passed over."""
        target, _ = self.take(2)
        if not isinstance(target, dict | PassedOver):
            raise RefusedError(f"sets the state of a {type(target).__name__}")
        self.stack.append(target)

    def storage(self, record: Any) -> None:
        """Put a storage on the stack: ("storage", type, key, device, count[, view])."""
        if not isinstance(record, tuple) or len(record) not in (5, 6) or record[0] != "storage":
            raise RefusedError("points to something outside itself that is no storage")
        _, kind, key, _, count = record[:5]
        if len(record) == 6 and record[5] is not None:
            raise RefusedError("has a view of a storage, as versions before 0.4 wrote; save it again")
        if not isinstance(kind, Name) or kind.name not in STORAGES or not isinstance(key, str):
            raise RefusedError("has a storage of unknown type")
        found = Storage(key, STORAGES[kind.name], counts((count,))[0])
        if self.storages.setdefault(key, found) != found:
            raise ValueError(f"storage {key} is declared in two ways")
        self.stack.append(found)


def _push(value: Callable[[Any], Any]) -> Callable[[_Machine, Any], None]:
    """An instruction that puts something made from its argument on the stack."""
    return lambda machine, argument: machine.stack.append(value(argument))


def _tuple(count: int) -> Callable[[_Machine, Any], None]:
    """An instruction that makes a tuple of the upper `count` items."""
    return lambda machine, _: machine.stack.append(tuple(machine.take(count)))


def _memoize(machine: _Machine, place: int | None) -> None:
    machine.memory[len(machine.memory) if place is None else place] = machine.stack[-1]


def _new(machine: _Machine, _: Any) -> None:
    machine.call(*machine.take(2))


def _new_with_keywords(machine: _Machine, _: Any) -> None:
    function, arguments, _keywords = machine.take(3)
    machine.call(function, arguments)


def _set_items(machine: _Machine, _: Any) -> None:
    pairs = machine.items()
    machine.store(machine.stack[-1], pairs)


def _set_item(machine: _Machine, _: Any) -> None:
    pair = machine.take(2)
    machine.store(machine.stack[-1], pair)


def _appends(machine: _Machine, _: Any) -> None:
    items = machine.items()
    machine.extend(machine.stack[-1], items)


def _append(machine: _Machine, _: Any) -> None:
    item = machine.take(1)
    machine.extend(machine.stack[-1], item)


def _dict(machine: _Machine, _: Any) -> None:
    pairs = machine.items()
    machine.stack.append(dict(zip(pairs[::2], pairs[1::2], strict=True)))


def _passed_over_set(machine: _Machine, _: Any) -> None:
    machine.items()
    machine.stack.append(PassedOver())


_VALUES = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
)
_STEPS: Mapping[str, Callable[[_Machine, Any], object]] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda machine, _: None),
    **dict.fromkeys(_VALUES, _push(lambda argument: argument)),
    "NONE": _push(lambda _: None),
    "NEWTRUE": _push(lambda _: True),
    "NEWFALSE": _push(lambda _: False),
    "MARK": _push(lambda _: _MARK),
    "EMPTY_DICT": _push(lambda _: {}),
    "EMPTY_LIST": _push(lambda _: []),
    "EMPTY_TUPLE": _push(lambda _: ()),
    "EMPTY_SET": _push(lambda _: PassedOver()),
    "FROZENSET": _passed_over_set,
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.items())),
    "LIST": lambda machine, _: machine.stack.append(machine.items()),
    "DICT": _dict,
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _memoize),
    **dict.fromkeys(
        ("GET", "BINGET", "LONG_BINGET"),
        lambda machine, place: machine.stack.append(machine.memory[place]),
    ),
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine.items(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "APPEND": _append,
    "APPENDS": _appends,
    "ADDITEMS": _appends,
    "GLOBAL": lambda machine, argument: machine.name(*argument.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.take(2)),
    "REDUCE": _new,
    "NEWOBJ": _new,
    "NEWOBJ_EX": _new_with_keywords,
    "BUILD": lambda machine, _: machine.build(),
    "BINPERSID": lambda machine, _: machine.storage(machine.take(1)[0]),
}
