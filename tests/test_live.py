"""The live page: the server as a person starts it, used through a browser and attacked from outside."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from browsing import MARKS, Live, Page, make_run

import explorer

pytestmark = MARKS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> explorer.Run:
    return make_run(tmp_path_factory.mktemp("live"))


@pytest.fixture(scope="module")
def projection(run: explorer.Run) -> explorer.Projection:
    return explorer.project(run, layer="fine", method="pca")


@pytest.fixture(scope="module")
def live(run: explorer.Run, projection: explorer.Projection) -> Iterator[Live]:
    pytest.importorskip("trame")
    explorer.project(run, layer="coarse", method="pca")
    server = Live(run)
    yield server
    server.end()


def test_the_live_page_opens_and_keeps_the_selection_through_layers_and_dimensions(
    browser: Any, live: Live, run: explorer.Run
) -> None:
    page = Page(browser, live.link)
    assert page.said == []
    assert live.key not in page.page.url
    assert all(url.startswith((f"http://127.0.0.1:{live.port}/", "blob:", "data:")) for url in page.asked)
    assert not any(live.key in url for url in page.asked)
    page.js("v.take([600, 601, 612, 613, 5], 'replace', 'by a test')")
    page.js("v.focusPlace(613)")
    page.page.wait_for_selector(".near-thumb")
    page.page.wait_for_timeout(500)
    layer = page.page.locator(".slot select").first
    layer.select_option("coarse")
    page.page.wait_for_function("() => explorerViewer.meta.layer === 'coarse'", timeout=30_000)
    page.page.wait_for_selector(".slot select:not([disabled])")
    grid = (40, 12, 12)
    scene = explorer.scene(run, explorer.project(run, layer="fine", method="pca"))
    scene.selection = np.stack(np.unravel_index([600, 601, 612, 613, 5], grid), axis=1)
    expected = scene.selection.to((40, 6, 6)).places.tolist()
    assert page.js("[...v.selection.places()]") == expected
    assert page.js("v.focus") == 4 * 36 + 1 * 6 + 0
    layer.select_option("fine")
    page.page.wait_for_function("() => explorerViewer.meta.layer === 'fine'", timeout=30_000)
    page.page.wait_for_selector(".slot select:not([disabled])")
    assert page.js("[...v.selection.places()]") == [5, 600, 601, 612, 613]
    page.page.locator(".slot select").nth(2).select_option("2")
    page.page.wait_for_function("() => explorerViewer.meta.components === 2", timeout=60_000)
    page.page.wait_for_selector(".slot select:not([disabled])")
    assert page.js("[...v.selection.places()]") == [5, 600, 601, 612, 613]
    assert page.said == []
    page.page.close()


def test_live_similarity_is_the_runs(browser: Any, live: Live, run: explorer.Run) -> None:
    page = Page(browser, live.link)
    page.page.locator(".slot select").first.select_option("fine")
    page.page.wait_for_function("() => explorerViewer.meta.layer === 'fine'", timeout=30_000)
    page.page.wait_for_selector(".slot select:not([disabled])")
    page.rest()
    page.js("v.focusPlace(300)")
    page.page.wait_for_function("() => explorerViewer.similarity?.values[300] > 0.999", timeout=30_000)
    rows = run.read("fine").reshape(-1, 4).astype(float)
    true = rows @ rows[300] / np.linalg.norm(rows, axis=1) / np.linalg.norm(rows[300])
    np.testing.assert_allclose(page.js("[...v.similarity.values]"), true, atol=1e-5)
    page.page.close()


def test_a_reload_needs_no_new_link_and_another_tab_does(browser: Any, live: Live) -> None:
    page = Page(browser, live.link)
    page.page.reload()
    page.page.wait_for_selector("#explorer:not([aria-busy])", timeout=60_000)
    page.page.close()
    other = browser.new_page()
    other.goto(f"http://127.0.0.1:{live.port}/#key=wrong")
    other.wait_for_timeout(4000)
    assert not other.evaluate("() => Boolean(window.explorerViewer)")
    other.close()


def test_strangers_are_refused(live: Live) -> None:
    aiohttp = pytest.importorskip("aiohttp")
    msgpack = pytest.importorskip("msgpack")
    from wslink.chunking import UnChunker, generate_chunks

    own = f"http://127.0.0.1:{live.port}"

    async def asked(secret: str | None) -> dict[str, Any]:
        """What a question brings, after a greeting with a key or none."""
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{own}/ws", origin=own) as socket:
            received = UnChunker()
            received.set_max_message_size(10**8)
            calls = [("rpc:c0:1", "explorer.ask", ["meta", [], None])]
            if secret is not None:
                calls.insert(0, ("system:c0:0", "wslink.hello", [{"secret": secret}]))
            for name, method, args in calls:
                message = {"wslink": "1.0", "id": name, "method": method, "args": args, "kwargs": {}}
                for chunk in generate_chunks(msgpack.packb(message), 4_000_000):
                    await socket.send_bytes(chunk)
                while True:
                    got = await socket.receive(timeout=15)
                    if got.type != aiohttp.WSMsgType.BINARY:
                        return {"closed": True}
                    whole = received.process_chunk(got.data)
                    if whole is not None and whole.get("id") == name:
                        break
            return dict(whole)

    async def all_of_it() -> None:
        async with aiohttp.ClientSession() as session:
            for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
                async with session.get(f"{own}/index.html", headers=headers) as answer:
                    assert answer.status == 403, headers
            async with session.get(f"{own}/index.html") as answer:
                assert answer.status == 200
                assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
                assert answer.headers["X-Frame-Options"] == "DENY"
                assert live.key not in await answer.text()
            for origin in ("http://evil.example", None):
                with pytest.raises(aiohttp.WSServerHandshakeError):
                    await session.ws_connect(f"{own}/ws", origin=origin)
            async with session.post(f"{own}/") as answer:
                assert answer.status == 403
        for secret in (None, "", "wslink-secret", live.key[:-1]):
            assert "result" not in await asked(secret), secret
        assert "answer" in (await asked(live.key))["result"]

    # The browser's driver has a loop of its own in this thread.
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, all_of_it()).result()


def test_the_key_is_in_no_log_and_in_no_run(run: explorer.Run, projection: explorer.Projection) -> None:
    pytest.importorskip("trame")
    server = Live(run)
    errors = server.end()
    assert server.key not in errors
    for path in run.path.rglob("*"):
        if path.is_file():
            assert server.key.encode() not in path.read_bytes(), path


def test_without_trame_one_line_names_the_extra(run: explorer.Run) -> None:
    code = (
        "import importlib.util as u, sys; find = u.find_spec; "
        "u.find_spec = lambda name, *rest: None if name == 'trame' else find(name, *rest); "
        "from explorer.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [
        sys.executable,
        "-c",
        code,
        "view",
        str(run.path),
        "--web",
        "--layer",
        "fine",
        "--method",
        "pca",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "activation-explorer[web]" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_map_that_unfolds_is_watched_and_can_be_stopped(
    browser: Any, live: Live, run: explorer.Run
) -> None:
    page = Page(browser, live.link)
    page.page.locator(".slot select").first.select_option("fine")
    page.page.wait_for_selector(".slot select:not([disabled])")
    page.page.locator(".slot select").nth(1).select_option("tsne")
    page.page.wait_for_selector(".busy:not([hidden])")
    page.js("v.showImage(3)")  # the page stays usable meanwhile
    # stopped by the page itself as soon as it is watched: a slow browser would come too late
    page.page.wait_for_function(
        """() => {
          const watched = /step/.test(document.querySelector('.busy').innerText);
          if (watched) document.querySelector('.slot .link').click();
          return watched;
        }""",
        timeout=90_000,
    )
    assert page.page.locator(".side h2").inner_text() == "picture 3"
    page.page.wait_for_function("() => explorerViewer.meta.methodKey === 'tsne'", timeout=90_000)
    assert page.js("v.places.length") == 5760
    assert "tsne" not in {
        one.method for one in explorer.saved_projections(run).values()
    }  # not whole: not kept
    assert page.said == []
    page.page.close()


def test_pictures_are_ordered_by_how_usual_they_are_also_on_the_next_map(
    browser: Any, live: Live, run: explorer.Run
) -> None:
    page = Page(browser, live.link)
    page.js("v.clear()")  # what is selected ranks the pictures itself
    page.page.select_option("select[aria-label='order of the pictures']", "odd")
    for layer in ("fine", "coarse"):
        page.page.select_option("select[aria-label='layer']", layer)
        page.page.wait_for_function(
            f"() => explorerViewer.meta.layer === '{layer}' && explorerViewer.meta.typical"
        )
        page.rest()
        told = page.js("v.meta.typical")
        means = run.read(layer).reshape(40, -1, 4).mean(axis=1)
        labels = np.array(run.labels)
        apart = [np.linalg.norm(means[i] - means[labels == labels[i]].mean(axis=0)) for i in range(40)]
        usual = [np.mean([apart[j] for j in range(40) if labels[j] == labels[i]]) for i in range(40)]
        np.testing.assert_allclose(told, np.divide(apart, usual), atol=2e-3)
        order = page.js("v.strip.order")
        assert [told[i] for i in order] == sorted(told, reverse=True)
    page.page.close()
