"""A scene over epochs: the same position, selection and colours at every epoch."""

import json
from pathlib import Path

import numpy as np
import pytest
from epoch_runs import EPOCHS, evolution
from test_scene import SMALL

import explorer
from explorer.errors import InputError
from explorer.reduce.projection import Projection
from explorer.render.cloud.camera import spatial
from explorer.render.epochs.epochs import MovingCloud
from explorer.render.epochs.scene import EpochScene
from explorer.render.epochs.timeline import timeline


def made(**options: object) -> EpochScene:
    scene = evolution(**options).scene()  # type: ignore[arg-type]
    scene.frame(SMALL)
    return scene


def test_it_opens_at_the_last_epoch_and_goes_to_any() -> None:
    scene = explorer.scene(evolution())
    assert isinstance(scene, EpochScene)
    assert scene.epoch == 2
    for epoch in (0, 2, 1):
        scene.epoch = epoch
        assert scene.state.run is scene.evolution.runs[epoch]
        assert scene.projection is scene.evolution.projections[epoch]
        np.testing.assert_array_equal(
            scene.state.values.image(3), scene.evolution.runs[epoch].read("block2", 3, 4)[0]
        )
        np.testing.assert_allclose(scene.cloud.points, spatial(scene.projection.coordinates), atol=1e-6)
    assert evolution().scene(epoch=0).epoch == 0
    for wrong in (-1, 3):
        with pytest.raises(InputError, match="epoch"):
            scene.epoch = wrong
        with pytest.raises(InputError, match="from 0 to 2"):
            evolution().scene(epoch=wrong)


def test_selection_focus_image_and_colours_stay() -> None:
    scene = made()
    scene.select(2, 1, 3)
    scene.state.choose(scene.state.image_of_row < 2)
    scene.colour, scene.channel = "channel", 3
    camera = scene.view
    before = scene.selection.positions().tolist()
    for at in (0.0, 0.4, 1.6, 2.0, 1.0):
        scene.at = at
        assert scene.selection.positions().tolist() == before
        assert (scene.image, scene.channel, scene.colour) == (2, 3, "channel")
        assert scene.state.focus is not None
        assert (scene.state.focus.image, *scene.state.focus.position) == (2, 1, 3)
        assert scene.view == camera


def test_the_ring_and_the_pick_follow_a_point_on_its_way() -> None:
    scene = made()
    for at in (0.0, 0.5, 2.0):
        scene.at = at
        scene.frame(SMALL)
        pixel = scene.pixel(7)
        assert pixel is not None
        place = scene.layout.cloud
        own = scene.cloud.points[7:8]
        expected = scene.view.project(own, (place.width, place.height))[0][0] + (place.left, place.top)
        np.testing.assert_allclose(pixel, expected)
    scene.at = 0.0
    first = scene.pixel(7)
    scene.at = 1.0
    assert first != scene.pixel(7)


def test_the_heatmaps_are_those_of_the_epoch() -> None:
    scene = made()
    pictures = []
    for epoch in (0, 1):
        scene.epoch = epoch
        picture = np.asarray(scene.frame(SMALL))
        pictures.append(picture)
        assert f"epoch {EPOCHS[epoch]}" in scene.content(scene.layout).header.title
    again = made()
    again.epoch = 1
    np.testing.assert_array_equal(pictures[1], np.asarray(again.frame(SMALL)))


def test_the_trail_is_the_way_of_the_position_and_says_what_counts() -> None:
    scene = made()
    assert scene.trail() is None
    scene.select(*scene.state.position_of(10))
    trail = scene.trail()
    assert trail is not None
    expected = np.stack([spatial(one.coordinates)[10] for one in scene.evolution.projections])
    np.testing.assert_array_equal(trail.places, expected)
    assert trail.beyond == (True, False)
    pieces = trail.pieces(0.5)
    assert [(counts, behind) for _, counts, behind in pieces] == [(True, True), (True, False), (False, False)]
    np.testing.assert_allclose(pieces[0][0][1], (expected[0] + expected[1]) / 2, rtol=1e-6)
    assert [behind for _, _, behind in trail.pieces(1.0)] == [True, False]
    with_trail = np.asarray(scene.frame(SMALL)).astype(int)
    scene.clear_selection()
    assert (with_trail != np.asarray(scene.frame(SMALL))).any()


def test_only_what_has_moved_beyond_another_seed_keeps_its_colour() -> None:
    scene = made()
    scene.only_moved = True
    look = scene.look()
    assert look.emphasised is not None
    assert np.flatnonzero(look.emphasised).tolist() == list(range(5))
    assert scene.look() is look
    scene.epoch = 1
    assert np.flatnonzero(scene.look().emphasised).tolist() == list(range(20))  # type: ignore[arg-type]
    scene.epoch = 0
    assert scene.look().emphasised is None
    scene.epoch = 1
    scene.state.choose(np.arange(len(scene.state.rows)) % 2 == 0)
    assert np.flatnonzero(scene.look().emphasised).tolist() == list(range(0, 20, 2))  # type: ignore[arg-type]


def test_the_box_says_how_far_the_position_has_moved() -> None:
    scene = made()
    scene.select(*scene.state.position_of(10))
    assert dict(scene.content(scene.layout).info.rows)["moved"] == "0, as by seed"
    scene.epoch = 1
    assert dict(scene.content(scene.layout).info.rows)["moved"] == "2, beyond seed"
    scene.epoch = 0
    assert "moved" not in dict(scene.content(scene.layout).info.rows)


def test_another_map_of_the_epoch_can_be_shown_and_the_slider_brings_the_epochs_back() -> None:
    scene = made()
    own = scene.projection
    other = Projection("pca", own.coordinates[:, ::-1].copy(), own.layer, own.grid_shape)
    scene.projection = other
    assert scene.projection is other
    assert not isinstance(scene.cloud, MovingCloud)
    assert scene.trail() is None
    scene.frame(SMALL)
    scene.at = 2.0
    assert scene.projection is own
    assert isinstance(scene.cloud, MovingCloud)
    scene.projection = scene.evolution.projections[0]
    assert scene.epoch == 0


def test_views_are_kept_through_epochs_and_other_maps() -> None:
    scene = made()
    own = scene.projection
    scene.keep_view()
    scene.projection = Projection("pca", own.coordinates[:, ::-1].copy(), own.layer, own.grid_shape)
    assert scene.kept_views == ()
    scene.epoch = 1
    assert len(scene.kept_views) == 1


def test_the_map_of_another_epoch_stands_beside_and_comes_back_with_a_state(tmp_path: Path) -> None:
    scene = made()
    scene.beside = scene.evolution.projections[0]
    assert scene.twin is not None
    names = scene.evolution.epochs
    assert scene.twin.caption().startswith(f"epoch {names[0]} · ")
    title = scene.content(scene.layout).header.title
    assert title.endswith(f"epoch {names[-1]}  |  epoch {names[0]}")
    assert "scene.beside = evolution.projections[0]" in scene.code().splitlines()
    # The plots lie below both clouds, and neither cloud over the plots.
    scene.frame((1600, 900))
    clouds = (scene.layout.cloud, scene.layout.second)
    plots = timeline(scene.layout, 6).plots
    assert clouds[1] is not None
    assert scene.twin.layout.cloud == clouds[1]
    assert clouds[0].bottom == clouds[1].bottom <= plots[0].top
    assert plots[-1].right > clouds[1].left
    back = made()
    back.load_state(scene.save_state(tmp_path / "view.json"))
    assert back.beside is back.evolution.projections[0]
    content = {**scene.to_dict(), "beside": {**scene.to_dict()["beside"], "epoch": "77"}}
    (tmp_path / "bad.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="epoch '77' beside: there are"):
        back.load_state(tmp_path / "bad.json")
    assert back.beside is back.evolution.projections[0]


def test_a_state_keeps_its_epoch(tmp_path: Path) -> None:
    scene = made()
    scene.epoch, scene.only_moved = 1, True
    scene.select(*scene.state.position_of(10))
    scene.save_state(tmp_path / "state.json")
    other = made()
    other.load_state(tmp_path / "state.json")
    assert (other.epoch, other.only_moved) == (1, True)
    np.testing.assert_array_equal(np.asarray(scene.frame(SMALL)), np.asarray(other.frame(SMALL)))
    text = (tmp_path / "state.json").read_text(encoding="utf-8")
    (tmp_path / "state.json").write_text(text.replace('"epoch": "5"', '"epoch": "6"'), encoding="utf-8")
    with pytest.raises(InputError, match="epoch '6'"):
        other.load_state(tmp_path / "state.json")
    assert other.epoch == 1


def test_lines_of_code_open_the_evolution_at_its_epoch() -> None:
    scene = made()
    scene.epoch = 1
    lines = scene.code().splitlines()
    assert lines[:4] == [
        "import explorer",
        "",
        "evolution = explorer.open_evolution('out')",
        "scene = evolution.scene(epoch=1, theme='light')",
    ]


@pytest.mark.parametrize("components", [2, 3])
@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf", ".csv", ".glb"])
def test_an_epoch_is_exported_as_any_scene(tmp_path: Path, components: int, ending: str) -> None:
    scene = made(components=components)
    scene.select(*scene.state.position_of(10))
    path = scene.export(tmp_path / f"a{ending}")
    assert path.stat().st_size > 100


def test_a_run_without_a_projection_is_refused() -> None:
    with pytest.raises(InputError, match=r"explorer\.project makes one"):
        explorer.scene(evolution().runs[0])
