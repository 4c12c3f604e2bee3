"""What goes into one file: as much as fits, most useful first, and words for what is left out."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ReductionError
from explorer.render.drawing.text import count, plural
from explorer.web.packing import Block, Bytes, block, raw_block, to_bytes, to_whole

if TYPE_CHECKING:
    from explorer.render.export.exporting import Options
    from explorer.render.linked.quantities import Quantity
    from explorer.web.material import Material, Told

SIZES = (512, 384, 256, 192, 128, 96, 64, 48, 32)
TRIED = 24
"""Pictures that are packed to tell how large all of them become."""
PICTURES_SHARE = 0.4
NEIGHBOURS, FEWEST_NEIGHBOURS = 8, 4
NEIGHBOURS_SHARE = 0.5
VECTORS_SHARE = 0.7
WIDTHS = (64, 48, 32, 24, 16, 12, 8)
"""Numbers kept of each vector for similarities, the most that fit."""


@dataclass
class Plan:
    """A file in the making.

    Attributes:
        room: bytes that are still free.
        meta: what the page reads first.
        blocks: the numbers it reads when they are needed.
    """

    room: float
    meta: Told
    blocks: list[Block] = field(default_factory=list)

    def add(self, made: Block, *, needed: bool = False) -> bool:
        """Take a block if it fits, or in any case when the page cannot do without."""
        if len(made.text) > self.room and not needed:
            return False
        self.room -= len(made.text)
        self.blocks.append(made)
        return True

    def note(self, words: str) -> None:
        """Say in the page how something is kept."""
        self.meta["notes"].append(words)

    def left(self, words: str) -> None:
        """Say in the page what is left out."""
        self.meta["left"].append(words)

    def left_all(self, several: Iterable[str]) -> None:
        """Say in the page that several things are left out."""
        self.meta["left"].extend(several)


def add_cloud(plan: Plan, material: Material, options: Options) -> None:
    """Coordinates in 16 bits each, and the places they belong to."""
    projection = material.projection
    whole, low, high = to_whole(projection.coordinates)
    plan.meta.update(low=low.tolist(), high=high.tolist())
    plan.add(block("coordinates", whole), needed=True)
    if projection.rows is not None:
        steps = np.diff(projection.rows, prepend=0).astype(np.uint32)
        plan.add(block("places", steps), needed=True)
    ends = ", ".join(f"{a:.4g} to {b:.4g}" for a, b in zip(low, high, strict=True))
    plan.note(f"coordinates in 16 bits: {count(projection.n_samples)} points, axes from {ends}")


def add_pictures(plan: Plan, material: Material, options: Options) -> None:
    """Pictures as WebP, as large as fits."""
    n, shown = material.run.n_images, plan.meta["pictures"]
    if shown is None:
        return
    if not options.pictures:
        plan.meta["pictures"] = None
        plan.left(f"all {plural(n, 'picture')}, as asked for")
        return
    longest = max(shown["width"], shown["height"])
    sizes = [longest] if longest <= SIZES[-1] else [min(longest, size) for size in SIZES]
    share = plan.room * PICTURES_SHARE
    some = np.unique(np.linspace(0, n - 1, min(n, TRIED)).astype(int))
    for size in dict.fromkeys(sizes):
        packed = [len(webp(material, int(image), size)) for image in some]
        if np.mean(packed) * n * 4 / 3 <= share:
            break
    else:
        plan.meta["pictures"] = None
        plan.left(f"all {plural(n, 'picture')}: even {sizes[-1]} pixels wide they do not fit")
        return
    parts = [webp(material, image, size) for image in range(n)]
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    shown.update(type="image/webp", starts=starts.tolist())
    plan.add(raw_block("pictures", b"".join(parts)), needed=True)
    kept = f"{plural(n, 'picture')} as WebP, at most {min(size, longest)} pixels wide or high"
    plan.note(f"{kept}; the model saw {shown['width']} × {shown['height']}")


def webp(material: Material, image: int, size: int) -> bytes:
    """One picture, packed: small ones without loss."""
    from PIL import Image

    pixels = material.run.picture(image)
    assert pixels is not None  # the plan has looked
    picture, out = Image.fromarray(pixels), io.BytesIO()
    picture.thumbnail((size, size), Image.Resampling.LANCZOS)
    small = max(picture.size) <= 64
    picture.save(out, "WEBP", lossless=small, quality=82, method=4)
    return out.getvalue()


def add_grids(plan: Plan, material: Material, options: Options) -> None:
    """The norm and PCA→RGB of every position."""
    kept = []
    if add_map(plan, "norm", material.norms(), f"norm of {plural(plan.meta['channels'], 'channel')}"):
        kept.append("norm")
    plan.meta["hasRgb"] = plan.add(block("rgb", material.rgb()))
    positions = plural(plan.meta["nPositions"], "position")
    if not plan.meta["hasRgb"]:
        plan.left(f"PCA → RGB of {positions}")
        without(plan, "colours", {"rgb"})
    if not kept:
        plan.left(f"norms of {positions}")
        without(plan, "colours", {"norm"})
        without(plan, "maps", {"norm"})


def add_map(plan: Plan, name: str, made: Bytes, title: str) -> bool:
    """A number of every position, with each image's range."""
    identifier = name.replace(":", "-")
    numbers = block(identifier, made.values)
    ends = block(f"{identifier}-ends", np.concatenate([made.low, made.high]))
    if len(numbers.text) + len(ends.text) > plan.room:
        return False
    plan.add(numbers)
    plan.add(ends)
    plan.meta["grids"][name] = {"block": identifier, "title": title}
    return True


def add_columns(plan: Plan, material: Material, options: Options) -> None:
    """Trust, clusters and whatever else is known of the projected positions."""
    for index, name in enumerate(material.columns()):
        identifier = f"column-{index}"
        made, told = packed_column(material.scene.state.quantity(name), identifier)
        if plan.add(made):
            plan.meta["rows"][name] = told
            continue
        plan.left(f"{name} of {plural(len(material.places), 'position')}")
        without(plan, "colours", {name})
        without(plan, "figures", {name})


def packed_column(quantity: Quantity, identifier: str) -> tuple[Block, Told]:
    """One number or class a row, and how the page reads it."""
    told: Told = {"block": identifier, "title": quantity.title, "note": quantity.note}
    if quantity.names:
        codes = np.asarray(quantity.values, np.uint16)
        return block(identifier, codes), {**told, "kind": "classes", "names": list(quantity.names)}
    made = to_bytes(np.asarray(quantity.values)[None])
    told |= {"kind": "scale", "low": float(made.low[0]), "high": float(made.high[0])}
    told["signed"] = quantity.signed
    if quantity.limits is not None and not quantity.signed:
        told["scale"] = {"low": quantity.limits[0], "high": quantity.limits[1], "map": "viridis"}
    return block(identifier, made.values[0]), told


def add_neighbours(plan: Plan, material: Material, options: Options) -> None:
    """Nearest rows in the layer's own space."""
    from explorer.web.near import original_neighbours

    n = len(material.places)
    plan.meta["near"] = None
    if not options.neighbours or n < 2:
        plan.left(f"nearest neighbours in the layer of {plural(n, 'position')}, as asked for")
        return
    try:
        found = original_neighbours(material, NEIGHBOURS)
    except ReductionError as error:
        plan.left(f"nearest neighbours in the layer: {error}")
        return
    share = plan.room * NEIGHBOURS_SHARE
    for k in dict.fromkeys((found.k, min(found.k, FEWEST_NEIGHBOURS))):
        found = found.take(k)
        made = block("near", found.indices.astype(np.uint32))
        if len(made.text) <= share and plan.add(made):
            break
    else:
        plan.left(f"nearest neighbours in the layer of {plural(n, 'position')}")
        return
    recall = "" if found.recall is None else f"{found.recall:.0%} of the true ones were found"
    plan.meta["near"] = {"k": found.k, "note": recall}
    plan.note(f"{found.k} nearest neighbours of every point in {plan.meta['layer']}")


def add_vectors(plan: Plan, material: Material, options: Options) -> None:
    """Every position's vector, shortened, so that similarities can be computed in the page."""
    from explorer.web.near import shortened

    plan.meta["vectors"] = None
    n, channels = plan.meta["nPositions"], plan.meta["channels"]
    share = plan.room * VECTORS_SHARE
    fits = [width for width in (channels, *WIDTHS) if width <= channels and width * n * 4 / 3 <= share]
    fits = [width for width in fits if width <= WIDTHS[0] or width == channels]
    if not options.similarity or not fits:
        plan.left(f"vectors of {plural(n, 'position')}, so no similarity to a chosen position")
        return
    try:
        short = shortened(material, fits[0])
    except ReductionError as error:
        plan.left(f"similarity to a chosen position: {error}")
        return
    if not plan.add(block("vectors", short.values)):
        plan.left(f"vectors of {plural(n, 'position')}, so no similarity to a chosen position")
        return
    words = f"±{short.error:.2g}" if short.error >= 0.005 else "cosine"
    plan.meta["vectors"] = {"width": short.values.shape[1], "scale": short.scale.tolist(), "note": words}
    kept = f"{short.values.shape[1]} numbers for {plural(channels, 'channel')}"
    plan.note(
        f"similarities from {kept} of every position, one byte each: "
        f"95 % of cosines lie within {short.error:.2g} of the exact ones"
    )


def add_channels(plan: Plan, material: Material, options: Options) -> None:
    """As many channels as fit, those that vary most first."""
    values = material.scene.state.values
    order = by_variance(material)[: values.channels if options.channels is None else options.channels]
    room = plan.room
    # What one channel takes is learnt from the first; a slow end of many that do not fit is not tried.
    kept = []
    for channel in order:
        if not add_map(plan, f"channel:{channel}", material.channel(int(channel)), f"channel {channel}"):
            break
        kept.append(int(channel))
        if plan.room < (room - plan.room) / len(kept):
            break
    names = {f"channel:{channel}" for channel in range(values.channels) if channel not in set(kept)}
    without(plan, "colours", names)
    without(plan, "maps", names)
    if names:
        chosen = "those that vary most are kept"
        plan.left(
            f"{count(len(names))} of {plural(values.channels, 'channel')} ({chosen}: {count(len(kept))})"
        )
    if kept:
        plan.note(f"maps in one byte a position, from each picture's lowest to its highest: {len(kept) + 1}")


def by_variance(material: Material) -> NDArray[np.intp]:
    """Channels, the one that varies most first."""
    values = material.scene.state.values
    sums, squares, n = np.zeros(values.channels), np.zeros(values.channels), 0
    for _, chunk in values.chunks():
        rows = np.nan_to_num(chunk.reshape(-1, values.channels).astype(np.float64), posinf=0, neginf=0)
        sums, squares, n = sums + rows.sum(axis=0), squares + (rows**2).sum(axis=0), n + len(rows)
    return np.argsort(-(squares / max(n, 1) - (sums / max(n, 1)) ** 2), kind="stable")


def without(plan: Plan, which: str, names: set[str]) -> None:
    """Take back the offer of something that is not kept."""
    plan.meta[which] = [told for told in plan.meta[which] if told["name"] not in names]


STEPS: tuple[Callable[[Plan, Material, Options], None], ...] = (
    add_cloud,
    add_pictures,
    add_grids,
    add_columns,
    add_neighbours,
    add_vectors,
    add_channels,
)
"""What fills a plan, most useful first."""
