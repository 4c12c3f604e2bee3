from pathlib import Path

import pytest

import explorer
from explorer.capture.model_file import import_factory, read_model_file

GOOD = """
[model]
factory = "mynet:Net"
arguments = { width = 8 }
[checkpoint]
path = "weights"
step = 3
[preprocessing]
size = [8, 8]
[labels]
names = ["cat", "dog"]
[explore]
layer = "block2"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "model.toml"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    file = read_model_file(write(tmp_path, GOOD))
    assert file.options.checkpoint == tmp_path / "weights"
    assert (file.source, file.arguments, file.options.step) == ("mynet:Net", {"width": 8}, 3)
    assert (file.class_names, file.hints["layer"]) == (("cat", "dog"), "block2")
    assert file.preprocessing is not None
    assert file.preprocessing.size == (8, 8)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[model]", "[modle]", "did you mean model"),
        ("factory", "factroy", "did you mean factory"),
        ('"mynet:Net"', '"mynet.Net"', "package.module:callable"),
        ('"mynet:Net"', '"os;system:Net"', "package.module:callable"),
        ('"mynet:Net"', "3", "expected text"),
        ("step = 3", "step = true", "a whole number"),
        ("step = 3", 'step = "3"', "a whole number"),
        ("[8, 8]", "[8]", "height, width"),
        ("{ width = 8 }", "[1]", "a table"),
        ('path = "weights"', "", "path"),
        ('["cat", "dog"]', '"cat"', "a list"),
        ("[labels]", "[labels", "TOML"),
        ('layer = "block2"', "layer = 2", "expected text"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_and_key(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(explorer.ModelError, match=words) as caught:
        read_model_file(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(explorer.ModelError, match="TOML"):
        read_model_file(tmp_path / "model.toml")


def test_reading_the_file_runs_none_of_its_code(tmp_path: Path) -> None:
    (tmp_path / "mynet_unread.py").write_text("raise SystemExit('was run')")
    read_model_file(write(tmp_path, GOOD.replace("mynet", "mynet_unread")))


def test_a_factory_beside_the_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "beside_net.py").write_text("def make(width): return width\n")
    text = GOOD.replace("mynet:Net", "beside_net:make")
    factory = import_factory(read_model_file(write(tmp_path, text)))
    assert factory.make(**factory.arguments) == 8


@pytest.mark.parametrize(
    ("module", "code", "words"),
    [
        ("absent_net", None, "neither installed nor beside"),
        ("raising_net", "1/0", "raised ZeroDivisionError"),
        ("needy_net", "import absent_library", "importing needy_net failed"),
        ("other_net", "class Nett: pass", "did you mean Nett"),
        ("value_net", "Net = 3", "expected a class or function"),
    ],
)
def test_a_factory_that_cannot_be_had_is_one_line(
    tmp_path: Path, module: str, code: str | None, words: str
) -> None:
    if code is not None:
        (tmp_path / f"{module}.py").write_text(code)
    file = read_model_file(write(tmp_path, GOOD.replace("mynet", module)))
    with pytest.raises(explorer.ModelError, match=words) as caught:
        import_factory(file)
    assert "\n" not in str(caught.value)


def test_two_files_with_modules_of_one_name_get_each_its_own(tmp_path: Path) -> None:
    made = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same_net.py").write_text(f"def make(width): return {name!r}\n")
        text = GOOD.replace("mynet:Net", "same_net:make")
        factory = import_factory(read_model_file(write(tmp_path / name, text)))
        made.append(factory.make(**factory.arguments))
    assert made == ["one", "other"]
