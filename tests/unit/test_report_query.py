"""The queries of a report: periods, time ranges, calls within the limits, and one query per Region."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_cw._aws.graph_metric import Metric
from locust_cw._aws.metric_data import LATE_S, shortest_period, whole_period
from locust_cw._aws.targets import parse
from locust_cw._report import chart as _chart
from locust_cw._report import findings as _findings
from locust_cw._report import query as _query
from locust_cw._report.gather import gather
from locust_cw._runs.record import Record

HOUR, DAY = 3600, 86_400
NOW = 1_795_000_000.0


@pytest.mark.parametrize(
    ("age", "resolution", "period"),
    [(HOUR, 1, 1), (HOUR, 60, 60), (4 * HOUR, 1, 60), (14 * DAY, 1, 60), (16 * DAY, 1, 300), (70 * DAY, 1, 3600)],
)
def test_the_period_is_one_that_cloudwatch_still_keeps(age: float, resolution: int, period: int) -> None:
    assert shortest_period(NOW - age, NOW, resolution) == period


def test_cloudwatch_has_no_metrics_older_than_fifteen_months() -> None:
    assert shortest_period(NOW - 460 * DAY, NOW) is None


@given(st.floats(0, 2 * DAY), st.sampled_from([1, 60, 300, 3600]))
def test_a_line_has_no_more_points_than_can_be_seen(seconds: float, shortest: int) -> None:
    period = _query.chart_period(NOW, NOW + seconds, shortest)
    assert period >= shortest
    assert seconds / period <= _query.MAX_LINE_POINTS or period == _query.PERIODS[-1]


@given(st.floats(NOW - 1e6, NOW), st.floats(1, 20_000), st.sampled_from([1, 60, 300, 3600]))
def test_one_period_contains_a_whole_run(start: float, seconds: float, shortest: int) -> None:
    """CloudWatch counts from the start, rounded down, or from the epoch."""
    end = start + seconds
    period = whole_period(start, end, shortest)
    assert period % max(60, shortest) == 0
    assert start // 60 * 60 + period >= end
    assert start // period == (end - 0.001) // period


class Recorder:
    """Answers GetMetricData with one point per period, and records the calls."""

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


def test_metrics_of_aws_have_a_period_of_a_minute_and_rates_are_per_second() -> None:
    recorder = Recorder([600.0, 900.0, 1200.0])
    metrics = [metric("A", "AWS/RDS", divisor="PERIOD"), metric("B", "AWS/EC2", divisor="DIFF_TIME"), metric("C")]
    found = _query.fetch(recorder, metrics, 0, 2000, 1)
    (call,) = recorder.asked
    assert [query["MetricStat"]["Period"] for query in call["MetricDataQueries"]] == [60, 60, 1]
    assert [series.values[1] for series in found] == [1 / 60, 1 / 300, 1]
    assert found[1].values[0] == 1 / 300, "the first is taken to be as long as the next"
    assert found[0].times == (600.0, 900.0, 1200.0)


def recorded(folder: Path, began: float, seconds: float, run_id: str = "r1") -> Record:
    """The record of a run of one host with two requests."""
    record = Record(
        run_id, {"namespace": "Shop", "spool_dir": str(folder)}, began, stopped=began + seconds, host="h",
        series=[{"dimensions": {"Host": "h"}, "requests": 2, "failures": 0}],
    )  # fmt: skip
    record.write()
    return record


@pytest.mark.parametrize("late", [1, LATE_S - 1])
def test_requests_that_ended_after_the_stop_are_drawn_there(tmp_path: Path, late: int) -> None:
    """As on a worker whose clock is ahead. The axis includes them."""
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


def test_a_run_without_a_duration_has_a_report(tmp_path: Path) -> None:
    """The clock was set back, so there are no values per second."""
    began = time.time() // 1 - 60 + 0.5
    findings = gather(recorded(tmp_path, began, 0), [], lambda _: Recorder([began // 1]))
    assert "Requests" not in [panel.title for panel in findings.groups[0].panels]
    assert _chart.draw(findings)
    # As of failures alone, where nothing else is known.
    findings.groups = [_findings.Group("Load", ())]
    assert _chart.draw(findings) == []


def test_each_region_is_queried_separately(tmp_path: Path) -> None:
    """The metrics of a CloudFront distribution are in one Region. A refusal there does not stop the report."""
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
