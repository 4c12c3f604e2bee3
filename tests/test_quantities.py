"""What points are coloured and sized by: columns, masks, clusters, many classes, hidden ones."""

import numpy as np
import pytest
from test_scene import SMALL, ArrayRun, made, projected, run_of

from explorer.errors import InputError
from explorer.reduce.projection import Projection
from explorer.render import scene
from explorer.render.linked.clusters import OUTSIDE
from explorer.render.linked.colouring import OTHERS, hide, isolate
from explorer.render.linked.quantities import Clustering, steps_of
from explorer.render.linked.scene import Scene
from explorer.render.linked.words import caveat


class Described(ArrayRun):
    """A run with columns and masks."""

    def __init__(self) -> None:
        super().__init__(run_of().values)
        self.metadata = {
            "age": np.array([1.5, 2.5, 3.5, -4.5, 5.0, 6.0]),
            "stage": np.array([1, 2, 2, 1, 3, 3]),
            "site": np.array(["x", "y", "y", "x", "z", "x"]),
        }
        self.mask_names = {-1: "unmarked", 1: "cell"}

    def mask_classes(self, layer: str) -> np.ndarray:
        marked = np.full((6, 4, 6), -1, np.int32)
        marked[:, 1:3] = 1
        return marked


def described() -> Scene:
    run = Described()
    return scene(run, projected(run, every=2))


def test_columns_and_masks_are_colourings() -> None:
    shown = described()
    assert shown.state.colours[-4:] == ("mask", "metadata:age", "metadata:stage", "metadata:site")
    images = shown.state.image_of_row
    age = shown.state.quantity("metadata:age")
    np.testing.assert_array_equal(age.values, shown.state.run.metadata["age"][images])
    assert not age.names
    site = shown.state.quantity("metadata:site")
    assert [site.names[code] for code in site.values] == shown.state.run.metadata["site"][images].tolist()
    assert shown.state.quantity("metadata:stage").names == ("1", "2", "3")
    mask = shown.state.quantity("mask")
    inside = shown.state.run.mask_classes("block2").reshape(-1)[shown.state.rows]
    assert [mask.names[code] for code in mask.values] == [Described().mask_names[one] for one in inside]
    for name in shown.state.colours:
        shown.colour = name
        shown.frame(SMALL)
    assert "mask" not in made().state.colours
    with pytest.raises(InputError, match="holds no masks"):
        made().colour = "mask"


def test_numbers_of_both_signs_are_centred_on_zero_and_maps_can_be_changed() -> None:
    shown = described()
    shown.colour = "metadata:age"
    scale = shown.colouring().legend.scale
    assert scale is not None
    assert scale.low == -scale.high
    shown.state.colour_map = "magma"
    assert shown.colouring().legend.scale.colour_map == "magma"  # type: ignore[union-attr]
    shown.colour = "norm"
    shown.state.colour_map = "diverging"
    found = shown.colouring().legend.scale
    assert found is not None
    assert (found.low, found.colour_map) == (-found.high, "diverging-light")
    with pytest.raises(InputError, match="magma"):
        shown.state.colour_map = "magmaa"
    shown.colour = "metadata:site"
    shown.state.colour_map = "Set2"
    colours = [swatch.colour for swatch in shown.colouring().legend.swatches]
    assert colours[0] == (102, 194, 165)


def many(classes: int = 30) -> Scene:
    """Class c has c + 1 pictures."""
    labels = tuple(f"class {c}" for c in range(classes) for _ in range(c + 1))
    run = run_of((2, 2), images=len(labels))
    run.labels = labels
    return scene(run, projected(run))


def test_of_many_classes_the_largest_have_colours_and_the_rest_is_counted() -> None:
    shown = many()
    legend, found = shown.colouring().legend, shown.colouring()
    assert [swatch.name for swatch in legend.swatches] == [f"class {c}" for c in range(18, 30)]
    assert legend.others == 18
    assert legend.swatches[0].n == 19 * 4
    small = np.array([label == "class 3" for label in shown.state.run.labels or ()])[shown.state.image_of_row]
    assert (found.colours[small] == OTHERS["light"]).all()
    assert len(np.unique(found.colours, axis=0)) == 13
    isolate(shown.state, "class 3")
    mine = shown.colouring()
    assert "class 3" in [swatch.name for swatch in mine.legend.swatches if not swatch.hidden]
    assert not (mine.colours[small] == OTHERS["light"]).any()
    np.testing.assert_array_equal(shown.look().shown, small)
    shown.frame(SMALL)
    isolate(shown.state, "class 3")
    assert shown.look().shown is None


def test_hiding_keeps_the_colours_of_few_classes_and_is_told() -> None:
    shown = described()
    before = shown.colouring().colours
    hide(shown.state, "b")
    np.testing.assert_array_equal(shown.colouring().colours, before)
    assert [swatch.hidden for swatch in shown.colouring().legend.swatches] == [False, True]
    hide(shown.state, "a")  # the last one that is shown stays
    assert shown.state.shown.sum() == 36
    words = caveat(shown.state, n=72, thinned=None, outside=3, hidden=36)
    assert words == "36 points hidden by label · 3 of 72 points far off, outside this view"
    shown.colour = "norm"
    assert shown.state.shown.sum() == 36  # another colouring, the same filter
    shown.colour = "label"
    with pytest.raises(InputError, match="class 'c'"):
        hide(shown.state, "c")


@pytest.mark.parametrize("on", ["features", "map"])
@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
def test_clusters_are_the_clumps_that_are_there(method: str, on: str) -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [60, 50, 34])
    middles = np.array([[0, 0, 0, 0, 9], [9, 0, 0, 0, 0], [0, 9, 0, 0, 0]], float)
    run = run_of()
    run.values[:] = (middles[truth] + rng.normal(size=(144, 5)) * 0.1).reshape(6, 4, 6, 5)
    shown_at = middles[truth][:, [0, 1, 4]] + rng.normal(size=(144, 3)) * 0.1
    shown = scene(run, Projection("pca", shown_at.astype(np.float32), "block2", (6, 4, 6)), colour="cluster")
    shown.state.clustering = Clustering(method, on, n=3, least=10)  # type: ignore[arg-type]
    found = shown.state.quantity("cluster")
    assert found.names[:3] == ("cluster 1", "cluster 2", "cluster 3")
    np.testing.assert_array_equal(found.values, truth)  # the largest first
    assert ("k-means" if method == "kmeans" else "HDBSCAN") in found.title
    assert ("original features" if on == "features" else "map") in found.title


def test_clusters_of_many_positions_are_found_on_some_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("explorer.render.linked.clusters.MOST_ROWS", {"kmeans": 50, "hdbscan": 50})
    run = run_of()
    run.values[0, 0, 0] = np.nan
    shown = scene(run, projected(run), colour="cluster")
    found = shown.state.quantity("cluster")
    assert "50 of 144" in found.note
    assert found.names[-1] == OUTSIDE
    assert np.flatnonzero(found.values == len(found.names) - 1).tolist() == [0]
    for bad in ({"method": "kmean"}, {"on": "pixels"}, {"n": 0}, {"least": 1}):
        with pytest.raises(InputError, match="clustering"):
            Clustering(**bad)  # type: ignore[arg-type]


def test_what_takes_long_is_told_before_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.render.linked.colouring.LONG", {"cluster": 50, "norm": 100})
    shown = made()
    for colour, words in (
        ("cluster", "clusters of 144 positions"),
        ("norm", "reading 144 positions of block2"),
    ):
        shown.colour = colour
        assert words in shown.pending()
        shown.frame(SMALL)
        assert shown.pending() == ""
    shown.colour = "image"
    assert shown.pending() == ""


def test_sizes_mean_numbers_only() -> None:
    shown = described()
    shown.state.size = "metadata:age"
    sizes = shown.look().sizes
    assert sizes is not None
    values = shown.state.quantity("metadata:age").values
    assert sizes[values.argmin()] == 0
    assert sizes[values.argmax()] == 4
    plain = np.asarray(shown.frame(SMALL))
    shown.state.size = None
    assert (np.asarray(shown.frame(SMALL)) != plain).any()
    for size in ("label", "rgb", "metadata:site"):
        with pytest.raises(InputError, match="sizes show numbers"):
            shown.state.size = size
    assert steps_of(np.array([np.nan, 0.0, 1.0])).tolist() == [0, 0, 4]
    assert steps_of(np.array([np.nan])).tolist() == [0]


def test_classes_are_named_in_the_cloud_without_overlap() -> None:
    rng = np.random.default_rng(0)
    run = run_of()
    middles = np.array([[-5.0, 0, 0], [5.0, 0, 0]])
    points = middles[np.arange(144) // 24 % 2] + rng.normal(size=(144, 3)) * 0.3
    shown = scene(run, Projection("pca", points.astype(np.float32), "block2", (6, 4, 6)))
    found = {centre.name: centre.place for centre in shown.centres()}
    np.testing.assert_allclose(found["a"], middles[0], atol=0.5)
    np.testing.assert_allclose(found["b"], middles[1], atol=0.5)
    named = np.asarray(shown.frame(SMALL))
    shown.named = False
    bare = np.asarray(shown.frame(SMALL))
    assert 20 < (named != bare).any(axis=-1).sum() < 3000
