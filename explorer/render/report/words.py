"""A report on a selection in plain words: only what the numbers say."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from explorer.explain.coverage import Classes, NumberColumn, Share
from explorer.explain.reasons import Reasons
from explorer.render.drawing.text import count, number, plural

MOST, MANY, FEW = 0.5, 0.6, 1.25
"""Share from which something is "most" of it; share from which a region is named; factor that counts."""
NOWHERE = "No single part of the picture holds most of them."
CLEAR = 0.8
"""Effect from which a channel is said to set a selection apart (Cohen: 0.8 is large)."""


def percent(share: float) -> str:
    """A share as it reads well: 82 %, 0.4 %, under 0.1 %."""
    if share and share < 0.001:
        return "under 0.1 %"
    return (
        f"{share:.0%}".replace("%", " %")
        if share >= 0.0995 or not share
        else f"{share:.1%}".replace("%", " %")
    )


def times(factor: float) -> str:
    """How many times, in words: "8.2 times"; "as often as", near 1."""
    if math.isinf(factor) or math.isnan(factor):
        return "–"
    return f"{factor:.2g} times" if factor < 9.95 else f"{factor:,.0f} times"


def headline(found: Reasons) -> str:
    """What there is to know first, in one to three sentences."""
    one = found.n_selected == 1
    these = "This position comes" if one else f"These {count(found.n_selected)} positions come"
    holding, all_of = len(found.pictures), found.run.n_images
    where = f"{count(holding)} of {count(all_of)} pictures"
    if holding == all_of:
        where = {1: "the run's one picture", 2: "both pictures"}.get(all_of, f"all {count(all_of)} pictures")
    mostly = _one_picture(found) if found.labels is None else _classes_words(found.labels)
    sentences = [f"{these} from {where}{', ' + mostly if mostly else ''}."]
    sentences += [sentence for sentence in (_mask_words(found), place_words(found)) if sentence]
    return " ".join(sentence for sentence in sentences if sentence != NOWHERE)


def _one_picture(found: Reasons) -> str:
    """That one picture holds most of it; nothing where none does."""
    first, n = found.pictures[0], found.n_selected
    if len(found.pictures) == 1:
        return first.name if found.run.n_images > 1 else ""
    return f"{percent(first.selected / n)} of them from {first.name}" if first.selected > MOST * n else ""


def _classes_words(classes: Classes) -> str:
    """Which classes most of it is of."""
    shares = [one for one in classes.shares if one.selected]
    first = shares[0]
    if len(shares) == 1 and len(classes.shares) > 1:
        return f"all of {classes.title} {first.name} ({times(first.enrichment)} its share)"
    if len(classes.shares) == 1:
        return f"all of {classes.title} {first.name}, as the whole run is"
    if first.share >= MOST:
        if first.enrichment < FEW:
            return f"mostly {classes.title} {first.name} ({percent(first.share)}, about its share)"
        factor = times(first.enrichment)
        return f"mostly {classes.title} {first.name} ({percent(first.share)}, {factor} its share)"
    if max(one.enrichment for one in shares) < FEW:
        return f"of all {classes.title}s about as often as these occur"
    few = _until_most(shares)
    together = sum(one.share for one in few)
    if len(few) > 3:
        best = max(shares, key=lambda one: one.enrichment if one.share >= 0.05 else 0)
        return (
            f"of {count(len(shares))} {classes.title}s, {best.name} most above its share "
            f"({percent(best.share)}, {times(best.enrichment)})"
        )
    names = _listed([one.name for one in few])
    return f"above all {classes.title}s {names} (together {percent(together)})"


def _until_most(shares: list[Share]) -> list[Share]:
    """The first shares that together are most of it."""
    few: list[Share] = []
    for one in shares:
        few.append(one)
        if sum(share.share for share in few) >= MANY:
            break
    return few


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _mask_words(found: Reasons) -> str:
    """On which class of the masks most of it lies."""
    if found.masks is None:
        return ""
    first = found.masks.shares[0]
    if first.share < MOST or first.enrichment < FEW:
        return ""
    return f"{percent(first.share)} lie on {first.name} ({times(first.enrichment)} its share)."


def regions(shape: tuple[int, ...]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Parts of a grid (rows, columns) that have a name."""
    rows, columns = np.indices(shape)
    down, across = (rows + 0.5) / shape[0], (columns + 0.5) / shape[1]
    third = {"upper": down < 1 / 3, "lower": down > 2 / 3, "left": across < 1 / 3, "right": across > 2 / 3}
    for name in ("upper", "lower", "left", "right"):
        yield f"in the {name} third of the picture", third[name]
    for vertical in ("upper", "lower"):
        for side in ("left", "right"):
            yield f"in the {vertical} {side} of the picture", third[vertical] & third[side]
    middle = ~(third["upper"] | third["lower"])
    centre = ~(third["left"] | third["right"])
    yield "in the middle of the picture", middle & centre
    yield "at half height", middle
    yield "in the middle from left to right", centre
    if min(shape) >= 4:
        rim = (rows == 0) | (rows == shape[0] - 1) | (columns == 0) | (columns == shape[1] - 1)
        yield "along the picture's rim", rim


def place_words(found: Reasons) -> str:
    """Where in the picture they lie; nothing for layers without rows and columns."""
    counts = np.nan_to_num(found.where[None] if found.where.ndim == 1 else found.where)
    if counts.ndim != 2 or min(counts.shape) < 3 or found.n_selected < 2:
        return ""
    shares = counts / counts.sum()
    best, words = 0.0, ""
    for name, part in regions(counts.shape):
        share, area = float(shares[part].sum()), float(part.mean())
        if not part.any() or share < MANY or share < 1.5 * area:
            continue
        score = share * math.log(share / area)
        if score > best:
            best = score
            words = f"{percent(share)} lie {name} ({percent(area)} of its places)."
    if words:
        return words
    spread = float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum() / math.log(shares.size))
    if spread > 0.97:
        return "They lie all over the picture."
    return NOWHERE


def channel_words(found: Reasons) -> str:
    """Which channels set it apart, in a sentence."""
    clear = [one for one in found.channels if abs(one.effect) >= CLEAR]
    if not found.n_selected < found.n_positions:
        return "Everything is selected, so there is nothing to set it apart from."
    if not clear:
        strongest = found.channels[0]
        return (
            f"No single channel sets these positions apart: the one that does most, channel "
            f"{strongest.channel}, differs by {number(abs(strongest.effect), 2)} standard deviations."
        )
    first = clear[0]
    more = "more" if first.effect > 0 else "less"
    by = "" if math.isinf(first.effect) else f", {number(abs(first.effect), 2)} standard deviations {more}"
    return (
        f"Channel {first.channel} sets them apart most: {number(first.inside)} on average here, "
        f"{number(first.outside)} elsewhere{by}. {_how_many(len(clear), len(found.channels))}"
    )


def _how_many(clear: int, channels: int) -> str:
    return (
        f"{count(clear)} of {plural(channels, 'channel')} "
        f"{'differs' if clear == 1 else 'differ'} by {CLEAR:g} standard deviations or more."
    )


def facts(found: Reasons) -> str:
    """What was selected of what, in one line."""
    shape = " × ".join(map(str, found.chosen.grid_shape[1:])) or "one vector"
    share = percent(found.n_selected / found.n_positions)
    return (
        f"{found.run.name} · layer {found.layer}, {shape} positions a picture, "
        f"{plural(len(found.channels), 'channel')} · {count(found.n_selected)} of "
        f"{count(found.n_positions)} positions selected ({share})"
    )


def number_words(one: NumberColumn) -> str:
    """A column of numbers, inside and outside."""
    apart = f"{number(abs(one.effect), 2)} standard deviations {'higher' if one.effect > 0 else 'lower'}"
    return f"{one.name}: {number(one.inside)} on average here, {number(one.outside)} elsewhere ({apart})"


def caveats(found: Reasons) -> list[str]:
    """How everything was counted, and what it does not say."""
    if found.among is None:
        every = f"All {count(found.n_positions)} positions of the layer were read; none was sampled."
    else:
        total = math.prod(found.chosen.grid_shape)
        every = (
            f"Compared with the {count(found.n_positions - found.n_selected)} other positions that the map "
            f"shows, of {count(total)} of the layer: the rest was neither counted nor compared."
        )
    lines = [
        every,
        "Share: of the selected positions. Expected: of all positions compared. "
        "Times its share: the one divided by the other; 1 is what a blind draw gives.",
        "Standard deviations: difference of the means inside and outside, divided by the pooled standard "
        "deviation within both (Cohen's d). Means alone are compared; channels may differ otherwise.",
        "Neighbouring positions of a picture see nearly the same pixels, so positions are no independent "
        "observations: no p-values are given, and the number of pictures says more than that of positions.",
        "What is told here was looked for in these pictures after the selection was made; whether it holds "
        "elsewhere is for other pictures to show.",
    ]
    if found.typical.kinds and found.typical.n_sorted < found.n_selected:
        some = count(found.typical.n_sorted)
        lines.append(f"Kinds were told from {some} of the selected positions, drawn at random.")
    return lines
