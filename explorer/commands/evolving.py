"""The command that follows a layer over a training: evolve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from explorer.commands.arguments import Colour, Components, Flag, Layer, Method, Theme

if TYPE_CHECKING:
    from explorer.evolution import Evolution
    from explorer.render.epochs.scene import EpochScene


def evolve(
    model: Path,
    images: Path | None = None,
    /,
    *,
    out: Path,
    layer: Layer = None,
    checkpoints: Annotated[list[Path] | None, Parameter(consume_multiple=True, negative=())] = None,
    method: Method = "umap",
    components: Components = 3,
    seed: int = 0,
    sample: str = "5000",
    standardise: Flag = False,
    perplexity: float = 30.0,
    neighbours: Annotated[int, Parameter(name=["--neighbours", "--neighbors"])] = 15,
    min_dist: float = 0.1,
    trail: str | None = None,
    colour: Colour = "label",
    theme: Theme = "light",
    only_moved: Flag = False,
    film: Path | None = None,
    remake: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Follow a layer over the checkpoints of a training: aligned clouds, figures, a picture, a film.

    The same again resumes, and captures only checkpoints that are new or have changed; maps that are
    there stay as they are. Writes clouds.png, maps.png and figures.csv; `view OUT` opens it with a
    slider over the epochs.

    Examples: activation-explorer evolve model.toml images/ --layer block2 --out runs/training,
    activation-explorer evolve model.toml images/ --checkpoints weights/ --film training.mp4 --out runs/t

    Args:
        model: a model.toml, or a folder of models that stand alone (.onnx, .keras, …), one an epoch.
        images: folder, file, table of files, or arrays; may be left out where the model brings its own.
        out: the folder: a run folder a checkpoint, the maps, the figures and the pictures.
        layer: the layer; by default the one the model.toml suggests, else the last spatial one.
        checkpoints: a folder of Orbax steps or of files of weights, or the files; by default those the
            model.toml names. They come in the natural order of the numbers in their names.
        method: how positions are projected.
        components: dimensions of the maps.
        seed: random state of the maps; the next one is what movement is held against.
        sample: most positions to follow, or "all".
        standardise: divide each channel by its standard deviation first.
        perplexity: of t-SNE, the effective number of neighbours.
        neighbours: of UMAP, the number of neighbours.
        min_dist: of UMAP, the smallest distance between points of the map.
        trail: a position whose way is drawn: image,row,column, such as 3,4,4.
        colour: label, image, row, column, norm, channel, component, rgb, trust or mask.
        theme: light or dark.
        only_moved: grey what has not moved since the epoch before beyond what another seed does.
        film: also write the clouds on their way from epoch to epoch, .mp4 or .gif.
        remake: make all maps anew together, also those that are there.
        overwrite: replace captures of other images or preprocessing that are in the way.
    """
    from explorer.evolve import evolve as follow
    from explorer.render.epochs.film import check_film

    if film is not None:
        check_film(film)
    place = None if trail is None else _position(trail)
    given = None if not checkpoints else (checkpoints[0] if len(checkpoints) == 1 else checkpoints)
    found = follow(
        model,
        images,
        checkpoints=given,
        layer=layer,
        method=method,
        n_components=components,
        random_state=seed,
        sample=sample,
        standardise=standardise,
        perplexity=perplexity,
        n_neighbors=neighbours,
        min_dist=min_dist,
        out=out,
        remake=remake,
        overwrite=overwrite,
    )
    print_evolution(found)
    _draw(found, place, only_moved=only_moved, colour=colour, theme=theme)
    if film is not None:
        print(found.export(film, trail=place, colour=colour, theme=theme))


def _draw(
    found: Evolution, trail: tuple[int, ...] | None, *, only_moved: bool, colour: str, theme: str
) -> None:
    """Write the pictures into the folder."""
    from explorer.render.files import save_picture

    picture = found.picture(trail=trail, only_moved=only_moved, colour=colour, theme=theme)
    print(save_picture(picture, found.path / "clouds.png"))
    if len(found.projections[0].grid_shape) == 3:
        image = 0 if trail is None else trail[0]
        print(save_picture(found.maps(image, theme=theme), found.path / "maps.png"))


def _position(text: str) -> tuple[int, ...]:
    """Read "3,4,4"."""
    from explorer.errors import InputError

    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise InputError(f"--trail {text}: expected whole numbers image,row,column, such as 3,4,4")
    return tuple(int(part) for part in parts)


@dataclass(frozen=True)
class Page:
    """The page that a view may be.

    Attributes:
        asked: whether it is asked for.
        host: the address it is served on.
        port: its port; 0 for any that is free.
    """

    asked: bool
    host: str
    port: int


def view(
    folder: Path,
    state: Path | None,
    others: Mapping[str, object],
    *,
    colour: str | None,
    theme: str,
    page: Page,
    model: Path | None = None,
) -> None:
    """Open the window over an evolution, or the page where that is asked for or there is no screen.

    Without a screen and without trame its small multiples are written.

    Args:
        folder: the folder.
        state: a state to bring back.
        others: options that were given and mean nothing here.
        colour: what points are coloured by.
        theme: light or dark.
        page: whether the page is asked for, and where it is served; without a screen it is served too.
        model: the model.toml of the training, to be asked with each epoch's weights.

    Raises:
        InputError: options that mean something for a run alone.
        MissingExtraError: the page is asked for, and trame is not installed.
    """
    from importlib.util import find_spec

    from explorer.commands.publishing import check_web, first_colour, serve_page
    from explorer.errors import InputError
    from explorer.evolution import open_evolution
    from explorer.render.cloud.offscreen import has_screen
    from explorer.render.files import save_picture

    found = open_evolution(folder)
    if others:
        raise InputError(
            f"{folder}: is a training, for which {', '.join(others)} means nothing; one epoch is shown by "
            f"`view {found.runs[-1].path}`"
        )
    if page.asked:
        check_web(asked=True)
    if page.asked or has_screen() or find_spec("trame") is not None:
        paged = page.asked or not has_screen()
        usual = first_colour(found.runs[-1]) if paged else "label"
        shown = found.scene(colour=colour or usual, theme=theme)
        shown.model = model
        if state is not None:
            shown.load_state(state)
        if paged:
            serve_page(found.runs[-1], shown, host=page.host, port=page.port)
        else:
            shown.show()
        return
    picture = found.picture(colour=colour or "label", theme=theme)
    print(f"no screen here, so a picture: {save_picture(picture, folder / 'clouds.png')}")


def some_epochs(found: Evolution, epochs: str | None, step: int | None) -> Evolution:
    """An evolution with the epochs of --epochs or --every, or all of them.

    Raises:
        InputError: both, an epoch that there is not, or fewer than two.
    """
    from explorer.errors import InputError
    from explorer.evolution.choosing import every

    if epochs is not None and step is not None:
        raise InputError("--epochs and --every: expected one of them")
    if epochs is not None:
        return found.only([name.strip() for name in epochs.split(",") if name.strip()])
    return found if step is None else found.only(every(found, step))


def scene_of(
    folder: Path,
    image: str,
    *,
    colour: str | None,
    theme: str,
    epochs: str | None = None,
    every: int | None = None,
) -> EpochScene:
    """The scene of an evolution at its last epoch, with the image of this number or name."""
    from explorer.commands.arguments import image_number
    from explorer.commands.publishing import first_colour
    from explorer.evolution import open_evolution

    found = some_epochs(open_evolution(folder), epochs, every)
    made = found.scene(colour=colour or first_colour(found.runs[-1]), theme=theme)
    made.image = image_number(found.runs[-1].image_names, image)
    return made


def print_evolution(found: Evolution) -> None:
    """Print what was made, and the figures as a table."""
    from rich.table import Table

    from explorer.commands.listing import to_terminal

    console = to_terminal()
    for line in found.notes:
        console.print(line, markup=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("epoch")
    titles = ("class separation", "of images", "trust", "effective rank", "dead", "CKA to the last", "moved")
    for title in titles:
        table.add_column(title, justify="right")
    for name, own in zip(found.epochs, found.figures, strict=True):
        table.add_row(
            name,
            _number(own.separation),
            _number(own.image_separation),
            _number(own.trust),
            f"{own.effective_rank:.1f}",
            f"{own.dead} of {own.channels}",
            _number(own.cka_last),
            "" if own.moved is None else f"{own.moved:.0%}",
        )
    console.print(table)
    if found.figures[-1].moved is not None:
        console.print(
            "moved: positions that moved since the epoch before by more than another seed moves them"
        )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
