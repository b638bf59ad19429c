"""Alarms that stop the test: looked at in one process of it, for as long as it runs."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from locust_cw import _core

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust_cw._aws.account import Account

logger = logging.getLogger("locust_cw")

LOOK_EVERY_S = 5.0
"""Seconds between two looks: a test is to stop within 15 s of its alarm."""

_ALARM = "ALARM"


class AlarmError(Exception):
    """The alarms cannot be watched. The message tells why, and what to do."""


@dataclass(frozen=True)
class Alarm:
    """An alarm that has gone off."""

    name: str
    reason: str


@dataclass(frozen=True)
class States:
    """What CloudWatch tells of alarms that it was asked for by name.

    Attributes:
        known: State and reason by name, of those that there are.
        missing: Names of which there is none.

    """

    known: dict[str, tuple[str, str]]
    missing: list[str]


def states_of(account: Account, names: Sequence[str]) -> States:
    """Ask for alarms, of whichever kind.

    Raises:
        AwsError: If AWS refused the call, or it did not reach it.

    """
    wanted = list(dict.fromkeys(names))
    told = account.call("DescribeAlarms", AlarmNames=wanted)
    alarms = told["MetricAlarms"] + told["CompositeAlarms"]
    found = {each["AlarmName"]: (each["StateValue"], each["StateReason"] or "no reason given") for each in alarms}
    return States(found, [name for name in wanted if name not in found])


class Alarms:
    """The alarms that stop a test."""

    def __init__(self, account: Account, names: Sequence[str]) -> None:
        """Nothing is asked before `check`."""
        self._account = account
        self._names = names
        self._quiet: set[str] = set()
        self._trouble_said = False

    def check(self) -> None:
        """Look at them for the first time, before there is any load.

        Raises:
            AlarmError: If there is no such alarm, or it cannot be asked for.

        """
        try:
            states = states_of(self._account, self._names)
        except _core.AwsError as error:
            raise AlarmError(error.message) from error
        if states.missing:
            raise AlarmError(
                f"there is no alarm {', '.join(states.missing)} in this account and region: check the name in "
                "--cw-stop-on-alarm, and --cw-region"
            )
        for name, (state, reason) in states.known.items():
            if state == _ALARM:
                logger.warning("Alarm %s is in ALARM already (%s): the test stops if it goes off anew", name, reason)
            else:
                self._quiet.add(name)

    def gone_off(self) -> Alarm | None:
        """The first one that has turned to ALARM since the last look. Trouble in asking is said once."""
        try:
            states = states_of(self._account, self._names)
        except _core.AwsError as error:
            if not self._trouble_said:
                self._trouble_said = True
                logger.warning("Whether an alarm has gone off cannot be told for now: %s", error.message)
            return None
        self._trouble_said = False
        for name, (state, reason) in states.known.items():
            if state != _ALARM:
                self._quiet.add(name)
            elif name in self._quiet:
                return Alarm(name, reason)
        return None
