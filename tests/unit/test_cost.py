"""`locust-cw cost`: its estimates, and the numbers that it accepts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from locust_cw import _core
from support.in_process import command, run

COST = ("cost", "--requests-per-second=100")


def cost(folder: Path, *args: str) -> dict[str, Any]:
    estimate: dict[str, Any] = json.loads(run(folder, *COST, *args, "--json"))
    return estimate


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("--names=ten", "a whole number from 1 to 1,000,000"),
        ("--workers=1.5", "a whole number from 1 to 1,000,000"),
        ("--event-bytes=1e300", "a whole number from 1 to 1,000,000"),
        ("--minutes=long", "a number from 0.001 to 43,800"),
        ("--minutes=1e-300", "a number from 0.001 to 43,800"),
        ("--requests-per-second=1e300", "a number from 0.001 to 10,000,000"),
        ("--runs-per-month=nan", "a number from 0.001 to 1,000,000"),
        ("--runs-per-month=1e300", "a number from 0.001 to 1,000,000"),
        ("--failure-share=few", "a share from 0 to 1"),
    ],
)
def test_an_invalid_number_is_refused_with_the_valid_range(tmp_path: Path, given: str, wanted: str) -> None:
    name, value = given.split("=")
    done = command(tmp_path, *COST, given)
    assert done.exit_code == 2
    assert done.err.endswith(f"argument {name}: must be {wanted}, not '{value}'\n")


def test_a_region_without_prices_is_named(tmp_path: Path) -> None:
    assert "us-east-1: there are none of nowhere-1" in run(tmp_path, *COST, "--region=nowhere-1")
    assert "none of" not in run(tmp_path, *COST, "--region=ap-northeast-2")


def test_costs_are_those_of_the_price_table(tmp_path: Path) -> None:
    estimate = cost(tmp_path, "--minutes=90", "--names=9", "--failure-share=0", "--log-sample=0.5", "--event-bytes=174")
    # Ten series of four metrics, and three gauges, in two hours that have begun.
    assert estimate["per_run"]["metrics"] == 43
    assert estimate["usd"]["run"]["metrics"] == pytest.approx(43 * 2 / 730 * 0.30)
    assert estimate["per_run"]["log_bytes"] == 100 * 90 * 60 // 2 * 200
    logs, _ = _core.estimate_cost(metric_hours=0, calls=0, log_bytes=0)
    assert logs == 0
    assert estimate["usd"]["run"]["logs"] == pytest.approx(
        _core.estimate_cost(metric_hours=0, calls=0, log_bytes=estimate["per_run"]["log_bytes"])[1]
    )
    assert estimate["usd"]["run"]["calls"] == pytest.approx(estimate["per_run"]["calls"] * 0.01 / 1000)
    for per in estimate["usd"].values():
        assert per["total"] == pytest.approx(sum(per[part] for part in per if part != "total"))
        assert set(per) == {"metrics", "calls", "logs", "records", "reads", "total"}
    assert estimate["usd"]["month"]["logs"] == pytest.approx(20 * estimate["usd"]["run"]["logs"])
    assert estimate["usd"]["hour"]["logs"] == pytest.approx(estimate["usd"]["run"]["logs"] / 1.5)


@pytest.mark.parametrize("args", [("--minutes=2", "--runs-per-month=3000"), ("--minutes=43800",)])
def test_a_metric_costs_its_price_a_month_at_most(tmp_path: Path, args: tuple[str, ...]) -> None:
    """For any number of hours of all runs."""
    estimate = cost(tmp_path, *args)
    assert estimate["usd"]["month"]["metrics"] == pytest.approx(estimate["per_run"]["metrics"] * 0.30)


@pytest.mark.parametrize(
    ("args", "part", "factor"),
    [
        (("--logs=off",), "logs", 0),
        (("--logs=failures", "--failure-share=0.25"), "logs", 0.25),
        (("--log-sample=0", "--failure-share=0.25"), "logs", 0.25),
        (("--log-fields=compact",), "logs", 211 / 326),
        (("--log-fields=compact", "--event-bytes=137"), "logs", 0.5),
        (("--log-class=INFREQUENT_ACCESS",), "logs", 0.5),
        (("--region=ap-northeast-2",), "logs", 1.52),
        (("--region=eu-north-1",), "logs", 1),
        (("--flush-interval=10",), "calls", 0.5),
        (("--minutes=20",), "calls", 2),
        (("--hosts=2",), "metrics", (2 * 55 + 3) / (55 + 3)),
        (("--names=300",), "metrics", (202 * 5 + 3) / (55 + 3)),
    ],
)
def test_each_option_of_cost_counts(tmp_path: Path, args: tuple[str, ...], part: str, factor: float) -> None:
    usual = cost(tmp_path)["usd"]["run"][part]
    assert cost(tmp_path, *args)["usd"]["run"][part] == pytest.approx(usual * factor, rel=0.02)


@pytest.mark.parametrize(
    ("args", "updates", "names"),
    [
        ((), 13, 10),
        (("--at-end",), 2, 10),
        (("--minutes=60",), 63, 10),
        (("--names=300",), 13, 201),
        (("--record=local",), 0, 10),
        (("--record=off",), 0, 10),
        (("--logs=off",), 0, 10),
    ],
)
def test_the_record_of_a_run_is_written_every_minute(
    tmp_path: Path, args: tuple[str, ...], updates: int, names: int
) -> None:
    estimate = cost(tmp_path, *args)
    written = updates * (10_000 + 4_000 * names)
    assert estimate["per_run"]["record_bytes"] == written
    assert estimate["usd"]["run"]["records"] == pytest.approx(written / 1024**3 * 0.5)
    assert ("updates of the record" in run(tmp_path, *COST, *args)) == (updates > 0)


def test_checks_on_targets_read_metrics(tmp_path: Path) -> None:
    """At the end until the data has arrived, and every minute if they may stop the test."""
    given = ("--minutes=30", "--target=rds:shop-db", "--target=alb:app/shop/50dc6c495c0c9188")
    assert cost(tmp_path, *given, "--check=p95 < 300ms")["per_run"]["metrics_read"] == 0
    average = "--check=rds:shop-db: CPUUtilization Average < 80"
    # Thirteen attempts within two minutes, and one for the value.
    assert cost(tmp_path, *given, average)["per_run"]["metrics_read"] == 14
    assert cost(tmp_path, *given, average, "--check-wait=60")["per_run"]["metrics_read"] == 8
    assert cost(tmp_path, *given, f"{average} abort after 3m")["per_run"]["metrics_read"] == 14 + 30
    # A counter is read together with the traffic of its target.
    counter = "--check=alb:app/shop/50dc6c495c0c9188: HTTPCode_ELB_5XX_Count Sum == 0"
    estimate = cost(tmp_path, *given, average, counter)
    assert estimate["per_run"]["metrics_read"] == 14 + 2 * 13 + 1
    assert estimate["usd"]["run"]["reads"] == pytest.approx(41 * 0.01 / 1000)
    assert estimate["usd"]["month"]["reads"] == pytest.approx(20 * 41 * 0.01 / 1000)
    assert "up to 41 metrics read for checks a run" in run(tmp_path, *COST, *given, average, counter)
    assert "metrics read" not in run(tmp_path, *COST)
    refused = command(tmp_path, *COST, average)
    assert refused.exit_code == 2
    assert "add --target rds:shop-db" in refused.err


def test_calls_grow_with_time_and_not_with_load(tmp_path: Path) -> None:
    """A hundred times the load makes less than three times the calls. A second with many names needs several."""
    usual = cost(tmp_path)["per_run"]["calls"]
    assert cost(tmp_path, "--requests-per-second=10000")["per_run"]["calls"] < 3 * usual
    assert cost(tmp_path, "--requests-per-second=10000", "--names=200")["per_run"]["calls"] > 3 * usual
    table = run(tmp_path, *COST, "--log-retention-days=30")
    assert "GB-months" in table
    assert _core.PRICES_AS_OF in table
