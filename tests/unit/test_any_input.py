"""Properties of everything that Python reads from outside: it is used, or refused with a message (Hypothesis).

`make fuzz-python` tries 2,000 examples of each where `make test` tries 100: with the profile `fuzz` of `conftest.py`.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from locust_cw import _core
from locust_cw._aws import targets as _targets
from locust_cw._aws.cost import Load, cost_of
from locust_cw._aws.target_catalog import KINDS
from locust_cw._aws.targets import METRIC_KIND
from locust_cw._dashboard.annotations import Mark
from locust_cw._dashboard.body import make_body
from locust_cw._dashboard.name import check_name
from locust_cw._dashboard.view import CustomMetric, View
from locust_cw._distributed.registry import WorkerRegistry
from locust_cw._report import saturation as _saturation
from locust_cw._report.gather import gather
from locust_cw._report.no_data import NoDataError
from locust_cw._report.page import render
from locust_cw._report.saturation import Sample
from locust_cw._runs.neighbours import neighbours, span_of
from locust_cw._runs.record import NoRecordError, Record
from locust_cw._settings.table import OPTIONS, Options
from locust_cw._terminal.progress import ProgressBar
from locust_cw._terminal.redaction import redact
from locust_cw._terminal.styles import plain
from locust_cw._webui import status as _status
from locust_cw._webui.status import Run
from support.servers import wait_until

NUMBERS = st.integers() | st.floats()
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=20)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def changed(whole: Any) -> st.SearchStrategy[Any]:
    """The value with one of its parts, at any depth, removed or replaced."""
    paths = list(paths_of(whole))

    def change(chosen: tuple[tuple[Any, ...], Any, bool]) -> Any:
        (*above, last), value, take_out = chosen
        copy = deepcopy(whole)
        place = copy
        for step in above:
            place = place[step]
        if take_out:
            del place[last]
        else:
            place[last] = value
        return copy

    return st.tuples(st.sampled_from(paths), ANYTHING, st.booleans()).map(change)


def paths_of(whole: Any, above: tuple[Any, ...] = ()) -> Any:
    steps = whole.items() if isinstance(whole, dict) else enumerate(whole) if isinstance(whole, list) else ()
    for step, inner in steps:
        yield (*above, step)
        yield from paths_of(inner, (*above, step))


# Options


@given(st.dictionaries(st.sampled_from([option.name for option in OPTIONS]) | st.text(), ANYTHING, max_size=3))
def test_an_option_can_be_used_or_is_named(overrides: dict[str, Any]) -> None:
    """By the one error for invalid options."""
    try:
        options = Options(None, overrides)
        options.check()
    except _core.InvalidOptionError:
        return
    assert options.dashboard is None or check_name(options.dashboard)
    assert {name for name in options.core if name not in _core.default_options()} == set()


@given(st.text(), st.sampled_from([f"{kind}:" for kind in (*KINDS, METRIC_KIND)]))
def test_a_target_is_accepted_or_refused(text: str, kind: str) -> None:
    for each in (text, kind + text):
        with suppress(_core.InvalidOptionError):
            assert _targets.parse(each).title


# Workers' reports

COUNTS = {"observed": 7, "delivered": 4, "spooled": 1, "rejected": 1, "dropped": 1}
# As a worker tells it.
RECEIPT: dict[str, Any] = {
    "run_id": "r",
    "requests": COUNTS,
    "failures": COUNTS,
    "log_events": COUNTS,
    "api_calls": {"PutMetricData": 3, "PutLogEvents": 2},
    "bytes_sent": 10,
    "retries": 1,
    "uncertain": 1,
    "estimated_cost_usd": 0.1,
    "metrics_cost_usd": 0.1,
    "dashboard_url": None,
    "locust": None,
    "reconciled": None,
    "series": [{"dimensions": {"Host": "http://h.test"}, "requests": 7, "failures": 1}],
}

REPORT: dict[str, Any] = {
    "run_id": "r",
    "receipt": RECEIPT,
    "remarks": ["a remark"],
    "final": False,
    "left": 1,
    "settled": 6,
    "status": {
        "failures": ["why"],
        "outage_since": 1.8e9,
        "problem": "what",
        "problem_at": 1.8e9,
        "delay_s": 2.0,
        "waiting_bytes": 10,
        "stopped": False,
        "ended": False,
    },
}


@example({**REPORT, "receipt": {**RECEIPT, "requests": list(COUNTS.values())}})
@example({**REPORT, "receipt": {**RECEIPT, "requests": {**COUNTS, "spooled": 11}}})
@example({**REPORT, "receipt": json.dumps(RECEIPT)})
@example({**REPORT, "receipt": {**RECEIPT, "estimated_cost_usd": math.inf}})
@example({**REPORT, "status": {**REPORT["status"], "outage_since": math.inf}})
@example({**REPORT, "status": {**REPORT["status"], "delay_s": math.nan}})
@given(changed(REPORT) | changed(RECEIPT).map(lambda receipt: {**REPORT, "receipt": receipt}) | ANYTHING)
def test_a_worker_of_any_version_breaks_no_run(message: Any) -> None:
    """The reports of other workers stay unchanged, and the receipt and the status can be created."""
    fleet = WorkerRegistry()
    fleet.update("good", REPORT)
    fleet.update("odd", message)
    left, settled = fleet.progress("r")
    assert (left, settled) >= (1, 6) or fleet.statuses("r").keys() == {"good", "odd"}
    fleet.has_last_reports("r")
    fleet.call_failures("r")
    parts = fleet.statuses("r")
    for status in _status.statuses(Run("r", "live", 1.8e9), parts.pop("good"), parts, 1.8e9 + 60):
        _status.row(status)
        json.dumps(_status.records([status]))
    reports, remarks, _ = fleet.reports("r", publishing=True)
    of_good = "with 6 of 7 reported requests settled; the rest may be in its spool"
    assert f"good: vanished before its last report, {of_good}" in remarks
    assert reports[0].merge(*reports[1:]).to_message()["run_id"] == "r"
    assert all(isinstance(remark, str) for remark in remarks)


# What is read back

BODY: dict[str, Any] = json.loads(
    json.dumps(
        make_body(
            replace(
                View.of({}, region="eu-north-1", host="http://h.test"),
                custom_metrics=(CustomMetric("depth", "gauge", "None", ("pool",)),),
            ),
            [Mark("run-1", event, 1.79e9) for event in ("start", "ramped up", "mark", "stop")],
        )
    )
)
EVENTS = st.sampled_from(["start", "stop", "ramped up", "mark: x", "x"])
LABELS = st.builds("run {} {}".format, st.text(max_size=8), EVENTS)
TIMES = st.datetimes().map(str) | st.from_regex(
    re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([+-]\d\d:\d\d|Z)?", re.ASCII), fullmatch=True
)


@given(changed(BODY))
def test_a_dashboard_that_a_user_changed_can_be_updated(existing: dict[str, Any]) -> None:
    """Also if the user changed the widgets of locust-cw."""
    made = make_body(View.of({}, region="eu-north-1"), [Mark("run-2", "start", 1.8e9)], existing)
    assert "run run-2 start" in json.dumps(made)


@example({"label": "run r start", "value": "9999-12-31T23:59:59-23:00"})
@given(st.fixed_dictionaries({"label": LABELS | ANYTHING, "value": TIMES | ANYTHING}) | ANYTHING)
def test_a_marker_is_read_or_belongs_to_a_user(annotation: Any) -> None:
    mark = Mark.read(annotation)
    if mark is not None:
        assert Mark.read(mark.annotation()) is not None


CHECK: dict[str, Any] = {
    "expression": "GET /<b>: p95 < 300ms",
    "verdict": "failed",
    "measured": 2413.5,
    "limit": 300.0,
    "first_breach": "2027-01-15T08:00:30Z",
    "unit": "ms",
    "reason": None,
}
RECORD: dict[str, Any] = {
    "run_id": "r",
    "options": {"region": "eu-north-1", "log_group": "g", "resolution": 1},
    "started": 1.8e9,
    "stopped": 1.8e9 + 60,
    "host": "http://h.test",
    "targets": ["sqs:orders"],
    "receipt": RECEIPT | {"checks": [CHECK, CHECK | {"verdict": "undecided", "measured": None, "reason": "no data"}]},
    "series": RECEIPT["series"],
    "summary": {},
}
BROKEN: list[dict[str, Any]] = [
    {"options": None},
    {"options": {"resolution": "abc"}},
    {"options": {"log_group": 5}},
    {"options": {"namespace": 5}},
    {"options": {"log_sample": "x"}},
    {"run_id": "../r"},
    {"targets": [5]},
    {"series": [{"dimensions": {"Team": "blue"}, "requests": 7, "failures": 1}]},
    {"series": [{"dimensions": {"Host": "http://h.test"}, "requests": 10**400, "failures": 1}]},
    {"receipt": {**RECEIPT, "estimated_cost_usd": "x"}},
    {"receipt": {**RECEIPT, "uncertain": None}},
    {"receipt": {**RECEIPT, "checks": {}}},
    {"receipt": {**RECEIPT, "checks": [CHECK | {"verdict": "maybe"}]}},
    {"summary": []},
    {"host": "http://\ud800.test"},
]


@pytest.mark.parametrize("change", BROKEN, ids=str)
def test_a_broken_record_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    (tmp_path / ".records").mkdir()
    file = tmp_path / ".records" / "r.json"
    file.write_text(json.dumps(RECORD))
    assert Record.read("r", str(tmp_path)).roll_ups == RECORD["series"]
    file.write_text(json.dumps(RECORD | change))
    with pytest.raises(NoRecordError, match="cannot be read"):
        Record.read("r", str(tmp_path))


def answer_with_a_point(_: str, **asked: Any) -> dict[str, Any]:
    """The response of CloudWatch to GetMetricData."""
    points = {"Timestamps": [asked["StartTime"]], "Values": [1.0]}
    return {"MetricDataResults": [{"Id": query["Id"], **points} for query in asked["MetricDataQueries"]]}


@given(changed(RECORD).map(json.dumps) | ANYTHING.map(json.dumps) | st.text())
def test_a_record_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "records"
    (folder / ".records").mkdir(parents=True, exist_ok=True)
    (folder / ".records" / "r.json").write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        record = Record.read("r", str(folder))
    except NoRecordError:
        return
    assert record.option("namespace")
    assert record.account is not None
    start, end = span_of(record, neighbours(record), record.started + 100)
    assert start < end
    with suppress(NoDataError):
        findings = gather(record, [], lambda _: answer_with_a_point, record.started + 100)
        assert render(findings, 1.8e9)


# What people see

WORDS = st.text(st.characters(exclude_characters="/@\\", exclude_categories=["Z", "C"]), min_size=1, max_size=12)


@given(WORDS, WORDS, st.text(max_size=10), st.text(max_size=10))
def test_no_password_of_an_address_is_shown(user: str, password: str, before: str, after: str) -> None:
    secret = f"<{password}>"
    assert secret not in redact(f"{before} https://{user}:{secret}@service.example/{after}").replace(after, "")


@given(st.text())
def test_nothing_is_covered_twice(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@given(st.text())
def test_a_message_is_one_line_that_any_terminal_shows(text: str) -> None:
    line = plain(text)
    assert line.isascii()
    assert line.isprintable()


@given(
    st.lists(st.tuples(st.integers(0, 2**60), st.integers(0, 2**60)), min_size=1, max_size=5),
    st.lists(st.text(), max_size=2),
    st.none() | st.floats(),
)
def test_any_progress_can_be_shown(steps: list[tuple[int, int]], failures: list[str], wait: float | None) -> None:
    stream = io.StringIO()
    bar = ProgressBar(stream)
    bar._show_at = -math.inf  # noqa: SLF001 - no test waits two seconds for it
    for left, settled in steps:
        bar._show(left, settled, failures, wait)  # noqa: SLF001 - `show` would hide a mistake
        bar._show_at = -math.inf  # noqa: SLF001
    bar.clear()
    assert len(stream.getvalue().splitlines()) == sum(left > 0 for left, _ in steps)


# Estimates and findings


@given(
    rate=st.floats(0, 1e6),
    names=st.integers(1, 10_000),
    minutes=st.floats(0.01, 1e5),
    workers=st.integers(1, 1000),
    failures=st.floats(0, 1),
    interval=st.floats(0.1, 3600),
    live=st.booleans(),
)
def test_any_load_has_a_cost(**load: Any) -> None:
    """A finite cost, which does not fall with more load."""
    interval = load.pop("interval")
    planned, more = (
        cost_of(
            Load(**{**load, "rate": load["rate"] * factor}, flush_interval=interval),
            1,
            1,
            log_class="STANDARD",
            region=None,
        )
        for factor in (1, 2)
    )
    assert math.isfinite(planned.total)
    assert 0 <= planned.total <= more.total


SAMPLES = st.builds(
    Sample,
    **{name: st.floats(0, 1e6) for name in Sample.__annotations__},  # all are numbers
)


@given(st.lists(SAMPLES, max_size=200))
def test_saturation_is_found_or_not_in_anything(samples: list[Sample]) -> None:
    assert _saturation.find(samples)


ENTRY = {
    "method": "GET",
    "name": "/a",
    "num_reqs_per_sec": {1795348981: 3, 1795348982: 1},
    "num_fail_per_sec": {1795348982: 1},
    "response_times": {12: 3, 110: 1},
    "total_content_length": 40,
    "last_request_timestamp": 1795348982.5,
}
"""Of a worker's report."""


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_core.Publisher]:
    """The publisher of a dry run, whose receipt adds up at its end."""
    options = {"dry_run": True, "logs": "off", "spool_dir": str(tmp_path_factory.mktemp("spool"))}
    publisher = _core.Publisher(options, run_id="run", worker="w1", host="http://shop.test")
    yield publisher
    publisher.drain()
    wait_until(lambda: publisher.progress().left == 0, "nothing is on its way")
    requests = json.loads(publisher.finish().json)["requests"]
    assert requests.pop("observed") == sum(requests.values()) > 0


@given(changed(ENTRY) | ANYTHING)
@example(ENTRY)
@example(ENTRY | {"num_reqs_per_sec": {1: 1.8e19, 2: 1.8e19}})
def test_any_report_of_a_worker_is_published_or_ignored(publisher: _core.Publisher, entry: Any) -> None:
    publisher.record_stats(entry)
