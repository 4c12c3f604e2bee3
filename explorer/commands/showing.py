"""Commands that show what was computed: view, screenshot, grid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from explorer.commands.arguments import (
    Colour,
    Components,
    Flag,
    Kept,
    Layer,
    Slice,
    Theme,
    captured,
    find_beside,
    find_projection,
    image_number,
    only_layer,
    picture_size,
    show,
)
from explorer.errors import InputError


def view(
    run: Path,
    /,
    *,
    layer: Layer = None,
    method: Kept | None = None,
    components: Components | None = None,
    colour: Colour | None = None,
    theme: Theme = "light",
    beside: str | None = None,
    cut: Slice = None,
    state: Path | None = None,
    model: Path | None = None,
    web: Flag = False,
    port: int = 0,
    host: str = "127.0.0.1",
) -> None:
    """Open the window, or with --web the page in a browser: the cloud beside the heatmaps, linked both ways.

    Shows the newest projection that fits, or makes one where the run has none. Where there is no screen
    the page is served, and its link printed. A folder that `evolve` wrote opens with a slider over the
    epochs.

    Examples: activation-explorer view runs/first --method tsne, activation-explorer view runs/first --web

    Args:
        run: a run folder, or one that `evolve` wrote; or a log folder of TensorBoard, whose embeddings are
            first made a run in runs/.
        layer: show a projection of this layer.
        method: show a projection by this method.
        components: show a projection of so many dimensions.
        colour: label, image, row, column, norm, channel, component, rgb, trust, cluster, mask, or
            metadata:NAME for a column of the run's metadata.
        theme: light or dark.
        beside: show a second map side by side in the window, cameras tied and selection shared: a method for
            the same layer, or a layer for the same method.
        cut: the slice of volumes that is shown first; the middle one by default.
        state: a state that was saved: map, camera, colours and selection are taken from it, and the options
            before this one are not.
        model: the model that the run was captured from: it is asked which pixels drive what is selected, and
            which picture a channel answers to most (in the window's list Maps; on the page under the maps),
            and for the report on a selection. Of a training its model.toml, or the folder of its models that
            stand alone: asked with the weights of the epoch that is shown.
        web: serve the page; open the printed link in a browser on this machine.
        port: the page's port; any that is free by default.
        host: the address the page is served on. Another than this machine's own lets everybody on that
            network who has the link read the run, over a connection that is not encrypted.
    """
    from explorer.capture import open_run
    from explorer.commands import evolving
    from explorer.commands.publishing import check_web, first_colour, serve_page
    from explorer.evolution import is_evolution
    from explorer.render import scene
    from explorer.render.cloud.offscreen import has_screen
    from explorer.web.guard import check_address, check_port

    if model is not None and not model.exists():
        raise InputError(f"--model {model}: no such file; expected a model.toml or a model that stands alone")
    if web:  # what is wrong with these is told before a long projection
        check_address(host)
        check_port(port)
    if is_evolution(run):
        asked = {"--layer": layer, "--method": method, "--components": components, "--beside": beside}
        others = {name: one for name, one in asked.items() if one}
        page = evolving.Page(web, host, port)
        evolving.view(run, state, others, colour=colour, theme=theme, page=page, model=model)
        return
    opened = open_run(captured(run))
    paged = web or not has_screen()
    usual = first_colour(opened) if paged else "label"
    if paged and beside is not None:
        raise InputError("--beside: the page shows one map; the window, `screenshot` and `export` show two")
    if paged:
        check_web(asked=web)  # before a long projection
    projection = find_projection(opened, layer, method, components)
    shown = scene(opened, projection, colour=colour or usual, theme=theme, slice=cut)
    shown.beside, shown.model = find_beside(opened, projection, beside), model
    if state is not None:
        shown.load_state(state)
    if paged:
        serve_page(opened, shown, host=host, port=port)
    else:
        show(shown, None)


def screenshot(
    run: Path,
    /,
    *,
    out: Path,
    layer: Layer = None,
    method: Kept | None = None,
    components: Components | None = None,
    size: str = "1600x900",
    camera: Path | None = None,
    image: str = "0",
    channel: int | None = None,
    colour: Colour = "label",
    theme: Theme = "light",
    beside: str | None = None,
    cut: Slice = None,
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
        beside: a second map side by side: a method for the same layer, or a layer for the same method.
        cut: the slice of volumes; the middle one by default.
    """
    from explorer.capture import open_run
    from explorer.render import scene

    opened = open_run(run)
    projection = find_projection(opened, layer, method, components)
    number = image_number(opened.image_names, image)
    view = scene(opened, projection, image=number, channel=channel, colour=colour, theme=theme, slice=cut)
    view.beside = find_beside(opened, projection, beside)
    if camera is not None:
        view.load_camera(camera)
    print(view.screenshot(out, size=picture_size(size)))


def grid(
    source: Path,
    images: Path | None = None,
    /,
    *,
    out: Path,
    layer: Layer = None,
    image: Annotated[list[str] | None, Parameter(name=["--image", "-i"], negative=())] = None,
    channels: Annotated[list[int] | None, Parameter(name=["--channel", "-c"], negative=())] = None,
    columns: int | None = None,
    colour_map: Annotated[str | None, Parameter(name=["--colour-map", "--color-map"])] = None,
    normalise: Literal["map", "layer", "channel", "data"] = "map",
    percentiles: tuple[float, float] = (0.0, 100.0),
    centred: Flag = False,
    order: Literal["index", "variance", "response", "cluster"] = "index",
    overlay: float | None = None,
    enlarge: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "nearest",
    strongest: int = 0,
    size: str | None = None,
    cut: Slice = None,
) -> None:
    """Write the feature maps of one layer as a grid, and list its dead and duplicate channels.

    Examples: activation-explorer grid runs/first --layer block1 --image 3 --out maps.png,
    activation-explorer grid model.toml picture.png --layer block1 --out maps.png,
    activation-explorer grid runs/first --order response --strongest 4 --out maps.pdf

    Args:
        source: a run folder, or a model.
        images: with a model, its images; all of them are the data set.
        out: the picture, .png, .jpg, .svg or .pdf.
        layer: the layer; may be left out when the run has one.
        image: number or name of an image; may be given several times; the first by default.
        channels: a channel; may be given several times; all by default.
        columns: maps in a row; near-square by default.
        colour_map: gray, or any of Matplotlib's (default: viridis, or diverging with --centred).
        normalise: scale each map by itself, all maps shown together, each channel over the data set, or
            all maps by the layer's values over the data set.
        percentiles: the two that are taken for minimum and maximum, such as 1 99.
        centred: scale to -1..1 around zero instead of 0..1.
        order: by index, by variance over the data set, by how far each channel's answer to this image
            stands above that to the data set, or clustered so that look-alikes stand together.
        overlay: lay the maps over their image, so opaque: 0 to 1.
        enlarge: the filter that maps are enlarged with.
        strongest: so many of the images that a channel answers to most beside its map, cropped to the
            receptive field of the strongest position where it is known.
        size: width and height in pixels, such as 1600x900; as large as the maps need by default.
        cut: the slice of volumes; the middle one by default.
    """
    from explorer.capture import capture as capture_layers
    from explorer.capture import open_run
    from explorer.render import grid as draw
    from explorer.render.drawing.sheet import check_sheet_suffix

    check_sheet_suffix(out)
    names = None if layer is None else [layer]
    is_run = (source / "manifest.json").is_file()
    run = open_run(source) if is_run else capture_layers(source, images, layers=names)
    drawn = draw(
        run,
        layer or only_layer(run),
        image=[image_number(run.image_names, name) for name in image or ["0"]],
        channels=channels,
        columns=columns,
        colour_map=colour_map,
        normalise=normalise,
        limits=(-1, 1) if centred else (0, 1),
        percentiles=percentiles,
        order=order,
        overlay=overlay,
        method=enlarge,
        strongest=strongest,
        size=None if size is None else picture_size(size),
        slice=cut,
    )
    for finding in drawn.findings:
        print(finding.words())
    print(drawn.save(out))


def rgb(
    run: Path,
    /,
    *,
    out: Path,
    layer: Layer = None,
    images: Annotated[list[str] | None, Parameter(name=["--image", "-i"], negative=())] = None,
    foreground: Flag = False,
    basis: Path | None = None,
    save: Path | None = None,
) -> None:
    """Write images above their PCA→RGB maps: the same colour means the same features in all of them.

    Example: activation-explorer rgb runs/first --layer block5 --image 0 --image 1 --out colours.png

    Args:
        run: a run folder.
        out: the picture, .png or .jpg.
        layer: the layer; may be left out when the run has one.
        images: number or name of an image; may be given several times; four, evenly taken, by default.
        foreground: tell the foreground apart along the first component, and colour it alone.
        basis: colours that --save wrote, of this layer in another run, in place of this run's own.
        save: also keep the colours in this file, .npz.
    """
    from explorer.capture import open_run
    from explorer.reduce import load_rgb
    from explorer.reduce import rgb as fit
    from explorer.render.files import save_picture
    from explorer.render.sheets.rgb_sheet import rgb_sheet

    opened = open_run(run)
    chosen = layer or only_layer(opened)
    some = min(4, opened.n_images)
    names = images or [str(number * opened.n_images // some) for number in range(some)]
    numbers = [image_number(opened.image_names, name) for name in names]
    colours = fit(opened, chosen, foreground=foreground) if basis is None else load_rgb(basis)
    print(save_picture(rgb_sheet(opened, chosen, numbers, colours), out))
    if save is not None:
        print(colours.save(save))
