"""What a JSON file must hold, said as values, and the first place where it does not.

A check takes a value and its key and returns one line saying what is wrong, or None.

>>> check = table({"names": list_of(text), "count": whole(1)})
>>> check({"names": ["a", 5], "count": 1}, "images")
'images.names[1] = 5, expected text'
>>> check({"names": []}, "images")
'images.count is missing, expected a whole number of at least 1'
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any, str], "str | None"]


def _wrong(value: object, key: str, expected: str) -> str:
    if value is MISSING:
        return f"{key} is missing, expected {expected}"
    try:
        shown = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        shown = f"<{type(value).__name__}>"
    return f"{key} = {shown if len(shown) <= 60 else shown[:57] + '…'}, expected {expected}"


MISSING = object()
"""In place of a value that is not there."""


def anything(value: Any, key: str) -> str | None:
    """Whatever is there."""
    return _wrong(value, key, "a value") if value is MISSING else None


def text(value: Any, key: str) -> str | None:
    """A text."""
    return None if isinstance(value, str) else _wrong(value, key, "text")


def truth(value: Any, key: str) -> str | None:
    """True or false."""
    return None if isinstance(value, bool) else _wrong(value, key, "true or false")


def number(value: Any, key: str) -> str | None:
    """A finite number."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return None if good else _wrong(value, key, "a finite number")


def whole(least: int, most: int = 2**53) -> Check:
    """A whole number from `least` to `most`."""

    def check(value: Any, key: str) -> str | None:
        good = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return None if good else _wrong(value, key, f"a whole number of at least {least}")

    return check


def one_of(*choices: str) -> Check:
    """One of these texts."""

    def check(value: Any, key: str) -> str | None:
        good = isinstance(value, str) and value in choices
        return None if good else _wrong(value, key, f"one of {', '.join(choices)}")

    return check


def maybe(check: Check) -> Check:
    """What another check takes, or null, or nothing at all."""
    return lambda value, key: None if value is None or value is MISSING else check(value, key)


def either(first: Check, second: Check) -> Check:
    """What one of two checks takes; of two complaints, the second."""
    return lambda value, key: None if first(value, key) is None else second(value, key)


def list_of(check: Check, least: int = 0, most: int | None = None) -> Check:
    """A list of `least` to `most` values that another check takes."""

    def checked(value: Any, key: str) -> str | None:
        if not isinstance(value, list) or not least <= len(value) <= (len(value) if most is None else most):
            count = "" if not least and most is None else f" of {least} to {'any' if most is None else most}"
            return _wrong(value, key, f"a list{count}")
        problems = (check(item, f"{key}[{place}]") for place, item in enumerate(value))
        return next((problem for problem in problems if problem), None)

    return checked


def table(checks: Mapping[str, Check], rest: Check = anything) -> Check:
    """An object with these keys; `rest` checks whatever other keys it has."""

    def checked(value: Any, key: str) -> str | None:
        if not isinstance(value, dict):
            return _wrong(value, key, "an object")
        within = f"{key}." if key else ""
        problems = [check(value.get(name, MISSING), within + name) for name, check in checks.items()]
        problems += [rest(item, within + name) for name, item in value.items() if name not in checks]
        return next((problem for problem in problems if problem), None)

    return checked
