"""The options: one table, from which the command line, the environment variables and the Python form are made."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._settings import opt_outs as _opt_outs
from locust_cw._settings.opt_outs import OPT_OUTS
from locust_cw._settings.option import Option
from locust_cw._settings.sources import Sources, from_environment

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Mapping

    from locust_cw._aws.targets import Target


def _choices(option: str) -> tuple[str, ...]:
    """The values of an option of the core."""
    return tuple(_core.option_choices(option))


DEFAULT = "default"
"""The dashboard that is named after the namespace."""

OPTIONS = (
    Option(
        "live",
        "Publish to CloudWatch while the test runs; without it, results are published when the test stops",
        type=None,
        form=True,
    ),
    Option("disable", "Publish nothing of this run, whatever else is set", type=None),
    Option("dry_run", "Do everything but the network: batches stay in the spool", type=None),
    Option("local", "Publish to a local CloudWatch, started for this run (needs locust-cw[local])", type=None),
    Option("namespace", "Metrics namespace", "NAME"),
    Option("dimensions", "What series are made of: any of Host,Request,Method,RunId", "LIST"),
    Option("dimension", "Constant dimension of every metric; repeatable", "KEY=VALUE", list),
    Option("resolution", "Seconds per window and storage resolution: 1 or 60", "SECONDS", int),
    Option("flush_interval", "Seconds between publications in live mode", "SECONDS", float),
    Option("max_requests", f"Distinct request names; further ones are published as {_core.OTHER}", "NUMBER", int),
    Option("logs", "Which requests become log events", choices=_choices("logs")),
    Option("log_sample", "Share of successful requests logged, 0 to 1; failures are always logged", "SHARE", float),
    Option("log_format", "How log events are written", choices=_choices("log_format")),
    Option(
        "log_urls",
        "URLs in the texts of log events: without the values in them, or as they are",
        choices=_choices("log_urls"),
    ),
    Option("log_group", "Log group", "NAME"),
    Option("log_stream", "First part of the log stream's name", "PREFIX"),
    Option("log_retention_days", "Retention of a log group that is created", "DAYS", int),
    Option(
        "log_class",
        "Class of a log group that is created",
        choices=_choices("log_class"),
    ),
    Option("region", "AWS region; else as the AWS CLI finds it", "REGION"),
    Option("profile", "Profile of the AWS configuration files", "NAME"),
    Option("role_arn", "Role to assume, renewed for as long as the test runs", "ARN"),
    Option("external_id", "External id to assume the role with", "ID"),
    Option("endpoint_url", "Where CloudWatch is, if not at AWS", "URL"),
    Option("run_id", "Name of the run in CloudWatch; generated if not given", "ID", form=True),
    Option(
        "source",
        "Who publishes requests: every process its own, or the master from the workers' reports",
        choices=("workers", "master"),
        default="workers",
    ),
    Option("spool_dir", "Folder for what is not delivered yet; else the user's state folder", "FOLDER"),
    Option("spool_max_mb", "How much a run's spool may hold", "MB", int),
    Option("drain_timeout", "Seconds to keep sending at the end", "SECONDS", float),
    Option("receipt", "Write the receipt as JSON to this file", "FILE"),
    Option("fail_on_loss", "Exit with a code other than zero unless every sample was delivered", type=None),
    Option(
        "dashboard",
        f"CloudWatch dashboard to make or update; `{DEFAULT}`: named by namespace",
        "NAME",
        const=DEFAULT,
        form=True,
    ),
    Option("target", "AWS resource under test, shown on the dashboard and report; repeatable", "KIND:ID", list),
    Option("stop_on_alarm", "Stop the test when this CloudWatch alarm goes to ALARM; repeatable", "NAME", list),
    Option("strict", "Refuse to start the test if AWS refuses the first call", type=None),
)

_CORE_DEFAULTS = _core.default_options()
NAMES = frozenset(option.name for option in OPTIONS)
"""Of all options, in Python form."""
NAMES_OF_PUBLISHER = frozenset(_CORE_DEFAULTS) | {"disable"}
"""Of those that a `Publisher` has."""


def choices_of(name: str) -> tuple[str, ...]:
    """All values that an option takes, for the commands' options of the same name."""
    return option_of(name).choices or ()


def add_to(parser: argparse.ArgumentParser, not_in_form: Collection[str] = ()) -> None:
    """Declare all options in a group of their own, each with its environment variable.

    Args:
        parser: Locust's.
        not_in_form: Those that the web UI's start form leaves out, as what is typed there would change nothing.

    """
    group = parser.add_argument_group("CloudWatch", "Publish the test's metrics and logs to Amazon CloudWatch")
    for option in OPTIONS:
        default = _CORE_DEFAULTS.get(option.name, option.default)
        how: dict[str, Any] = {"help": f"{option.help}."}
        if option.type is None:
            how |= {"action": "store_true", "default": False}
        elif option.type is list:
            how |= {"action": "append", "metavar": option.metavar}
        else:
            how |= {"type": option.type, "default": default, "metavar": option.metavar, "choices": option.choices}
            if option.const is not None:
                how |= {"nargs": "?", "const": option.const}
            if default is not None:
                how["help"] += f" Default: {default}."
        action = group.add_argument(option.flag, env_var=option.variable, **how)
        # A group's add_argument does not take this argument of Locust's. What the web UI's form sends skips `type`.
        action.include_in_web_ui = option.form and option.name not in not_in_form  # type: ignore[attr-defined]
    _opt_outs.watch(parser)


def option_of(name: str) -> Option:
    """The option with this name."""
    return next(option for option in OPTIONS if option.name == name)


class Options:
    """The options of one run: those given in Python, else the command line's, the environment's, or a file's.

    An opt-out holds wherever it is set: no other source takes it back.

    Attributes:
        own: Whether this process opts out by itself, whatever its master's options are: `disable`, `dry_run`, and
            `local`, without which a worker would publish to AWS.

    """

    def __init__(self, command_line: object, overrides: Mapping[str, Any], names: Collection[str] = NAMES) -> None:
        """Combine them.

        The command line has read environment variables and files already. They are read here for what it does not
        have: a program may have no command line, or one of its own.

        Args:
            command_line: The namespace Locust parsed, or None.
            overrides: By name in Python form.
            names: Of the options that there are.

        Raises:
            InvalidOptionError: If there is no such option, or if an environment variable, a file or an opt-out cannot
                be used.

        """
        if unknown := sorted(set(overrides) - set(names)):
            raise _core.InvalidOptionError(unknown[0])
        on_command_line = getattr(command_line, "__dict__", {})
        self._values: dict[str, Any] = {}
        sources = Sources()
        for option in OPTIONS:
            if option.name not in names:
                continue
            key = f"cw_{option.name}"
            value = on_command_line[key] if key in on_command_line else sources.value(option)
            if value is None and option.name in _opt_outs.OF_MACHINE:
                value = _value_of_machine(option, command_line, sources)
            if option.type is list and value is not None:
                # Posted to the web UI it is text where there was no list before; else Locust takes it apart itself.
                parts = value.split(",") if isinstance(value, str) else value
                value = [part for part in parts if part != ""] or None
            if option.name in overrides:
                value = overrides[option.name]
            # An empty field of the web UI's form is no value.
            if value is not None and not (option.form and value == ""):
                self._values[option.name] = value
        self.own = {name: _opts_out(name, command_line, overrides, sources) for name in _opt_outs.KEPT}
        for name in OPT_OUTS:
            self._values[name] = self.own[name] or bool(on_command_line.get(f"cw_{name}"))

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - each option has its own type
        """The value of an option, None where it has none."""
        return self._values.get(name, _CORE_DEFAULTS.get(name))

    def set(self, name: str, value: object) -> None:
        """Decide an option that was left open."""
        self._values[name] = value

    @property
    def asked(self) -> dict[str, Any]:
        """What they are so far, without the name of the run, which each start has anew."""
        return {name: value for name, value in self._values.items() if name != "run_id"}

    @property
    def core(self) -> dict[str, Any]:
        """Those that the core knows."""
        return {name: value for name, value in self._values.items() if name in _CORE_DEFAULTS}

    @property
    def dashboard(self) -> str | None:
        """The dashboard's name; None where there is to be none."""
        return dashboard_name(self["dashboard"], self["namespace"])

    @property
    def targets(self) -> list[Target]:
        """The AWS resources under test.

        Raises:
            InvalidOptionError: If there can be no such resource.

        """
        if not self["target"]:
            return []
        from locust_cw._aws import targets  # noqa: PLC0415 - most tests have no targets

        return [targets.parse(target) for target in self["target"]]

    def check(self) -> None:
        """Check every option.

        Raises:
            InvalidOptionError: The first one that cannot be used.

        """
        _core.check_options(self.core)
        for option in OPTIONS:
            if option.name in self._values and option.name not in _CORE_DEFAULTS:
                _check_form(option, self._values[option.name])
        check_local(self._values)
        self.check_names()
        receipt = self["receipt"]
        if receipt is not None and not Path(receipt).absolute().parent.is_dir():
            raise _core.InvalidOptionError("receipt", f"there is no folder for {receipt}")

    def check_names(self) -> None:
        """Check the names of targets and dashboard, which the web UI's form can change.

        Raises:
            InvalidOptionError: If a name cannot be used.

        """
        _ = self.targets
        if self.dashboard is not None:
            from locust_cw._dashboard.name import check_name  # noqa: PLC0415 - most tests have no dashboard

            check_name(self.dashboard)


def check_local(options: Mapping[str, Any]) -> None:
    """Check that no other endpoint is given with `local`: a local CloudWatch has an endpoint of its own.

    Raises:
        InvalidOptionError: If another endpoint is given.

    """
    if options.get("local") and options.get("endpoint_url"):
        raise _core.InvalidOptionError("local", "not together with --cw-endpoint-url")


def _opts_out(name: str, command_line: object, overrides: Mapping[str, Any], sources: Sources) -> bool:
    """Whether this process itself sets an option: any of its sources an opt-out, else the first that says anything."""
    option = option_of(name)
    given = overrides.get(name)
    if given is not None:
        _check_form(option, given)
        if given or name not in OPT_OUTS:
            return bool(given)
    # Locust's command line has read the files.
    has_read_files = hasattr(command_line, f"cw_{name}")
    configured = from_environment(option) if has_read_files else sources.value(option)
    return bool(_opt_outs.noted(command_line, name) or configured)


def _value_of_machine(option: Option, command_line: object, sources: Sources) -> Any:  # noqa: ANN401 - each option has its own type
    """The value that this process has for itself, where the options of its master have none."""
    if _opt_outs.is_noted(command_line):
        return _opt_outs.noted(command_line, option.name)
    # Locust makes a command line for a worker that has none, from the options of its master.
    return sources.value(option)


def dashboard_name(given: object, namespace: str) -> str | None:
    """The dashboard that a value of the option means; None where there is to be none."""
    # Environment variables and the web UI's form say it as text.
    text = str(given).lower()
    if text in ("none", "false"):
        return None
    if text not in ("true", DEFAULT):
        return str(given)
    from locust_cw._dashboard.name import default_name  # noqa: PLC0415 - most tests have no dashboard

    return default_name(namespace)


def _check_form(option: Option, value: object) -> None:
    """Check what a program gave: the command line's values have their form."""
    if option.type is None:
        good, form = isinstance(value, bool), "a truth value"
    elif option.type is list:
        good = isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
        form = "a list of text"
    elif option.choices is not None:
        good, form = value in option.choices, f"one of {', '.join(option.choices)}"
    else:
        # What may be given without a value may be switched on; a file may be a path.
        good = isinstance(value, (str, os.PathLike)) or (option.const is not None and isinstance(value, bool))
        form = "text"
    if not good:
        raise _core.InvalidOptionError(option.name, f"must be {form}, not {value!r}")


def exit_with(error: Exception) -> None:
    """End the process as argparse does for a bad argument."""
    sys.stderr.write(f"locust: error: {error}\n")
    sys.exit(2)
