"""Commands that ask why a model answers as it does: saliency."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from explorer.commands.arguments import Layer
from explorer.errors import InputError

if TYPE_CHECKING:
    from explorer.explain.saliency import Given

How = Literal[
    "gradient", "gradient-x-input", "smoothgrad", "integrated-gradients", "grad-cam", "grad-cam++",
    "guided-backprop", "occlusion", "rollout",
]  # fmt: skip
FIRST = 4
"""Pictures that are explained where none is named."""


def saliency(
    model: Path,
    images: Path | None = None,
    /,
    *,
    out: Path,
    method: Annotated[list[How] | None, Parameter(name=["--method", "-m"], negative=())] = None,
    image: Annotated[list[str] | None, Parameter(name=["--image", "-i"], negative=())] = None,
    target: Annotated[str | None, Parameter(name="--class")] = None,
    channel: Annotated[int | None, Parameter(name=["--channel", "-c"])] = None,
    position: Annotated[list[int] | None, Parameter(consume_multiple=True, negative=())] = None,
    selection: Path | None = None,
    layer: Layer = None,
    at: str | None = None,
    samples: int = 25,
    noise: float = 0.15,
    steps: int = 32,
    baseline: str = "0",
    window: int | None = None,
    seed: int = 0,
) -> None:
    """Draw which pixels of a picture drive a class, a channel, a position, or a selection of positions.

    Examples: activation-explorer saliency model.toml cat.png --out map.png,
    activation-explorer saliency model.toml images/ --method grad-cam --method occlusion --out maps.pdf,
    activation-explorer saliency model.toml images/ --layer block2 --selection chosen.npz --out why.png

    Args:
        model: a model.toml, or a file that stands alone.
        images: folder, file, table of files, or arrays; may be left out where the model brings its own.
        out: the page (.png, .jpg, .svg, .pdf), or the values alone (.npz, of one method).
        method: how; may be given several times; gradient by default. Occlusion works in every framework.
        image: name or number of a picture; may be given several times; the first four by default, all with
            an .npz.
        target: a class by name or number; by default the one each picture is answered with.
        channel: a channel of the layer.
        position: a position of the layer's grid, such as 3 4, counted from 0.
        selection: positions chosen in the viewer (.csv, .npz).
        layer: the layer that is explained; the model's answer by default.
        at: the layer whose maps Grad-CAM weighs; the last grid before the target by default.
        samples: noisy copies for SmoothGrad.
        noise: their noise, as a share of the picture's range.
        steps: points on the way for integrated gradients.
        baseline: what stands for nothing: a number in the model's units, or mean.
        window: side of what occlusion covers, in pixels.
        seed: of the noise.
    """
    from explorer.explain.gradient_maps import Settings
    from explorer.explain.saliency import explain, gather, pose
    from explorer.explain.targets import Asked
    from explorer.render.saliency_page import saliency_page
    from explorer.render.sheet import check_sheet_suffix

    methods = list(dict.fromkeys(method or ["gradient"]))
    is_values = out.suffix.lower() == ".npz"
    if is_values and len(methods) > 1:
        raise InputError(f"{out}: holds the values of one method, and {len(methods)} are named")
    if not is_values:
        check_sheet_suffix(out)
    settings = Settings(samples, noise, steps, _baseline(baseline), window, at, seed)
    given = _chosen(gather(model, images), image, everything=is_values)
    asked = Asked(target, channel, position, selection, layer)
    question = pose(given, asked)
    results = [explain(given, question, method=one, settings=settings) for one in methods]
    for one in results:
        print(f"{one.method}: {one.averaged}")
        if one.completeness is not None:
            print(f"{one.method}: completeness error up to {one.completeness.max():.2%} of what is explained")
    print(results[0].save(out) if is_values else saliency_page(results).save(out))


def _baseline(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _chosen(given: Given, image: list[str] | None, *, everything: bool) -> Given:
    """The pictures that are asked for."""
    from explorer.progress import say

    n = len(given.names)
    if image is None:
        if n > FIRST and not everything:
            say(f"the first {FIRST} of {n} pictures; name others with --image")
        return given.only(range(n if everything else min(n, FIRST)))
    chosen = []
    for one in image:
        if one not in given.names and not (one.isdecimal() and int(one) < n):
            raise InputError(f"--image {one}: expected a name, or a number from 0 to {n - 1}")
        chosen.append(given.names.index(one) if one in given.names else int(one))
    return given.only(chosen)
