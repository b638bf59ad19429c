"""The command line of `locust-cw`: its output without a command, and its suggestions after a typing error."""

from __future__ import annotations

import re

import pytest

from support.in_process import captured as run

COMMANDS = ("doctor", "policy", "template", "verify", "check", "cost", "replay", "dashboard", "report")


def test_without_a_command_it_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys)
    assert (code, err) == (2, "")
    assert out == run(capsys, "--help")[1]
    for command in COMMANDS:
        assert re.search(rf"^    {command}\s", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("docter",), "there is no command 'docter' (did you mean 'doctor'?). 'locust-cw --help' lists them"),
        (("reply", "--all"), "(did you mean 'replay'?)"),
        (("x",), "there is no command 'x'. 'locust-cw --help' lists them"),
        (("doctor", "--reigon=eu-west-1"), "unrecognized arguments: --reigon=eu-west-1 (did you mean '--region'?)"),
        (("policy", "--logs", "all", "--log-grup", "x"), "--log-grup x (did you mean '--log-group'?)"),
        (("policy", "--quux"), "unrecognized arguments: --quux\n"),
        (("--verson",), "COMMAND"),
    ],
)
def test_a_typing_error_gets_a_suggestion(
    capsys: pytest.CaptureFixture[str], args: tuple[str, ...], words: str
) -> None:
    code, out, err = run(capsys, *args)
    assert (code, out) == (2, "")
    assert words in err


def test_the_usage_is_that_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    _, _, err = run(capsys, "policy", "--quux")
    assert err.startswith("usage: locust-cw policy ")
