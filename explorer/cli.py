"""The command line: one function a command, each calling the public step of the same name."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from explorer.errors import ExplorerError, InputError

if TYPE_CHECKING:
    from explorer.capture import Run
    from explorer.reduce import Projection

Method = Literal["pca", "tsne", "umap"]
Components = Literal[2, 3]
Layers = Annotated[list[str] | None, Parameter(name=["--layer", "-l"], negative=())]
Colour = Annotated[str, Parameter(name=["--colour", "--color"])]
Flag = Parameter(negative=())

EPILOGUE = """MODEL is a model.toml, or a file that stands alone (.npz or .npy of activations).
IMAGES is a folder (sub-folders are labels), a picture, or a .npy array. RUN is what capture wrote.

Shell completion: activation-explorer --install-completion"""

app = App(
    name="activation-explorer",
    help="See what a network has learned, and where: 3D clouds of its activations linked with heatmaps.",
    help_epilogue=EPILOGUE,
    help_format="markdown",
    suppress_keyboard_interrupt=False,
    version=lambda: metadata_version("activation-explorer"),
    result_action="return_value",
)
app.register_install_completion_command()


@app.command
def demo(
    out: Path = Path("activation-explorer-demo"),
    /,
    *,
    window: Annotated[bool, Parameter(negative="--no-window")] = True,
) -> None:
    """Explore the two networks that ship with the package, without training or network.

    Writes pictures of a digit classifier and of a network that learned to colour photographs, and
    opens the viewer where there is a screen.

    Example: activation-explorer demo --no-window

    Args:
        out: folder for the pictures and the runs.
        window: open the viewer at the end, where there is a screen.
    """
    from explorer.demo import run_demo

    run_demo(out, window=window)


@app.command
def layers(model: Path, /) -> None:
    """List a model's layers: names, kinds, shapes, positions and channels, weights.

    Example: activation-explorer layers model.toml

    Args:
        model: a model.toml, or a file that stands alone.
    """
    from explorer.capture import load_model
    from explorer.listing import print_layers

    print_layers(load_model(model))


@app.command
def explore(
    model: Path,
    images: Path | None = None,
    /,
    *,
    layer: Annotated[str | None, Parameter(name=["--layer", "-l"])] = None,
    method: Method = "umap",
    components: Components = 3,
    seed: int = 0,
    sample: str | None = None,
    out: Path | None = None,
    overwrite: Annotated[bool, Flag] = False,
) -> None:
    """Capture one layer, project its positions, and show the cloud beside the heatmaps.

    Opens a window where there is a screen, else writes a picture into the run folder. Asking again
    for what was captured or projected before opens it without computing.

    Example: activation-explorer explore model.toml images/ --layer block2 --method tsne

    Args:
        model: a model.toml, or a file that stands alone.
        images: folder, picture or .npy; may be left out where the model brings its own.
        layer: the layer; by default the one the model.toml suggests, else the last spatial one.
        method: how positions are projected.
        components: dimensions of the map.
        seed: random state of the projection and of the sampling.
        sample: most positions to project, or "all" (default: PCA all, t-SNE 5000, UMAP 10000).
        out: the run folder (default: runs/ and the model's name).
        overwrite: replace a run of something else that is in the way.
    """
    from explorer.capture import load_model
    from explorer.explore import explore as explore_layer

    opened = load_model(model)
    folder = out or Path("runs", opened.name)
    view = explore_layer(
        opened,
        images,
        layer=layer,
        method=method,
        n_components=components,
        random_state=seed,
        sample=sample,
        out=folder,
        overwrite=overwrite,
    )
    projection = view.state.projection
    _say_projection(folder, projection)
    name = f"{projection.layer.replace('/', '.')}-{method}-{components}d.png"
    _show(view, folder / name)


@app.command
def capture(
    model: Path,
    images: Path | None = None,
    /,
    *,
    layer: Layers = None,
    out: Path,
    memory: float = 0.5,
    overwrite: Annotated[bool, Flag] = False,
) -> None:
    """Capture layers for every image into a run folder; again to resume or to add layers.

    Example: activation-explorer capture model.toml images/ --layer block1 --layer block2 --out runs/first

    Args:
        model: a model.toml, or a file that stands alone.
        images: folder, picture or .npy.
        layer: a layer; may be given several times.
        out: the run folder.
        memory: gigabytes that captured values may take while they wait to be written.
        overwrite: replace a run of something else that is in the way.
    """
    from explorer.capture import capture as capture_layers

    if memory <= 0:
        raise InputError(f"--memory {memory}: expected more than 0 gigabytes")
    size = int(memory * 2**30)
    run = capture_layers(model, images, layers=layer, out=out, memory=size, overwrite=overwrite)
    for name in run.layers:
        shape = " × ".join(str(axis) for axis in (*run.grid_shape(name), run.channels(name)))
        print(f"{name}: {shape}")  # noqa: T201
    print(f"{run.n_images} images in {run.path}")  # noqa: T201


@app.command
def project(
    run: Path,
    /,
    *,
    layer: Annotated[str | None, Parameter(name=["--layer", "-l"])] = None,
    method: Method = "umap",
    components: Components = 3,
    seed: int = 0,
    sample: str | None = None,
    standardise: Annotated[bool, Flag] = False,
    perplexity: float = 30.0,
    neighbours: Annotated[int, Parameter(name=["--neighbours", "--neighbors"])] = 15,
    min_dist: float = 0.1,
    coordinates: Path | None = None,
) -> None:
    """Project the positions of a captured layer and keep the result in the run folder.

    Example: activation-explorer project runs/first --layer block2 --method tsne --components 2

    Args:
        run: a run folder.
        layer: the layer; may be left out when there is one.
        method: how positions are projected.
        components: dimensions of the map.
        seed: random state of the projection and of the sampling.
        sample: most positions to project, or "all" (default: PCA all, t-SNE 5000, UMAP 10000).
        standardise: divide each channel by its standard deviation first.
        perplexity: of t-SNE, the effective number of neighbours.
        neighbours: of UMAP, the number of neighbours.
        min_dist: of UMAP, the smallest distance between points of the map.
        coordinates: a .npy of coordinates of your own, one row a position, instead of a method.
    """
    from explorer.capture import open_run
    from explorer.listing import explain_quality
    from explorer.reduce import project as project_layer

    opened = open_run(run)
    projection = project_layer(
        opened,
        layer=layer,
        method=method,
        n_components=components,
        random_state=seed,
        sample=sample,
        standardise=standardise,
        perplexity=perplexity,
        n_neighbors=neighbours,
        min_dist=min_dist,
        coordinates=None if coordinates is None else _read_array(coordinates),
    )
    _say_projection(run, projection)
    for line in explain_quality(projection):
        print(f"  {line}")  # noqa: T201


@app.command
def view(
    run: Path,
    /,
    *,
    layer: Annotated[str | None, Parameter(name=["--layer", "-l"])] = None,
    method: Method | Literal["precomputed"] | None = None,
    components: Components | None = None,
    colour: Colour = "label",
    theme: Literal["light", "dark"] = "light",
) -> None:
    """Open the window: the cloud beside the heatmaps, linked both ways.

    Shows the newest projection that fits, or makes one where the run has none.

    Example: activation-explorer view runs/first --method tsne

    Args:
        run: a run folder.
        layer: show a projection of this layer.
        method: show a projection by this method.
        components: show a projection of so many dimensions.
        colour: label, image, row, column, norm, channel, component, rgb or trust.
        theme: light or dark.
    """
    from explorer.capture import open_run
    from explorer.render import scene

    opened = open_run(run)
    projection = _find_projection(opened, layer, method, components)
    _show(scene(opened, projection, colour=colour, theme=theme), None)


@app.command
def screenshot(
    run: Path,
    /,
    *,
    out: Path,
    layer: Annotated[str | None, Parameter(name=["--layer", "-l"])] = None,
    method: Method | Literal["precomputed"] | None = None,
    components: Components | None = None,
    size: str = "1600x900",
    camera: Path | None = None,
    image: str = "0",
    channel: int | None = None,
    colour: Colour = "label",
    theme: Literal["light", "dark"] = "light",
) -> None:
    """Write the picture that the window shows, at any size, without a screen.

    Example: activation-explorer screenshot runs/first --out cloud.png --size 3840x2160 --theme dark

    Args:
        run: a run folder.
        out: the picture, .png or .jpg.
        layer: show a projection of this layer.
        method: show a projection by this method.
        components: show a projection of so many dimensions.
        size: width and height in pixels, such as 1600x900.
        camera: a camera that the window saved.
        image: number or name of the image whose heatmaps are shown.
        channel: the channel its map shows; the norm over all channels by default.
        colour: label, image, row, column, norm, channel, component, rgb or trust.
        theme: light or dark.
    """
    from explorer.capture import open_run
    from explorer.render import scene

    opened = open_run(run)
    projection = _find_projection(opened, layer, method, components)
    number = _image_number(opened, image)
    view = scene(opened, projection, image=number, channel=channel, colour=colour, theme=theme)
    if camera is not None:
        view.load_camera(camera)
    print(view.screenshot(out, size=_size(size)))  # noqa: T201


@app.command
def grid(
    source: Path,
    images: Path | None = None,
    /,
    *,
    out: Path,
    layer: Annotated[str | None, Parameter(name=["--layer", "-l"])] = None,
    image: str = "0",
    channels: Annotated[list[int] | None, Parameter(name=["--channel", "-c"], negative=())] = None,
    columns: int | None = None,
    colour_map: Annotated[str | None, Parameter(name=["--colour-map", "--color-map"])] = None,
    normalise: Literal["map", "layer"] = "map",
    centred: Annotated[bool, Flag] = False,
) -> None:
    """Write the feature maps of one layer for one picture as a grid.

    Examples: activation-explorer grid runs/first --layer block1 --image 3 --out maps.png,
    activation-explorer grid model.toml picture.png --layer block1 --out maps.png

    Args:
        source: a run folder, or a model.
        images: with a model, its images.
        out: the picture, .png or .jpg.
        layer: the layer; may be left out when the run has one.
        image: number or name of the image.
        channels: a channel; may be given several times; all by default.
        columns: maps in a row; near-square by default.
        colour_map: gray, or any of Matplotlib's (default: viridis, or diverging with --centred).
        normalise: scale each map by its own values, or all maps of the layer together.
        centred: scale to -1..1 around zero instead of 0..1.
    """
    from explorer.capture import capture as capture_layers
    from explorer.capture import open_run
    from explorer.render import grid as draw
    from explorer.render.files import save_picture

    names = None if layer is None else [layer]
    is_run = (source / "manifest.json").is_file()
    run = open_run(source) if is_run else capture_layers(source, images, layers=names)
    chosen = layer or _only_layer(run)
    number = _image_number(run, image)
    from explorer.activations import Activations

    drawn = draw(
        Activations(chosen, run.read(chosen, number, number + 1)),
        channels=channels,
        columns=columns,
        colour_map=colour_map,
        normalise=normalise,
        limits=(-1, 1) if centred else (0, 1),
        title=f"{chosen} · {run.image_names[number]}",
        picture=run.picture(number),
    )
    print(save_picture(drawn, out))  # noqa: T201


@app.command
def doctor() -> int:
    """Say which versions are here, what can be rendered, and which adapters are usable.

    Exits with 1 when something needs mending.
    """
    from explorer.doctor import examine

    return examine()


def metadata_version(package: str) -> str:
    """The installed version, looked up only when it is asked for."""
    from importlib.metadata import version

    return version(package)


def _say_projection(run: Path, projection: Projection) -> None:
    from explorer.listing import describe_projection

    print(f"{run}: {describe_projection(projection)}")  # noqa: T201


def _show(view: object, instead: Path | None) -> None:
    """Open the window, or where there is no screen write a picture."""
    from explorer.render.offscreen import has_screen

    if instead is not None and not has_screen():
        print(f"no screen here, so a picture: {view.screenshot(instead)}")  # type: ignore[attr-defined]  # noqa: T201
    else:
        view.show()  # type: ignore[attr-defined]


def _find_projection(run: Run, layer: str | None, method: str | None, components: int | None) -> Projection:
    """The newest kept projection that fits, or a new one."""
    from explorer.reduce import project as project_layer
    from explorer.reduce import saved_projections

    if layer is not None:
        run.grid_shape(layer)
    fitting = [
        projection
        for projection in saved_projections(run).values()
        if layer in (None, projection.layer)
        and method in (None, projection.method)
        and components in (None, projection.n_components)
    ]
    if fitting:
        return fitting[-1]
    if method == "precomputed":
        raise InputError(f"{run.path}: keeps no coordinates of your own; `project --coordinates` adds them")
    return project_layer(
        run, layer=layer or run.layers[-1], method=method or "umap", n_components=components or 3
    )


def _only_layer(run: Run) -> str:
    if len(run.layers) > 1:
        raise InputError(f"{run.path}: name the layer with --layer: {', '.join(run.layers)}")
    return run.layers[0]


def _image_number(run: Run, image: str) -> int:
    """An image by its name, or by its number."""
    if image in run.image_names:
        return run.image_names.index(image)
    if image.isdecimal() and int(image) < run.n_images:
        return int(image)
    raise InputError(f"--image {image}: expected a name, or a number from 0 to {run.n_images - 1}")


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise InputError(f"--size {text}: expected width and height in pixels, such as 1600x900")
    return int(width), int(height)


def _read_array(path: Path):  # type: ignore[no-untyped-def]
    import numpy as np

    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read as an array of numbers ({error})") from None


def main(arguments: list[str] | None = None) -> int:
    """Run the command line. Returns 0, 1 from doctor, 2 for a user's mistake, 130 for Ctrl-C."""
    try:
        result = app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        return 2
    except ExplorerError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(
            "interrupted; what was captured is kept, and the same command again goes on from there\n"
        )
        return 130
    except BrokenPipeError:
        return 0
    return result if isinstance(result, int) else 0


def entry() -> None:
    """Run the command line as a program, and end it at once.

    Taking JAX and VTK apart at the end takes half a second and gives the user nothing: everything is
    on disk by then.
    """
    code = main()
    with suppress(OSError):  # whoever read the output has gone
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
