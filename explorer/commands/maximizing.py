"""Commands that show what parts of a network look for: maximize and atlas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from explorer.commands.arguments import (
    Flag,
    Kept,
    Layer,
    Theme,
    find_projection,
    only_layer,
    picture_size,
    read_array,
)
from explorer.errors import InputError
from explorer.progress import say

if TYPE_CHECKING:
    from explorer.capture import Run
    from explorer.explain.maximised import Maximised

MOST_CHANNELS = 1_000_000
"""A longer list is a slip of the keyboard, and would fill the memory before the layer can refuse it."""
Several = Annotated[list[str] | None, Parameter(negative=())]


def maximize(
    model: Path,
    images: Path | None = None,
    /,
    *,
    out: Path,
    layer: Layer = None,
    channel: Annotated[list[str] | None, Parameter(name=["--channel", "-c"], negative=())] = None,
    position: str | None = None,
    class_: Annotated[list[str] | None, Parameter(name="--class", negative=())] = None,
    direction: Annotated[Path | None, Parameter(name="--direction")] = None,
    component: Annotated[list[int] | None, Parameter(negative=())] = None,
    selection: Path | None = None,
    run: Path | None = None,
    whole: Flag = False,
    size: str | None = None,
    variants: int = 1,
    steps: int = 128,
    parametrisation: Literal["fourier", "pixels"] = "fourier",
    seed: int = 0,
    save: Path | None = None,
    theme: Theme = "light",
) -> None:
    """Climb to the pictures that channels, classes or directions answer to most, and draw them on a sheet.

    With IMAGES, or with a run that has the layer, the strongest real pictures stand under them. The sheet
    is written anew now and then while the pictures grow; Ctrl-C keeps what there is.

    Examples:
    activation-explorer maximize model.toml images/ --layer block5 --channel 0-15 --out maximised.png,
    activation-explorer maximize model.toml --class 3 --class 7 --variants 3 --out classes.png

    Args:
        model: a model.toml, or a file that stands alone, of a framework with gradients.
        images: folder, picture or .npy; may be left out.
        out: the sheet, .png, .jpg, .svg or .pdf.
        layer: the layer; the model's scores for --class, else the one the model suggests.
        channel: a channel, or several such as 0-15; may be given several times.
        position: row,column on the layer's grid: ask for single neurons there.
        class_: name or number of a class; may be given several times.
        direction: an .npy of a vector (channels,) or several (n, channels) to go along.
        component: a principal component of the layer in --run, from 1, both ways; may be given several times.
        selection: positions saved in the viewer (.csv, .npz) from --run; their mean, less that of all, is
            the direction.
        run: a run folder that has the layer; keeps the pictures, so that `view` shows them with the channel.
        whole: the whole layer, as in DeepDream.
        size: width x height of the pictures, such as 96x96, for a model that takes more than one size.
        variants: pictures for each, pushed apart.
        steps: of gradient ascent.
        parametrisation: fourier, or pixels.
        seed: another one starts from other noise.
        save: also keep everything in this file, .npz.
        theme: light or dark.
    """
    from explorer.capture import load_model, open_run
    from explorer.maximize import maximize as climb
    from explorer.render.drawing.sheet import check_sheet_suffix
    from explorer.render.sheets.maximised_sheet import maximised_sheet

    check_sheet_suffix(out)
    if save is not None and save.suffix != ".npz":  # said before hours of climbing, not after
        raise InputError(f"{save}: maximised pictures are kept as .npz")
    opened = load_model(model)
    kept = None if run is None else open_run(run)
    shape = None if size is None else picture_size(size)

    def draw(found: Maximised) -> None:
        maximised_sheet(found, theme=theme).save(out)

    found = climb(
        opened,
        layer=layer,
        channels=None if channel is None else _numbers(channel),
        position=None if position is None else _place(position),
        classes=class_,
        directions=_directions(kept, layer, direction=direction, components=component, selection=selection),
        whole=whole,
        images=kept if images is None else images,
        size=None if shape is None else (shape[1], shape[0]),
        variants=variants,
        steps=steps,
        parametrisation=parametrisation,
        seed=seed,
        watch=draw,
    )
    draw(found)
    _tell(found, out)
    if save is not None:
        print(found.save(save))
    if kept is not None:
        _keep(kept, found)
    if found.finished < len(found.names):
        say(f"stopped: {found.finished} of {len(found.names)} were climbed for to the end")
        raise KeyboardInterrupt


def _tell(found: Maximised, out: Path) -> None:
    """Print how far each was climbed for, and where the sheet is."""
    for number in range(len(found.names)):
        print(found.title(number))
    print(out)


def _keep(run: Run, found: Maximised) -> None:
    """Keep the pictures in their run where that can be, and print where; else say why not."""
    from explorer.explain.beside_run import keep_maximised

    try:
        print(keep_maximised(run, found))
    except InputError as error:  # a run that may only be read, or of another model
        say(f"not kept in the run: {error}")


def _numbers(texts: list[str]) -> list[int]:
    """Read 5 and 0-15."""
    found: list[int] = []
    for text in (part for given in texts for part in given.split(",")):
        low, dash, high = text.partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()):
            raise InputError(f"--channel {text}: expected a number, or several such as 0-15")
        first, last = int(low), int(high if dash else low)
        if last < first or last >= MOST_CHANNELS:
            words = (
                f"ends before it begins; {last}-{first}?" if last < first else "no layer has so many channels"
            )
            raise InputError(f"--channel {text}: {words}")
        found += range(first, last + 1)
    return list(dict.fromkeys(found))


def _place(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise InputError(f"--position {text}: expected row,column such as 3,4")
    return tuple(int(part) for part in parts)


def _directions(
    run: Run | None,
    layer: str | None,
    *,
    direction: Path | None,
    components: list[int] | None,
    selection: Path | None,
) -> dict[str, Any] | None:
    """Every direction asked for, by name."""
    found: dict[str, Any] = {}
    if direction is not None:
        vectors = read_array(direction)
        rows = vectors[None] if vectors.ndim == 1 else vectors
        if rows.ndim != 2 or not len(rows) or rows.dtype.kind not in "fiu":
            raise InputError(f"{direction}: has shape {vectors.shape}, expected (channels,) or (n, channels)")
        names = [direction.stem] if len(rows) == 1 else [f"{direction.stem} {n}" for n in range(len(rows))]
        found |= dict(zip(names, rows, strict=True))
    if components or selection is not None:
        if run is None or layer is None:
            raise InputError("--component and --selection need --run and --layer: which activations?")
        found |= _components(run, layer, components or [])
        if selection is not None:
            from explorer.explain.contrast import direction_of
            from explorer.explain.selected import choose

            found[f"selection {selection.stem}"] = direction_of(run, choose(run, selection, layer))
    return found or None


def _components(run: Run, layer: str, numbers: list[int]) -> dict[str, Any]:
    from explorer.reduce.streaming import fit_run

    if not numbers:
        return {}
    most = run.channels(layer)
    if wrong := [number for number in numbers if not 1 <= number <= most]:
        raise InputError(f"--component {wrong[0]}: {layer} has 1 to {most}")
    rows = fit_run(run, layer, max(numbers))[0].components
    found = {}
    for number in numbers:
        found[f"component {number}, up"] = rows[number - 1]
        found[f"component {number}, down"] = -rows[number - 1]
    return found


def atlas(
    run: Path,
    /,
    *,
    out: Path,
    layer: Layer = None,
    method: Kept | None = None,
    cells: int | None = None,
    least: int = 5,
    model: Path | None = None,
    gaps: Flag = False,
    theme: Theme = "light",
) -> None:
    """Draw the whole data set's positions as an atlas: each part of a map by what is typical there.

    Takes the newest 2D map of the layer that fits, or makes a UMAP.

    Example: activation-explorer atlas runs/first --layer block5 --out atlas.png

    Args:
        run: a run folder.
        out: the sheet, .png, .jpg, .svg or .pdf.
        layer: the layer; may be left out when the run has one.
        method: take a map by this method.
        cells: along the longer side; by default as many as the number of positions carries.
        least: positions that a cell needs to be drawn; how many are left out is said.
        model: draw each cell by the picture that its mean direction grows into in this model, in place of its
            typical patch.
        gaps: leave the empty space between clusters as it is on the map; by default they are drawn together.
        theme: light or dark.
    """
    from explorer.atlas import atlas as make
    from explorer.capture import open_run
    from explorer.render.drawing.sheet import check_sheet_suffix
    from explorer.render.sheets.atlas_sheet import atlas_sheet

    check_sheet_suffix(out)
    opened = open_run(run)
    projection = find_projection(opened, layer or only_layer(opened), method, 2)
    made = make(opened, projection, cells=cells, least=least, model=model)
    print(atlas_sheet(made, theme=theme, gaps=gaps).save(out))
