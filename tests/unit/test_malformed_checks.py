"""Each malformed check ends Locust with exit code 2 and a message that shows the position of the problem."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from locust_cw import InvalidOptionError
from locust_cw._settings.table import Options, exit_with
from support.option_parser import own, parser
from support.paths import ROOT


def malformed() -> Iterator[tuple[str, str, str]]:
    """The expressions of the core's tests, each with its problem and the line of its caret."""
    lines = iter((ROOT / "src/check/malformed.txt").read_text().splitlines())
    for expression in lines:
        before, caret, problem = next(lines).partition("^ ")
        yield expression, problem, before + caret.strip()


def test_malformed_checks_end_locust_with_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    """All of them, and each at start: its options are checked then."""
    number = 0
    command_line = parser()
    for expression, problem, caret in malformed():
        with own():
            options = Options(command_line.parse_args(["--cw-check=requests > 0", f"--cw-check={expression}"]), {})
            with pytest.raises(InvalidOptionError) as refusal:
                options.check()
        with pytest.raises(SystemExit) as end:
            exit_with(refusal.value)
        assert end.value.code == 2
        lines = capsys.readouterr().err.splitlines()
        assert lines[0].startswith("locust: error: "), lines
        assert "--cw-check" in lines[0]
        assert lines[0].endswith(problem)
        assert lines[1:] == [expression, caret]
        number += 1
    assert number > 250
