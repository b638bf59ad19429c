"""The sources of options: no source overrides the opt-out of another."""

from __future__ import annotations

import argparse
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from locust_cw import InvalidOptionError
from locust_cw._distributed import messages
from locust_cw._distributed.registry import WorkerRegistry
from locust_cw._distributed.reported_status import ReportedStatus
from locust_cw._distributed.worker import Worker
from locust_cw._plugin.extension import StartError
from locust_cw._plugin.locust_adapter import NoCommandLine
from locust_cw._plugin.locust_fleet import WorkerStates
from locust_cw._settings import opt_outs as _opt_outs
from locust_cw._settings.option import Option
from locust_cw._settings.sources import from_environment
from locust_cw._settings.table import OPTIONS, Options
from locust_cw._webui import status as _status
from locust_cw._webui.status import Run
from support import status_reports
from support.option_parser import RefusedError, own, parser

VALUES = ["", "true", "True", "NO", "on", "0", "1", "yes ", "maybe", "2.5", "nan", "-1", "1e3", "a,b", "[a, b]", "[]"]
VALUES += ['["a", 2]', "[a", "all", "json", "workers", "-- ", "@x", "  7 "]
# Of `--` argparse makes an empty list, by mistake.
WRITTEN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20).filter("--".__ne__)


@given(st.sampled_from(OPTIONS), st.sampled_from(VALUES) | WRITTEN)
@example(next(option for option in OPTIONS if option.name == "disable"), "")
@example(next(option for option in OPTIONS if option.name == "dimension"), "[]")
def test_a_variable_is_read_as_the_command_lines_parser_reads_it(option: Option, text: str) -> None:
    """Both return the same value, or refuse it."""
    with own(**{option.variable: text}):
        try:
            value = from_environment(option)
        except InvalidOptionError as error:
            refused = str(error)
            with pytest.raises(RefusedError):
                parser().parse_args([])
            assert refused.startswith(f"argument {option.flag}: {option.variable} must be ")
            return
        if option.const is not None and text[:1] + text[-1:] == "[]":
            # The parser takes no list for the name of a dashboard, and no dashboard has such a name.
            return
        parsed = getattr(parser().parse_args([]), f"cw_{option.name}")
    if value is None or value == []:
        # Of an empty list the parser makes its default, which has the same effect.
        assert parsed == parser().get_default(f"cw_{option.name}")
    else:
        # NaN is not equal to itself.
        assert repr(value) == repr(parsed)


def test_the_environment_comes_after_python_and_a_command_line() -> None:
    """Also if a program has its own command line, without the options of locust-cw."""
    with own(LOCUST_CW_NAMESPACE="Variable", LOCUST_CW_RESOLUTION="60", LOCUST_CW_TARGET="[sqs:a, rds:b]"):
        options = Options(argparse.Namespace(verbose=True), {})
        assert (options["namespace"], options["resolution"]) == ("Variable", 60)
        assert options["target"] == ["sqs:a", "rds:b"]
        assert Options(None, {"namespace": "Python"})["namespace"] == "Python"
        assert Options(argparse.Namespace(cw_namespace="Line", cw_target=None), {})["namespace"] == "Line"
        assert Options(argparse.Namespace(cw_namespace="Line", cw_target=None), {})["target"] is None
        # As a master has that no command line was given to.
        assert Options(NoCommandLine(), {})["namespace"] == "Variable"


# What opts out


@pytest.mark.parametrize("name", ["disable", "dry_run"])
def test_no_source_overrides_the_opt_out_of_another(name: str) -> None:
    variable, key = f"LOCUST_CW_{name.upper()}", f"cw_{name}"
    for text, command_line, overrides, expected in (
        ("false", None, {}, False),
        ("true", None, {}, True),
        ("true", None, {name: False}, True),
        ("true", argparse.Namespace(**{key: False}), {name: False}, True),
        ("false", argparse.Namespace(**{key: True}), {name: False}, True),
        ("false", argparse.Namespace(**{key: False}), {name: True}, True),
        ("false", argparse.Namespace(**{key: False}), {name: None}, False),
    ):
        with own(**{variable: text}):
            assert Options(command_line, overrides)[name] is expected, (text, command_line, overrides)


@pytest.mark.parametrize("name", ["disable", "dry_run"])
def test_an_invalid_opt_out_is_an_error(name: str) -> None:
    variable = f"LOCUST_CW_{name.upper()}"
    with own(**{variable: "ja"}), pytest.raises(InvalidOptionError, match=variable):
        Options(None, {name: False})
    with pytest.raises(InvalidOptionError, match=f"--cw-{name.replace('_', '-')}: must be a Boolean, not 'true'"):
        Options(None, {name: "true"})


def test_a_command_line_is_noted_before_a_masters_options_replace_it() -> None:
    """For each command line, while it exists."""
    with own(LOCUST_CW_DRY_RUN="true"):
        mine = parser().parse_args(["--cw-disable"])
    with own():
        other = parser().parse_args([])
        for command_line in (mine, other):
            vars(command_line).update(cw_disable=False, cw_dry_run=False, cw_local=False)
        assert Options(mine, {}).own == {"disable": True, "dry_run": True, "local": False}
        assert Options(other, {}).own == {"disable": False, "dry_run": False, "local": False}
        made = argparse.Namespace(cw_local=True)
        _opt_outs.note_unless_known(made)
        _opt_outs.note_unless_known(mine)
        _opt_outs.note_unless_known(None)
        made.cw_local = False
        assert Options(made, {}).own == {"disable": False, "dry_run": False, "local": True}
        assert Options(made, {"local": False}).own["local"] is False, "no opt-out: Python comes first"
    assert [name for name in _opt_outs.KEPT if _opt_outs.noted(mine, name)] == ["disable", "dry_run"]
    known = len(_opt_outs._noted)  # noqa: SLF001 - what it holds
    del mine, other, made, command_line
    assert len(_opt_outs._noted) == known - 3  # noqa: SLF001 - what it holds


def test_a_worker_with_local_does_not_publish_to_aws_if_its_master_has_no_local_address() -> None:
    """The option `local` of the worker applies, although the master's options say no.

    Without an address, it publishes nothing.
    """
    with own(LOCUST_CW_LOCAL="true"):
        command_line = parser().parse_args([])
    with own():
        vars(command_line).update(cw_local=False, cw_master_disable=False, cw_master_dry_run=False)
        environment: Any = SimpleNamespace(parsed_options=command_line, runner=type("WorkerRunner", (), {})())
        options = Options(command_line, {})
        worker = Worker()
        worker.prepare(environment, options)
        assert options["local"] is True
        with pytest.raises(StartError, match="sent no address"):
            worker.local_url(environment, options, None)


def test_a_worker_that_opted_out_is_named_once_and_not_waited_for() -> None:
    """It does not count as vanished, even if Locust misses it."""
    fleet = WorkerRegistry()
    fleet.update("out", messages.opt_out("one", "--cw-disable"))
    fleet.observe("one", WorkerStates.of({"out": "ready", "gone": "missing"}), publishing=True)
    fleet.update("gone", messages.opt_out("one", "--cw-disable"))
    assert fleet.has_last_reports("one")
    assert fleet.has_opted_out("out", "one")
    assert not fleet.has_opted_out("out", "two")
    _, remarks, complete = fleet.reports("one", publishing=True)
    assert [remark.partition(":")[0] for remark in remarks] == ["gone", "out"]
    assert not complete


def part(*, dry_run: bool = False, stopped: bool = False, **changes: Any) -> ReportedStatus:
    """A process with 100 requests, all of which wait, unless `changes` say otherwise."""
    counts = {"observed": 100, "spooled": 100, **changes}
    return ReportedStatus(
        status_reports.status_report(
            receipt=status_reports.receipt(requests=counts, dry_run=dry_run), status={"stopped": stopped}
        )
    )


def test_the_dry_run_of_a_worker_delays_nothing() -> None:
    """Its row shows `recording`, and the run does not wait for data that will not be sent."""
    done: dict[str, Any] = {"delivered": 100, "spooled": 0}
    run, own_part = Run("r", "live", 1.0), part(observed=0, spooled=0, stopped=True)
    for stopped, others, whole in ((False, done, "healthy"), (True, done, "recording"), (True, {}, "draining")):
        workers = {
            "dry": part(dry_run=True, stopped=stopped),
            "sends": part(stopped=stopped, **others),
        }
        statuses = _status.statuses(run, own_part, workers, 9.0)
        assert [status.health for status in statuses[:2]] == [whole, "recording"]
