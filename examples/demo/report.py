"""The demo's report: the receipt, the numbers of CloudWatch and Locust, and the newest log events."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

from readback import PERCENTILES, ReadBack

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 98
NEWEST_EVENTS = 3
EVENT_LINES = 8
FATES = ("observed", "delivered", "spooled", "rejected", "dropped")


def print_report(receipt: dict[str, Any], stats: list[dict[str, Any]], cloudwatch: ReadBack) -> list[str]:
    """Print the report; return the differences between CloudWatch, the receipt and Locust's statistics."""
    _print_receipt(receipt)
    _print_requests(stats, cloudwatch)
    _print_log_events(cloudwatch.log_events)
    differences = find_differences(receipt, stats, cloudwatch)
    if differences:
        print("\nCloudWatch and Locust differ:")
        print("\n".join(f"  {difference}" for difference in differences))
    else:
        print("\nEvery total in CloudWatch equals Locust's own.")
    return differences


def find_differences(receipt: dict[str, Any], stats: list[dict[str, Any]], cloudwatch: ReadBack) -> list[str]:
    """Compare every total, per request name and overall."""
    requests = sum(entry["num_requests"] for entry in stats)
    failures = sum(entry["num_failures"] for entry in stats)
    logged = [event for event in cloudwatch.log_events if "outcome" in event]
    pairs: list[tuple[str, float, float]] = [
        ("requests of all names", cloudwatch.total.requests, requests),
        ("failures of all names", cloudwatch.total.failures, failures),
        ("times of all names", cloudwatch.total.timed, requests),
        ("log events of requests", len(logged), requests),
        ("log events of failures", sum(event["outcome"] == "failure" for event in logged), failures),
        ("requests delivered, by the receipt", receipt["requests"]["delivered"], requests),
        ("failures delivered, by the receipt", receipt["failures"]["delivered"], failures),
        ("request names", len(cloudwatch.by_request), len(stats)),
    ]
    for entry in stats:
        series = cloudwatch.by_request.get(entry["name"])
        if series is None:
            pairs.append((f"series of {entry['name']}", 0, 1))
            continue
        pairs.append((f"requests of {entry['name']}", series.requests, entry["num_requests"]))
        pairs.append((f"failures of {entry['name']}", series.failures, entry["num_failures"]))
        pairs.append((f"times of {entry['name']}", series.timed, entry["num_requests"]))
    return [f"{what}: {ours:,.0f} instead of {theirs:,.0f}" for what, ours, theirs in pairs if ours != theirs]


def _print_receipt(receipt: dict[str, Any]) -> None:
    _heading(f"Receipt of run {receipt['run_id']}")
    print(f"  {'':12}" + "".join(f"{fate:>12}" for fate in FATES))
    for group in ("requests", "failures", "log_events"):
        print(f"  {group.replace('_', ' '):12}" + "".join(f"{receipt[group][fate]:12,}" for fate in FATES))
    calls = ", ".join(f"{count} {operation}" for operation, count in receipt["api_calls"].items())
    print(f"\n  calls: {calls}; repeated: {receipt['retries']}; uncertain: {receipt['uncertain']}")
    cost = f"estimated cost on AWS: {receipt['estimated_cost_usd']:.4f} USD"
    reconciled = f"reconciled with Locust: {'yes' if receipt['reconciled'] else 'no'}"
    print(f"  sent: {receipt['bytes_sent'] / 1000:,.0f} kB; {cost}; {reconciled}")


def _print_requests(stats: list[dict[str, Any]], cloudwatch: ReadBack) -> None:
    _heading("Requests, by CloudWatch and by Locust")
    columns = ("requests", "failures", *(f"{percentile} ms" for percentile in PERCENTILES))
    print(f"  {'':30}" + "".join(f"{column:>12}" for column in columns))
    rows = [
        (entry["name"], cloudwatch.by_request[entry["name"]], [entry])
        for entry in sorted(stats, key=lambda entry: str(entry["name"]))
        if entry["name"] in cloudwatch.by_request
    ]
    for name, series, entries in [*rows, ("all", cloudwatch.total, stats)]:
        requests = sum(entry["num_requests"] for entry in entries)
        failures = sum(entry["num_failures"] for entry in entries)
        theirs = [f"{locust_percentile(entries, percentile):12,.0f}" for percentile in PERCENTILES]
        times = [series.percentiles.get(percentile) for percentile in PERCENTILES]
        ours = [f"{'-':>12}" if time is None else f"{time:12,.1f}" for time in times]
        print(f"  {name:18.18}  CloudWatch{series.requests:12,.0f}{series.failures:12,.0f}{''.join(ours)}")
        print(f"  {'':18}  Locust    {requests:12,}{failures:12,}{''.join(theirs)}")
    print("\n  Locust rounds times and counts those of failures in; CloudWatch's are the successes', as measured.")
    print(f"  Most users at a time, by CloudWatch: {cloudwatch.users_peak:,.0f}")


def locust_percentile(entries: Sequence[dict[str, Any]], percentile: str) -> float:
    """The percentile as Locust computes it: from histograms of rounded times, starting with the slowest."""
    share = float(percentile.removeprefix("p")) / 100
    times: list[tuple[float, int]] = sorted(
        (float(time), count) for entry in entries for time, count in entry["response_times"].items()
    )
    total = sum(count for _, count in times)
    seen = 0
    for time, count in reversed(times):
        seen += count
        if total - seen <= int(total * share):
            return time
    return 0


def _print_log_events(events: list[dict[str, Any]]) -> None:
    _heading(f"Log events: {len(events):,}, of which the newest failure and the newest {NEWEST_EVENTS}")
    newest = events[-NEWEST_EVENTS:]
    failures = [event for event in events if event.get("outcome") == "failure"]
    for event in [*failures[-1:], *(event for event in newest if event not in failures[-1:])]:
        lines = textwrap.wrap(json.dumps(event), WIDTH - 4)
        shown = lines if len(lines) <= EVENT_LINES else [*lines[: EVENT_LINES - 1], "..."]
        print(textwrap.indent("\n".join(shown), "    ").replace("    ", "  ", 1))


def _heading(text: str) -> None:
    print(f"\n{text}\n{'─' * WIDTH}")
