"""The CloudWatch alarms that stop a test: their states, and which of them goes to ALARM while the test runs."""

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
"""Seconds between two requests: a test must stop within 15 s of its alarm."""

_ALARM = "ALARM"


class AlarmError(Exception):
    """The alarms cannot be watched. The message says why, and what to do."""


@dataclass(frozen=True)
class Alarm:
    """An alarm that has gone to ALARM."""

    name: str
    reason: str


@dataclass(frozen=True)
class States:
    """The states of alarms that were requested by name.

    Attributes:
        known: State and reason of each alarm that exists, by its name.
        missing: Names for which there is no alarm.

    """

    known: dict[str, tuple[str, str]]
    missing: list[str]


def states_of(account: Account, names: Sequence[str]) -> States:
    """Request the states of metric alarms and composite alarms.

    Raises:
        AwsError: If AWS refused the call, or the call did not reach AWS.

    """
    wanted = list(dict.fromkeys(names))
    response = account.call("DescribeAlarms", AlarmNames=wanted)
    alarms = response["MetricAlarms"] + response["CompositeAlarms"]
    found = {each["AlarmName"]: (each["StateValue"], each["StateReason"] or "no reason given") for each in alarms}
    return States(found, [name for name in wanted if name not in found])


class Alarms:
    """The alarms that stop a test."""

    def __init__(self, account: Account, names: Sequence[str]) -> None:
        """Nothing is requested before `check`."""
        self._account = account
        self._names = names
        # An alarm stops the test only after it was seen in another state.
        self._armed: set[str] = set()
        self._failure_logged = False

    def check(self) -> None:
        """Request the states for the first time, before there is any load.

        Raises:
            AlarmError: If an alarm does not exist, or AWS refused the call.

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
                logger.warning(
                    "Alarm %s is already in ALARM (%s): it can stop the test only after it leaves this state",
                    name,
                    reason,
                )
            else:
                self._armed.add(name)

    def gone_off(self) -> Alarm | None:
        """The first alarm that has gone to ALARM since the last call. A failed request is logged once."""
        try:
            states = states_of(self._account, self._names)
        except _core.AwsError as error:
            if not self._failure_logged:
                self._failure_logged = True
                logger.warning(
                    "locust-cw cannot read the states of the alarms of --cw-stop-on-alarm and keeps retrying: %s",
                    error.message,
                )
            return None
        self._failure_logged = False
        for name, (state, reason) in states.known.items():
            if state != _ALARM:
                self._armed.add(name)
            elif name in self._armed:
                return Alarm(name, reason)
        return None
