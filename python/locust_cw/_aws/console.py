"""Links to CloudWatch in the AWS console."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from locust_cw import _core
from locust_cw._aws.endpoint import endpoint_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def dashboard_url(region: str, name: str) -> str:
    """The page of a dashboard."""
    return _console_url(region, f"dashboards/dashboard/{quote(name)}")


def shown_at(options: Mapping[str, Any], region: str, name: str) -> str | None:
    """The page of a dashboard that was put with these options of the core; None if CloudWatch is not AWS's own."""
    return None if endpoint_of(options, "cloudwatch") else dashboard_url(region, name)


def metrics_url(region: str, namespace: str) -> str:
    """The page with the metrics of a namespace."""
    # The notation of the console, as far as it is used here: ' starts a string, and * precedes two hex digits.
    name = re.sub(r"[^A-Za-z0-9_.-]", lambda found: f"*{ord(found[0]):02x}", namespace)
    return _console_url(region, f"metricsV2:graph=~();namespace=~'{name}")


def log_group_url(region: str, name: str) -> str:
    """The page of a log group."""
    # The console expects the name encoded twice, with $ instead of %.
    return _console_url(region, f"logsV2:log-groups/log-group/{quote(quote(name, safe=''), safe='').replace('%', '$')}")


def _console_url(region: str, page: str) -> str:
    domain = _core.partition_of(region).console_domain
    return f"https://{quote(region)}.console.{domain}/cloudwatch/home?region={quote(region)}#{page}"
