"""The host that a test's samples and gauges stand under, where Locust's own `--host` does not say it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locust import User

# Schemes whose host is a name of the internet, with the port that goes without saying.
_DEFAULT_PORTS = {"ftp": 21, "http": 80, "https": 443, "ws": 80, "wss": 443}


def host_of_classes(user_classes: Iterable[type[User]]) -> str | None:
    """The host that user classes share, as their requests are published under it; None where they have several or none.

    Requests of `https://shop.example/v1` stand under their URL's origin: so has to what is told of the whole test.
    """
    hosts = {origin_of(user_class.host) or user_class.host for user_class in user_classes if user_class.host}
    return hosts.pop() if len(hosts) == 1 else None


def origin_of(url: str) -> str | None:
    """Scheme, host and port of a URL, without any credentials in it; None for what is no URL with a host.

    The same as the core finds it (`src/identity.rs`).
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        authority = parts.netloc.rpartition("@")[2]
        # Not `hostname`, which takes an IPv6 address out of its brackets.
        host = authority if authority.endswith("]") else (authority.rpartition(":")[0] or authority)
        if parts.scheme in _DEFAULT_PORTS:
            host = host.lower() if host.isascii() else host.encode("idna").decode()
    except ValueError:
        return None
    if not (parts.scheme and parts.hostname):
        return None
    at_port = "" if port is None or port == _DEFAULT_PORTS.get(parts.scheme) else f":{port}"
    return f"{parts.scheme}://{host}{at_port}"
