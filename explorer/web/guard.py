"""Who may talk to the server: this machine, pages of our own, and whoever holds the key.

The key stands behind the # of the link, which browsers keep to themselves: no request and no log holds it.
The page hands it over once, as the first message on the websocket; nothing is answered before that.
What is served over HTTP (script, style) says nothing about a run.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from explorer.errors import InputError

LOOPBACK = "127.0.0.1"
POLICY = "; ".join(
    [
        "default-src 'none'",
        # The page's framework compiles its one template in the browser, which counts as evaluation.
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' blob: data:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def fresh_key() -> str:
    """A key that nobody guesses: 256 bits, in letters that mean nothing to a link or a command line."""
    return secrets.token_hex(32)


def same_key(given: object, key: str) -> bool:
    """Whether a key is the right one, in a time that says nothing about it."""
    return isinstance(given, str) and hmac.compare_digest(given.encode("utf-8"), key.encode("utf-8"))


def check_address(host: str) -> str:
    """An address to listen on.

    Raises:
        InputError: no address of a network card, such as a name with odd letters.
    """
    if host == "localhost":
        return LOOPBACK
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise InputError(f"--host {host}: expected an address such as 127.0.0.1 or 0.0.0.0") from None


def check_port(port: int) -> int:
    """A port to listen on; 0 for any that is free.

    Raises:
        InputError: no port.
    """
    if not 0 <= port < 2**16:
        raise InputError(f"--port {port}: expected 1 to 65535, or 0 for any that is free")
    return port


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    return ipaddress.ip_address(host).is_loopback


def allowed_hosts(host: str, port: int, names: tuple[str, ...] = ()) -> frozenset[str]:
    """What a browser may write in Host: a page that a foreign name leads here (DNS rebinding) is refused.

    Args:
        host: the address the server listens on.
        port: its port.
        names: further names or addresses that people reach it by, when it listens beyond this machine.
    """
    own = {LOOPBACK, "localhost", "[::1]"} | set(names)
    if host not in ("0.0.0.0", "::"):
        own.add(f"[{host}]" if ":" in host else host)
    return frozenset(f"{name}:{port}" for name in own)


def refusal(headers: Any, hosts: frozenset[str]) -> str | None:
    """Why a request is refused, or None.

    Args:
        headers: the request's headers, by name.
        hosts: what Host may be, and Origin after "http://".
    """
    if headers.get("Host", "").lower() not in hosts:
        return "this server answers to its own address only"
    origin = headers.get("Origin")
    if origin is not None and origin.lower() not in {f"http://{host}" for host in hosts}:
        return "this server answers to its own page only"
    if headers.get("Upgrade", "").lower() == "websocket" and origin is None:
        return "a websocket is opened by this server's own page only"
    return None


def middleware(hosts: Callable[[], frozenset[str]]) -> Any:
    """An aiohttp middleware that refuses strangers and sets the headers on every answer.

    Args:
        hosts: gives what Host may be; called for every request, as the port is known late.
    """
    from aiohttp import web

    async def guard(request: web.Request, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        refused = refusal(request.headers, hosts())
        if refused is None and request.method not in ("GET", "HEAD"):
            refused = "this server only hands out its page"
        if refused is not None:
            return web.Response(status=403, text=f"{refused}\n", headers=HEADERS)
        try:
            answer = await handler(request)
        except web.HTTPException as error:
            error.headers.update(HEADERS)
            raise
        if not answer.prepared:
            answer.headers.update(HEADERS)
        return answer

    return web.middleware(guard)
