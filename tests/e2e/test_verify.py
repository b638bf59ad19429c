"""`locust-cw verify` shows whether CloudWatch has a run, name by name, and why not."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import Any

import pytest

from locust_cw._cli.verify.metrics import period_of
from locust_cw._runs.folder import known_runs
from locust_cw._runs.neighbours import span_of
from locust_cw._runs.record import Record
from support.commands import commanding, replay, run
from support.fixtures import Aws, Locust
from support.paced import HOST, PACED, stop, wait_for_more
from support.proxy import Answer, Exchange, cbor_answer, error, json_answer, lose_answer
from support.servers import Target, wait_until

LIVE = ("--cw-live", "--cw-flush-interval=1")
SHORT = ("-u1", "-t3")


def verify(folder: Path, *args: str, code: int = 0) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(run(folder, "verify", *args, "--json", code=code))
    assert result["complete"] == (code == 0)
    assert result["equal"] == (not differing(result))
    return result


def differing(result: dict[str, Any]) -> dict[tuple[str, str], int]:
    """By how much CloudWatch and the receipt differ."""
    return {
        (each["what"], each["of"]): each["held"] - each["expected"] for each in result["numbers"] if not each["agrees"]
    }


WAYS: dict[str, tuple[str, ...]] = {
    "usual": (),
    "at the end, as lines": ("--cw-log-format=text",),
    "compact": (*LIVE, "--cw-log-fields=compact"),
    "minutes": (*LIVE, "--cw-resolution=60", "--cw-logs=failures"),
    "a share": (*LIVE, "--cw-log-sample=0.1", "--cw-dimensions=Host,Request,Method", "--cw-dimension=Team=blue"),
    "many names": (*LIVE, "--cw-max-requests=2"),
    "workers": (*LIVE, "--processes=2"),
    "compact workers": (*LIVE, "--processes=2", "--cw-log-fields=compact"),
    "reports": (*LIVE, "--processes=2", "--cw-source=master"),
    "no logs": (*LIVE, "--cw-logs=off"),
}


def test_commands_name_a_local_cloudwatch_that_has_stopped(locust: Locust) -> None:
    """The message says how to keep the results of trials. The report has the run's own numbers."""
    done = locust.run(*PACED, *SHORT, "--cw-local", options=[])
    done.receipt.check_delivered()
    with commanding(done.folder, "verify") as asked:
        assert (asked.exit_code, "stopped with the test" in asked.err) == (1, True), asked.output
    with commanding(done.folder, "report") as asked:
        assert (asked.exit_code, "stopped with the test" in asked.out) == (0, True), asked.output


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_delivered_run_is_equal(locust: Locust, way: tuple[str, ...]) -> None:
    done = locust.run(*PACED, *SHORT, *way)
    receipt = done.receipt.check_delivered()
    result = verify(done.folder)
    assert result["run_id"] == receipt["run_id"]
    held = {(each["what"], each["of"]): each["held"] for each in result["numbers"]}
    whole = "Host=" + HOST + (" Team=blue" if "--cw-dimension=Team=blue" in way else "")
    assert held["RequestCount", whole] == receipt["requests"]["observed"] > 0
    assert held["FailureCount", whole] == receipt["failures"]["observed"]
    assert held.get(("log events", "all"), 0) == receipt["log_events"]["observed"]
    by_name = sum(number for (what, _), number in held.items() if what == "logged success")
    everything = not {"--cw-log-sample=0.1", "--cw-logs=failures", "--cw-logs=off", "--cw-log-format=text"} & set(way)
    if everything and "--cw-source=master" not in way:
        assert by_name == receipt["requests"]["observed"] - receipt["failures"]["observed"]
    else:
        assert by_name == 0
    requests, failures = (receipt[group]["observed"] for group in ("requests", "failures"))
    told_to_people = run(done.folder, "verify", str(receipt["run_id"]))
    assert (
        f"CloudWatch has everything that was published, {requests} requests with {failures} failures in"
        in told_to_people
    )
    assert f"and {receipt['log_events']['observed']} log events" in told_to_people


def test_workers_with_different_other_names_are_compared_in_total(locust: Locust) -> None:
    """A name that is `(other)` on one worker can have a series on another, because each keeps its first names."""
    done = locust.run("own_order.py", "-u2", "-r100", "-t4", *LIVE, "--processes=2", "--cw-max-requests=2")
    receipt = done.receipt.check_delivered()
    result = verify(done.folder)
    logged = {(each["what"], each["of"]): each["held"] for each in result["numbers"] if "logged" in each["what"]}
    failures = receipt["failures"]["observed"]
    assert logged == {
        ("logged success", "all"): receipt["requests"]["observed"] - failures,
        ("logged failure", "all"): failures,
    }


def test_several_hosts(locust: Locust, target: Target) -> None:
    done = locust.run("several_hosts.py", "-u4", "-r100", *LIVE, module="locust_cw", env={"TARGET": target.url})
    result = verify(done.folder)
    hosts = {each["of"] for each in result["numbers"] if each["what"] == "RequestCount" and " " not in each["of"]}
    assert hosts == {f"Host={target.url}", f"Host={target.url.replace('127.0.0.1', 'localhost')}"}


def test_missing_data_is_named(aws: Aws, locust: Locust) -> None:
    """CloudWatch accepts one call of each kind, and does not store it."""

    def forgotten(exchange: Exchange) -> Answer:
        if exchange.call.operation == "PutLogEvents":
            return json_answer({})
        return cbor_answer({})

    aws.proxy.on("PutMetricData", forgotten, times=1)
    aws.proxy.on("PutLogEvents", forgotten, times=1)
    done = locust.run(*PACED, *SHORT, *LIVE)
    done.receipt.check_delivered()
    lost: dict[tuple[str, str], int] = {}
    for call in (aws.proxy.calls("PutMetricData")[0],):
        for datum in call.params["MetricData"]:
            if datum["MetricName"] in ("RequestCount", "FailureCount") and datum["Value"]:
                of = " ".join(sorted(f"{each['Name']}={each['Value']}" for each in datum["Dimensions"]))
                lost[datum["MetricName"], of] = lost.get((datum["MetricName"], of), 0) - datum["Value"]
    events = aws.proxy.calls("PutLogEvents")[0].params["logEvents"]
    lost["log events", "all"] = -len(events)
    for event in events:
        fields = json.loads(event["message"])
        if "outcome" in fields:
            what = f"logged {fields['outcome']}", fields["name"]
            lost[what] = lost.get(what, 0) - 1
    result = verify(done.folder, code=1)
    assert differing(result) == lost
    assert any("some minutes" in note for note in result["notes"])
    table = run(done.folder, "verify", code=1)
    assert f"{-len(events):+}" in table
    assert all(of in table for _, of in lost)


def test_undelivered_data_is_named_with_the_replay_command(aws: Aws, locust: Locust) -> None:
    aws.proxy.on("*", error("ServiceUnavailable", 503))
    done = locust.run(*PACED, *SHORT, "--cw-drain-timeout=0")
    run_id = str(done.receipt["run_id"])
    aws.proxy.stop_faults()
    result = verify(done.folder, code=1)
    assert len(differing(result)) >= 2 * 2
    assert any(f"locust-cw replay {run_id}" in note for note in result["notes"])
    assert any("no log group" in note for note in result["notes"])
    replay(done.folder, run_id)
    assert differing(verify(done.folder, run_id)) == {}


@pytest.mark.parametrize("moved", [False, True])
def test_the_spool_folder_of_the_command_counts(aws: Aws, locust: Locust, tmp_path: Path, *, moved: bool) -> None:
    """For undelivered data and for other runs: the test used a relative path, or the folder was moved since."""
    aws.proxy.on("*", error("ServiceUnavailable", 503))
    done = locust.run(*PACED, *SHORT, "--cw-drain-timeout=0", "--cw-spool-dir=spool")
    spool = done.folder / "spool"
    (record_file,) = spool.glob(".records/*.json")
    record = json.loads(record_file.read_text())
    assert record["options"]["spool_dir"] == str(spool)
    if moved:
        spool = spool.rename(tmp_path / "moved spool")
    aws.proxy.stop_faults()
    result = verify(tmp_path, f"--spool-dir={spool}", code=1)
    (note,) = (note for note in result["notes"] if "Send them with" in note)
    words = shlex.split(note.partition("Send them with: ")[2])
    assert words[-2:] == ["--spool-dir", str(spool)]
    replay(tmp_path, *words[2:])
    # A second in which one test stops and another starts counts for both.
    wait_until(lambda: int(time.time()) > int(record["stopped"]), "no second has both")
    later = locust.run(*PACED, *SHORT, *LIVE, f"--cw-spool-dir={spool}")
    for each in done, later:
        assert differing(verify(tmp_path, str(each.receipt["run_id"]), f"--spool-dir={spool}")) == {}


@pytest.mark.parametrize("fields", ["full", "compact"])
def test_uncertain_data_may_exist_twice(aws: Aws, locust: Locust, fields: str) -> None:
    for operation in ("PutMetricData", "PutLogEvents"):
        aws.proxy.on(operation, lose_answer, times=1)
    done = locust.run(*PACED, *SHORT, *LIVE, f"--cw-log-fields={fields}")
    uncertain = done.receipt["uncertain"]
    assert uncertain > 0
    result = verify(done.folder)
    assert all(each["spare"] == (uncertain if each["expected"] else 0) for each in result["numbers"])
    assert any(each["held"] > each["expected"] for each in result["numbers"])
    assert any(f"up to {uncertain}" in note for note in result["notes"])
    assert any("same log stream and seq" in note for note in result["notes"])


def test_rejected_data_is_not_expected(aws: Aws, locust: Locust) -> None:
    """CloudWatch and the receipt agree.

    The output says that CloudWatch does not have everything, until a replay sends it.
    """
    for operation in ("PutMetricData", "PutLogEvents"):
        aws.proxy.on(operation, error("AsTheTestOrdered", 400), times=1)
    done = locust.run(*PACED, *SHORT, *LIVE)
    run_id, groups = str(done.receipt["run_id"]), [done.receipt[name] for name in ("requests", "log_events")]
    assert all(group["rejected"] > 0 and group["delivered"] > 0 for group in groups), done.output
    requests, log_events = groups
    result = verify(done.folder, code=1)
    assert result["equal"]
    text = run(done.folder, "verify", code=1)
    lost = f"{requests['rejected']} requests and {log_events['rejected']} log events were dropped or rejected"
    assert f"CloudWatch does not have everything: {lost}. It has the rest, {requests['delivered']} requests" in text
    assert f"and {log_events['delivered']} log events" in text

    for file in (done.folder / "state").rglob("rejected/*"):
        file.rename(file.parent.parent / file.name)
    replay(done.folder, run_id)
    verify(done.folder)


def test_dropped_data_is_not_expected(locust: Locust) -> None:
    """The same for data that was never published, by a changed record."""
    done = locust.run(*PACED, *SHORT, *LIVE)
    (file,) = (done.folder / "state").rglob(f"{done.receipt['run_id']}.json")
    record = json.loads(file.read_text())
    for group in "requests", "log_events":
        record["receipt"][group]["observed"] += 5
        record["receipt"][group]["dropped"] += 5
    file.write_text(json.dumps(record))
    assert verify(done.folder, code=1)["equal"]
    text = run(done.folder, "verify", code=1)
    assert "does not have everything: 5 requests and 5 log events were dropped or rejected. It has the rest" in text


def test_surplus_data_is_named(aws: Aws, locust: Locust) -> None:
    done = locust.run(*PACED, *SHORT, *LIVE)
    record = json.loads(run(done.folder, "verify", "--json"))
    assert record["equal"]
    middle = aws.proxy.calls("PutMetricData")[0].params["MetricData"][0]["Timestamp"]
    aws.cloudwatch.metrics.put_metric_data(
        Namespace=aws.cloudwatch.namespace,
        MetricData=[
            {
                "MetricName": "FailureCount",
                "Dimensions": [{"Name": "Host", "Value": HOST}, {"Name": "Request", "Value": "/1"}],
                "Timestamp": middle,
                "Value": 7,
                "StorageResolution": 1,
            }
        ],
    )
    result = verify(done.folder, code=1)
    assert differing(result) == {("FailureCount", f"Host={HOST} Request=/1"): 7}
    assert any("another run" in note for note in result["notes"])


@pytest.mark.parametrize("apart", [False, True])
def test_simultaneous_runs_are_added_up_unless_the_run_id_is_a_dimension(
    locust: Locust, tmp_path: Path, *, apart: bool
) -> None:
    shared = f"--cw-spool-dir={tmp_path / 'shared'}"
    dimensions = ("--cw-dimensions=Host,Request,RunId",) if apart else ()
    runs = [locust.start(*PACED, "-u1", *LIVE, shared, *dimensions) for _ in range(2)]
    for _ in range(2):  # the second time both are under way
        for each in runs:
            wait_for_more(each, 300)
    for each in runs:
        stop(each)
    for each in runs:
        each.wait()
    first, second = (str(each.receipt["run_id"]) for each in runs)
    result = verify(tmp_path, first, f"--spool-dir={tmp_path / 'shared'}", code=0 if apart else 1)
    named = {of for what, of in differing(result) if what == "RequestCount"}
    assert bool(named) != apart
    assert any("Request=" in of for of in named) != apart
    assert any("RunId=" in each["of"] for each in result["numbers"]) == apart
    assert any(second in note and "adds them up" in note for note in result["notes"])


def test_successive_runs_are_not_mixed(locust: Locust, tmp_path: Path) -> None:
    shared = f"--cw-spool-dir={tmp_path / 'shared'}"
    runs = []
    for _ in range(2):
        runs.append(locust.run(*PACED, *SHORT, *LIVE, shared))
        second = int(time.time())
        wait_until(lambda: int(time.time()) > second, "no second has both")  # noqa: B023 - called at once
    for each in runs:
        result = verify(tmp_path, str(each.receipt["run_id"]), f"--spool-dir={tmp_path / 'shared'}")
        assert result["notes"] == []
    newest = verify(tmp_path, f"--spool-dir={tmp_path / 'shared'}")
    assert newest["run_id"] == runs[1].receipt["run_id"]


def test_a_reused_run_id_is_logged(locust: Locust, tmp_path: Path) -> None:
    options = ("--cw-run-id=nightly", f"--cw-spool-dir={tmp_path / 'shared'}")
    runs = [locust.run(*PACED, *SHORT, *options, *given) for given in (("--cw-dry-run",), (), (), ("--cw-dry-run",))]
    warned = ["The run ID nightly was used before" in "".join(run.logged_problems()) for run in runs]
    assert warned == [False, False, True, False], "what went nowhere is mixed with nothing"


def test_infrequent_access_events_are_counted_by_logs_insights(aws: Aws, locust: Locust) -> None:
    """The local CloudWatch cannot count, so the test answers the query."""
    done = locust.run(*PACED, *SHORT, *LIVE, "--cw-log-class=INFREQUENT_ACCESS")
    receipt = done.receipt.check_delivered()
    events = aws.cloudwatch.events(f"load-generator/{receipt['run_id']}/")
    counts: dict[tuple[str, str], int] = {}
    for event in events:
        key = event.fields.get("outcome", ""), event.fields.get("name", "")
        counts[key] = counts.get(key, 0) + 1

    def answering(value: dict[str, Any]) -> Any:
        return lambda _: json_answer(value)

    rows = [
        [{"field": name, "value": str(value)} for name, value in (("outcome", o), ("name", n), ("events", c)) if value]
        for (o, n), c in counts.items()
    ]
    aws.proxy.on("StartQuery", answering({"queryId": "q-1"}))
    aws.proxy.on("GetQueryResults", answering({"status": "Complete", "results": rows}))
    aws.proxy.on("GetQueryResults", answering({"status": "Running", "results": []}), times=1)
    result = verify(done.folder)
    held = {(each["what"], each["of"]): each["held"] for each in result["numbers"]}
    assert held["log events", "all"] == len(events)
    assert held["logged success", "/1"] == counts["success", "/1"]
    (asked,) = aws.proxy.calls("StartQuery")
    assert f"load-generator/{receipt['run_id']}/" in asked.params["queryString"]
    assert not aws.proxy.calls("FilterLogEvents")


def test_events_that_are_not_counted_are_read(aws: Aws, locust: Locust) -> None:
    """The local CloudWatch answers the query with events, because it does not support `stats`."""
    done = locust.run(*PACED, *SHORT, *LIVE, "--cw-log-class=INFREQUENT_ACCESS")
    receipt = done.receipt.check_delivered()
    result = verify(done.folder)
    held = {(each["what"], each["of"]): each["held"] for each in result["numbers"]}
    assert held["log events", "all"] == receipt["log_events"]["observed"]
    assert held["logged success", "/1"] > 0
    assert aws.proxy.calls("GetQueryResults")
    assert aws.proxy.calls("FilterLogEvents")


def test_throttled_reading_is_repeated(aws: Aws, locust: Locust) -> None:
    done = locust.run(*PACED, *SHORT, *LIVE)
    aws.proxy.on("FilterLogEvents", error("ThrottlingException", 400), times=1)
    verify(done.folder)


def test_a_run_that_cannot_be_verified_is_refused(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    run(tmp_path, "verify", code=1)
    run(tmp_path, "verify", "no-such-run", code=1)
    dry = locust.run(*PACED, *SHORT, "--cw-dry-run")
    assert run(dry.folder, "verify", code=1) == ""
    done = locust.run(*PACED, *SHORT, *LIVE)
    aws.proxy.on("GetMetricData", error("AccessDenied", 403, "not you"))
    assert run(done.folder, "verify", code=1) == ""
    (file,) = (done.folder / "state").rglob(f"{done.receipt['run_id']}.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"receipt": {}}))
    with commanding(done.folder, "verify") as asked:
        assert (asked.exit_code, "has no receipt" in asked.err) == (1, True), asked.output


def test_a_record_that_another_process_deletes_is_ignored(tmp_path: Path) -> None:
    folder = tmp_path / ".records"
    folder.mkdir()
    (folder / "there.json").touch()
    (folder / "gone.json").symlink_to(folder / "nowhere")
    assert known_runs(str(tmp_path)) == ["there"]


# What is asked for

NOW = 1_800_000_000.0


def record(started: float, stopped: float | None, **options: Any) -> Record:
    series = [
        {"dimensions": {"Host": "h", "Request": str(number)}, "requests": 1, "failures": 0} for number in range(200)
    ]
    return Record("run", options, started, stopped=stopped, series=series)


@pytest.mark.parametrize(
    ("age", "seconds", "resolution", "period"),
    [
        (600, 60, 1, 1),
        (600, 60, 60, 60),
        (2.9 * 3600, 60, 1, 1),
        (3 * 3600, 60, 1, 60),
        (2 * 3600, 3600, 1, 60),
        (16 * 86_400, 60, 1, 300),
        (70 * 86_400, 60, 60, 3600),
    ],
)
def test_the_period_is_one_that_cloudwatch_keeps(age: float, seconds: float, resolution: int, period: int) -> None:
    run = record(NOW - age, NOW - age + seconds, resolution=resolution)
    assert period_of(run, span_of(run, [], NOW), NOW) == period


def test_the_span_ends_at_the_start_of_the_next_run() -> None:
    this, earlier, later = record(1000.7, 1060.2), record(900, 950), record(1063.5, 1100)
    assert span_of(this, [], NOW) == (1000, 1071)
    assert span_of(this, [earlier], NOW) == (1000, 1071)
    assert span_of(this, [earlier, later], NOW) == (1000, 1063)
    assert span_of(this, [record(1060.9, 1100)], NOW) == (1000, 1061), "they have a second in common"
