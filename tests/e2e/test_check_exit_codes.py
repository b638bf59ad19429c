"""The exit code of a test with checks: 3 if one has not passed, and nothing worse happened."""

from __future__ import annotations

import re
from typing import Any

import pytest

from support.fixtures import Aws, Locust
from support.planned import HOST, Planned, plan
from support.proxy import error, hang
from support.web import Web

ENDS = plan({"fire": [["GET", "/a", 5, 15, False], ["GET", "/b", 5, 5, True]]}) | {"QUIT": "1"}
PASSES = ["--cw-check=requests == 20", "--cw-check=failures <= 25%"]
FAILS = ["--cw-check=requests == 20", "--cw-check=failures < 25%"]
IS_UNDECIDED = ["--cw-check=requests == 20", "--cw-check=p95 < 1m"]
DRY = ["--cw-dry-run"]


def finished(locust: Locust, *args: str, **how: Any) -> Any:
    """A test without AWS, of which every fourth request failed."""
    return locust.run(
        "planned.py",
        "-u1",
        f"--host={HOST}",
        *args,
        options=how.pop("options", DRY),
        env=ENDS | how.pop("env", {}),
        **how,
    )


@pytest.mark.parametrize(("checks", "code"), [(PASSES, 0), (FAILS, 3), (IS_UNDECIDED, 3), ([], 1)])
def test_the_exit_code_is_that_of_the_checks(locust: Locust, checks: list[str], code: int) -> None:
    """Failed requests count only as far as the checks say, or if there are none."""
    run = finished(locust, *checks)
    assert run.exit_code == code
    assert ("Exit code 3: a check failed or is undecided" in run.err) == (code == 3)
    assert f"Shutting down (exit code {0 if checks else 1})" in run.err


def test_exceptions_in_tasks_keep_locusts_exit_code(locust: Locust) -> None:
    run = finished(locust, *PASSES, env={"RAISES": "1"})
    assert run.exit_code == 1
    assert "Checks: 2 passed" in run.err
    assert "Exit code 3" not in run.err


@pytest.mark.parametrize("source", ["option", "default", "variable", "file"])
def test_an_exit_code_for_failed_requests_that_the_user_sets_still_applies(locust: Locust, source: str) -> None:
    how: dict[str, dict[str, Any]] = {
        "variable": {"env": {"LOCUST_EXIT_CODE_ON_ERROR": "5"}},
        "file": {"files": {"locust.conf": "exit-code-on-error = 5\ncw-check = [requests == 20, failures < 25%]\n"}},
    }
    args = {"option": ["--exit-code-on-error=5"], "default": ["--exit-code-on-error=1"]}
    run = finished(locust, *args.get(source, []), *([] if source == "file" else FAILS), **how.get(source, {}))
    assert run.exit_code == (1 if source == "default" else 5)
    assert [check["verdict"] for check in run.receipt["checks"]] == ["passed", "failed"]


@pytest.mark.parametrize("option", ["--cw-fail-on-loss", "--cw-strict"])
def test_what_is_worse_than_a_check_has_its_own_exit_code(aws: Aws, locust: Locust, option: str) -> None:
    if option == "--cw-strict":
        aws.proxy.on("PutMetricData", error("AccessDeniedException", 403, "not authorized"))
    else:
        aws.proxy.on("*", hang)
    run = finished(locust, *FAILS, option, "--cw-live", "--cw-drain-timeout=0.5", options=aws.options)
    assert run.exit_code == 1
    assert "Exit code 3: " not in run.err
    assert not run.receipt["requests"]["delivered"]


def test_a_test_that_is_not_published_has_not_passed(locust: Locust) -> None:
    """Nothing of it is judged."""
    web = Web(locust, "planned.py", *PASSES, env=ENDS | {"QUIT": ""})
    web.swarm(1, HOST, cw_run_id="bad id")
    web.run.wait_for("locust-cw does not publish this test: .*bad id")
    web.stop()
    web.run.shut_down()
    assert web.run.exit_code in (1, 3)


@pytest.mark.parametrize("source", ["option", "variable"])
def test_checks_of_a_disabled_test_are_not_judged(locust: Locust, source: str) -> None:
    """A warning says so, and the exit code is Locust's own."""
    args = ["--cw-disable"] if source == "option" else []
    run = finished(locust, *FAILS, *args, env={"LOCUST_CW_DISABLE": "true"} if source == "variable" else {})
    assert run.exit_code == 1
    assert "Shutting down (exit code 1)" in run.err
    assert run.logged_problems() == ["This test is not judged: publishing is disabled (--cw-disable)"]
    assert not re.search("^Checks: ", run.err, re.MULTILINE)


@pytest.mark.parametrize("source", ["option", "variable", "file"])
def test_a_malformed_check_ends_locust_before_any_load(aws: Aws, locust: Locust, source: str) -> None:
    """The message shows the position."""
    how: dict[str, dict[str, Any]] = {
        "option": {},
        "variable": {"env": {"LOCUST_CW_CHECK": "p95 < 300"}},
        "file": {"files": {"locust.conf": "cw-check = [failures < 1%, p95 < 300]\n"}},
    }
    args = ["--cw-check=failures < 1%", "--cw-check=p95 < 300"] if source == "option" else []
    run = finished(locust, *args, options=aws.options, **how[source])
    assert run.exit_code == 2
    problem = 'expected a time such as 300ms, 0.8s or 2m, not "300": write 300ms or 300s\np95 < 300\n      ^\n'
    assert problem in run.err
    assert "--cw-check" in run.err
    assert not Planned(run).count("user")
    assert not aws.proxy.calls()
