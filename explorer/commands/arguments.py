"""What the commands share: their arguments' types, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from cyclopts import Parameter

from explorer.errors import InputError, RunError, first_line, suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from explorer.capture import Run
    from explorer.reduce import Projection
    from explorer.render.linked.scene import Scene

Method = Literal["pca", "tsne", "umap"]
Kept = Literal["pca", "tsne", "umap", "precomputed"]
Components = Literal[2, 3]
Layer = Annotated[str | None, Parameter(name=["--layer", "-l"])]
Layers = Annotated[list[str] | None, Parameter(name=["--layer", "-l"], negative=())]
Colour = Annotated[str, Parameter(name=["--colour", "--color"])]
Theme = Literal["light", "dark"]
Slice = Annotated[int | None, Parameter(name="--slice")]
Flag = Annotated[bool, Parameter(negative=())]


def say_projection(run: Path, projection: Projection) -> None:
    """Print what was projected, and how far to trust it."""
    from explorer.commands.listing import describe_projection

    print(f"{run}: {describe_projection(projection)}")


def show(view: Scene, instead: Path | None) -> None:
    """Open the window, or where there is no screen write a picture."""
    from explorer.render.cloud.offscreen import has_screen

    if instead is not None and not has_screen():
        print(f"no screen here, so a picture: {view.screenshot(instead)}")
    else:
        view.show()


def find_projection(run: Run, layer: str | None, method: str | None, components: int | None) -> Projection:
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


def captured(folder: Path) -> Path:
    """A run folder: the one that is given, or the one in runs/ made of TensorBoard's embeddings."""
    from explorer.tracking.log_folder import configs_in

    if (folder / "manifest.json").exists() or not configs_in(folder):
        return folder
    from explorer.capture import capture, load_model

    model = load_model(folder)
    made = Path("runs", model.name)
    names = [info.name for info in model.layers()]
    try:
        capture(model, layers=names, out=made)
        print(f"{folder}: embeddings of TensorBoard, now the run {made}")
    except RunError:
        capture(model, layers=names, out=made, overwrite=True)
        print(f"{folder}: embeddings of TensorBoard that have changed; the run {made} is made anew")
    return made


def find_beside(run: Run, shown: Projection, name: str | None) -> Projection | None:
    """The map that --beside means: the same layer by another method, or another layer by the same method."""
    if name is None:
        return None
    methods = get_args(Kept)
    layer, method = (name, shown.method) if name in run.layers else (shown.layer, name)
    if method not in methods:
        raise InputError(
            f"--beside {name}: expected a method ({', '.join(methods)}) or a layer ({', '.join(run.layers)})"
        )
    if (layer, method) == (shown.layer, shown.method):
        raise InputError(f"--beside {name}: that map is shown already; name another method or layer")
    return find_projection(run, layer, method, shown.n_components)


def only_layer(run: Run) -> str:
    """The run's layer, where none was named."""
    if len(run.layers) > 1:
        raise InputError(f"{run.path}: name the layer with --layer: {', '.join(run.layers)}")
    return run.layers[0]


def image_number(names: Sequence[str], image: str) -> int:
    """An image by its name, by the end of its name where no other ends alike, or by its number."""
    if image in names:
        return names.index(image)
    ends = [number for number, name in enumerate(names) if name.endswith(f"/{image}")]
    if len(ends) == 1:
        return ends[0]
    if image.isdecimal() and int(image) < len(names):
        return int(image)
    raise InputError(f"--image {image}: {suggest(image, names)}; or a number from 0 to {len(names) - 1}")


def picture_size(text: str) -> tuple[int, int]:
    """Read "1600x900": width and height in pixels."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise InputError(f"--size {text}: expected width and height in pixels, such as 1600x900")
    return int(width), int(height)


def read_array(path: Path) -> NDArray[Any]:
    """Read a .npy of numbers."""
    import numpy as np

    try:
        read: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        why = getattr(error, "strerror", None) or first_line(error)
        raise InputError(f"{path}: cannot be read as an array of numbers, .npy ({why})") from None
    if not isinstance(read, np.ndarray):
        read.close()
        raise InputError(f"{path}: holds several arrays; expected a .npy, which holds one")
    return read
