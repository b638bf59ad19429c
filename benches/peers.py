"""A second locustfile for `load.py`: other publishers to CloudWatch, both with boto3.

`--peer locust-plugins` is the listener of that package. `--peer old-script` does what copied scripts did: it collects
five requests and sends them from inside the request hook, metrics with one call and log lines with another.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import boto3
from locust import events
from locust_plugins.listeners.cloudwatch import CloudwatchAdapter

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from locust.env import Environment

REQUESTS_PER_CALL = 5


class FiveAtATime:
    """Sends five requests per call, in the greenlet of the user that made the fifth."""

    def __init__(self, environment: Environment) -> None:
        """Register the listener."""
        self._metrics = boto3.client("cloudwatch")
        self._logs = boto3.client("logs")
        self._waiting: list[dict[str, Any]] = []
        self._host = environment.host
        environment.events.request.add_listener(self.on_request)

    def on_request(self, **request: Any) -> None:  # noqa: ANN401 - clients report any type
        """Collect a request, and send every five."""
        self._waiting.append(request)
        if len(self._waiting) >= REQUESTS_PER_CALL:
            requests, self._waiting = self._waiting, []
            self._metrics.put_metric_data(Namespace="Locust", MetricData=[*map(self._datum, requests)])
            self._logs.put_log_events(
                logGroupName="LocustTests", logStreamName="load-generator", logEvents=[*map(self._event, requests)]
            )

    def _datum(self, request: dict[str, Any]) -> dict[str, Any]:
        return {
            "MetricName": "FailureCount" if request["exception"] else "ResponseTime_ms",
            "Dimensions": [{"Name": "Host", "Value": self._host}, {"Name": "Request", "Value": request["name"]}],
            "Timestamp": request["start_time"],
            "Value": 1 if request["exception"] else request["response_time"],
            "Unit": "Count" if request["exception"] else "Milliseconds",
        }

    def _event(self, request: dict[str, Any]) -> dict[str, Any]:
        fields = ("request_type", "name", "response_time", "response_length", "exception")
        line = " ".join(f"[{field}={request[field]}]" for field in fields)
        return {"timestamp": int(time.time() * 1000), "message": f"[host={self._host}] {line}"}


@events.init_command_line_parser.add_listener
def add_options(parser: ArgumentParser, **_kwargs: object) -> None:
    """Add the option `--peer`."""
    parser.add_argument("--peer", choices=["locust-plugins", "old-script"], required=True, help="the publisher")


@events.init.add_listener
def on_init(environment: Environment, **_kwargs: object) -> None:
    """Register the publisher."""
    options = environment.parsed_options
    assert options is not None  # noqa: S101 - the command line has been parsed
    if options.peer == "old-script":
        FiveAtATime(environment)
    else:
        CloudwatchAdapter(environment, "bench")
