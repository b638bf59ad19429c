"""Target checks to read in tests, until they have their values."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from locust_cw import _core
from locust_cw._aws.targets import parse
from locust_cw._checks import target_values
from locust_cw._checks.target_metrics import metrics_of
from locust_cw._checks.target_values import TargetChecks
from locust_cw._core import parse_check
from support.metric_store import Clock, MetricStore

NOON = 1_795_003_200.0
"""The start of a minute, and of an hour."""


CPU = parse_check("rds:shop-db: CPUUtilization Average < 80")


class Reading:
    """Checks on metrics in a store, at a time that a test decides."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *checks: _core.Check, now: float = NOON) -> None:
        self.clock = Clock(now)
        self.store = MetricStore(self.clock)
        monkeypatch.setattr(
            target_values, "time", SimpleNamespace(time=self.clock.time, monotonic=self.clock.monotonic)
        )
        self.regions: list[str | None] = []
        targets = [parse(text) for text in dict.fromkeys(check.name or "" for check in checks)]
        self.metrics = [metrics_of(check, targets) for check in checks]
        self.is_hanging = False
        self.checks = TargetChecks(self._accounts, checks, targets, self.clock.sleep)

    def _accounts(self, sleep: Any) -> Any:
        def hang(*_: object, **__: object) -> None:
            # As an account does while a call is in progress.
            while True:
                sleep(0.05)

        def account_of(region: str | None) -> Any:
            self.regions.append(region)
            return hang if self.is_hanging else self.store.call

        return account_of

    def put(self, time: float, *values: float, late: float = 0.0, check: int = 0) -> None:
        """Publish samples of a check's metric."""
        self.store.put(self.metrics[check].series[0], time, *values, late=late)

    def put_traffic(self, time: float, *values: float, late: float = 0.0, check: int = 0) -> None:
        self.store.put(self.metrics[check].traffic[0], time, *values, late=late)

    def final(self, start: float, end: float, wait_s: float = 120.0, **how: Any) -> list[float | str]:
        """What the checks find at the end, in their order."""
        self.clock.now = max(self.clock.now, end)
        return list(self.checks.final(start, end, wait_s=wait_s, **how).values())
