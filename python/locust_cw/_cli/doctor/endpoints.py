"""Checking endpoints: whether they respond to HTTP, and how far this machine's clock is off."""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from locust_cw import _core
from locust_cw._cli.doctor.check import Check
from locust_cw._cli.doctor.remedies import CLOSED_VPC
from locust_cw._terminal.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SKEW_S = 60
"""Above, minutes of the test differ from those of the service under test. AWS refuses calls from five minutes on."""

_TIMEOUT_S = 5.0

_GATEWAY_STATUSES = (407, 500, 502, 503, 504)
_GATEWAY_REMEDY = "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY, the proxy or gateway itself, and --endpoint-url."


@dataclass(frozen=True)
class _Response:
    """What a server answered to a request without a signature.

    Attributes:
        status: The HTTP status.
        skew: Seconds by which this machine's clock is ahead of the `Date` of the response; None if it has none.
        has_request_id: Whether it has the request ID that AWS gives to each response.

    """

    status: int
    skew: float | None
    has_request_id: bool

    @property
    def is_of_gateway(self) -> bool:
        """Whether a proxy or load balancer answered instead of the endpoint."""
        return not self.has_request_id and self.status in _GATEWAY_STATUSES


def check_endpoint(name: str, url: str, ca_bundle: Mapping[str, Any] | None) -> tuple[Check, float | None]:
    """Send a request to an endpoint.

    Args:
        name: The name of the check.
        url: The endpoint.
        ca_bundle: The certificate authorities that the user names, as in `Destination`.

    Returns:
        The result, and the seconds by which this machine's clock is ahead, if the response contains a date.

    """
    shown = redact(url)
    try:
        response = _request(url, ca_bundle)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Check(name, "failed", f"{shown} cannot be reached: {_reason(error)}", _remedy(error)), None
    if response.is_of_gateway:
        phrase = http.client.responses.get(response.status, "")
        text = (
            f"{shown} cannot be reached: a proxy or gateway answered in its place, with HTTP {response.status} {phrase}"
        )
        # The date is that of the proxy's clock.
        return Check(name, "failed", text.rstrip(), _GATEWAY_REMEDY), None
    return Check(name, "ok", f"{shown} responds"), response.skew


def check_clock(skew: float | None) -> Check:
    """Judge the seconds by which this machine's clock is ahead."""
    if skew is None:
        return Check("clock", "skipped", "no endpoint returned its time")
    if abs(skew) <= MAX_SKEW_S:
        return Check("clock", "ok", f"within {max(1, round(abs(skew)))} s of the clock of CloudWatch")
    text = (
        f"this machine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} that of CloudWatch, and data"
        " has its time"
    )
    return Check("clock", "failed", text, "Set the clock: timedatectl set-ntp true, or chronyc makestep.")


class _CaBundleError(OSError):
    """The CA certificates cannot be read."""

    def __init__(self, path: str, named_by: str) -> None:
        super().__init__(f"{named_by} names the file {path}, which has no CA certificates or cannot be read")
        self.named_by = named_by


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: AWS redirects a request without a signature to a web site, which has another clock."""

    def redirect_request(self, *_: object) -> None:
        """Return no request, so that urllib raises the response as an error."""


def _request(url: str, ca_bundle: Mapping[str, Any] | None) -> _Response:
    """Request the URL.

    Raises:
        OSError: If there was no response.
        HTTPException: If the response is not HTTP.
        ValueError: If the URL is invalid.

    """
    where = urlsplit(url)
    # urllib would take user and password for a part of the host name.
    bare = where._replace(netloc=where.netloc.rpartition("@")[2]).geturl()
    before = time.time()
    try:
        # The same proxies as for the core, which also reads ALL_PROXY.
        found = {} if _core.never_proxied(bare) else urllib.request.getproxies()
        proxies = {scheme: found[name] for scheme in ("http", "https") for name in ("all", scheme) if name in found}
        tls = urllib.request.HTTPSHandler(context=_tls_context(ca_bundle))
        handlers = [urllib.request.ProxyHandler(proxies), tls]
        opener = urllib.request.build_opener(_NoRedirect, *handlers)
        with opener.open(urllib.request.Request(bare, method="HEAD"), timeout=_TIMEOUT_S) as response:  # noqa: S310 - the user's URL
            status, headers = response.status, response.headers
    except urllib.error.HTTPError as refused:
        # An error status or a redirect is a response, too.
        status, headers = refused.code, refused.headers
        refused.close()
    middle = (before + time.time()) / 2
    has_request_id = any(headers.get(name) for name in ("x-amzn-RequestId", "x-amz-request-id"))
    return _Response(status, _skew(headers.get("Date"), middle), has_request_id)


def _tls_context(ca_bundle: Mapping[str, Any] | None) -> ssl.SSLContext:
    """TLS with the certificate authorities that the core uses.

    Raises:
        OSError: If they cannot be read.

    """
    if ca_bundle is None:
        return ssl.create_default_context()
    path, named_by = Path(ca_bundle["path"]), ca_bundle["named_by"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if ca_bundle["replaces"] else ssl.create_default_context()
    try:
        files = [file for file in path.iterdir() if file.is_file()] if path.is_dir() else [path]
        for file in files:
            context.load_verify_locations(cafile=file)
    except OSError as error:
        raise _CaBundleError(str(path), named_by) from error
    return context


def _skew(date: str | None, now: float) -> float | None:
    """The seconds by which `now` is ahead of a `Date`."""
    if date is None:
        return None
    with contextlib.suppress(ValueError, TypeError):
        # The header has whole seconds, so on average the actual time is half a second later.
        return now - (email.utils.parsedate_to_datetime(date).timestamp() + 0.5)
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, http.client.BadStatusLine) and not isinstance(error, OSError):
        # The text of the error is the response, which may be anything.
        return "the server does not speak HTTP"
    reason = getattr(error, "reason", None)
    return str(reason or error or type(error).__name__)


def _remedy(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, socket.gaierror):
        return f"Check the name of the region and DNS; {CLOSED_VPC}."
    if isinstance(error, _CaBundleError):
        return f"Correct or unset {error.named_by}."
    if isinstance(reason, ssl.SSLCertVerificationError):
        return "Set AWS_CA_BUNDLE to a file with the CA certificate of the endpoint or of the proxy that inspects TLS."
    if isinstance(reason, ssl.SSLError):
        return "Check --endpoint-url: if this port does not speak TLS, the URL begins with http://. Check the proxy."
    return f"Check the network (route, security group, proxy) and --endpoint-url; {CLOSED_VPC}."
