"""The results of a comparison as a suite of JUnit XML, with one test case for each request.

Only a request that is slower is a failure. An undecided one is skipped, because it has no effect on the exit code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw._checks.junit_document import Case, Suite
from locust_cw._checks.wording import one_line
from locust_cw._comparison.text import text_of
from locust_cw._comparison.wording import in_words, label

if TYPE_CHECKING:
    from locust_cw._comparison.results import ComparedRuns, Group


SUITE = "comparison"
"""The name of the suite."""


def suite_of(compared: ComparedRuns) -> Suite:
    """The suite of a comparison."""
    return Suite(
        name=SUITE,
        started=compared.run.started,
        seconds=compared.run.seconds,
        properties={
            "run_id": compared.run.run_id,
            "host": compared.run.host,
            "baseline": compared.baseline,
            "base_run_id": compared.base.run_id,
        },
        cases=[_case(group, compared) for group in compared.groups],
        text=text_of(compared, colors=False),
    )


def _case(group: Group, compared: ComparedRuns) -> Case:
    if group.verdict not in ("slower", "undecided"):
        return Case(group.name)
    rows = [row for row in group.rows if row.verdict == group.verdict]
    message = f"{group.verdict}: {', '.join(map(label, rows))}"
    runs = f"run {one_line(compared.run.run_id)}, compared with {compared.base_name}"
    details = [f"{group.name}: {group.verdict}", *map(in_words, rows), *group.reasons, runs, *compared.notes]
    return Case(group.name, "failure" if group.verdict == "slower" else "skipped", group.verdict, message, details)
