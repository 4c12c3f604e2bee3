from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.capture.model import Model
from explorer.capture.tables import read_table


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_labels_and_columns_by_their_kind(tmp_path: Path) -> None:
    table = read_table(
        written(
            tmp_path / "t.csv",
            "path,label,age,weight,ward,passed,empty\n"
            "a/0.png,cat,31,1.5,007,x,\n"
            '"b,1.png",dog,NA,,008,,\n'
            "c.png,,-4,2e3,x,y,\n",
        )
    )
    assert table.names == ("a/0.png", "b,1.png", "c.png")
    assert table.paths[0] == tmp_path / "a" / "0.png"
    assert table.labels == ("cat", "dog", "")
    assert table.metadata == {
        "age": [31, None, -4],
        "weight": [1.5, None, 2000.0],
        "ward": ["007", "008", "x"],
        "passed": ["x", None, "y"],
        "empty": [None, None, None],
    }


@pytest.mark.parametrize("header", ["file", "Image", " filename ", "PATH"])
def test_other_names_for_the_paths(tmp_path: Path, header: str) -> None:
    assert read_table(written(tmp_path / "t.csv", f"{header},x\n1.png,2\n")).names == ("1.png",)


@pytest.mark.parametrize(("suffix", "delimiter"), [("csv", ";"), ("csv", "\t"), ("tsv", "\t")])
def test_other_delimiters(tmp_path: Path, suffix: str, delimiter: str) -> None:
    path = written(
        tmp_path / f"t.{suffix}", delimiter.join(("path", "n")) + "\r\n" + delimiter.join(("a", "1"))
    )
    assert read_table(path).metadata == {"n": [1]}


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("path,größe\na.png,3\n".encode("utf-8-sig"))
    assert read_table(tmp_path / "t.csv").metadata == {"größe": [3]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column path"),
        ("name,x\na,1\n", r"no column path \(or file, image, filename\) among name, x"),
        ("path,x\n", "no rows"),
        ("path,x\na.png\n", "line 2 has 1 cells, the header 2"),
        ("path,x,x\na,1,2\n", "two columns are called 'x'"),
        ("path,x\n,1\n", "row 1 has no text in its column path"),
        ('path,x\n"a,1\n', "cannot be read as a table"),
        ("path\0,x\na,1\n", "t.csv: "),
    ],
)
def test_a_wrong_table_is_one_line_that_says_what_is_right(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(explorer.InputError, match=words) as caught:
        read_table(written(tmp_path / "t.csv", text))
    assert "\n" not in str(caught.value)
    (tmp_path / "bytes.csv").write_bytes(b"path\n\xff\xfe\n")
    with pytest.raises(explorer.InputError, match="cannot be read as a table"):
        read_table(tmp_path / "bytes.csv")


def test_the_columns_are_kept_in_the_run(toy: Model, folder: Path, tmp_path: Path) -> None:
    rows = ["path,label,depth,site,dead"]
    rows += [f"images/{'ab'[n % 2]}/{n}.png,kind{n % 3},{n * 0.5},site {n % 2},{n}" for n in range(10)]
    rows.insert(4, "images/a/missing.png,kind0,9,site 9,99")
    table = written(tmp_path / "t.csv", "\n".join(rows))
    run = explorer.capture(toy, table, layers=["half"], out=tmp_path / "run")
    again = explorer.open_run(run.path)
    assert again.n_images == 10
    assert again.labels == tuple(f"kind{n % 3}" for n in range(10))
    np.testing.assert_array_equal(again.metadata["depth"], np.arange(10) * 0.5)
    assert again.metadata["dead"].dtype == np.int64
    assert again.metadata["site"].tolist() == [f"site {n % 2}" for n in range(10)]
    assert again.manifest["images"]["skipped"][0]["name"] == "images/a/missing.png"


def test_a_changed_column_is_taken_over_without_capturing(toy: Model, folder: Path, tmp_path: Path) -> None:
    table = written(tmp_path / "t.csv", "path,n\nimages/a/0.png,1\nimages/b/1.png,2\n")
    explorer.capture(toy, table, layers=["half"], out=tmp_path / "run")
    calls = len(toy.adapter.calls)
    written(table, "path,n\nimages/a/0.png,5\nimages/b/1.png,\n")
    run = explorer.capture(toy, table, layers=["half"], out=tmp_path / "run")
    assert len(toy.adapter.calls) == calls
    np.testing.assert_array_equal(run.metadata["n"], [5, np.nan])


def test_paths_elsewhere_do_not_tell_of_this_machine(toy: Model, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    table = written(tmp_path / "tables" / "t.csv", f"path\n{folder}/a/0.png\n../images/b/1.png\n")
    run = explorer.capture(toy, table, layers=["half"], out=tmp_path / "run")
    assert run.image_names[0] == "a/0.png"
    assert str(tmp_path) not in (run.path / "manifest.json").read_text()


def test_a_run_without_a_table_has_no_metadata(toy: Model, folder: Path, tmp_path: Path) -> None:
    assert dict(explorer.capture(toy, folder, layers=["half"], out=tmp_path / "run").metadata) == {}


def test_parquet_keeps_the_types_of_its_columns(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import datetime as dt

    import pyarrow.parquet as parquet

    table = pa.table(
        {
            "image": ["a.png", "b.png"],
            "label": ["x", None],
            "n": pa.array([1, None], pa.int16()),
            "f": pa.array([1.5, float("nan")], pa.float32()),
            "ok": [True, False],
            "day": [dt.date(2020, 1, 2), None],
            "code": ["007", "8"],
        }
    )
    parquet.write_table(table, tmp_path / "t.parquet")
    read = read_table(tmp_path / "t.parquet")
    assert read.names == ("a.png", "b.png")
    assert read.labels == ("x", "")
    assert read.metadata == {
        "n": [1, None],
        "f": [1.5, None],
        "ok": [True, False],
        "day": ["2020-01-02", None],
        "code": ["007", "8"],
    }
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "t.parquet").read_bytes()[:-20])
    with pytest.raises(explorer.InputError, match=r"cut\.parquet: cannot be read as parquet"):
        read_table(tmp_path / "cut.parquet")
