"""The page as one text: markup, style, script and data, with nothing that could run but our own script."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from explorer.web.packing import Block

ASSETS = Path(__file__).resolve().parent / "assets"
SCRIPTS = (
    *("colour", "space", "source", "points", "choosing", "icons", "maps", "strip", "legend", "side"),
    *("marks", "tied", "framing", "stage", "views", "taking", "frame"),
    *("looking", "meaning", "viewer", "state", "allmaps"),
)


@cache
def script(live: bool = False, epochs: bool = False) -> str:
    """The front end's script: its files one after the other, for the live page or a file."""
    live_only = ["twin", "timeline", "epochs", "answered", "ask", "unfolding", "live"]
    more = live_only if live else ["timeline", "epochs", "fileepochs"] if epochs else []
    names = (*SCRIPTS, *more, "start")
    parts = [(ASSETS / f"{name}.js").read_text(encoding="utf-8") for name in names]
    return '(() => {\n"use strict";\n\n' + "\n".join(parts) + "})();\n"


@cache
def style() -> str:
    """The front end's style sheet."""
    return (ASSETS / "viewer.css").read_text(encoding="utf-8")


def embedded(value: Mapping[str, Any]) -> str:
    """JSON that may stand inside a script element: no name in it can end the element or open another."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    escapes = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
    for letter, escaped in escapes.items():
        text = text.replace(letter, escaped)
    # Half a letter, as in a name that is no UTF-8, is written as JSON writes it.
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text)


def digest(text: str) -> str:
    """How a content security policy names one inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


def standalone(meta: Mapping[str, Any], blocks: Iterable[Block]) -> str:
    """The page as one HTML file: its policy lets it run our script and nothing else, and reach no network."""
    code, look = f"\n{script(epochs='epochs' in meta)}\n", f"\n{style()}\n"
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {digest(code)}",
            f"style-src {digest(look)}",
            "img-src blob: data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    title = html.escape(f"{meta['title']} · {meta['layer']} · {meta['method']}")
    data = "\n".join(
        f'<script type="text/plain" id="data-{html.escape(block.name)}" data-type="{block.kind}" '
        f'data-packed="{block.packed}">{block.text}</script>'
        for block in blocks
    )
    return f"""<!doctype html>
<html lang="en" data-theme="{html.escape(str(meta["theme"]))}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{look}</style>
</head>
<body>
<div id="explorer" aria-busy="true"></div>
<noscript>This page needs JavaScript to draw the cloud.</noscript>
<script type="application/json" id="data-meta">{embedded(meta)}</script>
{data}
<script>{code}</script>
</body>
</html>
"""
