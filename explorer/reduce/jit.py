"""Compiled functions that work wherever the package lies and whatever else the machine is doing.

Machine code is kept in the user's cache folder. Numba itself prefers the place beside the source, where
files that no installer knows of outlive the package: what remains of an old install can hide the new one.
Beside the source it lies only where there is no other folder; where nothing can be written to, numba refuses
to decorate, and the function is compiled anew in every process. Only modules of kernels import this one, so
that numba is paid for by those who use it.

Threads wait asleep, in numba's own pool. OpenMP's wait in a loop: on a machine with other work, an
iteration of a few milliseconds then takes ten times as long. A user's choice of pool is respected.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

FAST = {"contract", "reassoc", "nsz", "arcp"}
"""Liberties with rounding that let sums be vectorised; NaN and infinity keep their meaning."""

ALONE = threading.RLock()
"""Held while a parallel function runs: numba's pool ends the process when two threads enter it."""

PLACES = "UserProvidedCacheLocator,UserWideCacheLocator,InTreeCacheLocator,ZipCacheLocator"
"""Where numba looks for a folder to keep machine code in, first come first served: its class names."""

_config: Any = numba.config
if _config.THREADING_LAYER == "default":
    _config.THREADING_LAYER = "workqueue"


def compiled(*, parallel: bool = False) -> Callable[[F], F]:
    """Decorator: compile to machine code at the first call, and keep it where that is possible.

    Parallel functions are called one at a time, from Python only.
    """
    options: dict[str, Any] = {"fastmath": FAST, "error_model": "numpy", "nogil": True, "parallel": parallel}

    def decorate(function: F) -> F:
        try:
            with _away_from_the_source():
                fast = _stamped(numba.njit(cache=True, **options)(function))
        except RuntimeError:  # no folder to keep it in
            fast = numba.njit(**options)(function)
        return _alone(fast) if parallel else fast  # type: ignore[no-any-return]

    return decorate


@contextlib.contextmanager
def _away_from_the_source() -> Iterator[None]:
    """Within, numba keeps machine code beside the source only where there is no other folder for it."""
    before: str = getattr(_config, "CACHE_LOCATOR_CLASSES", "")
    _config.CACHE_LOCATOR_CLASSES = before or PLACES
    try:
        yield
    finally:
        _config.CACHE_LOCATOR_CLASSES = before


def _stamped(function: Any) -> Any:
    """The function, whose kept machine code is out of date when any file of kernels has changed.

    Numba looks at the function's own file alone, but what it calls and reads from others is compiled in.
    """
    kept: Any = getattr(getattr(function, "_cache", None), "_cache_file", None)
    if hasattr(kept, "_source_stamp"):
        kept._source_stamp = (
            kept._source_stamp,
            _sources(Path(function.py_func.__code__.co_filename).parent),
        )
    return function


@functools.cache
def _sources(folder: Path) -> str:
    """Digest of the files in a folder that hold compiled functions; of none in a zipped package."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.glob("*.py")):
        text = path.read_bytes()
        if b"explorer.reduce.jit" in text:
            digest.update(text)
    return digest.hexdigest()


def _alone(function: Any) -> Any:
    @functools.wraps(function.py_func)
    def call(*arguments: Any) -> Any:
        with ALONE:
            return function(*arguments)

    return call
