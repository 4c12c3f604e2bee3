"""Commands that take a scene elsewhere: export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from explorer.commands.arguments import (
    Colour,
    Components,
    Flag,
    Kept,
    Layer,
    Slice,
    Theme,
    find_beside,
    find_projection,
    image_number,
    picture_size,
)
from explorer.errors import InputError, MissingExtraError
from explorer.progress import say

if TYPE_CHECKING:
    from explorer.capture import Run
    from explorer.render.linked.scene import Scene

OFF = Annotated[bool, Parameter(negative_bool=("no-",))]


def export(
    run: Path,
    /,
    *,
    out: Path | None = None,
    code: Flag = False,
    state: Path | None = None,
    layer: Layer = None,
    method: Kept | None = None,
    components: Components | None = None,
    image: str = "0",
    channel: int | None = None,
    colour: Colour | None = None,
    theme: Theme = "light",
    beside: str | None = None,
    cut: Slice = None,
    size: str | None = None,
    transparent: Flag = False,
    alone: Flag = False,
    seconds: float = 8.0,
    fps: float = 25.0,
    megabytes: float = 15.0,
    pictures: OFF = True,
    neighbours: OFF = True,
    similarity: OFF = True,
    channels: int | None = None,
    epochs: str | None = None,
    every: int | None = None,
) -> None:
    """Take the cloud and its heatmaps elsewhere, as the kind of file that the ending of --out says.

    A page that opens without Python and without a network (.html), a picture (.png, .jpg), a picture whose
    words and maps stay sharp at any size (.svg, .pdf), one full turn that loops without a seam (.mp4, .gif),
    the points with their colours (.glb, .gltf, .ply, .vtp), the selection (.csv, .parquet, .npz of masks),
    the state (.json), lines of Python (.py). Shows the newest projection that fits, or makes one where the
    run has none. Of a folder that `evolve` wrote the last epoch, or the one of --state; as .html, .mp4 and
    .gif all epochs, or those of --epochs or --every. What is left out of a file is said.

    Examples: activation-explorer export runs/first --out cloud.html,
    activation-explorer export runs/first --out cloud.png --size 3840x2160 --transparent,
    activation-explorer export runs/first --state state.json --out turn.mp4

    Args:
        run: a run folder, or one that `evolve` wrote.
        out: the file.
        code: print lines of Python that rebuild the view.
        state: a state that was saved: map, camera, colours and selection are taken from it, and the
            options from --layer to --theme are not.
        layer: show a projection of this layer.
        method: show a projection by this method.
        components: show a projection of so many dimensions.
        image: number or name of the image that is shown first.
        channel: the channel its map shows; the norm over all channels by default.
        colour: what the points are coloured by first: label by default, clusters where there are no labels.
        theme: light or dark.
        beside: a second map side by side in a picture: a method for the same layer, or a layer for the
            same method.
        cut: the slice of volumes; the middle one by default.
        size: width and height in pixels of a picture, such as 3840x2160.
        transparent: let what is behind a picture through; not of .jpg, .mp4 and .gif.
        alone: leave the heatmaps out of a picture: the cloud with title and legend.
        seconds: how long one full turn takes, or the way through all epochs.
        fps: frames a second of that.
        megabytes: the most an HTML file may weigh.
        pictures: keep small versions of the images in an HTML file.
        neighbours: keep each point's nearest neighbours in the layer in an HTML file.
        similarity: keep what similarities to a chosen position are computed from in an HTML file.
        channels: keep the maps of at most so many channels in an HTML file; as many as fit by default.
        epochs: of a training only these epochs, such as 1,3,5.
        every: of a training only every so-manieth epoch, counted back from the last.
    """
    from explorer.capture import open_run
    from explorer.commands import evolving
    from explorer.evolution import is_evolution
    from explorer.render import scene
    from explorer.render.export.exporting import Options, writer_of
    from explorer.render.export.turntable import SIZES

    if out is None and not code:
        raise InputError("export: name a file with --out, or ask for lines of Python with --code")
    write = None if out is None else writer_of(out)  # an ending that nobody knows is told before any work
    view: Scene
    if is_evolution(run):
        view = evolving.scene_of(run, image, colour=colour, theme=theme, epochs=epochs, every=every)
        view.channel = channel
        if out is not None and out.suffix.lower() in SIZES:  # a film through the epochs, not a turn
            write = type(view).export
    else:
        if epochs is not None or every is not None:
            asked = "--every" if epochs is None else "--epochs"
            raise InputError(f"{run}: is no training, for which alone {asked} means something")
        opened = open_run(run)
        projection = find_projection(opened, layer, method, components)
        number, colour = image_number(opened.image_names, image), colour or first_colour(opened)
        view = scene(opened, projection, image=number, channel=channel, colour=colour, theme=theme, slice=cut)
        view.beside = find_beside(opened, projection, beside)
    if state is not None:
        view.load_state(state)
    if code:
        print(view.code(), end="")
    if out is not None and write is not None:
        pixels = None if size is None else picture_size(size)
        kept = Options(
            *(megabytes, pictures, neighbours, similarity, channels),
            size=pixels,
            transparent=transparent,
            alone=alone,
            seconds=seconds,
            fps=fps,
        )
        say_written(out, write(view, out, kept))


def say_written(path: Path, written: object) -> None:
    """Print a file's size, what is to be known of it, and what was left out."""
    weight = path.stat().st_size / 1e6
    about = [
        f"{weight:.1f} MB" if weight >= 0.1 else f"{weight * 1e3:.1f} kB",
        *getattr(written, "facts", ()),
    ]
    print(f"{path} ({', '.join(about)})")
    for words in getattr(written, "left", ()):
        print(f"left out: {words}")


def check_web(*, asked: bool) -> None:
    """Look before a long projection whether the page can be served at all.

    Raises:
        MissingExtraError: trame is not installed.
    """
    from importlib.util import find_spec

    if find_spec("trame") is not None:
        return
    if asked:
        raise MissingExtraError("the live page needs trame: pip install 'activation-explorer[web]'")
    raise MissingExtraError(
        "no screen here: `export` writes a page and `screenshot` a picture; "
        "for the live page: pip install 'activation-explorer[web]'"
    )


def serve_page(run: Run, view: Scene, *, host: str, port: int) -> None:
    """Serve the live page until it is interrupted, and print the link to it."""
    from explorer.web.guard import check_address, is_loopback
    from explorer.web.server import serve

    if not is_loopback(check_address(host)):
        say(
            f"--host {host}: everybody on that network who has the link can read {run.path}, "
            "and the connection is not encrypted"
        )

    def tell(link: str) -> None:
        print(f"open in a browser on this machine: {link}", flush=True)
        print("Ctrl-C ends the server", flush=True)

    serve(view, run, host=host, port=port, say=tell)


def first_colour(run: Run) -> str:
    """What tells most at first sight: labels, or clusters where there are none."""
    return "cluster" if run.labels is None else "label"
