"""Links to a run in the AWS console, which open at the time of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from locust_cw._aws import console

if TYPE_CHECKING:
    from locust_cw._runs.record import Record

# Domains of AWS's endpoints.
_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws", ".api.amazonwebservices.com.cn")


def links_of(record: Record, now: float) -> dict[str, str]:
    """URLs by title; none for a run that was not published to AWS."""
    region = record.destination.get("region")
    if not region or record.option("dry_run") or not _is_aws(record.destination.get("cloudwatch_url")):
        return {}
    begin, end = record.started, record.end(now)
    found: dict[str, str] = {}
    if record.dashboard is not None:
        url = console.at_times(console.dashboard_url(region, record.dashboard), begin, end)
        found[f"Dashboard {record.dashboard}"] = str(url)
    if record.option("logs") != "off" and _is_aws(record.destination.get("logs_url")):
        group = record.option("log_group")
        if (record.option("log_format"), record.option("log_fields")) == ("json", "full"):
            url = console.log_events_url(region, group, begin, end, f'"{record.run_id}"')
            found[f"Log events in {group}"] = url
        else:
            # Other log events do not contain the run ID, but the names of their streams do.
            prefix = f"{record.option('log_stream')}/{record.run_id}/"
            found[f"Log streams in {group}"] = console.log_streams_url(region, group, prefix)
    found[f"Metrics in {record.option('namespace')}"] = console.metrics_url(region, record.option("namespace"))
    return found


def _is_aws(url: str | None) -> bool:
    """Whether an endpoint is one of AWS's own."""
    try:
        host = urlsplit(url or "").hostname or ""
    except ValueError:
        return False
    return host.endswith(_DOMAINS)
