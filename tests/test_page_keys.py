"""Keys: the page's do what the window's do, and say so in the same words."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import pytest
from browsing import MARKS, Page, make_file

from explorer.render.window.keys import KEYS


def told_by_the_page() -> dict[str, str]:
    """What the page's list says of each key."""
    text = (resources.files("explorer") / "web" / "assets" / "frame.js").read_text(encoding="utf-8")
    listed = text[text.index("const KEYS") : text.index("class Frame")]
    pairs = re.findall(r'\["([^"]+)", "([^"]+)"\]', listed)
    return {key.lower(): words for keys, words in pairs for key in keys.split("  ")}


def test_a_key_that_the_window_has_too_means_the_same_on_the_page() -> None:
    page = told_by_the_page()
    window = {key.shown.split("  ")[0]: key.says.replace("image", "picture") for key in KEYS}
    for key in "yxmofijtrvdhzw/":
        assert page[key] == window[key], key
    assert page["esc"] == window["esc"]
    assert page["space"] == window["space"]
    for key, word in {
        "b": "box",
        "l": "lasso",
        "g": "sphere",
        "n": "next",
        "p": "previous",
        "]": "next",
    }.items():
        assert word in page[key]
        assert word in window[key]
    assert page["c"].startswith(window["c"])
    letters = {key for key in page if len(key) == 1 and key.isalpha()}
    assert letters <= set(window)  # none does something else in the window


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_file(tmp_path_factory.mktemp("keys"))


def apply_marks(test: Any) -> Any:
    for mark in MARKS:
        test = mark(test)
    return test


@apply_marks
def test_each_key_does_what_the_list_says(browser: Any, file: str) -> None:
    page = Page(browser, file)

    def after(key: str, what: str) -> Any:
        page.page.keyboard.press(key)
        page.rest()
        return page.js(what)

    assert [after(key, "v.image") for key in ("n", "n", "p")] == [1, 2, 1]
    assert [after(key, "v.map") for key in ("]", "]", "[")] == ["channel:0", "channel:1", "channel:0"]
    assert [after("m", "v.map") for _ in range(3)] == ["component:0", "norm", "channel:0"]
    assert [after("o", "v.overlay") for _ in range(2)] == [1, 0.62]
    tools = [after(key, "v.stage.tool") for key in ("b", "l", "g", " ")]
    assert tools == ["box", "lasso", "sphere", "turn"]
    assert after("y", "v.stage.visible") is True
    assert after("j", "v.stage.named") is False
    assert after("i", "v.isolated") is True
    before = page.js("v.colour")
    assert after("c", "v.colour") != before
    assert after("Shift+C", "v.colour") == before
    views = [after("v", "v.stage.camera.basis[2].map((x) => Math.round(x))") for _ in range(3)]
    assert len({tuple(view) for view in views}) == 3
    assert [round(after("d", "v.stage.camera.flatness")) for _ in range(2)] == [1, 0]
    page.js("(v.take([1, 2], 'replace', 'by a test'), v.hide([0]))")
    assert after("x", "[v.selection.size, v.hidden.size]") == [0, 0]
    assert after("f", "v.allMaps.open") is True
    after("Escape", "0")
    after("h", "0")
    assert page.page.locator("dialog[open] .keys").is_visible()
    assert page.said == []
    page.page.close()
