"""Commands that take a scene elsewhere: export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from explorer.commands.arguments import Colour, Components, Kept, Layer, Theme, find_projection, image_number
from explorer.errors import MissingExtraError
from explorer.progress import say

if TYPE_CHECKING:
    from explorer.capture import Run
    from explorer.reduce import Projection

OFF = Annotated[bool, Parameter(negative_bool=("no-",))]


def export(
    run: Path,
    /,
    *,
    out: Path,
    layer: Layer = None,
    method: Kept | None = None,
    components: Components | None = None,
    image: str = "0",
    colour: Colour | None = None,
    theme: Theme = "light",
    megabytes: float = 15.0,
    pictures: OFF = True,
    neighbours: OFF = True,
    similarity: OFF = True,
    channels: int | None = None,
) -> None:
    """Write one HTML file that shows the cloud and its heatmaps without Python and without a network.

    Shows the newest projection that fits, or makes one where the run has none. What does not fit into the
    file is left out, and said here and in the page.

    Example: activation-explorer export runs/first --out cloud.html

    Args:
        run: a run folder.
        out: the file, .html.
        layer: show a projection of this layer.
        method: show a projection by this method.
        components: show a projection of so many dimensions.
        image: number or name of the image that is shown first.
        colour: what the points are coloured by first: label by default, clusters where there are no labels.
        theme: light or dark.
        megabytes: the most the file may weigh.
        pictures: keep small versions of the images.
        neighbours: keep each point's nearest neighbours in the layer.
        similarity: keep what similarities to a chosen position are computed from.
        channels: keep the maps of at most so many channels; as many as fit by default.
    """
    from explorer.capture import open_run
    from explorer.render import scene
    from explorer.render.exporting import Options
    from explorer.web.file import export_html

    opened = open_run(run)
    projection = find_projection(opened, layer, method, components)
    view = scene(
        opened,
        projection,
        image=image_number(opened, image),
        colour=colour or first_colour(opened),
        theme=theme,
    )
    kept = Options(megabytes, pictures, neighbours, similarity, channels)
    written = export_html(view, out, kept)
    print(f"{written.path} ({written.megabytes:.1f} MB)")
    for words in written.left:
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


def serve_page(
    run: Run, projection: Projection, *, colour: str | None, theme: str, host: str, port: int
) -> None:
    """Serve the live page until it is interrupted, and print the link to it."""
    from explorer.render import scene
    from explorer.web.guard import check_address, is_loopback
    from explorer.web.server import serve

    view = scene(run, projection, colour=colour or first_colour(run), theme=theme)
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
