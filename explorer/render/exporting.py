"""A scene as a file of another kind: who writes it is found by the file's ending."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from explorer.errors import InputError

GROUP = "explorer.exports"
"""Entry points: the ending is the name, and what it loads is called with (scene, path, options)."""


class Exporting:
    """The part of a scene that writes files of other kinds."""

    def export(self, path: str | Path, options: Any = None) -> Path:
        """Write the scene as a file that opens without Python, such as "cloud.html".

        What does not fit into the file is left out; the page says so, with counts.

        Args:
            path: the file; its ending says the kind.
            options: what goes in, for .html `explorer.web.file.Options`; all that fits into 15 MB by default.

        Raises:
            InputError: an ending that nobody writes, or a scene without positions.
            RenderError: the file cannot be written.
        """
        from importlib.metadata import entry_points

        target = Path(path)
        ending = target.suffix.lower().removeprefix(".")
        writers = {point.name: point for point in entry_points(group=GROUP)}
        if ending not in writers:
            known = ", ".join(f".{name}" for name in sorted(writers)) or "none; install the package again"
            raise InputError(f"{target}: a scene is exported to one of these endings: {known}")
        writers[ending].load()(self, target, options)
        return target
