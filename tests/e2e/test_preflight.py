"""`--cw-strict` and `--cw-stop-on-alarm` with a slow AWS: a refused test makes no request and logs the reason."""

from __future__ import annotations

import time

import pytest

from support.fixtures import Aws, Locust
from support.fleet import Fleet, MasterWeb, receipts_printed, slowly
from support.locust_run import NO_KEYS
from support.paced import HOST, PACED
from support.proxy import Answer, Exchange, Fault, error, hang
from support.servers import Target, wait_until
from support.web import Web, whole_run

LOCUSTFILE, *OPTIONS = PACED
TOO_LATE = "the test stopped before AWS responded"


@pytest.mark.parametrize("role", ["local", "master"])
@pytest.mark.parametrize(
    "preflight",
    [("--cw-strict", hang), ("--cw-strict", slowly(1.1)), ("--cw-stop-on-alarm=a", hang)],
    ids=["strict", "strict, late", "alarm"],
)
def test_a_test_whose_time_is_over_before_aws_has_answered_counts_as_refused(
    aws: Aws, locust: Locust, target: Target, role: str, preflight: tuple[str, Fault]
) -> None:
    """It has made no request. It exits with 1 and a message."""
    option, answer = preflight
    aws.proxy.on("*", answer)
    before = target.served
    args = ["-t", "2s", "--host", target.url, option, "--cw-drain-timeout=1"]
    if role == "master":
        fleet = Fleet(locust, *args, workers=1, locustfile="shop.py")
        fleet.wait()
        run = fleet.master
    else:
        run = locust.run("shop.py", *args)
    assert run.exit_code == 1
    assert TOO_LATE in run.output
    assert target.served == before


def test_a_later_test_in_the_web_ui_is_refused_too(aws: Aws, locust: Locust) -> None:
    """Locust's own stop has no effect then, because the runner is still in the state of the previous test."""
    web = Web(locust, LOCUSTFILE, "--cw-strict", "--cw-live", *OPTIONS)
    web.swarm(1, HOST)
    wait_until(lambda: whole_run(web).get("observed"), "requests are observed")
    web.stop()
    aws.proxy.on("*", slowly(2.5))
    web.swarm(1, HOST, run_time="2")
    web.run.wait_for(TOO_LATE)
    stopped = time.monotonic()
    aws.proxy.stop_faults()
    wait_until(lambda: time.monotonic() > stopped + 4, "AWS has answered, and users would be there")
    row = whole_run(web)
    assert (row["observed"], TOO_LATE in row["problem"]) == (0, True)
    web.swarm(1, HOST, run_time="30")
    wait_until(lambda: whole_run(web).get("observed"), "the next one starts")
    web.stop()
    web.run.shut_down()
    assert web.run.exit_code == 1
    assert receipts_printed(web.run) == 3


def test_stop_in_the_web_ui_of_a_master_refuses_a_waiting_test(aws: Aws, locust: Locust) -> None:
    web = MasterWeb()
    fleet = Fleet(
        locust, *web.options, f"--host={HOST}", "--cw-strict", workers=1, headless=False, json_file=False,
    )  # fmt: skip
    web.wait_for_workers(1)
    aws.proxy.on("*", slowly(2))
    web.swarm(1, HOST)
    wait_until(lambda: aws.proxy.calls("PutMetricData", "CreateLogStream"), "AWS is asked")
    web.stop()
    fleet.master.wait_for(TOO_LATE)
    stopped = time.monotonic()
    wait_until(lambda: time.monotonic() > stopped + 5, "AWS has answered, and users would be there")
    fleet.master.shut_down()
    fleet.wait()
    assert fleet.master.exit_code == 1
    assert not fleet.fired.requests


def test_a_start_while_another_waits_continues_the_same_run(aws: Aws, locust: Locust, target: Target) -> None:
    """As with a load shape that has other users every second."""
    aws.proxy.on("*", slowly(0.6))
    run = locust.run("growing.py", "--host", target.url, "--cw-strict")
    assert run.exit_code == 0
    assert receipts_printed(run) == len(aws.cloudwatch.streams()) == 1
    run.receipt.check_delivered()
    assert run.receipt["requests"]["observed"] > 0
    assert "not started" not in run.output


def test_a_locustfile_that_judges_by_statistics_does_not_hide_a_refusal(
    aws: Aws, locust: Locust, target: Target
) -> None:
    """It sets the exit code to 0 if no request has failed, as in Locust's documentation."""
    aws.proxy.on("*", error("AccessDeniedException", 403, "not authorized"))
    run = locust.run("hooked.py", "--host", target.url, "-t", "20s", "--cw-strict", module="locust_cw")
    assert run.exit_code == 1
    assert "Exit code 1: the test was not started, or an alarm stopped it" in run.err


def test_a_temporary_error_refuses_nothing(aws: Aws, locust: Locust) -> None:
    """Fifty workers that start at the same time exceed the rate of CreateLogStream for a moment."""
    aws.proxy.on("CreateLogStream", error("ThrottlingException", 400, "Rate exceeded"), times=1)
    aws.proxy.on("PutMetricData", error("ServiceUnavailable", 503), times=1)
    run = locust.run(*PACED, "-t", "8s", "--cw-strict")
    assert run.exit_code == 0
    run.receipt.check_delivered()
    assert run.receipt["requests"]["observed"] > 0


@pytest.mark.long
def test_a_worker_can_refuse_after_the_end_of_the_test(aws: Aws, locust: Locust, target: Target) -> None:
    """The master, which AWS has answered, gets the refusal at its end."""

    def of_worker(exchange: Exchange) -> Answer | None:
        if "Credential=worker/" not in exchange.call.headers["authorization"]:
            return exchange.forward(exchange.call)
        exchange.ended.wait(5)
        return error("AccessDeniedException", 403, "not authorized")(exchange)

    aws.proxy.on("*", of_worker)
    fleet = Fleet(
        locust, "-t", "3s", "--host", target.url, "--cw-strict",
        workers=1, locustfile="shop.py", env={}, worker_env={"AWS_ACCESS_KEY_ID": "worker"},
    )  # fmt: skip
    fleet.wait()
    assert fleet.master.exit_code == 1
    assert "refused to start: --cw-strict requires a successful first call: " in fleet.master.output


def test_a_worker_that_refuses_ends_the_test_of_its_fleet(locust: Locust, target: Target) -> None:
    """The worker sends the reason to the master, and both exit with 1."""
    fleet = Fleet(
        locust, "-t", "20s", "--host", target.url, "--cw-strict",
        workers=1, locustfile="shop.py", env={}, worker_env=NO_KEYS,
    )  # fmt: skip
    fleet.wait()
    assert fleet.exit_codes == [1, 1]
    (worker,) = fleet.workers
    assert "The test was not started: --cw-strict requires a successful first call: " in worker.output
    assert "The test was stopped: worker " in fleet.master.output
    assert "refused to start: --cw-strict requires a successful first call: " in fleet.master.output
