"""Checking endpoints: whether they respond to HTTP, and how far this machine's clock is off."""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import socket
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from locust_cw import _core
from locust_cw._cli.doctor.check import Check
from locust_cw._cli.doctor.remedies import CLOSED_VPC
from locust_cw._terminal.redaction import redact

MAX_SKEW_S = 60
"""Above, minutes of the test differ from those of the service under test. AWS refuses calls from five minutes on."""

_TIMEOUT_S = 5.0


def check_endpoint(name: str, url: str) -> tuple[Check, float | None]:
    """Send a request to an endpoint.

    Returns:
        The result, and the seconds by which this machine's clock is ahead, if the response contains a date.

    """
    shown = redact(url)
    try:
        skew = _clock_skew(url)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Check(name, "failed", f"{shown} cannot be reached: {_reason(error)}", _remedy(error)), None
    return Check(name, "ok", f"{shown} responds"), skew


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


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: AWS redirects a request without a signature to a web site, which has another clock."""

    def redirect_request(self, *_: object) -> None:
        """Return no request, so that urllib raises the response as an error."""


def _clock_skew(url: str) -> float | None:
    """Request the URL.

    Returns:
        Seconds by which this machine's clock is ahead of the `Date` of the response; None if it has none.

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
        opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler(proxies))
        with opener.open(urllib.request.Request(bare, method="HEAD"), timeout=_TIMEOUT_S) as response:  # noqa: S310 - the user's URL
            date = response.headers.get("Date")
    except urllib.error.HTTPError as refused:
        # An error status or a redirect is a response, too.
        date = refused.headers.get("Date")
        refused.close()
    middle = (before + time.time()) / 2
    if date is None:
        return None
    with contextlib.suppress(ValueError, TypeError):
        # The header has whole seconds, so on average the actual time is half a second later.
        return middle - (email.utils.parsedate_to_datetime(date).timestamp() + 0.5)
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, http.client.BadStatusLine) and not isinstance(error, OSError):
        # The text of the error is the response, which may be anything.
        return "the server does not speak HTTP"
    reason = getattr(error, "reason", None)
    return str(reason or error or type(error).__name__)


def _remedy(error: Exception) -> str:
    if isinstance(getattr(error, "reason", error), socket.gaierror):
        return f"Check the name of the region and DNS; {CLOSED_VPC}."
    return f"Check the network (route, security group, proxy) and --endpoint-url; {CLOSED_VPC}."
