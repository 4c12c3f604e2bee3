import pytest

from explorer.errors import InputError
from explorer.web.guard import (
    HEADERS,
    allowed_hosts,
    check_address,
    check_port,
    fresh_key,
    is_loopback,
    refusal,
    same_key,
)

OWN = allowed_hosts("127.0.0.1", 8080)


def test_keys_are_long_fresh_and_compared_whole() -> None:
    one, other = fresh_key(), fresh_key()
    assert one != other
    assert len(one) >= 40
    assert one.isalnum()  # a key with a leading dash would be taken for a flag
    assert same_key(one, one)
    for wrong in ("", one[:-1], one + "x", other, None, 0, one.encode()):
        assert not same_key(wrong, one)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080"])
def test_the_servers_own_names_are_let_in(host: str) -> None:
    assert refusal({"Host": host}, OWN) is None
    assert refusal({"Host": host, "Origin": f"http://{host}"}, OWN) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "evil.example:8080"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:8081"},
        {"Host": "127.0.0.1:8080", "Origin": "http://evil.example"},
        {"Host": "127.0.0.1:8080", "Origin": "null"},
        {"Host": "127.0.0.1:8080", "Origin": "https://127.0.0.1:8080"},
        {"Host": "127.0.0.1:8080", "Origin": "http://127.0.0.1:9999"},
        {"Host": "127.0.0.1:8080", "Upgrade": "websocket"},
    ],
)
def test_foreign_hosts_and_origins_are_refused(headers: dict[str, str]) -> None:
    assert refusal(headers, OWN)


def test_a_name_that_leads_to_the_open_server_is_refused_too() -> None:
    hosts = allowed_hosts("0.0.0.0", 80, ("box.local",))
    assert refusal({"Host": "box.local:80"}, hosts) is None
    assert refusal({"Host": "rebound.evil.example:80"}, hosts)
    assert "0.0.0.0:80" not in hosts


def test_addresses_are_addresses() -> None:
    assert check_address("localhost") == "127.0.0.1"
    assert check_address("0.0.0.0") == "0.0.0.0"
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")
    with pytest.raises(InputError, match="--host nonsense"):
        check_address("nonsense")


@pytest.mark.parametrize("port", [-1, 65536, 99999])
def test_ports_are_ports(port: int) -> None:
    assert check_port(0) == 0
    with pytest.raises(InputError, match=f"--port {port}: expected 1 to 65535, or 0"):
        check_port(port)


def test_the_policy_keeps_the_page_to_itself() -> None:
    policy = HEADERS["Content-Security-Policy"]
    for part in ("default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"):
        assert part in policy
    assert "http" not in policy
    assert HEADERS["X-Frame-Options"] == "DENY"
