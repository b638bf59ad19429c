"""`locust-cw report`: the load at which a target saturates, what is asked of CloudWatch, and what is drawn and said."""

from __future__ import annotations

import json
import math
import random
import re
import statistics
import struct
import time
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_cw._aws.metric import Metric
from locust_cw._aws.metric_data import LATE_S, shortest_period
from locust_cw._aws.targets import parse
from locust_cw._report import chart as _chart
from locust_cw._report import findings as _findings
from locust_cw._report import query as _query
from locust_cw._report import saturation as _saturation
from locust_cw._report.gather import gather
from locust_cw._report.saturation import Sample
from locust_cw._runs.record import Record
from support.fixtures import Aws, Locust
from support.fleet import timeline
from support.locust_run import NO_KEYS, LocustRun, run_python
from support.outages import commanding
from support.outages import run as run_command
from support.paths import TESTS
from support.proxy import error
from support.servers import REGION, Target, serving

# Saturation. The curves are those of queueing theory, and know nothing of the lines that are laid through them.


def throughput_of(users: int, threads: int, service_s: float, think_s: float) -> float:
    """Requests/s of so many users at a closed system with so many servers (the machine repair model)."""
    weights = [1.0]
    for inside in range(1, users + 1):
        weights.append(weights[-1] * (users - inside + 1) / think_s * service_s / min(inside, threads))
    busy = math.fsum(min(inside, threads) * weight for inside, weight in enumerate(weights))
    return busy / math.fsum(weights) / service_s


CAPACITY, THREADS, SERVICE_S, THINK_S = 100.0, 4, 0.04, 0.1
KNEE = CAPACITY * (SERVICE_S + THINK_S)


def seen(users: Sequence[int], noise: float, seed: int = 1) -> list[Sample]:
    """A sample a second of a test with so many users in each, at a target that saturates at `KNEE` users."""
    chance = random.Random(seed)
    samples = []
    for second, number in enumerate(users):
        rate = throughput_of(number, THREADS, SERVICE_S, THINK_S)
        latency = 1000 * (number / rate - THINK_S)
        disturbed = [value * max(0.1, chance.gauss(1, noise)) for value in (rate, latency)]
        samples.append(Sample(1000.0 + second, number, *disturbed))
    return samples


def steps(*users: int, seconds: int = 6) -> list[int]:
    return [number for number in users for _ in range(seconds)]


NOISES = pytest.mark.parametrize("noise", [0, 0.05, 0.12])
SEEDS = pytest.mark.parametrize("seed", range(5))


@NOISES
@SEEDS
@pytest.mark.parametrize(
    ("users", "one_step"),
    [
        (steps(4, 8, 12, 16, 20, 24, 32), 4),
        (list(range(1, 61)), 5),
        (steps(*range(2, 42, 2), seconds=3), 4),
        (list(range(1, 41)) + list(range(40, 0, -1)), 5),
        (steps(5, 10, 15, 20, 30, 40, seconds=4) + steps(40, seconds=600), 5),
    ],
    ids=["steps", "ramp", "small steps", "up and down", "long at the top"],
)
def test_the_knee_is_found(users: list[int], one_step: float, noise: float, seed: int) -> None:
    samples = seen(users, noise, seed)
    found = _saturation.find(samples)
    assert found.state == "reached", found
    assert found.users == pytest.approx(KNEE, abs=one_step)
    assert found.requests_per_s == pytest.approx(CAPACITY, rel=0.25 if noise else 0.06)
    assert found.time == next(sample.time for sample in samples if sample.users >= (found.users or 0))


@NOISES
@SEEDS
def test_a_target_that_keeps_up_is_not_said_to_saturate(noise: float, seed: int) -> None:
    found = _saturation.find(seen(steps(1, 2, 4, 6, 8), noise, seed))
    assert found.state == "not_reached"
    assert found.users is found.requests_per_s is found.time is None
    # A larger target, to the same load.
    samples = [Sample(t, users, users / 0.14, 40.0) for t, users in enumerate(range(1, 200))]
    assert _saturation.find(samples).state == "not_reached"


@NOISES
@SEEDS
def test_a_target_that_is_saturated_from_the_start(noise: float, seed: int) -> None:
    """The lowest load there was is an upper bound; the capacity is known all the same."""
    found = _saturation.find(seen(steps(20, 30, 40, 60), noise, seed))
    assert (found.state, found.users, found.time) == ("from_start", 20, 1000.0)
    assert found.requests_per_s == pytest.approx(CAPACITY, rel=0.2)


def test_a_load_that_does_not_vary_tells_nothing() -> None:
    assert _saturation.find([]).state == "unknown"
    assert _saturation.find(seen(steps(20, seconds=60), 0.1)).state == "unknown"
    assert _saturation.find(seen(steps(10, 11, 12), 0.1)).state == "unknown"
    assert "too few points" in _saturation.find(seen(steps(10, 40, seconds=1), 0), period=60).reason
    nothing_works = [Sample(t, users, 0.0, None, 1.0) for t, users in enumerate(steps(1, 2, 4, 8))]
    assert _saturation.find(nothing_works).state == "unknown"


def test_users_that_wait_for_something_else_do_not_saturate_the_target() -> None:
    samples = [Sample(t, users, min(users * 7.0, 100), 40.0) for t, users in enumerate(steps(4, 8, 12, 16, 24, 32))]
    found = _saturation.find(samples)
    assert found.state == "not_reached"
    assert "neither response times nor failures grew" in found.reason


def test_a_target_that_turns_requests_away_saturates_too() -> None:
    """Its successes come as fast as ever, but no more of them."""
    samples = []
    for second, users in enumerate(steps(4, 8, 12, 16, 24, 32)):
        offered = users * 7.0
        samples.append(Sample(second, users, min(offered, 100), 40.0, max(0.0, 1 - 100 / offered)))
    found = _saturation.find(samples)
    assert found.state == "reached"
    assert found.users == pytest.approx(100 / 7, abs=1)
    assert "failures grow" in found.reason


def test_throughput_that_collapses_is_marked_at_its_highest() -> None:
    users = list(range(1, 61))
    samples = [
        Sample(t, n, min(n * 7, 100 - (n - 100 / 7) * 0.8), 40.0 if n < 15 else n * 5.0) for t, n in enumerate(users)
    ]
    found = _saturation.find(samples)
    assert found.state == "reached"
    assert found.users == pytest.approx(100 / 7, abs=1.5)


def test_one_bad_second_moves_nothing() -> None:
    samples = seen(steps(4, 8, 12, 16, 20, 24, 32), 0)
    without = _saturation.find(samples)
    for second in (3, 15, 30):
        samples[second] = Sample(samples[second].time, samples[second].users, 0.0, 9000.0)
    assert _saturation.find(samples).users == pytest.approx(without.users, rel=0.02)


@given(
    st.lists(
        st.tuples(st.integers(0, 300), st.floats(0, 1e6), st.none() | st.floats(0, 1e7), st.floats(0, 1)),
        max_size=60,
    ),
    st.sampled_from([1, 5, 60]),
)
def test_whatever_is_seen_the_verdict_is_within_it(
    points: list[tuple[int, float, float | None, float]], period: int
) -> None:
    samples = [Sample(float(t), *point) for t, point in enumerate(points)]
    found = _saturation.find(samples, period)
    assert found.reason
    if found.state in {"reached", "from_start"}:
        assert found.users is not None
        assert found.requests_per_s is not None
        assert min(s.users for s in samples if s.users) <= found.users <= max(s.users for s in samples)
        assert found.time in [sample.time for sample in samples]
    else:
        assert found.users is found.time is None


# What is asked of CloudWatch.

NOW = 1_795_000_000.0
HOUR, DAY = 3600, 86_400


@pytest.mark.parametrize(
    ("age", "resolution", "period"),
    [(HOUR, 1, 1), (HOUR, 60, 60), (4 * HOUR, 1, 60), (14 * DAY, 1, 60), (16 * DAY, 1, 300), (70 * DAY, 1, 3600)],
)
def test_the_period_is_one_that_cloudwatch_still_keeps(age: float, resolution: int, period: int) -> None:
    assert shortest_period(NOW - age, NOW, resolution) == period


def test_metrics_of_fifteen_months_ago_are_gone() -> None:
    assert shortest_period(NOW - 460 * DAY, NOW) is None


@given(st.floats(0, 2 * DAY), st.sampled_from([1, 60, 300, 3600]))
def test_a_line_has_no_more_points_than_can_be_seen(seconds: float, shortest: int) -> None:
    period = _query.chart_period(NOW, NOW + seconds, shortest)
    assert period >= shortest
    assert seconds / period <= _query.MAX_LINE_POINTS or period == _query.PERIODS[-1]


@given(st.floats(NOW - 1e6, NOW), st.floats(1, 20_000), st.sampled_from([1, 60, 300, 3600]))
def test_one_period_holds_a_whole_run(start: float, seconds: float, shortest: int) -> None:
    """Counted from the start, rounded down as CloudWatch does, or from the epoch."""
    end = start + seconds
    period = _query.whole_period(start, end, shortest)
    assert period % max(60, shortest) == 0
    assert start // 60 * 60 + period >= end
    assert start // period == (end - 0.001) // period


class Recorder:
    """Answers GetMetricData with a point a period, and remembers what it was asked."""

    def __init__(self, times: Sequence[float] = (0.0,)) -> None:
        self.asked: list[dict[str, Any]] = []
        self._times = list(times)

    def __call__(self, operation: str, **parameters: Any) -> dict[str, Any]:
        assert operation == "GetMetricData"
        self.asked.append(parameters)
        # Backwards: in which order they come back is CloudWatch's business.
        results = [
            {"Id": query["Id"], "Timestamps": self._times[::-1], "Values": [float(len(self.asked))] * len(self._times)}
            for query in reversed(parameters["MetricDataQueries"])
        ]
        return {"MetricDataResults": results, "Messages": []}


def metric(name: str, namespace: str = "Shop", **more: Any) -> Metric:
    return Metric(name, namespace, name, (("Host", "h"),), "Sum", **more)


@given(st.integers(0, 1300), st.integers(1, 12_000), st.sampled_from([1, 60]))
def test_every_call_is_within_the_limits(number: int, seconds: int, period: int) -> None:
    recorder = Recorder()
    found = _query.fetch(recorder, [metric(f"m{n}") for n in range(number)], 0, seconds, period)
    assert len(found) == number
    asked = [
        query["MetricStat"]["Metric"]["MetricName"] for call in recorder.asked for query in call["MetricDataQueries"]
    ]
    assert asked == [f"m{n}" for n in range(number)]
    for call in recorder.asked:
        ids = [query["Id"] for query in call["MetricDataQueries"]]
        assert len(set(ids)) == len(ids) <= 500
        assert all(re.fullmatch(r"[a-z]\w{0,254}", each) for each in ids)
        assert len(ids) * seconds / period <= 100_800


def test_metrics_of_aws_are_asked_for_by_the_minute_and_rates_are_per_second() -> None:
    recorder = Recorder([600.0, 900.0, 1200.0])
    metrics = [metric("A", "AWS/RDS", divisor="PERIOD"), metric("B", "AWS/EC2", divisor="DIFF_TIME"), metric("C")]
    found = _query.fetch(recorder, metrics, 0, 2000, 1)
    (call,) = recorder.asked
    assert [query["MetricStat"]["Period"] for query in call["MetricDataQueries"]] == [60, 60, 1]
    assert [series.values[1] for series in found] == [1 / 60, 1 / 300, 1]
    assert found[1].values[0] == 1 / 300, "the first is taken to be as long as the next"
    assert found[0].times == (600.0, 900.0, 1200.0)


def recorded(folder: Path, began: float, seconds: float, run_id: str = "r1") -> Record:
    """The record of a run of one host that made two requests."""
    record = Record(
        run_id, {"namespace": "Shop", "spool_dir": str(folder)}, began, stopped=began + seconds, host="h",
        series=[{"dimensions": {"Host": "h"}, "requests": 2, "failures": 0}],
    )  # fmt: skip
    record.write()
    return record


@pytest.mark.parametrize("late", [1, LATE_S - 1])
def test_requests_that_ended_after_the_stop_are_drawn_there(tmp_path: Path, late: int) -> None:
    """As on a worker whose clock is ahead: the axis goes on to them."""
    began = time.time() // 1 - 60
    recorder = Recorder([began + 3 + late])
    findings = gather(recorded(tmp_path, began, 3), [], lambda _: recorder)
    (load,) = findings.groups
    assert load.panels[0].title == "Requests"
    assert load.panels[0].lines[0].series.times == (began + 3 + late,)
    assert (findings.stopped, findings.ended) == (began + 3, began + 4 + late)
    assert [chart.name for chart in _chart.draw(findings)] == ["load-and-target"]
    assert recorder.asked[0]["EndTime"] == began + 3 + LATE_S


def test_a_run_that_follows_is_not_in_the_charts(tmp_path: Path) -> None:
    began = time.time() // 1 - 60
    recorded(tmp_path, began + 6, 3, "r2")
    recorder = Recorder([began + 1])
    findings = gather(recorded(tmp_path, began, 3), [], lambda _: recorder)
    assert recorder.asked[0]["EndTime"] == began + 6
    assert findings.ended == findings.stopped


def test_a_run_without_a_time_of_its_own_has_a_report(tmp_path: Path) -> None:
    """Its clock was set back, so that nothing can be said per second."""
    began = time.time() // 1 - 60 + 0.5
    findings = gather(recorded(tmp_path, began, 0), [], lambda _: Recorder([began // 1]))
    assert "Requests" not in [panel.title for panel in findings.groups[0].panels]
    assert _chart.draw(findings)
    # As of failures alone, where nothing else is known.
    findings.groups = [_findings.Group("Load", ())]
    assert _chart.draw(findings) == []


def test_a_region_is_an_account_of_its_own(tmp_path: Path) -> None:
    """A distribution's metrics are in one region, wherever the test was; a refusal there does not stop the report."""
    began = time.time() - 60
    record = recorded(tmp_path, began, 40)
    recorders = {None: Recorder([began // 1 + 5, began // 1 + 6]), "us-east-1": Recorder([began])}
    targets = [parse("cloudfront:E1ABCDEF2GHIJK"), parse("sqs:orders")]
    findings = gather(record, targets, lambda region: recorders[region])
    assert [group.title for group in findings.groups] == ["Load", *(target.title for target in targets)]
    spaces = {
        query["MetricStat"]["Metric"]["Namespace"]
        for call in recorders["us-east-1"].asked
        for query in call["MetricDataQueries"]
    }
    assert spaces == {"AWS/CloudFront"}


# The command.

HOSTILE = "<img src=x onerror=alert(1)>"  # in stepped.py, too
CPU, QUEUE = "metric:App/CPUUtilization{Pool=web}:Maximum", "metric:App/QueueLength{Pool=web}:Maximum"


def report(run: LocustRun, *args: str, env: dict[str, str | None] | None = None) -> LocustRun:
    with commanding(run.folder, "report", *args, env=env) as command:
        command.finish()
    assert "Traceback" not in command.output, command.output
    return command


@pytest.fixture
def saturating(ministack: str) -> Iterator[str]:
    """The URL of a service with a capacity of `CAPACITY`."""
    script = TESTS / "support" / "saturating.py"
    arguments = [ministack, REGION, "App", str(THREADS), str(SERVICE_S)]
    with serving(script, *arguments) as port:
        yield f"http://127.0.0.1:{int(port)}"


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def check_self_contained(text: str) -> None:
    """Nothing is loaded from anywhere, and nothing is executed."""
    page = Page(text)
    for tag, attributes in page.elements:
        assert tag not in {"script", "img", "link", "iframe", "object", "embed", "base", "image"}, tag
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, attributes)
            if name in {"src", "href", "xlink:href", "action", "data"}:
                assert (value or "").startswith("#"), (tag, attributes)
    assert not re.search(r"url\((?!#)|@import", text)
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) == 2
    for drawing in drawings:
        # Texts are outlines: no font is needed.
        assert len(list(ET.fromstring(drawing).iter("{http://www.w3.org/2000/svg}path"))) > 20  # noqa: S314 - our own
        assert "<text" not in drawing


def size_of(png: Path) -> tuple[int, int]:
    data = png.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert data.rstrip().endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_the_report_of_a_test_that_saturates_its_target(aws: Aws, locust: Locust, saturating: str) -> None:
    """The marked point is within a step of the capacity; the target's own metrics are on the same page."""
    run = locust.run("stepped.py", "--cw-live", "--host", saturating, "--cw-target", CPU)
    run.receipt.check_delivered()
    run_id = run.receipt["run_id"]
    folder = run.folder / "out"
    command = report(run, run_id, "--out", str(folder), "--target", QUEUE, "--json")
    assert command.exit_code == 0, command.output
    told = json.loads(command.out)
    assert told["run_id"] == run_id

    found = told["saturation"]
    assert found["state"] == "reached", found
    # On a busy machine each of its threads is slower: what it can is what it did with the most users.
    rates = timeline(aws.proxy.calls(), "RequestCount", Host=saturating).items()
    capacity = statistics.median(sum(values) for second, values in rates if second >= told["started"] + 17)
    assert capacity > CAPACITY / 3
    assert found["users"] == pytest.approx(THREADS + capacity * THINK_S, abs=4)
    assert found["requests_per_s"] == pytest.approx(capacity, abs=4 / (SERVICE_S + THINK_S))
    # The first step beyond capacity, as a rule the fourth, of 16 users.
    step = next(number for number, users in enumerate((4, 8, 12, 16, 20, 28)) if users >= found["users"])
    assert found["time"] - told["started"] == pytest.approx(4 * step, abs=4)
    assert 1.25 * found["latency_before_ms"] < found["latency_after_ms"]

    assert told["total"]["requests"] == run.receipt["requests"]["observed"]
    assert {row["name"]: row["requests"] for row in told["names"]} == run.stats.requests
    percentiles = aws.cloudwatch.statistics("ResponseTime_ms", ["p50", "p95", "p99"], Host=saturating).percentiles
    assert {name: told["total"]["response_time_ms"][name] for name in percentiles} == pytest.approx(percentiles)
    assert told["highest"]["users"] == 28
    assert told["notes"] == []
    assert told["drawn"]["Metrics of the target"] == [CPU.removeprefix("metric:"), QUEUE.removeprefix("metric:")]
    assert told["drawn"]["Load"][:3] == ["Requests", "Response time", "Users"]

    assert told["files"] == [str(folder / name) for name in ("report.html", "load-and-target.png", "saturation.png")]
    text = (folder / "report.html").read_text()
    check_self_contained(text)
    page = Page(text)
    assert HOSTILE in page.texts
    assert f"Load test {run_id}" in page.texts
    assert any("The target saturates at" in each for each in page.texts)
    for name in ("load-and-target.png", "saturation.png"):
        width, height = size_of(folder / name)
        assert 1200 <= width <= 2400
        assert 400 <= height <= 4000
        assert (folder / name).stat().st_size > 20_000

    # Without a run it is the newest, and for people.
    command = report(run)
    assert command.exit_code == 0, command.output
    assert re.search(r"The target saturates at \d+ requests/s, with \d+ users", command.out)
    assert (command.folder / f"report-{run_id}" / "report.html").exists()


SHORT = ("shop.py", "--cw-live", "-u", "2", "-t", "3s")


def test_of_requests_that_ended_after_the_stop_verify_and_report_agree(locust: Locust, tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"names": ["/late"], "times": [5], "repeat": 20, "at": time.time() + LATE_S - 1}]))
    run = locust.run("scripted.py", "--host", "http://late.test", env={"SCRIPT": str(script)})
    run.receipt.check_delivered()
    assert json.loads(run_command(run.folder, "verify", "--json"))["complete"]
    command = report(run, "--json")
    assert command.exit_code == 0, command.output
    told = json.loads(command.out)
    assert "Requests" in told["drawn"]["Load"]
    assert not [note for note in told["notes"] if "requests" in note]


def test_several_hosts_in_a_run_of_a_moment(locust: Locust, target: Target) -> None:
    """Each host has its own percentiles, as they cannot be put together; what cannot be shown is said."""
    other = target.url.replace("127.0.0.1", "localhost")
    run = locust.run("several_hosts.py", "-u", "4", "--cw-live", module="locust_cw", env={"TARGET": target.url})
    command = report(run, "--json", "--target", "sqs:no-such-queue")
    assert command.exit_code == 0, command.output
    told = json.loads(command.out)
    hosts = {row["host"]: row for row in told["names"] if not row["name"]}
    assert set(hosts) == {target.url, other}
    assert sum(row["requests"] for row in hosts.values()) == told["total"]["requests"] == run.stats.requests.total()
    assert told["total"]["failures"] == run.stats.failures.total()
    assert told["total"]["response_time_ms"]["p95"] is None
    assert all(row["response_time_ms"]["p95"] for row in hosts.values())
    assert [note for note in told["notes"] if "sqs:no-such-queue is not shown" in note]
    assert told["saturation"]["state"] == "unknown"
    check_self_contained(Path(told["files"][0]).read_text())


def refused(run: LocustRun, *args: str, code: int = 1, **how: Any) -> str:
    """One line that says why, and nothing is written."""
    command = report(run, *args, **how)
    assert command.exit_code == code, command.output
    assert not list(command.folder.glob("report-*"))
    assert command.err.startswith("locust-cw: error: ")
    assert command.err.count("\n") == 1
    return command.err


def record_of(run: LocustRun) -> Path:
    return next((run.folder / "state").rglob(f"{run.receipt['run_id']}.json"))


def test_each_refusal_says_what_to_do(aws: Aws, locust: Locust, target: Target, tmp_path: Path) -> None:
    """The exit code is 1, or 2 for a wrong argument."""
    run = locust.run(*SHORT, "--host", target.url)
    assert "no record of a run no-such-run" in refused(run, "no-such-run")
    said = refused(run, "--spool-dir", str(tmp_path / "empty"))
    assert "no record of any run" in said
    assert "on that machine" in said
    assert "no such kind of target" in refused(run, "--target", "toaster:x", code=2)
    assert "--cw-" not in refused(run, "--target", "ec2:x", code=2)

    aws.proxy.on("GetMetricData", error("AccessDenied", 403, "not authorized to perform: cloudwatch:GetMetricData"))
    said = refused(run)
    assert "AccessDenied" in said
    assert "IAM policy" in said
    aws.proxy.heal()
    said = refused(run, env=NO_KEYS)
    assert "credentials" in said
    assert "--profile" in said
    assert "--cw-" not in said
    said = refused(run, "--region", "eu-west-1")
    assert "region eu-west-1" in said
    assert "some minutes" in said
    assert report(run, "--out", str(record_of(run) / "x")).exit_code == 1

    without = "import sys; sys.modules['matplotlib'] = None; from locust_cw._cli.main import main; sys.exit(main())"
    for args, told in (((), "pip install 'locust-cw[report]'"), (("no-such-run",), "no record of a run no-such-run")):
        done = run_python(run.folder, "-c", without, "report", *args, timeout=60)
        assert done.returncode == 1
        assert told in done.stderr
    done = run_python(run.folder, "-c", without, "report", "--json", timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] == []


def test_a_run_of_which_cloudwatch_has_nothing(locust: Locust, target: Target) -> None:
    """Why, as far as its record tells: it is changed here to that of other runs."""
    run = locust.run(*SHORT, "--host", target.url)
    file = record_of(run)
    record = json.loads(file.read_text())

    def changed(**fields: Any) -> str:
        file.write_text(json.dumps(record | fields))
        return refused(run)

    def account(**numbers: int) -> dict[str, int]:
        return dict.fromkeys(record["receipt"]["requests"], 0) | numbers

    def receipt(requests: dict[str, int], log_events: dict[str, int]) -> dict[str, Any]:
        return {**record["receipt"], "requests": requests, "log_events": log_events}

    def earlier(days: int) -> dict[str, float]:
        return {name: record[name] - days * DAY for name in ("started", "stopped")}

    elsewhere = record["options"] | {"namespace": "Elsewhere"}
    assert "--region, --profile or --endpoint-url" in changed(**earlier(1))
    assert "15 months" in changed(**earlier(500))
    assert "dry run" in changed(options=record["options"] | {"dry_run": True})
    assert "asked for namespace Elsewhere" in changed(options=elsewhere)
    waiting = receipt(account(observed=9, spooled=9), account())
    assert f"locust-cw replay {file.stem}" in changed(options=elsewhere, receipt=waiting)
    only_logs = receipt(account(observed=9, rejected=9), account(observed=9, delivered=9))
    assert "Only its log events were delivered" in changed(options=elsewhere, receipt=only_logs)
    assert "made no requests" in changed(series=[], receipt=receipt(account(), account()))
    gone = record["options"] | {"local": True, "endpoint_url": "http://127.0.0.1:9"}
    assert "ended with the test" in changed(options=gone, destination={})
    file.write_text("{")
    assert "cannot be read" in refused(run)


def test_the_command_needs_neither_locust_nor_matplotlib_to_start(tmp_path: Path) -> None:
    probe = (
        "import sys; import locust_cw._cli.report;"
        "sys.exit(any(name in sys.modules for name in ('locust', 'gevent', 'jinja2', 'matplotlib', 'numpy')))"
    )
    assert run_python(tmp_path, "-c", probe, timeout=60).returncode == 0


def test_a_record_of_a_run_that_waits_says_so(aws: Aws, locust: Locust, target: Target) -> None:
    """A part that is not in CloudWatch yet is missing in the charts, and the report tells."""
    run = locust.run(*SHORT, "--host", target.url)
    record_file = record_of(run)
    record = json.loads(record_file.read_text())
    for series in record["series"]:
        series["requests"] *= 2
    record["receipt"]["requests"]["spooled"] = record["series"][0]["requests"]
    record_file.write_text(json.dumps(record))
    command = report(run)
    assert command.exit_code == 0, command.output
    assert f"locust-cw replay {record['run_id']}" in command.out
    # And with more than the run made, another one was there.
    for series in record["series"]:
        series["requests"] //= 4
    record_file.write_text(json.dumps(record))
    assert "another run against the same host" in report(run).out
    assert len(aws.proxy.calls("GetMetricData")) >= 4
