"""The forms in which results are shown, for what prints and writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from locust_cw._checks import junit as _junit
from locust_cw._checks import markdown as _markdown
from locust_cw._checks import text as _text

if TYPE_CHECKING:
    from locust_cw._checks.junit_document import Suite
    from locust_cw._checks.results import CheckedRun


class Results(Protocol):
    """Results that are printed, and written to files."""

    def text(self, *, colors: bool) -> str:
        """The results for a terminal. They end with a line break."""

    def suite(self) -> Suite:
        """The results as a suite of JUnit XML."""

    def markdown(self, max_bytes: int) -> str:
        """The results as a section of Markdown; an empty text if not even its heading fits."""


class CheckResults(Results):
    """The results of the checks of a run."""

    def __init__(self, run: CheckedRun) -> None:
        self._run = run

    def text(self, *, colors: bool) -> str:
        """The results for a terminal."""
        return _text.text_of(self._run, colors=colors)

    def suite(self) -> Suite:
        """The results as a suite of JUnit XML."""
        return _junit.suite_of(self._run)

    def markdown(self, max_bytes: int) -> str:
        """The results as a section of Markdown."""
        return _markdown.markdown_of(self._run, max_bytes)
