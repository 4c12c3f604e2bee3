"""Pictures are as they were: drawn anew and held against those in tests/reference, with a tolerance."""

import pytest
from PIL import Image
from reference_scenes import FOLDER, MEAN, MOST, SCENES, difference


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_looks_as_its_reference_does(name: str) -> None:
    with Image.open(FOLDER / f"{name}.png") as kept:
        drawn = SCENES[name]()
        assert drawn.size == kept.size
        other, mean = difference(drawn, kept)
    assert other <= MOST, f"{other:.1%} of the pixels differ; python tests/reference_scenes.py --renew"
    assert mean <= MEAN


def test_every_reference_has_a_scene() -> None:
    assert {path.stem for path in FOLDER.glob("*.png")} == set(SCENES)


@pytest.mark.parametrize("other", [name for name in SCENES if name not in ("labels-light", "pair")])
def test_another_picture_is_told_apart(other: str) -> None:
    with Image.open(FOLDER / "labels-light.png") as one, Image.open(FOLDER / f"{other}.png") as two:
        assert difference(one, two)[0] > 3 * MOST


def test_a_point_size_or_colour_that_changed_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    from explorer.render.cloud.cloud import Cloud

    usual = Cloud.point_size
    monkeypatch.setattr(Cloud, "point_size", lambda self, size: 1.5 * usual(self, size))
    with Image.open(FOLDER / "labels-light.png") as kept:
        assert difference(SCENES["labels-light"](), kept)[0] > MOST
