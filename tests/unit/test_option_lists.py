"""A list in a configuration file applies as a whole, or Locust does not start: no part of it is lost in silence."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest

from locust_cw import InvalidOptionError
from locust_cw._settings.sources import Sources
from locust_cw._settings.table import OPTIONS, Options, option_of
from support.option_parser import RefusedError, own, parser

LISTS = [option.key for option in OPTIONS if option.type is list]
TWICE = "# A comment.\n{0} = a=b\n\n{1} c=d  # another one\n"


def on_command_line(*_: str) -> None:
    parser("locust.conf").parse_args([])


def in_program(name: str) -> None:
    assert Options(None, {})[name] is not None


def in_command(name: str) -> None:
    assert Sources().value(option_of(name)) is not None


READERS = [on_command_line, in_program, in_command]


def refusal(folder: Path, conf: str, read: Callable[[str], None], name: str = "check") -> str:
    (folder / "locust.conf").write_text(conf)
    with own(), chdir(folder), pytest.raises((RefusedError, InvalidOptionError)) as refused:
        read(name)
    return str(refused.value)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("key", LISTS)
def test_an_option_in_two_lines_of_a_file_is_refused(tmp_path: Path, key: str, read: Callable[[str], None]) -> None:
    """ConfigArgParse reads only the last one."""
    name = key.removeprefix("cw-").replace("-", "_")
    for first, second in ((key, key), (key, f"--{key}")):
        message = refusal(tmp_path, TWICE.format(first, second), read, name)
        assert message.startswith(f"argument --{key}: locust.conf has {key} in lines 2 and 4")
        assert f"{key} = [FIRST, SECOND]" in message


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "conf",
    [
        "cw-check = [\n  p95 < 300ms,\n  failures < 1%\n]\n",
        "cw-check = [p95 < 300ms,\n  failures < 1%]\n",
        # The rest of the line is a comment.
        "cw-check = [GET /a #1: p95 < 300ms, failures < 1%]\n",
    ],
)
def test_a_list_that_does_not_end_in_its_line_is_refused(
    tmp_path: Path, conf: str, read: Callable[[str], None]
) -> None:
    message = refusal(tmp_path, conf, read)
    assert "--cw-check: the list of cw-check in line 1 of locust.conf does not end in this line: write it in" in message


def test_a_file_of_the_option_config_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text(TWICE.format("cw-tag", "cw-tag"))
    with own(), chdir(tmp_path), pytest.raises(RefusedError, match=r"own\.conf has cw-tag in lines 2 and 4"):
        parser().parse_args(["--config=own.conf"])


@pytest.mark.parametrize(
    ("conf", "checks"),
    [
        ("cw-check = [p95 < 300ms, failures < 1%] # two\n", ["p95 < 300ms", "failures < 1%"]),
        ("[locust]\ncw-check: p95 < 300ms\ncw-target = [rds:a, rds:b]\n", ["p95 < 300ms"]),
        ("cw-check = [Login] GET /: p95 < 1s\nhost = a\nhost = b\n", ["[Login] GET /: p95 < 1s"]),
        ('cw-check = ["GET /a,b: p95 < 1s", "[x]: max < 1s"]\n', ["GET /a,b: p95 < 1s", "[x]: max < 1s"]),
    ],
)
def test_a_list_in_one_line_applies_as_a_whole(tmp_path: Path, conf: str, checks: list[str]) -> None:
    (tmp_path / "locust.conf").write_text(conf)
    with own(), chdir(tmp_path):
        assert parser("locust.conf").parse_known_args([])[0].cw_check == checks
        assert Options(None, {})["check"] == checks


def test_a_list_in_toml_can_have_several_lines(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.locust]\ncw-check = [\n  "p95 < 300ms",\n  "failures < 1%",\n]\n')
    with own(), chdir(tmp_path):
        assert Options(None, {})["check"] == ["p95 < 300ms", "failures < 1%"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("p95 < 300ms, failures < 1%", "a check has only one condition"),
        ("p95 < 300ms, GET /: failures < 1%", "a check has only one condition"),
        (" [p95 < 300ms, failures < 1%]", "a check is not a list"),
    ],
)
def test_several_checks_in_a_variable_without_brackets_are_refused(text: str, problem: str) -> None:
    with own(LOCUST_CW_CHECK=text):
        for options in (Options(None, {}), Options(parser().parse_args([]), {})):
            with pytest.raises(InvalidOptionError, match=f"--cw-check: {problem}.*list in"):
                options.check()


def test_a_list_on_the_command_line_is_refused() -> None:
    with own(), pytest.raises(InvalidOptionError, match="a check is not a list: write each check separately"):
        Options(parser().parse_args(["--cw-check=[p95 < 300ms, GET /: failures < 1%]"]), {}).check()


def test_the_command_line_replaces_the_lists_of_other_sources(tmp_path: Path) -> None:
    """They are not added up."""
    (tmp_path / "locust.conf").write_text("cw-check = [p95 < 300ms, failures < 1%]\n")
    with chdir(tmp_path):
        with own(LOCUST_CW_CHECK="[max < 1s, rps > 1]"):
            assert parser("locust.conf").parse_args(["--cw-check=mean < 1s"]).cw_check == ["mean < 1s"]
            assert parser("locust.conf").parse_args([]).cw_check == ["max < 1s", "rps > 1"]
        with own():
            assert parser("locust.conf").parse_args([]).cw_check == ["p95 < 300ms", "failures < 1%"]
