"""Links to a run in the AWS console."""

from __future__ import annotations

from typing import Any

import gevent

from locust_cw import _core
from locust_cw._aws import console
from locust_cw._aws.account import Account
from locust_cw._plugin.greenlets import spawn


class ConsoleLinks:
    """The links of one run. The region is resolved once, in a greenlet.

    Args:
        options: The core's options of the run.
        dashboard: The name of its dashboard, if it has one.

    """

    def __init__(self, options: dict[str, Any], dashboard: str | None) -> None:
        chosen = {**_core.default_options(), **options}
        self._namespace: str = chosen["namespace"]
        self._log_group: str | None = None if chosen["logs"] == "off" else chosen["log_group"]
        self._dashboard = dashboard
        self._region: str | None = None
        if not chosen["dry_run"]:
            spawn(self._resolve_region, options)

    def _resolve_region(self, options: dict[str, Any]) -> None:
        try:
            found = Account(options, gevent.sleep).destination()
        except _core.AwsError:
            return
        if not (found.is_custom_cloudwatch_url or found.is_custom_logs_url):
            self._region = found.region

    @property
    def links(self) -> dict[str, str]:
        """URLs by title; none before the region is known."""
        region = self._region
        return {} if region is None else links(region, self._namespace, self._log_group, self._dashboard)


def links(region: str, namespace: str, log_group: str | None, dashboard: str | None) -> dict[str, str]:
    """URLs in the AWS console, by title."""
    found = {f"Metrics in {namespace}": console.metrics_url(region, namespace)}
    if dashboard is not None:
        found = {f"Dashboard {dashboard}": console.dashboard_url(region, dashboard), **found}
    if log_group is not None:
        found[f"Log group {log_group}"] = console.log_group_url(region, log_group)
    return found
