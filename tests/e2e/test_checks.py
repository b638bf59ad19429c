"""Checks judge a run by the values that follow from what the users did, in each way to run a test."""

from __future__ import annotations

import json
import math
import signal
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from support.fixtures import Aws, Locust
from support.fleet import Fleet, MasterWeb
from support.in_process import run as command
from support.locust_run import LocustRun, Receipt
from support.planned import (
    ALL_OPERATORS,
    HOST,
    Expected,
    Load,
    Planned,
    around,
    exact,
    judge_around,
    plan,
    rounded,
    undecided,
)
from support.servers import Target, answers, wait_until

USERS = 2
REQUESTS: list[list[Any]] = [
    ["GET", "/a", [1, 100], 10, False],
    ["POST", "/b", 200, 180, False],
    # Their times count for nothing.
    ["POST", "/b", 900, 20, True],
    ["PATCH", "/failing", 900, 5, True],
    ["GET", "/c", 50, 20, False],
    ["PUT", "/c", 60, 20, False],
    ["DELETE", "/few", 5, 15, False],
    ["GET", "/x: y", 7, 1, False],
]
LOAD = Load.planned(USERS, *REQUESTS)
WALK = ["-u", str(USERS), "-r", "100", "--host", HOST]
LIVE = ["--cw-live", "--cw-flush-interval=1"]


def within(value: float, share: float) -> tuple[float, float]:
    return value * (1 - share), value * (1 + share)


def around_number(measure: str, number: int) -> list[Expected]:
    return around(measure, [number - 1, number, number + 1], "", exact(number), ALL_OPERATORS)


def around_share(measure: str, load: Load) -> list[Expected]:
    share = load.failures * 100 / len(load)
    lower, higher = math.floor(share * 1e4) / 1e4, math.ceil(share * 1e4) / 1e4
    if lower == higher:
        return around(measure, [share - 1e-5, share, share + 1e-5], "%", exact(share), ALL_OPERATORS)
    return around(measure, [lower, higher], "%", exact(share), "< <= > >= ==")


def around_time(measure: str, ms: float) -> list[Expected]:
    return around(measure, [round(ms - 0.001, 3), round(ms + 0.001, 3)], "ms", exact(ms), ALL_OPERATORS)


def around_percentiles(scope: str, load: Load, *percents: float) -> list[Expected]:
    """They are within 1 %."""
    found = []
    for percent in percents:
        value = load.percentile(percent)
        found += around(f"{scope}p{percent}", within(value, 0.02), "ms", within(value, 0.0101), ALL_OPERATORS)
    return found


def expectations(load: Load) -> list[Expected]:
    """Each measure with limits just below and just above its value, and with the value itself if it is exact."""
    get, post = load.named("GET /a"), load.named("POST /b")
    return [
        *around_number("requests", len(load)),
        *around_number("failures", load.failures),
        *around_number("POST /b: failures", post.failures),
        *around_share("POST /b: failures", post),
        *around_share("failures", load),
        *around_percentiles("", load, 50, 95, 99),
        *around_percentiles("/a: ", get, 90),
        *around_time("mean", load.mean),
        *around_time("GET /a: mean", get.mean),
        *around("GET /a: max", [99.999, 100, 100.001], "ms", exact(100), ALL_OPERATORS),
        Expected("PUT /c: mean == 0.06s", "passed", exact(60)),
        Expected("PUT /c: mean > 0.001m", "failed", exact(60)),
        *around('"GET /x: y": requests', [USERS], "", exact(USERS), "== <"),
        # How long the test takes is not known yet.
        *around("rps", [0.1, 1e6], "", (1, 1e5), ALL_OPERATORS),
        *around("POST /b: rps", [0.1, 1e6], "", (0.2, 1e5), ALL_OPERATORS),
        *around("generator: memory", [1, 100_000], "MB", (10, 10_000), ALL_OPERATORS),
        undecided("p99.9 < 1s", "successful requests, but p99.9 needs 10000"),
        undecided("DELETE /few: p95 < 1s", f"{15 * USERS} successful requests, but p95 needs 200"),
        undecided("PATCH /failing: mean < 1s", "no successful requests"),
        undecided("GET /missing: requests >= 0", "no requests"),
        undecided("/c: requests > 0", "write GET /c"),
    ]


EXPECTED = expectations(LOAD)
CPU = undecided("generator: cpu < 100000%", "averaged over 10 s")


def check_options(expected: list[Expected]) -> list[str]:
    return [f"--cw-check={each.expression}" for each in (*expected, CPU)]


def check_results(planned: Planned, receipt: Receipt, expected: list[Expected]) -> None:
    """The verdicts, and the values that follow from what the processes did."""
    assert planned.load.counts == LOAD.counts
    results = receipt["checks"]
    cpu = results.pop()
    assert [each["expression"] for each in results] == [each.expression for each in expected]
    for each, result in zip(expected, results, strict=True):
        each.check(result)
    if planned.seconds[1] < 9:
        CPU.check(cpu)
    least, most = planned.seconds
    by_expression = {each["expression"]: each["measured"] for each in results}
    for expression, successes in {"rps": LOAD.successes, "POST /b: rps": LOAD.named("/b").successes}.items():
        assert successes / most <= by_expression[f"{expression} < 0.1"] <= successes / least
    memory = by_expression["generator: memory < 1MB"] * 1e6
    assert planned.most_memory * 0.8 < memory < planned.most_memory * 1.2


def check_output(run: LocustRun, expected: list[Expected]) -> None:
    """The terminal has a line per check after the receipt, and the exit code is that of checks."""
    lines = run.err[run.err.index("Checks: ") :].splitlines()
    assert run.err.index("CloudWatch receipt for run ") < run.err.index("Checks: ")
    for each in expected:
        assert any(line.startswith(f"{each.verdict} ") and f"  {each.expression} " in f"{line} " for line in lines), (
            each
        )
    assert run.exit_code == 3
    assert "Exit code 3: a check failed or is undecided" in run.err
    assert run.listener_errors == 0, run.err


PROCESSES = ["one process", "--processes=2", "master and workers"]


def run_to_its_end(
    locust: Locust, processes: str, *args: str, is_live: bool = False, has_web_ui: bool = False
) -> Planned:
    """Run a test, and end it when all users are through with their plan."""
    # The memory is sampled once a second.
    env = plan({"fire": REQUESTS}, {"fire": [], "seconds": 1.2})
    web = MasterWeb()
    options = [*args, *(LIVE if is_live else []), *(web.options if has_web_ui else WALK)]
    ends_itself = not (has_web_ui or is_live) and processes == "one process"
    if ends_itself:
        planned = Planned(locust.run("planned.py", *options, env=env | {"QUIT": "1"}))
    elif processes == "master and workers":
        fleet = Fleet(
            locust, *options, workers=2, locustfile="planned.py", worker_env=dict(env), headless=not has_web_ui
        )
        planned = Planned(*fleet.processes)
    else:
        forks = [processes] if processes.startswith("--") else []
        planned = Planned(locust.start("planned.py", *options, *forks, env=env, headless=not has_web_ui))
    if has_web_ui:
        wait_until(lambda: answers(web.url), "the web UI answers")
        if processes != "one process":
            web.wait_for_workers(2)
        web.swarm(USERS, HOST)
    planned.wait_for("planned", USERS)
    if has_web_ui:
        web.stop()
    if not ends_itself:
        # Ctrl-C may end the greenlet in which a master receives messages.
        by_ctrl_c = has_web_ui and processes == "one process"
        planned.runs[0].shut_down(signal.SIGINT if by_ctrl_c else signal.SIGTERM)
    for run in planned.runs:
        run.wait()
    return planned


@pytest.mark.parametrize("is_live", [True, False], ids=["live", "not live"])
@pytest.mark.parametrize("has_web_ui", [True, False], ids=["web UI", "headless"])
@pytest.mark.parametrize("processes", PROCESSES)
def test_every_measure_passes_just_within_its_limit_and_fails_just_beyond_it(
    locust: Locust, processes: str, *, has_web_ui: bool, is_live: bool
) -> None:
    planned = run_to_its_end(locust, processes, *check_options(EXPECTED), is_live=is_live, has_web_ui=has_web_ui)
    check_results(planned, planned.runs[0].receipt.check(), EXPECTED)
    check_output(planned.runs[0], EXPECTED)


def test_results_are_log_events_and_can_be_judged_again(aws: Aws, locust: Locust) -> None:
    """One event for each check. `locust-cw check` finds the same values, and the rate just within and beyond limits."""
    expressions = ["requests == 2522", "max < 200ms", "p99.9 < 1s"]
    of_run = ["rps > 0", "generator: memory > 0"]
    options = [f"--cw-check={each}" for each in (*expressions, *of_run)]
    planned = run_to_its_end(locust, "one process", *options)
    (run,) = planned.runs
    results = run.receipt.check_delivered()["checks"]
    rate, memory = results[3:]
    assert [result["verdict"] for result in results] == ["passed", "failed", "undecided", "passed", "passed"]
    events = [event.fields for event in aws.cloudwatch.events() if event.fields.get("event") == "check"]
    for event, result in zip(events, results, strict=True):
        known = {key: value for key, value in result.items() if value is not None}
        assert known.items() <= event.items(), (event, result)
    first_slow = planned.load.named("POST /b").requests[0]
    breach = datetime.fromisoformat(results[1]["first_breach"]).timestamp()
    assert int(first_slow.begun) <= breach <= first_slow.at

    answer = json.loads(command(run.folder, "check", run.receipt["run_id"], *expressions, "--json", code=3))
    assert [check["verdict"] for check in answer["checks"]] == ["passed", "failed", "undecided"]
    assert [check["measured"] for check in answer["checks"]] == [result["measured"] for result in results[:3]]
    judge_around(run, "rps", rate["measured"], "")
    judge_around(run, "generator: memory", memory["measured"], "MB")


def test_the_masters_reports_have_rounded_times_of_all_requests(locust: Locust) -> None:
    """With `--cw-source master`, Locust's reports are all there is: the results say that times are approximate."""
    reported = [replace(each, ms=rounded(each.ms)) for each in LOAD.requests]
    times = Load(replace(each, failed=False) for each in reported)
    post = times.named("POST /b")
    expected = [
        *around_number("requests", len(LOAD)),
        *around_number("failures", LOAD.failures),
        *around_share("POST /b: failures", LOAD.named("POST /b")),
        *around_percentiles("", times, 50, 95),
        *around_percentiles("POST /b: ", post, 50, 95),
        *around_time("POST /b: mean", post.mean),
        *around("max", [899.999, 900.001], "ms", exact(900), "< >="),
        undecided("/c: requests > 0", "write GET /c"),
    ]
    planned = run_to_its_end(
        locust,
        "master and workers",
        *[f"--cw-check={each.expression}" for each in expected],
        "--cw-source=master",
        is_live=True,
    )
    master = planned.runs[0]
    for each, result in zip(expected, master.receipt.check()["checks"], strict=True):
        each.check(result)
    assert "response times are rounded" in master.err[master.err.index("Checks: ") :]
    assert master.exit_code == 3


def test_delays_and_failures_of_a_service_are_judged(locust: Locust, target: Target) -> None:
    """With Locust's own client. The limits leave room for a slow machine where the time is a lower bound."""
    passing = [
        "GET /slow/50: p50 >= 50ms",
        "GET /broken: failures == 100%",
        "failures == 20%",
        "GET /ok: failures == 0",
    ]
    failing = ["/slow/50: mean < 50ms", "failures < 20%"]
    run = locust.run(
        "delayed.py", "-u2", "-r100", f"--host={target.url}", *[f"--cw-check={each}" for each in passing + failing]
    )
    checks = run.receipt.check_delivered()["checks"]
    assert [check["verdict"] for check in checks] == ["passed"] * 4 + ["failed"] * 2
    assert run.exit_code == 3
    stats = run.stats
    assert (stats.requests["/broken"], stats.failures["/broken"]) == (24, 24)
