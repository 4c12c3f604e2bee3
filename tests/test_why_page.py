"""The page of a selection: self-contained, escaped, readable in the browser and as PDF; and its command."""

import html.parser
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from planted import NASTY, planted_mask, planted_run

import explorer
from explorer.capture.model import Model
from explorer.cli import main
from explorer.errors import InputError
from explorer.explain import drivers as driving
from explorer.explain.by_model import with_drivers
from explorer.explain.reasons import reasons
from explorer.explain.selected import choose
from explorer.render.report.explaining import Why
from explorer.render.report.pdf import wrapped
from explorer.render.report.words import percent, times
from explorer.render.window.controls import Controls

DEMO = Path(explorer.__file__).parent / "demo" / "digits" / "model.toml"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> explorer.Run:
    return planted_run(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def found(run: explorer.Run) -> Why:
    return explorer.why(run, planted_mask())


class Elements(html.parser.HTMLParser):
    """The elements of a page, and whether they close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "rect", "line", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "line"):
            assert self.open.pop() == tag


def elements(text: str) -> Elements:
    parsed = Elements()
    parsed.feed(text)
    return parsed


def test_the_page_is_whole_escaped_and_asks_for_nothing(run: explorer.Run) -> None:
    selected = planted_mask()
    selected[0] = True  # the picture with the nasty name has the largest share
    text = explorer.why(run, selected).html()
    parsed = elements(text)
    assert parsed.open == []
    tags = {tag for tag, _ in parsed.found}
    assert not tags & {"script", "link", "iframe", "object", "base", "form", "a"}
    assert NASTY not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    sources = [attributes["src"] or "" for tag, attributes in parsed.found if tag == "img"]
    assert len(sources) > 20
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert all(attributes["alt"] for tag, attributes in parsed.found if tag == "img")
    assert not [name for _, attributes in parsed.found for name in attributes if name.startswith("on")]
    assert "style=" not in re.sub(r"<style>.*?</style>", "", text, flags=re.S)
    policy = next(a["content"] for tag, a in parsed.found if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "prefers-color-scheme: dark" in text


def test_the_page_says_how_it_counted(found: Why) -> None:
    text = found.html()
    for words in (
        "These 32 positions come from 8 of 24 pictures, all of label disc (3 times its share).",
        "All 864 positions of the layer were read; none was sampled.",
        "no independent observations",
        "Channel 3 sets them apart most",
        "8 of 8",
        "Not computed: give the model that the run was captured from",
    ):
        assert words in text
    assert found._repr_html_().startswith('<iframe sandbox=""')


def test_the_pdf_opens_and_holds_the_words(found: Why, tmp_path: Path) -> None:
    pdfium = pytest.importorskip("pypdfium2")
    path = found.save(tmp_path / "deep" / "why.pdf")
    document = pdfium.PdfDocument(path)
    pages = [document[number].get_textpage() for number in range(len(document))]
    words = " ".join(" ".join(page.get_text_range().split()) for page in pages)
    assert document[0].get_size() == (595, 842)
    for part in (
        "These 32 positions come from 8 of 24",
        "Channels that set it apart",
        "How this was counted",
    ):
        assert part in words
    assert f"{len(document)} of {len(document)}" in words
    picture = np.asarray(document[0].render().to_pil().convert("RGB"))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
    for page in pages:
        page.close()
    document.close()


def test_another_suffix_and_a_place_that_cannot_be_written_are_told(found: Why, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.html or \.pdf"):
        found.save(tmp_path / "why.docx")
    (tmp_path / "file").write_text("")
    with pytest.raises(explorer.RenderError, match="cannot be written"):
        found.save(tmp_path / "file" / "why.html")


def test_lines_break_between_words_and_not_before_a_unit() -> None:
    lines = wrapped("a share of 82 % of the whole " * 4, 10, 120)
    assert len(lines) > 4
    assert not [line for line in lines if line.startswith("%")]
    assert "".join(wrapped("x" * 300, 10, 100)) == "x" * 300


def test_shares_and_factors_read_well() -> None:
    assert [percent(share) for share in (0, 0.0004, 0.004, 0.0994, 0.0996, 0.824, 1)] == [
        *("0 %", "under 0.1 %", "0.4 %", "9.9 %", "10 %", "82 %", "100 %")
    ]
    assert [times(factor) for factor in (0.44, 1.62, 8.24, 12.4, float("nan"))] == [
        *("0.44 times", "1.6 times", "8.2 times", "12 times", "–")
    ]


def test_the_command_writes_the_page_of_a_saved_selection(
    run: explorer.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = explorer.scene(run, explorer.project(run, layer="block", method="pca"))
    scene.selection = planted_mask()
    places = scene.save_selection(tmp_path / "places.csv")
    out = tmp_path / "why.html"
    asked = ["why", str(run.path), "--selection", str(places), "--layer", "block"]
    assert main([*asked, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("These 32 positions come from 8 of 24 pictures")
    assert said.rstrip().endswith(str(out))
    assert "These 32 positions" in out.read_text()
    by_label = ["why", str(run.path), "--selection", "disc", "--layer", "block", "--method", "pca"]
    assert main([*by_label, "--out", str(tmp_path / "disc.pdf")]) == 0
    assert main(["why", str(run.path), "--selection", str(places), "--out", "why.txt"]) == 2
    assert "a report is written as .html or .pdf" in capsys.readouterr().err
    assert main(["why", str(run.path), "--selection", "none.csv", "--out", str(out)]) == 2


def test_the_window_writes_it_by_key_and_from_its_list(
    run: explorer.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scene = explorer.scene(run, explorer.project(run, layer="block", method="pca"))
    at = Controls(scene, (800, 600))
    at.key("w")
    assert at.message.startswith("nothing is selected")
    scene.selection = planted_mask()
    at.key("w")
    assert at.message.startswith("explaining the selection")
    while at.waiting is not None:
        at.poll()
    assert at.message.startswith("saved block-pca-why.html: These 32 positions")
    at.push("export")
    assert at.popup is not None
    item = next(one for one in at.popup.items if one.detail == ".pdf" and one.text.startswith("Why"))
    at.choose(item)
    while at.waiting is not None:
        at.poll()
    assert (tmp_path / "block-pca-why.pdf").read_bytes().startswith(b"%PDF")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, explorer.Run]:
    model: Model = explorer.load_model(DEMO)
    images = DEMO.parent / "images"
    run = explorer.capture(model, images, layers=["block2"], out=tmp_path_factory.mktemp("digits") / "run")
    return model, run


def test_driving_pixels_add_up_and_lie_in_what_the_positions_see(
    digits: tuple[Model, explorer.Run],
) -> None:
    model, run = digits
    selected = np.zeros(run.grid_shape("block2"), bool)
    selected[4, 2, 5], selected[9, 5:7, 1] = True, True
    found, opened = with_drivers(reasons(run, choose(run, selected)), model)
    assert opened is model
    assert {one.image for one in found.drivers} == {4, 9}
    for one in found.drivers:
        seen = np.zeros((32, 32), bool)
        for position in np.argwhere(selected[one.image]):
            box = run.receptive_box("block2", position.tolist())
            assert box is not None
            seen[box[0][0] : box[0][1], box[1][0] : box[1][1]] = True
        assert not one.values[~seen].any()
        assert np.abs(one.values[seen]).max() > 0
        assert abs(one.error) < 0.02
        values = run.read("block2", one.image, one.image + 1)[0][selected[one.image]].astype(np.float64)
        inputs = driving.inputs_of(model, run, [one.image])
        blank = np.broadcast_to(inputs.mean(axis=(1, 2), keepdims=True), inputs.shape).astype(np.float32)
        empty = model.adapter.capture(blank, ["block2"])["block2"].values[0][selected[one.image]]
        expected = (values.mean(axis=0) - empty.astype(np.float64).mean(axis=0)) @ found.direction
        assert one.projection == pytest.approx(expected, rel=1e-3, abs=1e-4)
    assert "integrated gradients" in found.drivers_note


@pytest.mark.slow
def test_the_direction_grows_into_a_picture_that_lies_further_than_any_real_one(
    digits: tuple[Model, explorer.Run],
) -> None:
    model, run = digits
    layer = run.read("block2").astype(np.float64)
    best = layer[..., 5].reshape(-1).argsort()[-400:]
    selected = np.zeros(layer[..., 5].size, bool)
    selected[best] = True
    found = explorer.why(run, selected.reshape(layer.shape[:-1]), model=model)
    assert found.grown is not None
    assert found.grown.real is not None
    along = (layer @ found.direction).mean(axis=(1, 2))
    np.testing.assert_allclose(found.grown.real.values[0], np.sort(along)[::-1][:4], rtol=1e-4)
    assert found.grown.real.images[0, 0] == along.argmax()
    inputs = found.grown.pictures[0]
    assert inputs.shape[0] == found.grown.reached.shape[1] == 3
    assert found.grown.reached.max() > along.max()
    text = found.html()
    for words in ("grown: ", "real: ", "steps of ascent", "integrated gradients"):
        assert words in text


def test_inputs_are_made_anew_from_the_pictures_where_files_are_gone(
    digits: tuple[Model, explorer.Run],
) -> None:
    model, run = digits
    kept = driving.inputs_of(model, run, [3, 7])
    anew = driving.inputs_of(Model(**{**vars(model), "hints": {}}), run, [3, 7])
    np.testing.assert_allclose(kept, anew, atol=1e-6)
    driving.check_same(model, run, "block2", anew, [3, 7])


def test_another_model_other_images_and_none_with_gradients_are_told(
    digits: tuple[Model, explorer.Run], run: explorer.Run, tmp_path: Path
) -> None:
    model, own = digits
    selected = np.zeros(own.grid_shape("block2"), bool)
    selected[:3] = True
    with pytest.raises(InputError, match=r"which .* was captured from"):
        explorer.why(own, selected, model=model, images=np.zeros((2, 32, 32, 1), np.float32))
    with pytest.raises(InputError, match="answers otherwise"):
        driving.check_same(model, own, "block2", np.zeros((1, 32, 32, 1), np.float32), [0])
    flat = explorer.why(run, planted_mask(), model=run.path.parent / "layers.npz")
    assert "gives no gradients" in flat.drivers_note
    assert flat.drivers == ()
    assert choose(own, selected).layer == "block2"


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_it_without_a_word_of_complaint(
    run: explorer.Run, tmp_path: Path, scheme: str
) -> None:
    from browsing import chromium

    selected = planted_mask()
    selected[0] = True
    path = explorer.why(run, selected).save(tmp_path / "why.html")
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1100, "height": 900}, color_scheme=scheme)
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on(
            "request", lambda one: said.append(one.url) if not one.url.startswith(("file", "data")) else None
        )
        page.goto(path.as_uri())
        assert said == []
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert colour == ("rgb(17, 20, 23)" if scheme == "dark" else "rgb(255, 255, 255)")
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.set_viewport_size({"width": 380, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
