"""Logs Insights queries: the newest failures on the dashboard, and the queries saved next to it.

All of them read full and compact events. Compact events omit the run ID and the worker, but the name of the log stream
contains both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw._dashboard.variables import HOST_PLACEHOLDER

if TYPE_CHECKING:
    from locust_cw._dashboard.view import View


def newest_failures(view: View) -> str:
    """The query of the widget with the newest failed requests."""
    source, newest = f"SOURCE '{view.log_group}'", "sort @timestamp desc | limit 50"
    if view.log_format == "text":
        has_no_host = " or @message not like '[host='" if view.log_fields == "compact" else ""
        return (
            f"{source} | filter @message like '[exception='"
            f" | filter @message like '[host={HOST_PLACEHOLDER}]'{has_no_host}"
            ' | parse @message "[request_type=*] [name=*] [response_time=*] [exception=*] [user=*]"'
            " as method, name, response_time_ms, error, user"
            f" | display @timestamp, method, name, response_time_ms, error, @logStream | {newest}"
        )
    # A compact event has no host if it is the host of its run.
    has_no_host = " or not ispresent(host)" if view.log_fields == "compact" else ""
    return (
        f"{source} | fields @timestamp, method, name, status, response_time_ms, error_type, error, @logStream"
        f" | filter outcome = 'failure' and (host = '{HOST_PLACEHOLDER}'{has_no_host}) | {newest}"
    )


def saved_queries(view: View) -> dict[str, str]:
    """The queries to save, by name: those for which the log has the fields."""
    if view.logs == "off" or view.log_format != "json":
        return {}
    queries = {
        "failures by type": "filter outcome = 'failure'"
        " | stats count(*) as failures, latest(error) as newest_error by error_type, status, method, name"
        " | sort failures desc",
    }
    if view.logs == "all":
        queries["slowest requests"] = (
            "fields @timestamp, method, name, response_time_ms, outcome, status, @logStream"
            " | filter ispresent(response_time_ms) | sort response_time_ms desc | limit 100"
        )
        queries["percentiles by name"] = (
            "filter outcome = 'success'"
            " | stats count(*) as requests, pct(response_time_ms, 50) as p50, pct(response_time_ms, 95) as p95,"
            " pct(response_time_ms, 99) as p99, max(response_time_ms) as slowest by method, name"
            " | sort p99 desc"
        )
    return queries
