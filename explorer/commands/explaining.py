"""Commands that ask why a model answers as it does: saliency."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from explorer.commands.arguments import Flag, Layer, image_number
from explorer.errors import InputError
from explorer.progress import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from explorer.capture import Run
    from explorer.explain.fidelity import Fidelity
    from explorer.explain.given import Given
    from explorer.explain.saliency import Saliency
    from explorer.explain.sanity import Sanity
    from explorer.explain.targets import Asked
    from explorer.render.drawing.sheet import Sheet

How = Literal[
    "gradient", "gradient-x-input", "smoothgrad", "integrated-gradients", "grad-cam", "grad-cam++",
    "guided-backprop", "occlusion", "rollout",
]  # fmt: skip
MUCH = 0.05
"""Completeness error from which more steps are advised."""
FEW = 4
"""Pictures that are explained where none is named."""


def saliency(
    model: Path,
    images: Path | None = None,
    /,
    *,
    out: Path | None = None,
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
    fidelity: Flag = False,
    sanity: Flag = False,
    run: Path | None = None,
) -> None:
    """Draw which pixels of a picture drive a class, a channel, a position, or a selection of positions.

    Examples: activation-explorer saliency model.toml cat.png --out map.png,
    activation-explorer saliency model.toml images/ --method grad-cam --method occlusion --out maps.pdf,
    activation-explorer saliency model.toml images/ --layer block2 --selection chosen.npz --out why.png

    Args:
        model: a model.toml, or a file that stands alone.
        images: folder, file, table of files, or arrays; may be left out where the model brings its own.
        out: the page (.png, .jpg, .svg, .pdf), or the values alone (.npz, of one method);
            may be left out with --run
        method: how; may be given several times; gradient by default. Occlusion works in every framework.
        image: name or number of a picture; may be given several times; four evenly taken by default, all with
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
        seed: of the noise, and of what is drawn for --fidelity and --sanity.
        fidelity: delete and insert pixels in the map's order, and compare with random orders.
        sanity: draw the model's weights anew, part by part from the top, and compare the maps.
        run: keep the maps in this run of the same images, as a colour for its clouds.
    """
    from explorer.capture import open_run
    from explorer.explain.given import gather
    from explorer.explain.gradient_maps import Settings
    from explorer.explain.saliency import explain, pose
    from explorer.explain.targets import Asked

    methods = list(dict.fromkeys(method or ["gradient"]))
    is_values = out is not None and out.suffix.lower() == ".npz"
    _check_out(out, run, len(methods))
    settings = Settings(samples, noise, steps, _baseline(baseline), window, at, seed)
    keeping = None if run is None else open_run(run)
    asked = Asked(target, channel, position, selection, layer)
    given = gather(model, images)
    if out is not None and not is_values and given.inputs.ndim != 4:
        axes = given.inputs.ndim - 2
        raise InputError(
            f"{out}: inputs of {axes} axes, and a page draws pictures; --out maps.npz keeps the values"
        )
    if keeping is not None:
        given = _of_run(given, keeping, image)
    else:
        given, asked = _picked(given, asked, image, everything=is_values)
    question = pose(given, asked)
    results = [explain(given, question, method=one, settings=settings) for one in methods]
    for one in results:
        _tell(one)
        if keeping is not None:
            _keep(one, keeping, needed=out is None)
    curves = [one.fidelity(seed=seed) for one in results] if fidelity else None
    for curve in curves or ():
        print(curve.words())
    for one in results if sanity else ():
        print_sanity(one.sanity(seed=seed))
    if out is not None and is_values:
        print(results[0].save(out))
    elif out is not None:
        print(_page(results, curves, everything=keeping is not None).save(out))


def _keep(one: Saliency, run: Run, *, needed: bool) -> None:
    """Keep maps in a run and print where; where they are written to a file too, a run that cannot is said."""
    try:
        print(one.keep(run))
    except OSError as error:
        if needed:
            raise
        say(f"{run.path}: not kept in the run ({error.strerror})")


def _check_out(out: Path | None, run: Path | None, n_methods: int) -> None:
    """Refuse what could not be written, before anything is computed."""
    from explorer.render.drawing.sheet import check_sheet_suffix

    if out is None and run is None:
        raise InputError("saliency: name a file with --out, or a run to keep the maps in with --run")
    if out is None:
        return
    if out.suffix.lower() != ".npz":
        check_sheet_suffix(out)
    elif n_methods > 1:
        raise InputError(f"{out}: holds the values of one method, and {n_methods} are named")


def _page(results: list[Saliency], curves: list[Fidelity] | None, *, everything: bool) -> Sheet:
    """The page of maps; a few of the pictures, where those of a whole run were explained."""
    from explorer.render.sheets.saliency_page import saliency_page

    n = len(results[0].names)
    shown = _some(list(range(n))) if everything else None
    if everything and n > FEW:
        say(f"the page shows {FEW} of {n} pictures, evenly taken")
    return saliency_page(results, images=shown, fidelity=curves)


def _baseline(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _picked(given: Given, asked: Asked, image: list[str] | None, *, everything: bool) -> tuple[Given, Asked]:
    """The pictures that are asked for, and what is asked of them."""
    from explorer.explain.saliency import pose

    n, masks = len(given.names), None
    rows = list(range(n))
    if asked.selection is not None:
        masks = pose(given, asked).target.masks
        assert masks is not None  # a selection was named
        rows = [row for row in rows if masks[row].any()]
        say(f"{len(rows)} of {n} pictures have selected positions")
    if image is not None:
        rows = [_number(given.names, one, rows) for one in image]
    elif len(rows) > FEW and not everything:
        say(f"{FEW} of {len(rows)} pictures, evenly taken; name others with --image")
        rows = _some(rows)
    return given.only(rows), asked if masks is None else replace(asked, selection=masks[rows])


def _some(rows: list[int]) -> list[int]:
    """A few pictures, evenly taken: the first ones are often of one label."""
    few = min(FEW, len(rows))
    return [rows[place * len(rows) // few] for place in range(few)]


def _number(names: Sequence[str], image: str, among: Sequence[int]) -> int:
    """A picture by its name or number, which holds some of the selection."""
    number = image_number(names, image)
    if number not in among:
        raise InputError(f"--image {image}: none of its positions is selected")
    return number


def _tell(found: Saliency) -> None:
    """Print how a map came about, and how far its sum is from what it should be."""
    print(f"{found.method}: {found.averaged}")
    if found.completeness is not None:
        worst = float(found.completeness.max())
        advice = "; more --steps bring it down" if worst > MUCH else ""
        print(f"{found.method}: completeness error up to {worst:.2%} of what is explained{advice}")


def _of_run(given: Given, run: Run, image: list[str] | None) -> Given:
    """The pictures of a run, in its order."""
    if image is not None:
        raise InputError("--image and --run: a run keeps maps of all its images")
    place = {name: at for at, name in enumerate(given.names)}
    lacking = [name for name in run.image_names if name not in place]
    if lacking:
        raise InputError(f"{run.path}: its image {lacking[0]} is not among those named")
    return given.only([place[name] for name in run.image_names])


def print_sanity(found: Sanity) -> None:
    """Print how alike the maps stay, stage by stage."""
    print(found.words())
    for stage, mean in zip(found.stages, found.means, strict=True):
        print(f"  random down to {stage}: rank correlation {mean:.2f}")
    if passed := found.parts - len(found.stages):
        print(f"  ({found.parts} parts were drawn anew one after the other; {passed} are not listed)")
