"""How a run ends, apart from its delivery: the reason, the log, the tab and the exit code agree."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from locust_cw._plugin import run as run_module
from locust_cw._plugin.run import RunOutcome

EARLY = [outcome for outcome in RunOutcome if outcome is not RunOutcome.OK]
STOPPED = (RunOutcome.STOPPED_BY_ALARM, RunOutcome.STOPPED_BY_CHECK)


def new_run() -> run_module.TestRun:
    publisher: Any = SimpleNamespace(request_listener=lambda: None)
    environment: Any = SimpleNamespace(process_exit_code=None)
    options: Any = {}
    return run_module.TestRun(environment, publisher, options, [], host=None)


@pytest.mark.parametrize("outcome", EARLY, ids=lambda outcome: outcome.name)
def test_an_early_end_is_logged_and_shown_as_the_last_problem(
    outcome: RunOutcome, caplog: pytest.LogCaptureFixture
) -> None:
    run = new_run()
    run.end_with(outcome, "why")
    assert (run.outcome, run.reason, caplog.messages) == (outcome, "why", ["why"])
    assert run.problem is not None
    assert run.problem[0] == "why"
    assert run.stop_reason == ("why" if outcome in STOPPED else None)


@pytest.mark.parametrize("outcome", EARLY, ids=lambda outcome: outcome.name)
def test_every_early_end_but_a_breached_check_sets_exit_code_1(outcome: RunOutcome) -> None:
    run = new_run()
    run.end_with(outcome, "why", "The test was stopped: why")
    assert run.environment.process_exit_code == (None if outcome is RunOutcome.STOPPED_BY_CHECK else 1)
    assert run.problem is not None
    assert run.problem[0] == "The test was stopped: why"


def test_a_run_that_nothing_ends_early_has_no_reason() -> None:
    run = new_run()
    assert (run.reason, run.stop_reason, run.problem, run.outcome.is_failure) == (None, None, None, False)
