"""Generated load: every call is within AWS's limits, which the fixture `aws` checks, and distributions are correct."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from support.cloudwatch import Published, nearest_rank, published
from support.delivered import identities
from support.fixtures import Aws, Locust
from support.locust_run import LocustRun

HOST = "http://scripted.test"
ALL = frozenset({("Host", HOST)})
PERCENTS = (50, 90, 95, 99, 99.9)


def play(locust: Locust, folder: Path, script: list[dict[str, Any]], *args: str, **how: Any) -> LocustRun:
    """A Locust process that fires these requests."""
    path = folder / "script.json"
    path.write_text(json.dumps(script))
    run = locust.run("scripted.py", "--host", HOST, *args, env={"SCRIPT": str(path)}, **how)
    run.receipt.check_delivered()
    return run


def of(name: str) -> frozenset[tuple[str, str]]:
    return frozenset({("Host", HOST), ("Request", name)})


def half_past(seconds_ago: int) -> float:
    """The middle of a second, so that rounding does not move a sample to another window."""
    return int(time.time()) - seconds_ago + 0.5


@pytest.mark.long
def test_each_of_3000_names_has_its_series(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    names = [f"/{number}/{'x' * (number % 300)}" for number in range(3000)]
    script: list[dict[str, Any]] = [{"names": names, "repeat": 2}, {"names": names[::3], "error": "no"}]
    run = play(locust, tmp_path, script, "--cw-max-requests=5000")
    series, stats = published(aws.proxy.calls()), run.stats
    twice = run.receipt["uncertain"]  # such large calls may be answered too late on a slow machine
    for name in names:
        assert stats.requests[name] <= series["RequestCount", of(name)].sum <= stats.requests[name] + twice, name
        assert stats.failures[name] <= series["FailureCount", of(name)].sum <= stats.failures[name] + twice, name
    assert 7000 <= series["RequestCount", ALL].sum <= 7000 + twice
    assert 1000 <= series["FailureCount", ALL].sum <= 1000 + twice
    assert len(aws.cloudwatch.series("RequestCount")) == 3001
    logged = identities(aws.cloudwatch.events())
    assert len(logged) == run.receipt["log_events"]["observed"] > 7000


def test_names_beyond_the_allowed_go_to_other_with_one_warning(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    names = [f"/{number}" for number in range(3000)]
    run = play(locust, tmp_path, [{"names": names, "repeat": 2}])
    series = published(aws.proxy.calls())
    held = {dimensions: each.sum for (metric, dimensions), each in series.items() if metric == "RequestCount"}
    assert set(held) == {ALL, of("(other)"), *map(of, names[:200])}
    assert held[ALL] == 6000
    assert held[of("(other)")] == 5600
    assert len([each for each in run.logged_problems() if "(other)" in each or "--cw-max-requests" in each]) == 1
    assert {event.fields["name"] for event in aws.cloudwatch.events() if event.is_request} == set(names)


def test_5000_distinct_times_in_one_second(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    times = [1 + number * 0.37 for number in range(5000)]
    play(locust, tmp_path, [{"names": ["/"], "times": times, "at": half_past(2)}])
    series = published(aws.proxy.calls())["ResponseTime_ms", of("/")]
    assert series.count == 5000
    check_distribution(series, times)


@pytest.mark.parametrize("text_format", ["json", "text"])
def test_log_lines_of_900_kb_arrive(aws: Aws, locust: Locust, tmp_path: Path, text_format: str) -> None:
    """ASCII, Korean and characters that JSON escapes, in errors, contexts and names. Larger texts are cut."""
    script = [
        {"error": "x", "error_repeat": 900_000, "repeat": 5, "names": ["/x"]},
        {"error": "주", "error_repeat": 300_000, "repeat": 5, "names": ["/korean"]},
        {"error": '"\n\x00', "error_repeat": 300_000, "repeat": 3, "names": ["/escaped"]},
        {"error": "🛒", "error_repeat": 700_000, "repeat": 3, "names": ["/too large"]},
        {"context": {"k": "v" * 900_000}, "repeat": 3, "names": ["/context"]},
        {"names": ["n" * 900_000, "주" * 900_000], "repeat": 2},
        {"names": ["/small"], "repeat": 50},
    ]
    play(locust, tmp_path, script, f"--cw-log-format={text_format}")
    requests = [event for event in aws.cloudwatch.events() if event.is_request]
    assert len(requests) == 5 + 5 + 3 + 3 + 3 + 4 + 50
    assert sum("x" * 900_000 in event.message for event in requests) == 5
    assert sum("주" * 300_000 in event.message for event in requests if "/korean" in event.message) == 5
    assert published(aws.proxy.calls())["RequestCount", ALL].sum == len(requests)


def test_late_samples_count_for_their_own_time(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """Each has a datum in its own second. Log events stay chronological, with at most a day in a call."""
    moments = [half_past(hours * 3600) for hours in (0, 30, 1, 50, 2, 47, 3, 150, 0)]
    play(locust, tmp_path, [{"at": moment, "repeat": 20} for moment in moments])
    series = published(aws.proxy.calls())["RequestCount", ALL]
    assert series.sum == 20 * len(moments)
    assert {stamp.timestamp() for stamp in series.seconds} == {moment - 0.5 for moment in moments}
    logged = Counter(event.timestamp for event in aws.cloudwatch.events() if event.is_request)
    assert logged == Counter({round(moment * 1000): 20 * moments.count(moment) for moment in moments})


# Distributions


def distributions() -> dict[str, list[float]]:
    """Response times in ms, with the distributions of real services."""
    rng = random.Random(2026)
    shapes = {
        "constant": [7.25] * 500,
        "single": [0.125],
        "zeros": [0.0] * 100 + [1.0] * 3,
        "150 values": [float(rng.randrange(150)) for _ in range(4000)],
        "few with long digits": [1 / (1 + rng.randrange(100)) for _ in range(2000)],
        "151 values": [float(number) for number in range(151)],
        "uniform": [rng.uniform(0, 1000) for _ in range(5000)],
        "lognormal": [rng.lognormvariate(3, 1.5) for _ in range(5000)],
        "two humps": [rng.gauss(20, 1) if rng.random() < 0.95 else rng.gauss(2000, 50) for _ in range(5000)],
        "heavy tail": [min(rng.paretovariate(0.8), 3.6e6) for _ in range(5000)],
        "microseconds": [rng.uniform(1e-4, 1e-2) for _ in range(3000)],
        "minutes": [rng.uniform(6e4, 6e5) for _ in range(3000)],
        "close together": [1000 + rng.random() * 1e-6 for _ in range(2000)],
        "zeros and a tail": [0.0 if rng.random() < 0.3 else rng.expovariate(0.01) for _ in range(3000)],
        "ten decades": [10 ** rng.uniform(-4, 6) for _ in range(5000)],
    }
    for number in range(15):
        size, scale, spread = rng.randrange(1, 2000), 10 ** rng.uniform(-2, 5), rng.uniform(0.01, 3)
        shapes[f"random {number}"] = [scale * rng.lognormvariate(0, spread) for _ in range(size)]
    return {name: [abs(value) for value in values] for name, values in shapes.items()}


def check_distribution(series: Published, times: list[float]) -> None:
    exact = Counter(times)
    assert series.count == sum(series.counts.values()) == len(times)
    assert series.sum == pytest.approx(sum(times), rel=1e-9)
    assert (series.min, series.max) == (min(times), max(times))
    if len(exact) <= 150:
        assert series.counts == exact
    assert min(series.counts) >= series.min * 0.99
    assert max(series.counts) <= series.max * 1.01
    for percent in PERCENTS:
        assert series.percentile(percent) == pytest.approx(nearest_rank(exact, percent), rel=0.01, abs=1e-12), percent


def test_percentiles_hold_within_one_percent(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """They are exact up to 150 distinct values.

    Sum, minimum and maximum are always exact. For each name and the host.
    """
    shapes, at = distributions(), half_past(2)
    script = [{"names": [name], "times": times, "at": at} for name, times in shapes.items()]
    play(locust, tmp_path, [*script, *({**entry, "error": "no"} for entry in script)], "--cw-logs=off")
    held = published(aws.proxy.calls())
    for metric in ("ResponseTime_ms", "FailedResponseTime_ms"):
        for name, times in shapes.items():
            series = held[metric, of(name)]
            assert {stamp.timestamp() for stamp in series.seconds} == {int(at)}, name
            check_distribution(series, times)
        check_distribution(held[metric, ALL], [each for times in shapes.values() for each in times])


def test_sizes_are_distributions_too(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    sizes = [random.Random(number).randrange(10 ** (1 + number % 9)) for number in range(2000)]
    at = half_past(2)
    play(locust, tmp_path, [{"length": size, "at": at} for size in sizes])
    check_distribution(published(aws.proxy.calls())["ResponseSize_Bytes", of("/")], [float(size) for size in sizes])


def test_a_resolution_of_a_minute_has_the_same_totals(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """`--cw-resolution 60`: windows of whole minutes, with this storage resolution."""
    minute = int(time.time()) // 60 * 60
    times = [float(number % 100) for number in range(1000)]
    script = [{"times": times, "at": minute - 60 * ago + second + 0.5} for ago in (2, 3) for second in (0, 30, 59)]
    play(locust, tmp_path, script, "--cw-resolution=60")
    calls = aws.proxy.calls("PutMetricData")
    assert {datum["StorageResolution"] for call in calls for datum in call.params["MetricData"]} == {60}
    series = published(calls)["ResponseTime_ms", of("/")]
    assert {stamp.timestamp() for stamp in series.seconds} == {minute - 120, minute - 180}
    check_distribution(series, times * 6)


@pytest.mark.long
def test_the_number_of_calls_does_not_grow_with_the_load(aws: Aws, locust: Locust) -> None:
    """With 100 requests/s, or a hundred times as many, there are at most two PutMetricData per interval."""
    calls, requests = [], []
    for rate in ("10", "1000"):
        before = len(aws.proxy.calls("PutMetricData"))
        run = locust.run(
            *("firehose.py", "-u", "10", "-r", "100", "-t", "10s", "--host", HOST),
            *("--cw-live", "--cw-flush-interval=2", "--cw-logs=off"),
            env={"RATE": rate},
        )
        requests.append(run.receipt.check_delivered()["requests"]["observed"])
        calls.append(len(aws.proxy.calls("PutMetricData")) - before)
    slow, fast = calls
    assert requests[1] > 30 * requests[0] > 0
    intervals = 10 // 2 + 2  # the jitter may make room for one more, and the drain has its own
    assert 3 <= slow <= 2 * intervals
    assert 3 <= fast <= 2 * intervals
    assert abs(fast - slow) <= 6
