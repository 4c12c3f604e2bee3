"""What the tests of the page share: a browser, a run to look at, the page, the server, and geometry."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import explorer
from explorer.web.file import export_html

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MARKS = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
FLAGS = (
    "--no-sandbox --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader"
)
NASTY = "</script><img src=x onerror=alert(1)>"
WIDE, TALL = 1600, 900


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser without a screen, drawing in software."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split(), headless=True)
        yield opened
        opened.close()


def make_run(place: Path) -> explorer.Run:
    """Forty small pictures of four kinds, two layers of different grids, one nasty name and label."""
    rng = np.random.default_rng(1)
    kinds = np.repeat(np.arange(4), 10)
    rows, columns = np.mgrid[:12, :12] / 11
    pictures = [np.sin(6 * (rows * math.cos(k) + columns * math.sin(k)) + k) for k in kinds]
    values = np.stack(pictures)[..., None] + rng.normal(0, 0.15, (40, 12, 12, 1))
    images = np.clip(128 + 90 * values, 0, 255).astype(np.uint8).repeat(3, axis=3)
    fine = np.concatenate(
        [values, values**2, np.roll(values, 2, axis=1), kinds[:, None, None, None] + 0 * values], axis=3
    )
    coarse = fine.reshape(40, 6, 2, 6, 2, 4).mean(axis=(2, 4))
    path = place / "layers.npz"
    np.savez(path, fine=fine.astype(np.float32), coarse=coarse.astype(np.float32))
    made = explorer.capture(path, images, out=place / "run", layers=["fine", "coarse"])
    written = made.path / "manifest.json"
    manifest = json.loads(written.read_text())
    manifest["images"]["names"] = [NASTY, *(f"picture {k}" for k in range(1, 40))]
    manifest["images"]["labels"] = [(NASTY, "waves", "rings", "dots")[k] for k in kinds]
    written.write_text(json.dumps(manifest))
    return explorer.open_run(made.path)


def make_file(place: Path) -> str:
    """The address of the file of that run's map."""
    run = make_run(place)
    export_html(explorer.scene(run, explorer.project(run, layer="fine", method="pca")), place / "cloud.html")
    return (place / "cloud.html").as_uri()


class Page:
    """A page with what it said and asked for."""

    def __init__(self, browser: Any, address: str, size: tuple[int, int] = (WIDE, TALL)) -> None:
        self.page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        self.page.set_default_timeout(90_000)  # software drawing on a busy machine
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on(
            "console", lambda m: self.said.append(m.text) if m.type in ("error", "warning") else None
        )
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(f"dialog {dialog.message}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)
        self.page.wait_for_selector("#explorer:not([aria-busy])", timeout=90_000)
        self.rest()

    def rest(self) -> None:
        """Wait until the cloud is drawn in full."""
        self.page.wait_for_timeout(350)
        for _ in range(100):
            if self.js("v.stage.moving === 0 && !v.stage.motion && !v.stage.waiting"):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError("the cloud never came to rest")

    def js(self, expression: str) -> Any:
        return self.page.evaluate(f"() => {{ const v = explorerViewer; return {expression}; }}")

    def box(self, selector: str = ".over") -> dict[str, float]:
        return dict(self.page.locator(selector).first.bounding_box())

    def camera(self) -> dict[str, Any]:
        told = self.js(
            "({...v.stage.camera.copy(), bounds: v.stage.camera.bounds, distance: v.stage.camera.distance})"
        )
        return dict(told)


def project(points: NDArray[Any], page: Page) -> NDArray[np.float64]:
    """Where points (n, 3) are on the page's cloud, from its own camera: (n, 2) pixels of the cloud's box."""
    camera, box = page.camera(), page.box()
    basis, bounds = np.array(camera["basis"]), camera["bounds"]
    normal = np.array(bounds["flat"][2])
    away = (points - bounds["centre"]) @ normal
    pressed = points - np.outer(away * camera["flatness"] * 0.97, normal)
    local = (pressed - camera["focus"]) @ basis.T
    half = (camera["distance"] - local[:, 2]) * math.tan(camera["field"] / 2)
    x = box["width"] / 2 + local[:, 0] / half * box["height"] / 2
    y = box["height"] / 2 - local[:, 1] / half * box["height"] / 2
    return np.stack([x, y], axis=1)


def space(projection: explorer.Projection) -> NDArray[np.float64]:
    points = projection.coordinates.astype(np.float64)
    return np.pad(points, ((0, 0), (0, 3 - points.shape[1])))


def inside(outline: NDArray[Any], points: NDArray[Any]) -> NDArray[np.bool_]:
    """Which points (n, 2) lie in a closed outline (m, 2), by Matplotlib."""
    from matplotlib.path import Path as Outline

    return np.asarray(Outline(np.concatenate([outline, outline[:1]])).contains_points(points))


def gap(outline: NDArray[Any], points: NDArray[Any]) -> NDArray[np.float64]:
    """Distance of points (n, 2) from an outline's line (m, 2)."""
    ends = np.roll(outline, -1, axis=0) - outline
    along = ((points[:, None] - outline) * ends).sum(-1) / np.maximum((ends**2).sum(-1), 1e-9)
    nearest = outline + np.clip(along, 0, 1)[..., None] * ends
    return np.asarray(np.linalg.norm(points[:, None] - nearest, axis=2).min(axis=1))


def lasso(page: Page, middle: tuple[float, float], radius: float) -> NDArray[np.float64]:
    """Circle points with the mouse; returns the outline in pixels of the cloud's box."""
    box = page.box()
    angles = np.linspace(0, 2 * np.pi, 20)[:-1]
    outline = np.round(
        np.stack([middle[0] + radius * np.cos(angles), middle[1] + radius * np.sin(angles)], 1)
    )
    mouse = page.page.mouse
    page.page.keyboard.down("Shift")
    mouse.move(box["x"] + outline[0, 0], box["y"] + outline[0, 1])
    mouse.down()
    for x, y in outline[1:]:
        mouse.move(box["x"] + x, box["y"] + y)
    mouse.up()
    page.page.keyboard.up("Shift")
    page.rest()
    return outline


class Live:
    """The server as a person starts it."""

    def __init__(self, run: explorer.Run | Path, *asked: str) -> None:
        path = run if isinstance(run, Path) else run.path
        words = asked or ("--web", "--layer", "fine", "--method", "pca")
        command = [sys.executable, "-m", "explorer", "view", str(path), *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/#key=(\S+)", line)
        assert found, (line, self.process.stderr.read() if self.process.stderr else "")
        self.link, self.port, self.key = found[0], int(found[1]), found[2]

    def end(self) -> str:
        self.process.terminate()
        try:
            return self.process.communicate(timeout=20)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.communicate()[1]


CROWDED = """() => {
  const found = [];
  const inside = (e) => e.getClientRects().length && e.checkVisibility({visibilityProperty: true});
  const pen = document.createElement('canvas').getContext('2d');
  const long = (e, words) => { const s = getComputedStyle(e);
    pen.font = `${s.fontWeight} ${s.fontSize} ${s.fontFamily}`; return pen.measureText(words).width; };
  const words = 'h1, h2, h3, .crumbs > span, .meter > span, .toggle, .plot-head, .plot-head span, .caption, '
    + '.legend-title, .panel-title, .panel-detail, .strip-title, .strip-detail, .chosen-words, .class-name, '
    + '.ends, .link, .status';
  for (const e of document.querySelectorAll(words)) {
    const box = e.parentElement.getBoundingClientRect(), own = e.getBoundingClientRect();
    if (!inside(e) || own.top >= box.bottom) continue; // what has no room is not there at all
    if (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline')
      found.push(`cut: ${e.className} ${e.textContent}`);
    if (own.right > innerWidth + 1 || own.left < -1) found.push(`outside: ${e.className} ${e.textContent}`);
  }
  for (const e of document.querySelectorAll('select')) {
    const [chosen] = e.selectedOptions;
    if (inside(e) && chosen && long(e, chosen.textContent) > e.clientWidth - 14)
      found.push(`cut: ${e.ariaLabel} ${chosen.textContent}`);
  }
  for (const e of document.querySelectorAll('input[type=search]'))
    if (long(e, e.placeholder) > e.clientWidth - 18) found.push(`cut: ${e.placeholder}`);
  const rows = '.top, .slot, .actions, .slide, .plots, .stages.two > .legend, .side-head, figcaption';
  const over = (p, q) => Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1
    && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 1;
  for (const row of document.querySelectorAll(rows)) {
    const boxes = [...row.children].filter(inside).map((e) => [e, e.getBoundingClientRect()]);
    boxes.forEach(([a, p], i) => boxes.slice(i + 1).forEach(([b, q]) => {
      const [one, other] = [a, b].map((e) => e.className || e.tagName);
      if (over(p, q)) found.push(`over one another: ${one} and ${other}`);
    }));
  }
  const beside = [['.tools', '.legend'], ['.tools', '.chosen'], ['.legend', '.timeline']];
  for (const [one, other] of beside)
    for (const a of document.querySelectorAll(one)) for (const b of document.querySelectorAll(other))
      if (inside(a) && inside(b) && over(a.getBoundingClientRect(), b.getBoundingClientRect()))
        found.push(`over one another: ${one} and ${other}`);
  if (document.documentElement.scrollWidth > innerWidth) found.push('the page is wider than the window');
  return found;
}"""
"""What is cut off, outside the window or over one another on a page, in words."""


def crowded(page: Page) -> list[str]:
    """What has no room on the page: an empty list where all is well."""
    return list(page.page.evaluate(CROWDED))


def make_training(
    place: Path, asked: dict[str, Any], *, kinds: int, each: int, side: int, seed: int
) -> explorer.Evolution:
    """Kinds of pictures, so many of each, that three epochs tell apart ever better; followed as `asked`."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(kinds), each)
    rows, columns = np.mgrid[:side, :side] / (side - 1)
    shapes = [np.sin(6 * (rows * math.cos(k) + columns * math.sin(k)) + k) for k in of]
    values = np.stack(shapes)[..., None] + rng.normal(0, 0.15, (len(of), side, side, 1))
    for number, kind in enumerate(of):
        path = place / "images" / "abcd"[kind] / f"picture{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.uint8(np.clip(128 + 90 * values[number, ..., 0], 0, 255))).save(path)
    (place / "kept").mkdir()
    own = [values, values**2, np.roll(values, 2, axis=1), of[:, None, None, None] + 0 * values]
    learnt, noise = np.concatenate(own, axis=3), rng.normal(0, 1, (len(of), side, side, 4))
    for step in (1, 5, 10):
        layer = learnt * step / 10 + noise * (1.1 - step / 10)
        np.savez(place / "kept" / f"epoch{step}.npz", allow_pickle=False, conv=layer.astype(np.float32))
    return explorer.evolve(place / "kept", place / "images", out=place / "course", layer="conv", **asked)


def show_epoch(page: Page, at: int) -> None:
    """Show an epoch, and wait until its points have come to rest."""
    page.js(f"v.epochs.go({at})")
    arrive(page, at)


def arrive(page: Page, at: int) -> None:
    """Wait until an epoch is shown and its points have come to rest."""
    page.page.wait_for_function(
        f"() => explorerViewer.meta.epochs.at === {at} && !explorerViewer.epochs.going"
    )
    page.page.wait_for_function("() => !explorerViewer.stage.journey")
    page.rest()
