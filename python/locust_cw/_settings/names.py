"""Options that are names of something: AWS resources under test, their metrics in checks, tags, baseline, dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw._aws import targets as _targets
from locust_cw._checks import target_metrics as _target_metrics
from locust_cw._comparison.tolerance import parse_tolerance
from locust_cw._dashboard.name import check_name
from locust_cw._runs.baselines import check_base
from locust_cw._runs.tags import parse_tags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust_cw import _core
    from locust_cw._aws.targets import Target


def targets_of(given: Sequence[str] | None) -> list[Target]:
    """The AWS resources under test.

    Args:
        given: The values of `--cw-target`.

    Raises:
        InvalidOptionError: If a target is invalid.

    """
    return [_targets.parse(target) for target in given or ()]


def target_checks_of(given: Sequence[str] | None, targets: Sequence[str] | None) -> list[_core.Check]:
    """The checks of AWS resources under test.

    Args:
        given: The values of `--cw-check`.
        targets: The values of `--cw-target`.

    Raises:
        InvalidOptionError: If a check is malformed, or its target is not among the targets.

    """
    return _target_metrics.target_checks(given, targets_of(targets)) if given else []


def check_names(
    targets: Sequence[str] | None, checks: Sequence[str] | None, tags: Sequence[str] | None, dashboard: str | None
) -> None:
    """Check the values of `--cw-target`, `--cw-check`, `--cw-tag` and `--cw-dashboard`.

    Raises:
        InvalidOptionError: If a value cannot be used.

    """
    targets_of(targets)
    target_checks_of(checks, targets)
    parse_tags(tags or ())
    if dashboard is not None:
        check_name(dashboard)


def check_baseline(baseline: str | None, max_regression: str) -> None:
    """Check the values of `--cw-baseline` and `--cw-max-regression`.

    Raises:
        InvalidOptionError: If one cannot be used.

    """
    if baseline is not None:
        check_base(baseline)
    parse_tolerance("max_regression", max_regression)
