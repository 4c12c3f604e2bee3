"""The live page: trame serves it, our own component is the page, and every answer comes from the run."""

from __future__ import annotations

import asyncio
import html
import importlib.metadata
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.errors import ExplorerError, MissingExtraError, RenderError
from explorer.web import guard
from explorer.web.answers import Answers
from explorer.web.asking import QUESTIONS, Asking
from explorer.web.exports import written
from explorer.web.jobs import Jobs
from explorer.web.packing import wire
from explorer.web.page import ASSETS as FILES
from explorer.web.page import script, style
from explorer.web.reports import report

if TYPE_CHECKING:
    from explorer.capture import Run
    from explorer.render.linked.scene import Scene

ASSETS = "explorer-page"


class Service:
    """Answers the page's questions one after the other, off the server's own thread.

    Attributes:
        answers: what is known of the run.
        jobs: projections in the making.
        asking: what the model is asked.
    """

    def __init__(self, scene: Scene, run: Run) -> None:
        self.answers = answers_of(scene, run)
        self.jobs = Jobs(run)
        self._turns = ThreadPoolExecutor(1, "answers")
        self.asking = Asking(self.answers, self._turns)
        self._writing = ThreadPoolExecutor(1, "exports")

    async def __call__(self, question: str, arguments: list[Any], shown: str | None) -> dict[str, Any]:
        """{"answer": …} or {"error": one line}."""
        loop = asyncio.get_running_loop()
        try:
            if question in ("start", "progress", "stop"):
                return {"answer": getattr(self, question)(*arguments)}
            if question in QUESTIONS:
                return {"answer": await self.asking(question, arguments, shown)}
            if question == "why":
                return {"answer": await self._report(*arguments)}
            if question == "export":
                view, ending = arguments[:2]
                made = loop.run_in_executor(self._turns, self.answers.writing)
                asked = loop.run_in_executor(self._writing, written, await made, view, ending)
                return {"answer": await asked}
            asked = loop.run_in_executor(self._turns, self.answers, question, arguments, shown)
            return {"answer": await asked}
        except (ExplorerError, TypeError, ValueError) as error:
            return {"error": str(error)}

    async def _report(self, places: list[int]) -> dict[str, Any]:
        """The report on a selection."""
        run, shown, scene = self.answers.run, self.answers.material.projection, self.answers.scene
        turn, told = asyncio.get_running_loop().run_in_executor, self.answers.epoch_of(run)
        made = await turn(self._writing, report, run, shown, places, scene.model_to_ask())
        return {**made, "name": f"epoch-{told['epoch']['name']}-{made['name']}" if told else made["name"]}

    def start(self, layer: str, method: str, components: int) -> dict[str, Any]:
        """Begin a projection."""
        self.jobs.run = self.answers.run
        job = self.jobs.start(layer, method, components)
        places = None if job.rows is None else wire(job.rows.astype("uint32"))
        return {**self.jobs.told(), "places": places, "each": job.each}

    def progress(self) -> dict[str, Any]:
        """How far it is; names the projection once it is made."""
        told, job = self.jobs.told(), self.jobs.job
        if job is not None and job.run is not self.answers.run:
            return told  # the page has gone on to another epoch; the map is kept in its own
        if job is not None and job.made is not None:
            told["made"] = self.answers.keep(job.made)
        elif job is not None and job.coordinates is not None:
            told["coordinates"], told["axes"] = wire(job.coordinates), job.coordinates.shape[1]
            job.coordinates = None
        return told

    def stop(self) -> None:
        """End the projection early; the map so far is shown."""
        if self.jobs.job is not None:
            self.jobs.job.stop.set()


def answers_of(scene: Scene, run: Run) -> Answers:
    """What answers of a scene: of a training at the epoch that is shown."""
    from explorer.render.epochs.scene import EpochScene
    from explorer.web.epochs import EpochAnswers

    return EpochAnswers(scene) if isinstance(scene, EpochScene) else Answers(scene, run)


def serve(
    scene: Scene,
    run: Run,
    *,
    host: str = guard.LOOPBACK,
    port: int = 0,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the live page until it is interrupted.

    Args:
        scene: what is shown first; its selection follows the page.
        run: the scene's run.
        host: the address to listen on; only this machine by default.
        port: the port; 0 for any that is free.
        say: is given the link, once the page can be opened.

    Raises:
        InputError: no address or port.
        MissingExtraError: trame is not installed.
        RenderError: the port is taken, or trame's page cannot be used.
    """
    address, key = guard.check_address(host), guard.fresh_key()
    guard.check_port(port)
    with tempfile.TemporaryDirectory(prefix="activation-explorer-") as folder:
        (Path(folder) / "viewer.js").write_text(script(live=True), encoding="utf-8")
        shutil.copy(FILES / "door.js", folder)
        (Path(folder) / "viewer.css").write_text(style(), encoding="utf-8")
        server = _server(folder, scene.state.run.name, key)
        questions = _protocol(Service(scene, run), key)
        server.add_protocol_to_configure(lambda root: root.registerLinkProtocol(questions))
        port_of = _bind(server, address)
        server.controller.on_server_ready.add(lambda **_: say(_link(address, port_of(), key)))
        try:
            server.start(
                port=port,
                host=address,
                timeout=0,
                open_browser=False,
                show_connection_info=False,
                disable_logging=True,
            )
        except OSError as error:
            raise RenderError(f"{address}:{port}: the page cannot be served ({error.strerror})") from None


def _link(host: str, port: int, key: str) -> str:
    """The link to the page; what stands behind # stays in the browser."""
    shown = guard.LOOPBACK if host in ("0.0.0.0", "::") else host
    shown = f"[{shown}]" if ":" in shown else shown
    return f"http://{shown}:{port}/#key={key}"


def _server(folder: str, title: str, key: str) -> Any:
    """A trame server whose page is our component and nothing else."""
    try:
        from trame.app import get_server
        from trame.ui.html import DivLayout
    except ImportError:
        raise MissingExtraError("the live page needs trame: pip install 'activation-explorer[web]'") from None
    os.environ["WSLINK_READY_MSG"] = ""
    server = get_server(client_type="vue3")
    # trame would read our own command line for flags of its own; this machine needs no compression.
    known = server.cli.parse_known_args
    server.cli.parse_known_args = lambda *_: known([f"--authKey={key}", "--no-ws-compress"])
    server.enable_module(
        {
            "serve": {ASSETS: folder},
            "scripts": [f"{ASSETS}/viewer.js"],
            "styles": [f"{ASSETS}/viewer.css"],
            "vue_use": ["activationExplorer"],
        }
    )
    server.state.trame__title = title
    with DivLayout(server) as layout:
        layout.root.add_child("<explorer-page></explorer-page>")
    return server


def _protocol(service: Service, key: str) -> Any:
    """What the websocket understands beside trame's own: our questions, asked by whoever knows the key."""
    from wslink import register
    from wslink.websocket import LinkProtocol

    class Questions(LinkProtocol):  # type: ignore[misc]
        async def validateToken(self, token: object, client: str) -> bool:  # noqa: N802  wslink's own name
            return guard.same_key(token, key)

        @register("explorer.ask")  # type: ignore[untyped-decorator]
        async def ask(self, question: str, arguments: list[Any], shown: str | None) -> dict[str, Any]:
            return await service(question, arguments, shown)

    return Questions()


def _bind(server: Any, host: str) -> Callable[[], int]:
    """Put the guard and our own first page in front of trame's; returns what tells the port."""
    held: dict[str, Any] = {}
    names = () if guard.is_loopback(host) else _own_names()

    def port() -> int:
        return int(held["server"].get_port())

    def hosts() -> frozenset[str]:
        return guard.allowed_hosts(host, port(), names)

    def bound(wslink_server: Any) -> None:
        from aiohttp import web

        async def index(_: Any) -> Any:
            return web.Response(text=held["page"], content_type="text/html")

        held["server"], held["page"] = wslink_server, _index(server)
        wslink_server.app.middlewares.append(guard.middleware(hosts))
        wslink_server.app.router.add_get("/", index)
        wslink_server.app.router.add_get("/index.html", index)

    server.controller.on_server_bind.add(bound)
    return port


def _own_names() -> tuple[str, ...]:
    """Names and addresses of this machine, by which others reach it when it listens beyond loopback."""
    import socket

    name = socket.gethostname()
    found = {name.lower(), socket.getfqdn().lower()}
    with suppress(OSError):
        found |= {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
    return tuple(f"[{one}]" if ":" in one else one for one in sorted(found))


def _index(server: Any) -> str:
    """The first page: trame's scripts, and before them the one that takes the key out of the link."""
    from trame_client.module import vue3

    theirs = (Path(vue3.www) / "index.html").read_text(encoding="utf-8")
    found = re.findall(r'<script type="module"[^>]*src="([^"]+)"', theirs)
    looks = re.findall(r'<link rel="stylesheet"[^>]*href="([^"]+)"', theirs)
    if len(found) != 1:
        version = importlib.metadata.version("trame-client")
        raise RenderError(f"trame-client {version}: its page is not as expected; another version may do")
    sheets = "".join(f'<link rel="stylesheet" href="{html.escape(one)}">' for one in looks)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><base href="."><meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>{html.escape(server.state.trame__title)}</title>
<script src="{ASSETS}/door.js"></script><script src="vue.global.js"></script>
<script type="module" src="{html.escape(found[0])}"></script>{sheets}
</head>
<body><div id="app"></div><noscript>This page needs JavaScript to draw the cloud.</noscript></body>
</html>
"""
