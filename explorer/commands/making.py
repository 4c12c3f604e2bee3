"""Commands that compute: demo, layers, explore, capture, project, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from explorer.commands.arguments import (
    Components,
    Flag,
    Layer,
    Layers,
    Method,
    read_array,
    say_projection,
    show,
)
from explorer.errors import InputError


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


def layers(model: Path, /) -> None:
    """List a model's layers: names, kinds, shapes, positions and channels, weights.

    Example: activation-explorer layers model.toml

    Args:
        model: a model.toml, or a file that stands alone.
    """
    from explorer.capture import load_model
    from explorer.commands.listing import print_layers

    print_layers(load_model(model))


def explore(
    model: Path,
    images: Path | None = None,
    /,
    *,
    layer: Layer = None,
    method: Method = "umap",
    components: Components = 3,
    seed: int = 0,
    sample: str | None = None,
    out: Path | None = None,
    overwrite: Flag = False,
) -> None:
    """Capture one layer, project its positions, and show the cloud beside the heatmaps.

    Opens a window where there is a screen, else writes a picture into the run folder. Asking again
    for what was captured or projected before opens it without computing.

    Example: activation-explorer explore model.toml images/ --layer block2 --method tsne

    Args:
        model: a model.toml, or a file that stands alone.
        images: folder, file, table of files, or arrays; may be left out where the model brings its own.
        layer: the layer; by default the one the model.toml suggests, else the last spatial one.
        method: how positions are projected.
        components: dimensions of the map.
        seed: random state of the projection.
        sample: most positions to project, or "all" (default: PCA all, t-SNE 25000, UMAP 50000).
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
    say_projection(folder, projection)
    name = f"{projection.layer.replace('/', '.')}-{method}-{components}d.png"
    show(view, folder / name)


def capture(
    model: Path,
    images: Path | None = None,
    /,
    *,
    layer: Layers = None,
    out: Path,
    masks: Path | None = None,
    memory: float = 0.5,
    overwrite: Flag = False,
) -> None:
    """Capture layers for every image into a run folder; again to resume or to add layers.

    Example: activation-explorer capture model.toml images/ --layer block1 --layer block2 --out runs/first

    Args:
        model: a model.toml, or a file that stands alone.
        images: folder, file, table of files (.csv, .parquet), or arrays (.npy, .npz).
        layer: a layer; may be given several times.
        out: the run folder.
        masks: folder of class maps named as the images are, or .npy (default: masks/ beside images/).
        memory: gigabytes that captured values may take while they wait to be written.
        overwrite: replace a run of something else that is in the way.
    """
    from explorer.capture import capture as capture_layers

    if not 0 < memory < 1e6:
        raise InputError(f"--memory {memory}: expected more than 0 gigabytes")
    size = int(memory * 2**30)
    run = capture_layers(model, images, layers=layer, out=out, masks=masks, memory=size, overwrite=overwrite)
    for name in run.layers:
        shape = " × ".join(str(axis) for axis in (*run.grid_shape(name), run.channels(name)))
        print(f"{name}: {shape}")
    print(f"{run.n_images} images in {run.path}")


def project(
    run: Path,
    /,
    *,
    layer: Layer = None,
    method: Method = "umap",
    components: Components = 3,
    seed: int = 0,
    sample: str | None = None,
    standardise: Flag = False,
    whiten: Flag = False,
    perplexity: float = 30.0,
    neighbours: Annotated[int, Parameter(name=["--neighbours", "--neighbors"])] = 15,
    min_dist: float = 0.1,
    metric: Literal["euclidean", "cosine"] = "euclidean",
    engine: Literal["explorer", "jax", "openTSNE", "scikit-learn", "umap-learn"] = "explorer",
    coordinates: Path | None = None,
) -> None:
    """Project the positions of a captured layer and keep the result in the run folder.

    Example: activation-explorer project runs/first --layer block2 --method tsne --components 2

    Args:
        run: a run folder.
        layer: the layer; may be left out when there is one.
        method: how positions are projected.
        components: dimensions of the map.
        seed: random state of the projection.
        sample: most positions to project, or "all" (default: PCA all, t-SNE 25000, UMAP 50000).
        standardise: divide each channel by its standard deviation first.
        whiten: of PCA, divide each component by its standard deviation.
        perplexity: of t-SNE, the effective number of neighbours.
        neighbours: of UMAP, the number of neighbours.
        min_dist: of UMAP, the smallest distance between points of the map.
        metric: of t-SNE and UMAP, what tells neighbours apart.
        engine: jax for t-SNE on an accelerator; or another library's t-SNE or UMAP, to compare with.
        coordinates: a .npy of coordinates of your own, one row a position, instead of a method.
    """
    from explorer.capture import open_run
    from explorer.commands.listing import explain_quality
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
        whiten=whiten,
        perplexity=perplexity,
        n_neighbors=neighbours,
        min_dist=min_dist,
        metric=metric,
        engine=engine,
        coordinates=None if coordinates is None else read_array(coordinates),
    )
    say_projection(run, projection)
    for line in explain_quality(projection):
        print(f"  {line}")


def doctor() -> int:
    """Say which versions are here, what can be rendered, and which adapters are usable.

    Exits with 1 when something needs mending.
    """
    from explorer.commands.doctor import examine

    return examine()
