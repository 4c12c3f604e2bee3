"""What a report on a selection shows, section by section, whatever it is written as."""

from __future__ import annotations

import math

from explorer.explain.contrast import ChannelContrast
from explorer.explain.coverage import Classes, Share
from explorer.explain.reasons import Reasons
from explorer.render.drawing.text import count, number, plural
from explorer.render.report import words
from explorer.render.report.parts import Bar, Report, Section, Table
from explorer.render.report.pictures import channel_maps, driven, grown, marked, patches, where

BARS = 12


def content(found: Reasons) -> Report:
    """Everything a report says and shows."""
    n = found.n_selected
    return Report(
        f"Why {plural(n, 'position')} of {found.layer} {'lies where it does' if n == 1 else 'lie together'}",
        words.headline(found),
        words.facts(found),
        (
            _patches(found),
            _classes(found),
            _pictures(found),
            _channels(found),
            _drivers(found),
            _grown(found),
        ),
        tuple(words.caveats(found)),
    )


def _patches(found: Reasons) -> Section:
    said, rows = patches(found)
    near = "Nearness is Euclidean, in the layer's own channels and not on the map." if rows else ""
    return Section("Typical patches", (f"{said} {near}".strip(),), rows)


def _classes(found: Reasons) -> Section:
    groups = [one for one in (found.labels, found.masks, *found.classes) if one is not None]
    text = tuple(f"{words.number_words(one)}." for one in found.numbers)
    if not groups and not text:
        text = ("The run knows no labels, masks or metadata of its pictures.",)
    held = [one for group in groups for one in group.shares if one.selected]
    most = max((max(one.share, one.expected) for one in held), default=1.0)
    tables = tuple(_class_table(one, most, first=not index) for index, one in enumerate(groups))
    return Section("What it covers", text, (), tables)


def _class_table(classes: Classes, most: float, *, first: bool) -> Table:
    """One line a class; bars of all tables are to the same scale, `most` being the longest."""
    held = [one for one in classes.shares if one.selected]
    shown, none = held[:BARS], len(classes.shares) - len(held)
    notes = ["The line on each bar is the share expected; times is the share divided by it."] if first else []
    if len(held) > len(shown):
        notes.append(f"{count(len(held) - len(shown))} more have smaller shares.")
    if none:
        notes.append(f"{plural(none, 'other')} hold{'s' if none == 1 else ''} none of the selection.")
    head = (classes.title, "share of the selection", "share", "expected", "times", "positions", "pictures")
    return Table(head, tuple(_share_bar(one, most) for one in shown), " ".join(notes))


def _share_bar(one: Share, most: float) -> Bar:
    cells = (
        words.percent(one.share),
        words.percent(one.expected),
        words.times(one.enrichment).replace(" times", "×"),
        count(one.selected),
        f"{count(one.images)} of {count(one.of_images)}",
    )
    return Bar(one.name, one.share / most, cells, one.expected / most)


def _pictures(found: Reasons) -> Section:
    said = words.place_words(found)
    rows = tuple(one for one in (marked(found), where(found)) if one is not None)
    return Section("Which pictures, and where in them", (said,) if said else (), rows)


def _channels(found: Reasons) -> Section:
    shown = [one for one in found.channels if one.effect][:BARS]
    most = max((abs(one.effect) for one in shown if math.isfinite(one.effect)), default=1.0)
    rest = len(found.channels) - len(shown)
    note = f"{plural(rest, 'further channel')}, less apart." if rest else ""
    head = ("channel", "apart by, in standard deviations", "apart", "mean here", "mean elsewhere")
    tables = (Table(head, tuple(_channel_bar(one, most) for one in shown), note),) if shown else ()
    maps = channel_maps(found) if shown else None
    rows = () if maps is None else (maps,)
    return Section("Channels that set it apart", (words.channel_words(found),), rows, tables)


def _channel_bar(one: ChannelContrast, most: float) -> Bar:
    apart = f"{one.effect:+.2f}".replace("-", "−") if math.isfinite(one.effect) else "no overlap"
    cells = (apart, number(one.inside), number(one.outside))
    return Bar(f"channel {one.channel}", min(abs(one.effect) / most, 1.0), cells, negative=one.effect < 0)


def _drivers(found: Reasons) -> Section:
    shown = driven(found)
    rows = () if shown is None else (shown,)
    return Section("Pixels that drive exactly these positions", (found.drivers_note,), rows)


def _grown(found: Reasons) -> Section:
    shown = grown(found)
    rows = () if shown is None else (shown,)
    return Section("What its mean direction grows into", (found.grown_note,), rows)
