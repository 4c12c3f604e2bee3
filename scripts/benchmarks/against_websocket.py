"""From a click on the page to the page that answers it, against a bare round trip over a websocket."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import explorer
from benchmarks.results import Result

POSITIONS, CHANNELS, SIDE = 100_000, 64, 25
FLAGS = "--no-sandbox --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader"
ECHO = """
import asyncio, sys
from aiohttp import WSMsgType, web
async def page(request): return web.Response(text="<title>echo</title>", content_type="text/html")
async def echo(request):
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    answer = bytes(int(sys.argv[1]))
    async for message in socket:
        if message.type == WSMsgType.TEXT:
            await socket.send_bytes(answer)
    return socket
app = web.Application()
app.router.add_get("/", page)
app.router.add_get("/ws", echo)
async def main():
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
BARE = """() => new Promise((done) => {
  const socket = new WebSocket(location.href.replace("http", "ws") + "ws"), times = [];
  socket.binaryType = "arraybuffer";
  let begun = 0;
  const ask = () => { begun = performance.now(); socket.send("similarity 12345"); };
  socket.onopen = ask;
  socket.onmessage = () => {
    times.push(performance.now() - begun);
    if (times.length < 40) ask(); else done(times.slice(5));
  };
})"""
CLICK = """async (place) => {
  const v = explorerViewer, begun = performance.now();
  const facts = () => document.querySelector(".facts dd");
  const before = facts(), shown = new Promise((done) => {
    const watcher = new MutationObserver(() => {
      if (!facts() || facts() === before) return;
      watcher.disconnect();
      done(performance.now() - begun);
    });
    watcher.observe(document.querySelector(".facts"), { childList: true, subtree: true });
  });
  const lit = v.focusPlace(place);
  const told = await shown;
  await lit;
  return [told, performance.now() - begun, v.focus === place && v.similarity.values.length];
}"""


def clicked(folder: Path, *, rounds: int = 15) -> list[Result]:
    """A click on a position of 100,000: until its facts stand on the page, and until all similarities are in.

    The bare round trip is an echo by aiohttp in the same browser, in turn with the clicks, whose answer
    is as large as the page's own: four bytes a position. The score is the share of clicks after which the
    page shows that position with the similarity of every other one, held against NumPy's.
    """
    from playwright.sync_api import sync_playwright

    run, rows = _run(folder)
    view = [sys.executable, "-m", "explorer", "view", str(run.path), "--web", "--method", "pca"]
    echo = [sys.executable, "-c", ECHO, str(4 * POSITIONS)]
    told: list[float] = []
    whole: list[float] = []
    bare: list[float] = []
    right = 0
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    with _served(view) as link, _served(echo) as other, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=FLAGS.split())
        page, beside = browser.new_page(), browser.new_page()
        page.goto(link)
        page.wait_for_selector("#explorer:not([aria-busy])", timeout=120_000)
        beside.goto(other)
        for index in range(rounds + 2):
            place = (index * 7919 + 11) % POSITIONS
            bare += beside.evaluate(BARE)
            page.wait_for_timeout(300)  # the last picture is drawn
            facts, all_of_it, n = page.evaluate(CLICK, place)
            if index < 2:  # neighbours are found and the scripts are warm
                continue
            told.append(facts)
            whole.append(all_of_it)
            right += n == POSITIONS and _true(page, rows, place)
        browser.close()
    score = right / rounds
    trip = median(bare) / 1e3
    what = f"click among {POSITIONS:,} positions until"
    against = "websocket echo of as many bytes"
    shown = median(told) / 1e3, median(whole) / 1e3
    return [
        _result(f"{what} its facts stand", against, (shown[0], trip), score),
        _result(f"{what} all similarities are in", against, (shown[1], trip), score),
    ]


def _result(what: str, against: str, times: tuple[float, float], score: float) -> Result:
    """At most five round trips: a ratio of at least a fifth."""
    return Result(what, against, *times, 0.2, "clicks answered right", (score, 1.0), score == 1)


def _run(folder: Path) -> tuple[explorer.Run, np.ndarray]:
    """A run of 160 pictures of 25 × 25 positions, with its PCA."""
    rng = np.random.default_rng(0)
    n = POSITIONS // SIDE**2
    middles = rng.normal(size=(12, CHANNELS)) * 2
    values = middles[rng.integers(0, 12, (n, SIDE, SIDE))] + rng.normal(size=(n, SIDE, SIDE, CHANNELS))
    np.savez(folder / "layers.npz", layer=values.astype(np.float32))
    images = rng.integers(0, 255, (n, 50, 50, 3), dtype=np.uint8)
    run = explorer.capture(folder / "layers.npz", images, layers=["layer"], out=folder / "clicked")
    explorer.project(run, layer="layer", method="pca")
    return run, values.reshape(-1, CHANNELS)


def _true(page: Any, rows: np.ndarray, place: int) -> bool:
    """Whether the page's similarities to a place are those of the values."""
    some = np.arange(0, POSITIONS, 997)
    shown = page.evaluate("(at) => at.map((i) => explorerViewer.similarity.values[i])", some.tolist())
    lengths = np.linalg.norm(rows[some], axis=1) * np.linalg.norm(rows[place])
    return bool(np.abs(rows[some] @ rows[place] / lengths - shown).max() < 1e-4)


@contextmanager
def _served(command: list[str]) -> Iterator[str]:
    """A server for the time of the block, by the link that it prints first."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http\S+", process.stdout.readline())
        try:
            if found is None:
                raise SystemExit(f"{command[1:4]}: no link was printed")
            yield found[0]
        finally:
            process.terminate()
