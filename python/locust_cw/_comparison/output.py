"""The forms in which a comparison is shown, and the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from locust_cw._checks.junit_document import Case, Suite
from locust_cw._checks.markdown import escaped
from locust_cw._checks.output import Results
from locust_cw._checks.wording import one_line
from locust_cw._comparison import junit as _junit
from locust_cw._comparison import markdown as _markdown
from locust_cw._comparison import text as _text
from locust_cw._terminal.styles import BOLD, YELLOW, paint

if TYPE_CHECKING:
    from locust_cw._comparison.results import ComparedRuns, Side


class ComparisonResults(Results):
    """The results of a comparison."""

    def __init__(self, compared: ComparedRuns) -> None:
        self._compared = compared

    @property
    def headline(self) -> tuple[str, str]:
        """The verdict, and the result in one line."""
        return self._compared.verdict, " ".join(_text.headline_of(self._compared))

    def text(self, *, colors: bool) -> str:
        """The results for a terminal."""
        return _text.text_of(self._compared, colors=colors)

    def suite(self) -> Suite:
        """The results as a suite of JUnit XML."""
        return _junit.suite_of(self._compared)

    def markdown(self, max_bytes: int) -> str:
        """The results as a section of Markdown."""
        return _markdown.markdown_of(self._compared, max_bytes)


@dataclass(frozen=True)
class NoComparison(Results):
    """A run that was not compared.

    Attributes:
        run: The run.
        baseline: The baseline or the run that it would be compared with.
        reason: Why it was not compared: a sentence.

    """

    run: Side
    baseline: str
    reason: str

    @property
    def headline(self) -> tuple[str, str]:
        """The verdict, and the reason in one line."""
        return "undecided", one_line(self.reason)

    def text(self, *, colors: bool) -> str:
        """The reason for a terminal."""
        head, verdict = f"Comparison with {one_line(self.baseline)}:", "none"
        if colors:
            head, verdict = paint(BOLD, head), paint(YELLOW, verdict)
        return f"{head} {verdict}\n{one_line(self.reason)}\n"

    def suite(self) -> Suite:
        """A suite of JUnit XML with one case, which is skipped. Some tools require that a file has a case."""
        name = one_line(self.baseline)
        reason = one_line(self.reason)
        case = Case(name, "skipped", message=reason, details=[reason])
        return Suite(
            name=_junit.SUITE,
            started=self.run.started,
            seconds=self.run.seconds,
            properties={"run_id": self.run.run_id, "host": self.run.host, "baseline": name},
            cases=[case],
            text=self.text(colors=False),
        )

    def markdown(self, max_bytes: int) -> str:
        """The reason as a section of Markdown."""
        text = f"## ⚠️ No comparison with {escaped(self.baseline)}\n\n{escaped(self.reason)}\n"
        return text if len(text.encode()) <= max_bytes else ""
