"""The benchmarks' own measures and tables are right; what they time is not tested here."""

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

import explorer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import bench  # noqa: E402
from benchmarks import against_grids, against_viewer, measures  # noqa: E402
from benchmarks.results import Result, draw, keep, kept, table  # noqa: E402

rng = np.random.default_rng(0)
rows = rng.normal(size=(300, 5)).astype(np.float32)
fast = Result("a map", "another", 1.0, 12.0, 6.0, "KL", (1.25, 1.3))
slow = Result("a thing", "its peer", 2.0, 3.0, 2.0)
poor = Result("a map", "a better one", 1.0, 9.0, 2.0, "KL", (1.5, 1.3), good=False)


def test_a_result_meets_its_target_when_it_is_fast_and_good_enough() -> None:
    assert [fast.met, slow.met, poor.met] == [True, False, False]
    assert fast.faster == 12


def test_the_table_marks_what_falls_short() -> None:
    lines = table([fast, slow, poor]).splitlines()
    assert lines[2] == "| a map | 1.00 s | another | 12.0 s | 12.0 | 6.0 | KL 1.25, 1.3 |"
    assert ["✗" in line for line in lines[2:]] == [False, True, True]
    slower = table([Result("many", "few", 60.0, 10.0, 1 / 7)]).splitlines()[2]
    assert "| 6.0 × its time | 7.0 × its time |" in slower


def test_results_are_kept_beside_those_of_other_contests(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    keep({"one": [fast]}, path)
    keep({"two": [slow, poor]}, path)
    assert kept(path) == {"one": [fast], "two": [slow, poor]}
    draw([fast, slow, poor], tmp_path / "results.png")
    assert (tmp_path / "results.png").stat().st_size > 5000


def test_trust_is_that_of_scikit_learn_and_kept_is_counted_by_hand() -> None:
    shown = rows[:, :2]
    trust, share = measures.trust_and_kept(rows, shown)
    assert trust == pytest.approx(trustworthiness(rows, shown, n_neighbors=15), abs=1e-6)
    near = [
        np.argsort(np.linalg.norm(points[:, None] - points[None], axis=2), axis=1)[:, 1:16]
        for points in (rows, shown)
    ]
    pairs = zip(*near, strict=True)
    assert share == pytest.approx(np.mean([len(np.intersect1d(a, b)) / 15 for a, b in pairs]), abs=1e-6)


def test_the_divergence_is_that_of_the_definition() -> None:
    joint, shown = measures.joint_probabilities(rows), rows[:, :3]
    p = np.asarray(joint.todense())
    q = 1 / (1 + ((shown[:, None] - shown[None]).astype(float) ** 2).sum(axis=2))
    np.fill_diagonal(q, 0)
    q /= q.sum()
    there = p > 0
    expected = (p[there] * np.log(p[there] / q[there])).sum()
    assert measures.divergence(joint, shown) == pytest.approx(expected, rel=1e-6)


def test_an_unknown_contest_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench.py", "nothing"])
    with pytest.raises(SystemExit):
        bench.main()
    assert "no contest nothing; there are start" in capsys.readouterr().err


def test_maps_are_true_only_where_they_were_drawn(tmp_path: Path) -> None:
    maps = against_grids.example(4, 64)
    values = np.moveaxis(maps, 0, -1)[None]
    drawn = explorer.grid(explorer.Activations("conv2", values))
    ours, boxes = drawn.save(tmp_path / "ours.png"), [one.box for one in drawn.maps]
    theirs = tmp_path / "theirs.png"
    places = against_grids.by_subplots(maps, theirs)
    assert against_grids.true_maps(ours, maps, boxes) == 1
    assert against_grids.true_maps(theirs, maps, places) == 1
    assert against_grids.true_maps(ours, maps[::-1], boxes) == 0
    assert against_grids.true_maps(ours, maps, [(x + 96, y, w, h) for x, y, w, h in boxes]) == 0


def test_the_viewers_contest_measures_frames_and_picks() -> None:
    turning, pick = against_viewer.at_a_million(ROOT, n=60_000, size=(640, 480), frames=2)
    assert turning.scores == (1.0, 1.0)  # the picture at rest is the same after turning
    assert turning.good
    assert "60,000" in turning.what
    assert pick.scores[0] > 0.99
    assert pick.ours < 0.1
