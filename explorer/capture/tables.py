"""A table of inputs: a CSV or parquet file with a path, perhaps a label, and any other columns a row.

The column `path` (or `file`, `image`, `filename`) names each file, relative to the table; `label` is
its label, `mask` the file of its mask. All other columns become metadata: a column of numbers stays
numbers, true and false stay so, everything else is text. In a CSV, a cell that is empty, `NA` or `nan`
is missing; numbers with leading zeros (007) are text, for they are names.
"""

from __future__ import annotations

import csv
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.errors import InputError, MissingExtraError, first_line

PATHS = ("path", "file", "image", "filename")
LABELS = ("label",)
MASKS = ("mask",)
SUFFIXES = (".csv", ".tsv", ".parquet")
MAX_ROWS = 10_000_000
MAX_COLUMNS = 1_000
MISSING = ("", "NA", "nan", "NaN")
Value = str | int | float | bool | None
Columns = dict[str, list[Value]]
_WHOLE = re.compile(r"[+-]?(0|[1-9]\d{0,18})")
_NUMBER = re.compile(r"[+-]?(0|[1-9]\d*|\d+(?=e))?(\.\d*)?(e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """The rows of a table.

    Attributes:
        names: each row's path as the table has it, shortened where it tells of this machine's folders.
        paths: where each file is.
        labels: one a row, "" where there is none; None without such a column.
        metadata: the other columns, each one value a row.
        masks: where each file's mask is, None for a row without one; None without such a column.
    """

    names: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: tuple[str, ...] | None
    metadata: Columns
    masks: tuple[Path | None, ...] | None = None


def read_table(path: Path) -> Table:
    """Read a .csv, .tsv or .parquet of paths, labels and metadata.

    Raises:
        InputError: the file is damaged, or has no column of paths.
        MissingExtraError: parquet, and pyarrow is not installed.
    """
    columns = _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    if len(columns) > MAX_COLUMNS:
        raise InputError(f"{path}: {len(columns)} columns, at most {MAX_COLUMNS} are read")
    lowered = {name.strip().lower(): name for name in reversed(list(columns))}
    key = next((lowered[name] for name in PATHS if name in lowered), None)
    if key is None:
        listed = ", ".join(list(columns)[:8]) or "none"
        raise InputError(f"{path}: no column path (or {', '.join(PATHS[1:])}) among {listed}")
    given = columns.pop(key)
    for row, value in enumerate(given):
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise InputError(f"{path}: row {row + 1} has no text in its column {key}")
    if not given:
        raise InputError(f"{path}: no rows")
    label = next((lowered[name] for name in LABELS if name in lowered), None)
    labels = None if label is None else tuple(_as_text(value) for value in columns.pop(label))
    mask = next((lowered[name] for name in MASKS if name in lowered), None)
    masks = None
    if mask is not None:
        words = [_as_text(value).strip() for value in columns.pop(mask)]
        masks = tuple(path.parent / word if word else None for word in words)
    paths = tuple(path.parent / str(value).strip() for value in given)
    return Table(tuple(_name(file, path.parent) for file in paths), paths, labels, columns, masks)


def name_of(path: Path) -> str:
    """A path as text that every file can hold and every screen show, though its bytes are no UTF-8."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _name(file: Path, root: Path) -> str:
    """A path below the table's folder; of one elsewhere its last two parts: a run is there to be shared."""
    try:
        return name_of(file.relative_to(root))
    except ValueError:
        return name_of(Path(*file.parts[-2:]))


def _as_text(value: Value) -> str:
    return "" if value is None else str(value)


def _csv(path: Path) -> Columns:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            sample = file.read(65536)
            file.seek(0)
            lines = csv.reader(file, delimiter=_delimiter(sample, path), strict=True)
            header = next(lines, [])
            cells: list[list[str]] = [[] for _ in header]
            for row in lines:
                if not row:
                    continue
                if len(row) != len(header):
                    raise InputError(
                        f"{path}: line {lines.line_num} has {len(row)} cells, the header {len(header)}"
                    )
                if len(cells[0]) >= MAX_ROWS:
                    raise InputError(f"{path}: more than {MAX_ROWS:,} rows")
                for column, cell in zip(cells, row, strict=True):
                    column.append(cell.strip())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a table ({first_line(error)})") from None
    names = [name.strip() for name in header]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path}: two columns are called {twice!r}")
    # Paths and labels are text whatever they look like.
    kept = (*PATHS, *LABELS, *MASKS)
    return {
        name: [*column] if name.lower() in kept else _typed(column)
        for name, column in zip(names, cells, strict=True)
    }


def _delimiter(sample: str, path: Path) -> str:
    """A tab in a .tsv; else whichever of comma, semicolon and tab the header has most of."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    header = (sample.splitlines() or [""])[0]
    return max(",;\t", key=header.count)


def _typed(cells: list[str]) -> list[Value]:
    """A column of text as numbers, where all of it is."""
    known = [cell for cell in cells if cell not in MISSING]
    if known and all(_WHOLE.fullmatch(cell) for cell in known) and all(abs(int(c)) < 2**63 for c in known):
        return [None if cell in MISSING else int(cell) for cell in cells]
    if known and all(_is_number(cell) for cell in known):
        return [None if cell in MISSING else float(cell) for cell in cells]
    return [cell or None for cell in cells]


def _is_number(cell: str) -> bool:
    if not _NUMBER.fullmatch(cell) or not any(character.isdigit() for character in cell):
        return False
    return math.isfinite(float(cell))


def _parquet(path: Path) -> Columns:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError(
            f"{path}: parquet needs pyarrow: pip install 'activation-explorer[parquet]'"
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            if file.metadata.num_rows > MAX_ROWS:
                raise InputError(f"{path}: {file.metadata.num_rows:,} rows, at most {MAX_ROWS:,} are read")
            table = file.read()
            return {name: [_plain(value) for value in table[name].to_pylist()] for name in table.column_names}
    except InputError:
        raise
    except Exception as error:  # Arrow has a tree of its own
        raise InputError(f"{path}: cannot be read as parquet ({first_line(error)})") from None


def _plain(value: Any) -> Value:
    """A cell as a number, truth, text or nothing."""
    if value is None or isinstance(value, bool | int | str):
        return value if not isinstance(value, int) or abs(value) < 2**63 else float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
