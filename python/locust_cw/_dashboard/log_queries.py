"""Logs Insights queries: the newest failures on the dashboard, and the queries saved next to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw._dashboard.variables import HOST_PLACEHOLDER

if TYPE_CHECKING:
    from locust_cw._dashboard.view import View


def newest_failures(view: View) -> str:
    """The query of the widget with the newest failed requests."""
    source = f"SOURCE '{view.log_group}'"
    if view.log_format == "text":
        return (
            f"{source} | filter @message like '[exception='"
            ' | parse @message "[timestamp=*] [host=*] [request_type=*] [name=*] [response_time=*] [exception=*]'
            ' [user=*]"'
            " as time, host, method, name, response_time_ms, error, user"
            f" | filter host = '{HOST_PLACEHOLDER}'"
            " | display @timestamp, method, name, response_time_ms, error | sort @timestamp desc | limit 50"
        )
    return (
        f"{source} | fields @timestamp, method, name, status, response_time_ms, error_type, error, run_id"
        f" | filter outcome = 'failure' and host = '{HOST_PLACEHOLDER}' | sort @timestamp desc | limit 50"
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
            "fields @timestamp, method, name, response_time_ms, outcome, status, run_id, worker"
            " | filter ispresent(response_time_ms) | sort response_time_ms desc | limit 100"
        )
        queries["percentiles by name"] = (
            "filter outcome = 'success'"
            " | stats count(*) as requests, pct(response_time_ms, 50) as p50, pct(response_time_ms, 95) as p95,"
            " pct(response_time_ms, 99) as p99, max(response_time_ms) as slowest by method, name"
            " | sort p99 desc"
        )
    return queries
