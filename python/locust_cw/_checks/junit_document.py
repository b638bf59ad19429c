"""A JUnit XML document from suites of test cases.

It conforms to both schemas in use: `junit-10.xsd` of Jenkins, and `JUnit.xsd` of Apache Ant, which requires elements
and attributes that are optional in the other schema.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias
from xml.etree import ElementTree as ET

from locust_cw._checks.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Element: TypeAlias = Literal["failure", "skipped"]

_PACKAGE = "locust-cw"
# The schema of Ant prescribes this name if the name of the machine is not known.
_HOST_NAME = "localhost"


@dataclass(frozen=True)
class Case:
    """A test case.

    Attributes:
        name: Its name, on one line.
        element: What it contains; None if it has passed.
        kind: The type of the failure.
        message: Why it has not passed, on one line.
        details: Lines of text, for tools that show only the text of the element.

    """

    name: str
    element: Element | None = None
    kind: str = ""
    message: str = ""
    details: Sequence[str] = ()


@dataclass(frozen=True)
class Suite:
    """A suite of test cases.

    Attributes:
        name: Its name.
        started: The start of the test, in seconds since the epoch.
        seconds: The seconds that the results cover.
        properties: What a reader needs to know, by name. Empty values are left out.
        cases: The test cases.
        text: The results as text.

    """

    name: str
    started: float
    seconds: float
    properties: Mapping[str, str | None]
    cases: Sequence[Case]
    text: str


def document_of(suites: Sequence[Suite]) -> str:
    """The XML document, ending with a line break."""
    root = ET.Element("testsuites")
    for index, suite in enumerate(suites):
        _add_suite(root, suite, index)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _add_suite(root: ET.Element, suite: Suite, index: int) -> None:
    element = ET.SubElement(root, "testsuite", _attributes(suite, index))
    properties = ET.SubElement(element, "properties")
    for name, value in suite.properties.items():
        if value:
            ET.SubElement(properties, "property", name=name, value=one_line(value))
    for case in suite.cases:
        _add_case(element, suite, case)
    ET.SubElement(element, "system-out").text = f"\n{suite.text}"
    ET.SubElement(element, "system-err")


def _attributes(suite: Suite, index: int) -> dict[str, str]:
    def number(element: Element) -> str:
        return str(sum(case.element == element for case in suite.cases))

    return {
        "name": suite.name,
        "package": _PACKAGE,
        "id": str(index),
        "tests": str(len(suite.cases)),
        "failures": number("failure"),
        "errors": "0",
        "skipped": number("skipped"),
        "time": f"{suite.seconds:.3f}",
        # In UTC: the schema of Ant permits no time zone.
        "timestamp": f"{datetime.fromtimestamp(suite.started, UTC):%Y-%m-%dT%H:%M:%S}",
        "hostname": _HOST_NAME,
    }


def _add_case(suite_element: ET.Element, suite: Suite, case: Case) -> None:
    # Jenkins uses the part after the last dot as the name of the class. All cases of a suite cover the same time: if
    # each had it, tools would add it up.
    element = ET.SubElement(suite_element, "testcase", classname=f"{_PACKAGE}.{suite.name}", name=case.name, time="0")
    if case.element is None:
        return
    attributes = {"message": case.message} | ({"type": case.kind} if case.element == "failure" else {})
    found = ET.SubElement(element, case.element, attributes)
    # GitLab shows only the text of the element, and not its attributes.
    found.text = "\n".join(["", *case.details, ""])
