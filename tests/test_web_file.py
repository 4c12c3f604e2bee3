import base64
import gzip
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer.capture.model import Model
from explorer.cli import main
from explorer.errors import InputError
from explorer.render.export.exporting import Options
from explorer.web.file import export_html
from explorer.web.material import principal

NASTY = "</script><img src=x onerror=alert(1)>\u2028 & \"quoted\" 'so'"


@pytest.fixture
def run(toy: Model, folder: Path, tmp_path: Path) -> explorer.Run:
    return explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run")


@pytest.fixture
def scene(run: explorer.Run) -> Any:
    return explorer.scene(run, explorer.project(run, layer="half", method="pca"))


PATTERN = r'<script type="text/plain" id="data-(.*?)" data-type="(.*?)" data-packed="(.*?)">(.*?)</script>'


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a page holds: its first words and its numbers."""
    text = path.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data-meta">(.*?)</script>', text, re.DOTALL)
    assert found
    blocks = {}
    kinds = {"u1": "u1", "i1": "i1", "u2": "<u2", "u4": "<u4", "f4": "<f4"}
    for name, kind, packed, content in re.findall(PATTERN, text):
        raw = base64.b64decode(content)
        blocks[name] = np.frombuffer(gzip.decompress(raw) if packed else raw, kinds[kind])
    return json.loads(found[1]), blocks


def test_the_file_holds_the_coordinates_and_maps_of_the_run(scene: Any, tmp_path: Path) -> None:
    written = export_html(scene, tmp_path / "cloud.html")
    meta, blocks = read(written.path)
    low, high = np.array(meta["low"]), np.array(meta["high"])
    back = low + blocks["coordinates"].reshape(-1, 3) / 65535 * (high - low)
    true = scene.state.projection.coordinates
    np.testing.assert_allclose(back, true, atol=float((high - low).max()) / 65535)
    norms = scene.state.values.norms().reshape(10, 16)
    near, far = blocks["norm-ends"].reshape(2, 10, 1).astype(float)
    shown = near + (blocks["norm"].reshape(10, 16) - 1.0) / 254 * (far - near)
    np.testing.assert_allclose(shown, norms, atol=float((far - near).max()) / 500)
    assert [meta["classes"][code] for code in meta["labels"]] == list(scene.state.run.labels)
    assert written.left == ()
    assert meta["left"] == []


def test_neighbours_in_the_file_are_the_nearest_by_the_layers_own_values(scene: Any, tmp_path: Path) -> None:
    meta, blocks = read(export_html(scene, tmp_path / "cloud.html").path)
    rows = scene.state.values.vectors(scene.state.rows).astype(float)
    apart = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    kept = blocks["near"].reshape(len(rows), meta["near"]["k"])
    own = np.take_along_axis(apart, kept.astype(int), axis=1)
    np.testing.assert_allclose(own, np.sort(apart, axis=1)[:, : kept.shape[1]], atol=1e-4)


def test_similarities_from_the_kept_vectors_are_as_near_as_the_page_says(scene: Any, tmp_path: Path) -> None:
    meta, blocks = read(export_html(scene, tmp_path / "cloud.html").path)
    own = meta["vectors"]
    short = blocks["vectors"].reshape(-1, own["width"]) * np.array(own["scale"])
    short = short / np.maximum(np.linalg.norm(short, axis=1, keepdims=True), 1e-12)
    true = scene.state.values.similarity(2, (1, 1)).reshape(-1)
    shown = short @ short[2 * 16 + 5]
    finite = np.isfinite(true)
    assert np.percentile(np.abs(shown - true)[finite], 95) < 0.02


def test_no_name_can_end_the_script_it_stands_in(run: explorer.Run, tmp_path: Path) -> None:
    run.manifest["images"]["names"][0] = NASTY
    run.manifest["images"]["labels"] = [NASTY, *run.manifest["images"]["labels"][1:]]
    run.manifest["model"]["name"] = NASTY
    view = explorer.scene(run, explorer.project(run, layer="half", method="pca"))
    path = export_html(view, tmp_path / "cloud.html").path
    text = path.read_text(encoding="utf-8")
    assert "<img" not in text
    assert "\u2028" not in text[text.index("data-meta") :]
    meta, _ = read(path)
    assert meta["names"][0] == NASTY
    assert NASTY in meta["classes"]
    assert text.count("<script") == text.count("</script>")


def test_half_a_letter_in_a_name_is_written_as_json_writes_it(run: explorer.Run, tmp_path: Path) -> None:
    run.manifest["images"]["names"][0] = "caf\udce9.png"  # as a run that was captured before may have it
    projection = explorer.project(run, layer="half", method="pca")
    meta, _ = read(export_html(explorer.scene(run, projection), tmp_path / "x.html").path)
    assert meta["names"][0] == "caf\udce9.png"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(megabytes=float("nan")), "megabytes nan, expected a number beyond 0"),
        (Options(channels=-1), "channels -1, expected 0 or more"),
    ],
)
def test_a_room_that_cannot_be_is_refused(scene: Any, tmp_path: Path, options: Options, words: str) -> None:
    with pytest.raises(InputError, match=words):
        export_html(scene, tmp_path / "x.html", options)


def test_the_policy_allows_the_pages_own_script_and_style_alone(scene: Any, tmp_path: Path) -> None:
    text = export_html(scene, tmp_path / "cloud.html").path.read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="(.*?)"', text)
    assert policy
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    assert "http" not in policy[1]
    for tag in ("script", "style"):
        body = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert body
        digest = base64.b64encode(hashlib.sha256(body[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]
    assert not re.search(r"(src|href)=", re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL))


def test_what_does_not_fit_is_left_out_and_said_with_counts(scene: Any, tmp_path: Path) -> None:
    small = export_html(scene, tmp_path / "a.html", Options(megabytes=15)).megabytes
    tight = export_html(scene, tmp_path / "b.html", Options(megabytes=small - 0.004))
    assert tight.megabytes <= small - 0.004
    assert any("of 5 channels" in words or "160 positions" in words for words in tight.left), tight.left
    meta, _ = read(tight.path)
    assert meta["left"] == list(tight.left)
    with pytest.raises(InputError, match="160 points with no more than they need weigh"):
        export_html(scene, tmp_path / "c.html", Options(megabytes=0.01))
    assert not (tmp_path / "c.html").exists()


def test_what_is_left_out_is_not_offered(scene: Any, tmp_path: Path) -> None:
    kept = Options(pictures=False, neighbours=False, similarity=False, channels=1)
    written = export_html(scene, tmp_path / "cloud.html", kept)
    meta, blocks = read(written.path)
    assert meta["pictures"] is meta["vectors"] is meta["near"] is None
    assert sum(told["name"].startswith("channel:") for told in meta["maps"]) == 1
    assert set(blocks) & {"pictures", "near", "vectors"} == set()
    assert len(written.left) == 4
    assert any("4 of 5 channels" in words for words in written.left)


def test_a_sampled_projection_says_which_places_it_holds(run: explorer.Run, tmp_path: Path) -> None:
    projection = explorer.project(run, layer="half", method="pca", sample=50)
    meta, blocks = read(export_html(explorer.scene(run, projection), tmp_path / "cloud.html").path)
    assert meta["sampled"]
    assert np.cumsum(blocks["places"]).tolist() == projection.samples.grid_rows().tolist()


def test_export_goes_by_the_files_ending(scene: Any, tmp_path: Path) -> None:
    assert scene.export(tmp_path / "cloud.html").is_file()
    with pytest.raises(InputError, match=r"endings: .*\.html"):
        scene.export(tmp_path / "cloud.docx")
    with pytest.raises(InputError, match=r"ends in \.html"):
        export_html(scene, tmp_path / "cloud.txt")


def test_in_a_notebook_a_scene_is_a_page_in_a_frame_of_its_own(scene: Any) -> None:
    shown = scene._repr_html_()
    assert shown.startswith('<iframe sandbox="allow-scripts')
    assert "allow-same-origin" not in shown
    inside = html.unescape(shown[shown.index('srcdoc="') + 8 : shown.rindex('" style=')])
    assert inside.startswith("<!doctype html>")
    assert "default-src 'none'" in inside
    assert shown.count('"') == 8  # the page's own quotation marks are escaped


def test_the_command_writes_the_file_and_says_what_it_left_out(
    run: explorer.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cloud.html"
    explorer.project(run, layer="half", method="pca")
    assert main(["export", str(run.path), "--out", str(out), "--channels", "2"]) == 0
    said = capsys.readouterr().out
    assert out.is_file()
    assert "left out: 3 of 5 channels" in said
    assert main(["export", str(run.path), "--out", str(tmp_path / "x.docx")]) == 2


def test_the_flat_view_shows_the_two_widest_directions() -> None:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    points = rng.normal(size=(500, 3)) * [9, 3, 0.1] @ basis
    found = principal(points)
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(found), 1)
    spread = (points @ found.T).std(axis=0)
    assert spread[0] > spread[1] > spread[2]
    assert principal(points[:, :2]).tolist() == np.eye(3).tolist()


@pytest.mark.slow
def test_fifty_thousand_positions_weigh_less_than_fifteen_megabytes_with_everything(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(500, 10, 10, 64)).astype(np.float32)
    values += rng.normal(size=(20, 64))[rng.integers(0, 20, (500, 10, 10))] * 3
    np.savez(tmp_path / "layers.npz", block=values)
    images = rng.integers(0, 255, (500, 64, 64, 3), dtype=np.uint8)
    made = explorer.capture(tmp_path / "layers.npz", images, layers=["block"], out=tmp_path / "run")
    projection = explorer.project(made, layer="block", method="pca")
    assert projection.n_samples == 50_000
    written = export_html(explorer.scene(made, projection, colour="cluster"), tmp_path / "cloud.html")
    assert written.megabytes < 15
    meta, blocks = read(written.path)
    assert {"coordinates", "pictures", "norm", "rgb", "near", "vectors"} <= set(blocks)
    assert all("channels" in words for words in written.left)  # noise packs worst: only channels had to go
    assert meta["nRows"] == 50_000
