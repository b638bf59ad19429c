"""The results of checks as JUnit XML: one test suite for the run, and one test case for each check.

The file conforms to both schemas in use: `junit-10.xsd` of Jenkins, and `JUnit.xsd` of Apache Ant, which requires
elements and attributes that are optional in the other schema. An undecided check is a `failure` of the type `undecided`
and not an `error`, because some tools count only failures.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from locust_cw._checks.results import explanation, measured
from locust_cw._checks.text import text_of
from locust_cw._checks.wording import one_line

if TYPE_CHECKING:
    from locust_cw._checks.results import CheckedRun, Result

_PACKAGE = "locust-cw"
_SUITE = "checks"
# Jenkins uses the part after the last dot as the name of the class.
_CLASS_NAME = f"{_PACKAGE}.{_SUITE}"
# The schema of Ant prescribes this name if the name of the machine is not known.
_HOST_NAME = "localhost"


def junit_of(run: CheckedRun) -> str:
    """The XML document, ending with a line break."""
    root = ET.Element("testsuites")
    suite = ET.SubElement(root, "testsuite", _suite_attributes(run))
    properties = ET.SubElement(suite, "properties")
    for name, value in {"run_id": run.run_id, "host": run.host}.items():
        if value:
            ET.SubElement(properties, "property", name=name, value=one_line(value))
    for result in run.results:
        _add_case(suite, result, run)
    ET.SubElement(suite, "system-out").text = f"\n{text_of(run, colors=False)}"
    ET.SubElement(suite, "system-err")
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite_attributes(run: CheckedRun) -> dict[str, str]:
    return {
        "name": _SUITE,
        "package": _PACKAGE,
        "id": "0",
        "tests": str(len(run.results)),
        "failures": str(sum(result.verdict != "passed" for result in run.results)),
        "errors": "0",
        "skipped": "0",
        "time": f"{run.seconds:.3f}",
        # In UTC: the schema of Ant permits no time zone.
        "timestamp": f"{datetime.fromtimestamp(run.started, UTC):%Y-%m-%dT%H:%M:%S}",
        "hostname": _HOST_NAME,
    }


def _add_case(suite: ET.Element, result: Result, run: CheckedRun) -> None:
    name = one_line(result.expression)
    # All checks cover the same time. If each test case had this time, tools would add it up.
    case = ET.SubElement(suite, "testcase", classname=_CLASS_NAME, name=name, time="0")
    if result.verdict == "passed":
        return
    why = explanation(result)
    message = f"undecided: {why}" if result.verdict == "undecided" else f"measured {measured(result)}"
    failure = ET.SubElement(case, "failure", message=message, type=result.verdict)
    # GitLab shows only the text of the element, and not its attributes.
    details = [f"{name}: {message}", *([why] if why not in message else []), f"run {one_line(run.run_id)}", *run.notes]
    failure.text = "\n".join(["", *details, ""])
