"""Copy an HDF5 file, leaving behind everything that could do harm; run as a process of its own.

    python hdf5_copy.py SOURCE COPY BYTES

HDF5 can point into other files, declare terabytes in a few hundred bytes, and load libraries to
decode with; and its reader is large and old. So a stranger's file is read in a process that may not
have more than so many bytes of memory, and what is handed on is a new file of plain arrays.

Prints one line of JSON: {"arrays": n}, or {"problem": "…"} and ends with 3. Needs h5py, and nothing
of this package.
"""

from __future__ import annotations

import json
import math
import os
import sys
from typing import Any

COPIED = frozenset("fiubSU")
MOST_COMPRESSED = 2000
"""What unpacks to more than this many times its size is refused."""
MOST_OBJECTS = 200_000
DEEPEST = 60
LONGEST_ATTRIBUTE = 64 * 2**20


class RefusedError(Exception):
    """Something that is not copied; the message says what and where."""


def main(source: str, copy: str, limit: int) -> int:
    """Copy, and say how it went."""
    _bound(limit)
    os.environ["HDF5_PLUGIN_PRELOAD"] = "::"  # no decoder is loaded from a library
    os.environ["HDF5_USE_FILE_LOCKING"] = "FALSE"
    try:
        arrays = _Copier(source, limit).copy_to(copy)
    except RefusedError as error:
        _say({"problem": str(error)})
        return 3
    except MemoryError:
        _say({"problem": f"needs more than {limit / 1e9:.3g} GB of memory to be read"})
        return 3
    except Exception as error:  # damaged files fail in any way, and the reader of this is a program
        line = (str(error).splitlines() or [""])[0]
        _say({"problem": f"{type(error).__name__}: {line[:200]}"})
        return 3
    _say({"arrays": arrays})
    return 0


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")


def _bound(limit: int) -> None:
    """Let this process have no more than so many bytes beyond what starting it takes."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    started = 2 * 2**30  # what Python, numpy and HDF5 map before they read anything
    resource.setrlimit(resource.RLIMIT_AS, (started + limit, started + limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class _Copier:
    def __init__(self, source: str, limit: int) -> None:
        import h5py

        self._h5 = h5py
        self._source = source
        self._limit = limit
        self._declared = 0
        self._objects = 0
        self._arrays = 0

    def copy_to(self, copy: str) -> int:
        """Write the copy; the number of its arrays."""
        with self._h5.File(self._source, "r") as source, self._h5.File(copy, "w") as target:
            self._copy_group(source, target, (self._address(source["/"]),))
        return self._arrays

    def _copy_group(self, source: Any, target: Any, above: tuple[int, ...]) -> None:
        self._copy_attributes(source, target)
        if len(above) > DEEPEST:
            raise RefusedError(f"{source.name}: groups are more than {DEEPEST} deep")
        for name in source:
            where = f"{source.name.rstrip('/')}/{name}"
            self._objects += 1
            if self._objects > MOST_OBJECTS:
                raise RefusedError(f"has more than {MOST_OBJECTS} arrays and groups")
            link = source.get(name, getlink=True)
            if not isinstance(link, self._h5.HardLink):
                raise RefusedError(f"{where}: points elsewhere ({type(link).__name__}), and is not followed")
            found = source[name]
            if isinstance(found, self._h5.Group):
                address = self._address(found)
                if address in above:
                    raise RefusedError(f"{where}: is a group inside itself")
                self._copy_group(found, target.create_group(name), (*above, address))
            elif isinstance(found, self._h5.Dataset):
                self._copy_array(found, target, name)
            else:
                raise RefusedError(f"{where}: is a {type(found).__name__}, expected arrays")

    def _address(self, found: Any) -> int:
        """Where in the file an object is: the same for every name it has."""
        return int(self._h5.h5o.get_info(found.id).addr)

    def _copy_array(self, source: Any, target: Any, name: str) -> None:
        if source.is_virtual or source.external:
            raise RefusedError(f"{source.name}: keeps its values in other files, which are not read")
        if source.shape is None or source.dtype.kind not in COPIED:
            raise RefusedError(f"{source.name}: is of type {source.dtype}, expected numbers")
        declared = math.prod(source.shape) * source.dtype.itemsize
        stored = int(source.id.get_storage_size())
        if declared > 2**20 and declared > MOST_COMPRESSED * stored:
            raise RefusedError(f"{source.name}: declares {declared:.2g} bytes and stores {stored}")
        chunk = math.prod(source.chunks or ()) * source.dtype.itemsize
        self._declared += declared
        if max(self._declared, chunk) > self._limit:
            raise RefusedError(f"declares arrays of more than {self._limit / 1e9:.3g} GB")
        array = target.create_dataset(name, data=source[()], dtype=source.dtype)
        self._copy_attributes(source, array)
        self._arrays += 1

    def _copy_attributes(self, source: Any, target: Any) -> None:
        for name in source.attrs:
            attribute = source.attrs.get_id(name)
            declared = math.prod(attribute.shape or ()) * attribute.dtype.itemsize
            is_text = attribute.dtype.kind == "O" and self._h5.check_string_dtype(attribute.dtype) is not None
            if declared > LONGEST_ATTRIBUTE or not (is_text or attribute.dtype.kind in COPIED):
                raise RefusedError(f"{source.name}: attribute {name} is of type {attribute.dtype}")
            target.attrs[name] = source.attrs[name]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
