"""The command that explains a selection: why."""

from __future__ import annotations

from pathlib import Path

from explorer.commands.arguments import Kept, Layer, find_projection


def why(
    run: Path,
    /,
    *,
    selection: str,
    out: Path,
    layer: Layer = None,
    model: Path | None = None,
    images: Path | None = None,
    method: Kept | None = None,
    patches: int = 8,
) -> None:
    """Write one page that says what a selection of positions has in common, and what sets it apart.

    Typical patches, the labels, masks and metadata it covers and how far beyond their share, its pictures,
    the channels that set it apart; with --model also the pixels that drive exactly these positions, and the
    picture that their mean direction grows into.

    Examples: activation-explorer why runs/first --selection places.csv --out why.html,
    activation-explorer why runs/first --selection "cluster 3" --method umap --model model.toml --out why.pdf

    Args:
        run: a run folder.
        selection: a file that the viewer or `export` wrote (.csv, .npz, .parquet); or a class of a
            projection: a label, or a cluster such as "cluster 3".
        out: the page, .html or .pdf.
        layer: the layer; may be left out where the selection tells it.
        model: the model that the run was captured from: a model.toml, or a file that stands alone.
        images: the images that the run was captured from, where the model does not say.
        method: compare with the positions that a kept projection by this method shows, where it shows a
            sample; and take a cluster or label from it.
        patches: how many typical patches to show.
    """
    from explorer.capture import open_run
    from explorer.explain.selection_files import SUFFIXES
    from explorer.render import why as explain
    from explorer.render.report.explaining import check_report

    check_report(out)  # an ending that nobody writes is told before any work
    opened = open_run(run)
    is_file = Path(selection).suffix.lower() in SUFFIXES
    projection = None
    if method is not None or not is_file:
        projection = find_projection(opened, layer, method, None)
    found = explain(opened, selection, layer, model=model, projection=projection, images=images, n=patches)
    print(found.headline)
    print(found.save(out))
