"""Printing a comparison, as JSON and for readers."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from locust_cw._cli.output import print_json
from locust_cw._cli.verify.comparison import Agreement, Comparison, Number
from locust_cw._cli.verify.explanation import explanation, lost_in_words

if TYPE_CHECKING:
    from collections.abc import Sequence


def print_comparison_json(comparison: Comparison) -> None:
    """Print one JSON object, with all numbers."""
    print_json(
        {
            "run_id": comparison.record.run_id,
            "equal": comparison.agreement is not Agreement.DIFFERENT,
            "complete": comparison.agreement is Agreement.COMPLETE,
            "numbers": [asdict(number) | {"agrees": number.agrees} for number in comparison.numbers],
            "notes": list(explanation(comparison)),
        }
    )


def print_comparison(comparison: Comparison) -> None:
    """Print whether they agree, the numbers that differ, and why."""
    out = sys.stdout.write
    out(f"Run {comparison.record.run_id}: {_agreement_in_words(comparison)}.\n")
    _print_numbers(comparison.differing)
    for note in explanation(comparison):
        out(f"- {note}\n")


def _agreement_in_words(comparison: Comparison) -> str:
    metrics = comparison.metrics
    compared = f"{len(comparison.numbers)} numbers"
    lost = lost_in_words(comparison)
    held = (
        f"{metrics.requests} requests with {metrics.failures} failures in {metrics.series} series, and"
        f" {comparison.logs.events} log events ({compared} compared)"
    )
    match comparison.agreement:
        case Agreement.DIFFERENT:
            also = f", and {lost}" if lost else ""
            return f"CloudWatch and the receipt differ in {len(comparison.differing)} of {compared}{also}"
        case Agreement.COMPLETE:
            return f"CloudWatch has everything that was published, {held}"
        case Agreement.INCOMPLETE:
            return f"CloudWatch does not have everything: {lost}. It has the rest, {held}"


def _print_numbers(numbers: Sequence[Number]) -> None:
    if not numbers:
        return
    out = sys.stdout.write
    width = max(len(number.what) for number in numbers)
    out(f"{'':{width}} {'expected':>11} {'held':>11} {'difference':>11}  of\n")
    for number in numbers:
        figures = f"{number.expected:>11} {number.held:>11} {number.held - number.expected:>+11}"
        out(f"{number.what:{width}} {figures}  {number.of}\n")
