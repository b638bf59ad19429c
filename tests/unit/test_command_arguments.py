"""Errors of wrong arguments of `locust-cw` use the option names of the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from locust_cw._cli.replay.sender import with_replay_options
from support.in_process import command

COST = ("cost", "--requests-per-second=100")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("policy", "--namespace=AWS/EC2"), "--namespace"),
        (("policy", "--log-retention-days=8"), "--log-retention-days"),
        (("policy", "--external-id=x"), "--role-arn"),
        (("policy", "--account=12"), "--account"),
        (("policy", "--caller=arn:aws:iam::123456789012:root"), "--caller"),
        (("template", "--role-arn=admin"), "--role-arn"),
        (("template", "--log-group=a b"), "--log-group"),
        (("doctor", "--endpoint-url=localhost"), "--endpoint-url"),
        (("doctor", "--log-stream=a:b"), "--log-stream"),
        (("cost",), "--requests-per-second"),
        ((*COST, "--resolution=10"), "--resolution"),
        ((*COST, "--failure-share=2"), "--failure-share"),
        ((*COST, "--names=0"), "--names"),
        ((*COST, "--at-end", "--live"), "--live"),
        (("cost", "--requests-per-second=inf"), "--requests-per-second"),
        ((*COST, "--requests-per-second=1e7", "--minutes=43800", "--runs-per-month=1e6"), "--requests-per-second"),
        (("replay", "20261122T110301Z-7f3a", "--all"), "--all"),
        (("replay", "--spool-dir=missing"), "--spool-dir: missing cannot be read"),
        (("replay", "--all", f"--spool-dir={__file__}"), f"--spool-dir: {__file__} cannot be read"),
        (("replay", "20261122T110301Z-7f3a", "--spool-dir=missing"), "--spool-dir: missing cannot be read"),
    ],
)
def test_a_wrong_argument_is_named(tmp_path: Path, args: tuple[str, ...], message: str) -> None:
    done = command(tmp_path, *args)
    assert done.exit_code == 2, done
    assert message in done.err
    assert "--cw-" not in done.err
    assert not done.out


def test_replay_names_its_own_options_without_cw() -> None:
    said = "Give --cw-region, or --cw-endpoint-url. Check --cw-log-group, and --cw-regional in /a--cw-b."
    assert with_replay_options(said) == (
        "Give --region, or --endpoint-url. Check --cw-log-group, and --cw-regional in /a--cw-b."
    )
