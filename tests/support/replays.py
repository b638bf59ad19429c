"""Runs that leave something behind, for `locust-cw replay`."""

from __future__ import annotations

import re
import shlex
from typing import Any

from support.checks import check_log_events, check_metrics
from support.fixtures import Aws, Locust
from support.locust_run import LocustRun
from support.paced import HOST, PACED, stop, wait_for_more
from support.proxy import error
from support.servers import wait_until
from support.spools import spool_of

GONE = error("ServiceUnavailable", 503)


def left_behind(
    aws: Aws, locust: Locust, *args: str, requests: int = 600, files_each: int = 0, **how: Any
) -> LocustRun:
    """A run that is over, with AWS away all the time; AWS is back now.

    At least so many files are left of metrics, and of logs.
    """
    aws.proxy.on("*", GONE)
    run = locust.start(*PACED, "--cw-drain-timeout=0", *args, **how)
    wait_for_more(run, requests)
    for lane in ("metrics", "logs"):
        wait_until(
            lambda: len(list(spool_of(run).glob(f"*/*/*-{lane}.jsonl"))) >= files_each,  # noqa: B023 - called at once
            f"{files_each} files of {lane}",
        )
    stop(run)
    run.wait()
    receipt = run.receipt.check()
    for group in ("requests", "log_events"):
        assert receipt[group]["spooled"] == receipt[group]["observed"] > 0
    aws.proxy.stop_faults()
    return run


def run_id_of(run: LocustRun) -> str:
    return str(run.receipt["run_id"])


def replay_commands(run: LocustRun) -> list[list[str]]:
    """The replay commands in the output, split into arguments, without duplicates."""
    commands = re.findall(r"Send (?:it|them) with: (.*)$", run.output, re.MULTILINE)
    return [shlex.split(command) for command in dict.fromkeys(commands)]


def check_all_there(aws: Aws, *runs: LocustRun) -> None:
    """These runs and no others, all of them, nothing twice."""
    for metric, group in (("RequestCount", "requests"), ("FailureCount", "failures")):
        observed = sum(run.receipt[group]["observed"] for run in runs)
        assert aws.cloudwatch.sum(metric, Host=HOST) == observed
    for run in runs:
        check_log_events(aws.cloudwatch.events(f"load-generator/{run_id_of(run)}/"), run.stats)
    if len(runs) == 1:
        check_metrics(aws.cloudwatch, runs[0].stats, HOST)
