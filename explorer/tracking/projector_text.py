"""Protobuf's text format as far as a projector's configuration needs it, read without believing it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

MOST_DEPTH = 8
MOST_CHARACTERS = 16 * 2**20
TOKEN = re.compile(
    r"""\s+ | \#[^\n]*                                            # nothing
    | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    | (?P<word>[A-Za-z_][\w.]*)
    | (?P<mark>[{}<>:\[\],;])""",
    re.VERBOSE,
)
ESCAPE = re.compile(r"\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)", re.DOTALL)
LETTERS = {"n": "\n", "t": "\t", "r": "\r"}
Token = tuple[str, str]
Message = dict[str, list[Any]]
"""Values by field, in the order of the text: numbers, strings, words and messages."""


def parse(text: str) -> Message:
    """Read a message.

    Raises:
        ValueError: it is no such text, or nested too deeply, or too long.

    >>> parse('embeddings { tensor_shape: [2, 3] tensor_path: "a.tsv" }')
    {'embeddings': [{'tensor_shape': [2.0, 3.0], 'tensor_path': ['a.tsv']}]}
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"{len(text):,} characters, at most {MOST_CHARACTERS:,} are read")
    tokens = list(_tokens(text))
    message, end = _message(tokens, 0, "", 0)
    if end != len(tokens):
        raise ValueError(f"{tokens[end][1]!r} where nothing is open")
    return message


def _tokens(text: str) -> Iterator[Token]:
    place = 0
    while place < len(text):
        found = TOKEN.match(text, place)
        if found is None:
            line = text.count("\n", 0, place) + 1
            raise ValueError(f"line {line}: {text[place : place + 20]!r} is no text of protobuf")
        place = found.end()
        if found.lastgroup is not None:
            yield found.lastgroup, found.group()


def _message(tokens: list[Token], at: int, closing: str, depth: int) -> tuple[Message, int]:
    """Fields up to what closes the message; and where it goes on."""
    if depth > MOST_DEPTH:
        raise ValueError(f"nested more than {MOST_DEPTH} deep")
    found: Message = {}
    while at < len(tokens) and tokens[at][1] not in ("}", ">"):
        kind, name = tokens[at]
        if kind != "word":
            raise ValueError(f"{name!r} where a field's name was expected")
        at += 1
        if at < len(tokens) and tokens[at][1] == ":":
            at += 1
        values, at = _values(tokens, at, name, depth)
        found.setdefault(name, []).extend(values)
        if at < len(tokens) and tokens[at][1] in (",", ";"):
            at += 1
    if closing:
        if at >= len(tokens) or tokens[at][1] != closing:
            raise ValueError(f"a message is not closed by {closing}")
        at += 1
    return found, at


def _values(tokens: list[Token], at: int, name: str, depth: int) -> tuple[list[Any], int]:
    """What a field holds: one value, or a list of them."""
    if at < len(tokens) and tokens[at] == ("mark", "["):
        found, at = [], at + 1
        while at < len(tokens) and tokens[at][1] != "]":
            value, at = _value(tokens, at, name, depth)
            found.append(value)
            if at < len(tokens) and tokens[at][1] == ",":
                at += 1
        if at >= len(tokens):
            raise ValueError(f"{name}: a list is not closed")
        return found, at + 1
    value, at = _value(tokens, at, name, depth)
    return [value], at


def _value(tokens: list[Token], at: int, name: str, depth: int) -> tuple[Any, int]:
    if at >= len(tokens):
        raise ValueError(f"{name}: has no value")
    kind, text = tokens[at]
    if text in ("{", "<") and kind == "mark":
        return _message(tokens, at + 1, "}" if text == "{" else ">", depth + 1)
    if kind == "number":
        return float(text), at + 1
    if kind == "word":
        return text, at + 1
    if kind != "string":
        raise ValueError(f"{name}: {text!r} where a value was expected")
    parts = []
    while at < len(tokens) and tokens[at][0] == "string":  # strings side by side are one
        parts.append(_unquoted(tokens[at][1][1:-1]))
        at += 1
    return "".join(parts), at


def _unquoted(text: str) -> str:
    """A string without its escapes: those of bytes are of UTF-8."""

    def meant(found: re.Match[str]) -> str:
        code = found.group(1)
        if code[0] in "01234567":
            return chr(int(code, 8) & 255)
        if code[0] == "x" and len(code) > 1:
            return chr(int(code[1:], 16))
        return LETTERS.get(code, code)

    plain = ESCAPE.sub(meant, text)
    try:
        return plain.encode("latin-1").decode("utf-8")  # \303\244 is one letter
    except (UnicodeEncodeError, UnicodeDecodeError):
        return plain
