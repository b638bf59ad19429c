"""`--cw-stop-on-alarm`: an alarm that goes off ends the test, and a test does not start if its alarm cannot be read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from support.cloudwatch import put_alarm
from support.fixtures import Aws, Locust
from support.fleet import Fleet, MasterWeb
from support.proxy import error
from support.servers import answers, get, wait_until

HOST = "http://guarded.test"
WALK = ["-u", "5", "-r", "100", "--host", HOST, "--exit-code-on-error=0"]
LIVE = ["--cw-live", "--cw-flush-interval=1"]
STOPS_WITHIN_S = 15
LOOKS_EVERY_S = 5


class Alarm:
    """An alarm whose state the test sets."""

    def __init__(self, aws: Aws) -> None:
        self.name = f"{aws.cloudwatch.namespace} errors"
        self._metrics = aws.cloudwatch.metrics
        put_alarm(self._metrics, self.name)
        self.set("OK", "all is well")

    def set(self, state: str, reason: str = "as the test ordered") -> None:
        self._metrics.set_alarm_state(AlarmName=self.name, StateValue=state, StateReason=reason)

    def delete(self) -> None:
        self._metrics.delete_alarms(AlarmNames=[self.name])


@pytest.fixture
def alarm(aws: Aws) -> Iterator[Alarm]:
    alarm = Alarm(aws)
    yield alarm
    alarm.delete()


def test_an_alarm_that_goes_off_ends_the_test(aws: Aws, locust: Locust, alarm: Alarm) -> None:
    """Within 15 s.

    Log, log group, dashboard and receipt give the reason, everything is delivered, and Locust exits with 1.
    """
    dashboard = aws.cloudwatch.namespace
    run = locust.start("orders.py", *WALK, *LIVE, f"--cw-stop-on-alarm={alarm.name}", f"--cw-dashboard={dashboard}")
    wait_until(lambda: len(aws.proxy.calls("DescribeAlarms")) >= 2, "the alarm is looked at while the test runs")
    assert run.process.poll() is None
    alarm.set("ALARM", "too many errors of the shop")
    begun = time.monotonic()
    run.wait_for("Stopped by alarm", timeout=STOPS_WITHIN_S)
    assert time.monotonic() - begun <= STOPS_WITHIN_S
    assert run.exit_code == 1
    assert run.listener_errors == 0
    receipt = run.receipt.check_delivered()
    assert receipt["requests"]["observed"] == run.stats.requests.total() > 0
    (problem,) = run.logged_problems()
    assert alarm.name in problem
    assert "too many errors of the shop" in problem
    printed = run.err[run.err.index("CloudWatch receipt") :]
    assert f"Stopped by alarm {alarm.name}: too many errors of the shop" in printed
    assert receipt["stop_reason"] == f"Stopped by alarm {alarm.name}: too many errors of the shop"
    body = aws.cloudwatch.metrics.get_dashboard(DashboardName=dashboard)["DashboardBody"]
    assert f"stop: Stopped by alarm {alarm.name}: too many errors of the shop" in body
    (event,) = [event.fields for event in aws.cloudwatch.events() if event.is_event("alarm")]
    assert (event["event"], event["alarm_name"], event["reason"]) == (
        "alarm",
        alarm.name,
        "too many errors of the shop",
    )


@pytest.mark.long
def test_an_alarm_that_was_on_before_stops_the_test_only_when_it_goes_off_again(
    aws: Aws, locust: Locust, alarm: Alarm
) -> None:
    alarm.set("ALARM")
    run = locust.start("orders.py", *WALK, *LIVE, f"--cw-stop-on-alarm={alarm.name}")
    wait_until(lambda: len(aws.proxy.calls("DescribeAlarms")) >= 2, "the alarm is looked at while the test runs")
    alarm.set("OK")
    looks = len(aws.proxy.calls("DescribeAlarms"))
    # The next call after one that came since then: that one is answered.
    wait_until(lambda: len(aws.proxy.calls("DescribeAlarms")) >= looks + 2, "the alarm is seen to be off")
    assert run.process.poll() is None
    alarm.set("ALARM")
    assert run.wait().exit_code == 1
    assert "already in ALARM" in run.err


def test_the_masters_alarm_ends_the_whole_fleet(aws: Aws, locust: Locust, alarm: Alarm) -> None:
    """Only the master reads the alarm. The results of every worker are delivered."""
    fleet = Fleet(locust, *LIVE, *WALK, f"--cw-stop-on-alarm={alarm.name}", workers=2)
    wait_until(lambda: len(aws.proxy.calls("DescribeAlarms")) >= 2, "the alarm is looked at while the test runs")
    alarm.set("ALARM")
    fleet.wait()
    assert fleet.master.exit_code == 1
    receipt = fleet.master.receipt.check_delivered()
    assert receipt["requests"]["observed"] == fleet.fired.requests.total() > 0
    times = [call.received_at for call in aws.proxy.calls("DescribeAlarms")]
    assert len(times) <= (times[-1] - times[0]) / LOOKS_EVERY_S + 2, "one process looks"


def test_with_a_web_ui_only_the_test_ends(aws: Aws, locust: Locust, alarm: Alarm) -> None:
    """Locust continues for the next test, and exits with 1 at its end."""
    web = MasterWeb()
    run = locust.start("orders.py", *LIVE, *web.options, f"--cw-stop-on-alarm={alarm.name}", headless=False)
    wait_until(lambda: answers(web.url), "the web UI")
    web.swarm(2, HOST)
    wait_until(lambda: len(aws.proxy.calls("DescribeAlarms")) >= 2, "the alarm is looked at while the test runs")
    alarm.set("ALARM")
    run.wait_for("Stopped by alarm", timeout=STOPS_WITHIN_S)
    wait_until(lambda: json.loads(get(f"{web.url}/stats/requests"))["state"] == "stopped", "the test has ended")
    run.shut_down()
    run.wait()
    assert run.exit_code == 1
    run.receipt.check_delivered()


REFUSALS = {
    "no such alarm": (None, r"there is no alarm no such alarm"),
    "no permission": (
        error("AccessDenied", 403, "not authorized to perform: cloudwatch:DescribeAlarms"),
        r"IAM policy",
    ),
    "throttled": (error("Throttling", 400, "Rate exceeded"), r"Rate exceeded"),
}


@pytest.mark.parametrize(("fault", "message"), REFUSALS.values(), ids=REFUSALS)
def test_an_alarm_that_cannot_be_read_prevents_the_start_of_a_test(
    aws: Aws, locust: Locust, fault: object, message: str
) -> None:
    """One message says what to do."""
    if fault is not None:
        aws.proxy.on("DescribeAlarms", fault)  # type: ignore[arg-type]
    run = locust.run("orders.py", *WALK, *LIVE, "-t", "5s", "--cw-stop-on-alarm=no such alarm")
    assert run.exit_code == 1
    assert run.stats.requests.total() == 0
    assert "The test was not started" in run.err
    assert [line for line in run.logged_problems() if message in line], run.logged_problems()


@pytest.mark.long
def test_a_failed_call_during_the_test_is_logged_once_and_stops_nothing(aws: Aws, locust: Locust, alarm: Alarm) -> None:
    run = locust.start("orders.py", *WALK, *LIVE, f"--cw-stop-on-alarm={alarm.name}")
    wait_until(lambda: aws.proxy.calls("DescribeAlarms"), "the alarm is looked at")
    aws.proxy.on("DescribeAlarms", error("InternalFailure", 500), times=2)
    wait_until(lambda: len(aws.proxy.calls("DescribeAlarms")) >= 4, "the alarm is looked at again")
    assert run.process.poll() is None
    alarm.set("ALARM")
    assert run.wait().exit_code == 1
    assert len([line for line in run.logged_problems() if "cannot read the states of the alarms" in line]) == 1
