"""Secrets in URLs do not leave the process, unless the option `--cw-log-urls full` is set."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from locust_cw import Publisher
from support.fixtures import Aws, Locust
from support.locust_run import LOG_RECORD, LocustRun
from support.servers import REGION, Target, refused_url

SECRET = "s3cr3tOfUrl"  # noqa: S105 - it is what is looked for
FAILED = 4 + 6 + 4  # of requests, by each kind of client; one more succeeds
SHOWN = "access_token=...&page=..."


def run(locust: Locust, target: Target, *args: str, **how: Any) -> LocustRun:
    env = {"SECRET": SECRET, "TARGET": target.url}
    return locust.run("secret_urls.py", "-u", "3", "-r", "10", *args, env=env, **how)


def output_of(run: LocustRun) -> str:
    """What locust-cw wrote to the terminal: its log messages, and everything from the receipt on."""
    records = [found[0] for found in LOG_RECORD.finditer(run.err) if found["logger"].startswith("locust_cw")]
    receipt = run.err.partition("CloudWatch receipt for run")[2]
    assert receipt
    return "\n".join([*records, receipt])


def files(run: LocustRun) -> dict[str, str]:
    """All files that the run left, except for the output of Locust."""
    return {
        str(path.relative_to(run.folder)): path.read_bytes().decode(errors="replace")
        for path in run.folder.rglob("*")
        if path.is_file() and path.name not in ("stdout", "stderr")
    }


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_secret_of_a_url_reaches_cloudwatch_or_the_disk(
    aws: Aws, locust: Locust, target: Target, log_format: str
) -> None:
    done = run(locust, target, f"--cw-log-format={log_format}", "--loglevel=DEBUG")
    assert done.receipt.check_delivered()["failures"]["observed"] == FAILED
    events = [event for event in aws.cloudwatch.events() if event.is_request]
    assert len(events) == FAILED + 1
    for event in aws.cloudwatch.events():
        assert SECRET not in event.message, event.message[:500]
    # The rest of each URL is there.
    texts = "\n".join(event.message for event in events)
    prefix, middle, suffix = ('"url":"', '"', "") if log_format == "json" else ("URL ", ": code=404", "for url: ")
    retried = f'"url":"/retried?{SHOWN}' if log_format == "json" else f"with url: /retried?{SHOWN} (Caused by"
    for text in (
        retried,
        f"no {target.url}/checked?{SHOWN}, but 404",
        f"{suffix}{target.url}/raised?{SHOWN}",
        f"{prefix}{target.url}/missing?{SHOWN}{middle}",
        f"{prefix}{target.url}/missing?password=...&page=...{middle}",
        f"{prefix}{target.url}/missing?...{middle}",
        f"{prefix}{target.url}/missing?page=...#access_token=...{middle}",
        f"{prefix}{target.url}/missing;jsessionid=...{middle}",
        f"{prefix}{target.url.replace('://', '://...@')}/missing{middle}",
        f"url='{target.url}/x?{SHOWN}'",
    ):
        assert text in texts
    left = files(done)
    assert "receipt.json" in left
    assert any(".records" in name for name in left)
    assert [name for name, text in left.items() if SECRET in text] == []
    assert SECRET not in output_of(done)
    # Nothing else either: metrics, names of streams.
    for call in aws.proxy.calls():
        assert SECRET not in json.dumps(call.params, default=str), call.operation


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_secret_of_a_url_waits_in_the_spool(locust: Locust, target: Target, log_format: str) -> None:
    with refused_url() as nowhere:
        more = [f"--cw-log-format={log_format}", f"--cw-endpoint-url={nowhere}", "--cw-drain-timeout=1"]
        done = run(locust, target, *more)
    assert done.receipt["log_events"]["spooled"] > FAILED
    left = files(done)
    assert any(SHOWN in text for name, text in left.items() if name.startswith("state"))
    assert [name for name, text in left.items() if SECRET in text] == []
    assert SECRET not in output_of(done)


def test_whole_urls_are_logged_with_the_option_full(aws: Aws, locust: Locust, target: Target) -> None:
    run(locust, target, "--cw-log-urls=full").receipt.check_delivered()
    logged = "\n".join(event.message for event in aws.cloudwatch.events())
    for part in (
        f'"url":"/retried?access_token={SECRET}&page=2\'{SECRET}"',
        f'"url":"{target.url}/missing?access_token={SECRET}&page=2"',
        f"/missing;jsessionid={SECRET}",
        f"user:{SECRET}@",
        f'"seen":"{target.url}/missing?access_token={SECRET}&page=2"',
    ):
        assert part in logged


def test_user_and_password_of_the_host_are_published_nowhere(aws: Aws, locust: Locust, target: Target) -> None:
    """Locust uses them to log in. Otherwise, CloudWatch would have them in the dimensions of each series."""
    host = target.url.replace("://", f"://user:{SECRET}@")
    done = run(locust, target, "--host", host, "--cw-log-urls=full", "--cw-dashboard")
    assert aws.cloudwatch.sum("RequestCount", Host=target.url) == FAILED + 1
    assert aws.cloudwatch.count("UserCount", Host=target.url) > 0
    for event in aws.cloudwatch.events():
        fields = event.fields
        assert fields["host"] == target.url
    (record,) = [text for name, text in files(done).items() if ".records" in name]
    assert json.loads(record)["host"] == target.url
    assert SECRET not in record
    assert SECRET not in output_of(done)
    for call in aws.proxy.calls("PutMetricData", "PutDashboard"):
        assert SECRET not in json.dumps(call.params, default=str), call.operation


def test_no_secret_of_a_url_in_a_program_without_locust(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    url = f"https://user:{SECRET}@shop.example/x?access_token={SECRET}"
    for log_urls, shown in (("redacted", "https://...@shop.example/x?access_token=..."), ("full", url)):
        with Publisher(
            **aws.in_python, region=REGION, host=url, log_urls=log_urls, spool_dir=str(tmp_path), run_id=log_urls
        ) as publisher:
            publisher.record("GET", "/x", 5, exception=RuntimeError(f"no {url}"), context={"url": url}, url=url)
            publisher.event("deploy", {"from": url})
        events = [event.fields for event in aws.cloudwatch.events() if f"/{log_urls}/" in event.stream]
        (request,) = [fields for fields in events if "outcome" in fields]
        (event,) = [fields for fields in events if "event" in fields]
        assert (request["error"], request["context"], event["from"]) == (f"no {shown}", {"url": shown}, shown)
        assert request["host"] == event["host"] == "https://shop.example/x?access_token=..."


def test_a_request_name_with_a_query_is_logged_once(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    names = ["/plain", "Is it?", *(f"/items?access_token={SECRET}{number}" for number in range(300))]
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"names": names, "repeat": 2}]))
    done = locust.run("scripted.py", "--host", "http://named.test", env={"SCRIPT": str(script)})
    assert SECRET not in output_of(done)
    hints = [each for each in done.logged_problems() if "contains values of a URL" in each]
    assert len(hints) == 1
    assert re.search(r'"/items\?access_token=\.\.\." contains values of a URL.* dimension Request.* name=', hints[0])
    # It is what the user named it.
    assert aws.cloudwatch.sum("RequestCount", Host="http://named.test", Request=names[2]) == 2
    assert {event.fields["name"] for event in aws.cloudwatch.events() if event.is_request} == set(names)
