"""The results of checks as a suite of JUnit XML, with one test case for each check.

An undecided check is a `failure` of the type `undecided` and not an `error`, because some tools count only failures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw._checks.junit_document import Case, Suite, document_of
from locust_cw._checks.results import explanation, measured
from locust_cw._checks.text import text_of
from locust_cw._checks.wording import one_line

if TYPE_CHECKING:
    from locust_cw._checks.results import CheckedRun, Result


def junit_of(run: CheckedRun) -> str:
    """The XML document with this suite alone, ending with a line break."""
    return document_of([suite_of(run)])


def suite_of(run: CheckedRun) -> Suite:
    """The suite of a run."""
    return Suite(
        name="checks",
        started=run.started,
        seconds=run.seconds,
        properties={"run_id": run.run_id, "host": run.host},
        cases=[_case(result, run) for result in run.results],
        text=text_of(run, colors=False),
    )


def _case(result: Result, run: CheckedRun) -> Case:
    name = one_line(result.expression)
    if result.verdict == "passed":
        return Case(name)
    why = explanation(result)
    message = f"undecided: {why}" if result.verdict == "undecided" else f"measured {measured(result)}"
    details = [f"{name}: {message}", *([why] if why not in message else []), f"run {one_line(run.run_id)}", *run.notes]
    return Case(name, "failure", result.verdict, message, details)
