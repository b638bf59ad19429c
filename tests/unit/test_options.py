"""An invalid value is refused with the name of its option, and a text with commas is a list."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from locust_cw import InvalidOptionError
from locust_cw._distributed.worker import Worker
from locust_cw._extensions.strict import Strict
from locust_cw._plugin.extension import StartError
from locust_cw._settings.table import Options
from support.option_parser import RefusedError, own, parser

BAD = [
    "--cw-resolution=7",
    "--cw-resolution=often",
    "--cw-flush-interval=-1",
    "--cw-flush-interval=0",
    "--cw-flush-interval=nan",
    "--cw-max-requests=-1",
    "--cw-drain-timeout=-1",
    "--cw-drain-timeout=soon",
    "--cw-dimensions=Foo",
    "--cw-dimension=novalue",
    "--cw-dimension==v",
    "--cw-namespace=AWS/x",
    "--cw-namespace=:x",
    "--cw-logs=maybe",
    "--cw-log-sample=2",
    "--cw-log-sample=-0.1",
    "--cw-log-format=xml",
    "--cw-log-fields=some",
    "--cw-log-urls=some",
    "--cw-log-group=a b",
    "--cw-log-group=aws/x",
    "--cw-log-stream=a:b",
    "--cw-log-retention-days=8",
    "--cw-log-class=X",
    "--cw-endpoint-url=nonsense",
    "--cw-role-arn=x",
    "--cw-run-id=a b:*",
    "--cw-external-id=without-a-role",
    "--cw-spool-max-mb=0",
    "--cw-source=invalid",
    "--cw-check=p95 < 300",
    "--cw-check=",
    "--cw-warmup=-1",
    "--cw-warmup=soon",
    "--cw-check-wait=-1",
    "--cw-check-wait=nan",
    "--cw-junit=/no/such/folder/checks.xml",
    "--cw-junit=/",
    "--cw-junit=",
    "--cw-summary=/no/such/folder/summary.md",
    "--cw-baseline=",
    "--cw-baseline= main",
    f"--cw-baseline={'x' * 257}",
    "--cw-max-regression=10",
    "--cw-max-regression=0%",
    "--cw-max-regression=",
    "--cw-local",  # with an endpoint
]


@pytest.mark.parametrize("option", BAD)
def test_a_bad_value_is_refused_with_the_name_of_its_option(option: str) -> None:
    """By the parser of the command line, or by the check of all options."""
    with own(), pytest.raises((RefusedError, InvalidOptionError)) as refused:
        Options(parser().parse_args(["--cw-endpoint-url=http://127.0.0.1:9", option]), {}).check()
    assert option.split("=", 1)[0] in str(refused.value)


@pytest.mark.parametrize(
    ("value", "targets"),
    [
        ("sqs:a,rds:b", ["sqs:a", "rds:b"]),
        ("sqs:a", ["sqs:a"]),
        ("sqs:a,,rds:b,", ["sqs:a", "rds:b"]),
        (["sqs:a", ""], ["sqs:a"]),
        ("", None),
        ([""], None),
        (None, None),
    ],
    ids=str,
)
def test_a_repeatable_option_can_be_a_text_with_commas(value: object, targets: list[str] | None) -> None:
    """As in a request to the web UI. Empty parts are ignored."""
    assert Options(SimpleNamespace(cw_target=value), {})["target"] == targets


@pytest.mark.parametrize("value", ["GET /a,b: p95 < 300ms", ["GET /a,b: p95 < 300ms", "failures < 1%"]], ids=str)
def test_a_comma_does_not_end_a_check(value: str | list[str]) -> None:
    """Request names can have commas."""
    expected = [value] if isinstance(value, str) else value
    options = Options(SimpleNamespace(cw_check=value), {})
    assert options["check"] == expected


@pytest.mark.parametrize(
    ("text", "checks"),
    [
        ("GET /a,b: p95 < 300ms", ["GET /a,b: p95 < 300ms"]),
        ("[p95 < 300ms, failures < 1%]", ["p95 < 300ms", "failures < 1%"]),
        ('["GET /a,b: p95 < 300ms", "failures < 1%"]', ["GET /a,b: p95 < 300ms", "failures < 1%"]),
        ("GET /item/[id]: p95 < 300ms", ["GET /item/[id]: p95 < 300ms"]),
    ],
)
def test_checks_in_the_environment_and_in_a_file(tmp_path: Path, text: str, checks: list[str]) -> None:
    """In the form of the documentation, with and without Locust's command line."""
    with own(LOCUST_CW_CHECK=text):
        assert Options(None, {})["check"] == checks
        assert Options(parser().parse_args([]), {})["check"] == checks
    (tmp_path / "locust.conf").write_text(f"cw-check = {text}\n")
    with own(), chdir(tmp_path):
        assert Options(None, {})["check"] == checks


@pytest.mark.parametrize("value", ["120", -1, 1e9, float("nan"), True])
def test_a_program_gives_the_wait_as_a_number_of_seconds(value: object) -> None:
    with own(), pytest.raises(InvalidOptionError, match="--cw-check-wait"):
        Options(None, {"check_wait": value}).check()


def test_a_program_can_give_files_as_paths(tmp_path: Path) -> None:
    with own():
        Options(None, {"junit": tmp_path / "checks.xml", "summary": str(tmp_path / "s.md"), "check_wait": 0}).check()


def test_strict_logs_the_reason_once_and_further_messages(caplog: pytest.LogCaptureFixture) -> None:
    failure = SimpleNamespace(
        operation="PutMetricData", topic="refused", message="PutMetricData was refused.", needs_action=True
    )
    messages = [(30, "spool", "an earlier run is left"), (40, "refused", "it was refused"), (40, "logs", "logs, too")]
    publisher = SimpleNamespace(
        has_logs=True,
        flush=lambda: None,
        progress=lambda: SimpleNamespace(metrics_calls=0, logs_calls=0, call_failures=[failure]),
        take_messages=lambda: [SimpleNamespace(level=level, topic=topic, text=text) for level, topic, text in messages],
    )
    run: Any = SimpleNamespace(publisher=publisher, environment=None, gauges=SimpleNamespace(sample=lambda *_: None))
    assert Strict().check(run) == "PutMetricData was refused."
    assert [record.message for record in caplog.records] == ["an earlier run is left", "logs, too"]


def test_a_worker_without_the_address_of_the_local_cloudwatch_does_not_publish_to_aws(tmp_path: Path) -> None:
    environment = SimpleNamespace(parsed_options=SimpleNamespace(cw_local=True), runner=type("WorkerRunner", (), {})())
    options = Options(environment.parsed_options, {"spool_dir": str(tmp_path)})
    with pytest.raises(StartError, match="sent no address"):
        Worker().local_url(environment, options, None)  # type: ignore[arg-type]
