"""Links to CloudWatch in the AWS console."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from locust_cw import _core

if TYPE_CHECKING:
    from locust_cw._aws.account import Destination


_MARGIN = 0.05
"""Time shown before the start and after the end, as a share of the duration."""
_LEAST_MARGIN_S = 15.0


def dashboard_url(region: str, name: str) -> str:
    """The page of a dashboard."""
    return _console_url(region, f"dashboards/dashboard/{quote(name)}")


def link_to_dashboard(destination: Destination, name: str) -> str | None:
    """The page of a dashboard; None if CloudWatch is not AWS's own."""
    return None if destination.is_custom_cloudwatch_url else dashboard_url(destination.region, name)


def at_times(url: str | None, start: float, end: float | None) -> str | None:
    """The page of a dashboard that opens at the time of a run.

    Args:
        url: The page.
        start: Start of the run, in seconds since the epoch.
        end: End of the run; None if it has not ended.

    """
    if url is None or end is None:
        return url
    margin = max(_LEAST_MARGIN_S, (end - start) * _MARGIN)
    shown = (datetime.fromtimestamp(when, UTC) for when in (start - margin, end + margin))
    first, last = (when.isoformat(timespec="milliseconds").replace("+00:00", "Z") for when in shown)
    return f"{url}?start={first}&end={last}"


def metrics_url(region: str, namespace: str) -> str:
    """The page with the metrics of a namespace."""
    # The notation of the console, as far as it is used here: ' starts a string, and * precedes two hex digits.
    name = re.sub(r"[^A-Za-z0-9_.-]", lambda found: f"*{ord(found[0]):02x}", namespace)
    return _console_url(region, f"metricsV2:graph=~();namespace=~'{name}")


def log_group_url(region: str, name: str) -> str:
    """The page of a log group."""
    # The console expects the name encoded twice.
    return _console_url(region, f"logsV2:log-groups/log-group/{_encoded(quote(name, safe=''))}")


def log_streams_url(region: str, name: str, prefix: str) -> str:
    """The page of a log group with the log streams whose names begin with a prefix."""
    return log_group_url(region, name) + _encoded(f"?logStreamNameFilter={quote(prefix, safe='')}")


def log_events_url(region: str, name: str, start: float, end: float, pattern: str) -> str:
    """The page of the log events of a group that match a pattern, at the time of a run.

    Args:
        region: The region.
        name: The log group.
        start: Start of the run, in seconds since the epoch.
        end: End of the run.
        pattern: The filter pattern.

    """
    margin = max(_LEAST_MARGIN_S, (end - start) * _MARGIN)
    query = f"?start={round(1000 * (start - margin))}&end={round(1000 * (end + margin))}"
    query += f"&filterPattern={quote(pattern, safe='')}"
    return f"{log_group_url(region, name)}/log-events{_encoded(query)}"


def _encoded(text: str) -> str:
    """A text as the console expects it in the address of a page: with $ instead of %."""
    return quote(text, safe="").replace("%", "$")


def _console_url(region: str, page: str) -> str:
    domain = _core.partition_of(region).console_domain
    return f"https://{quote(region)}.console.{domain}/cloudwatch/home?region={quote(region)}#{page}"
