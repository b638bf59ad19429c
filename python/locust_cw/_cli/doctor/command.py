"""The sub-command `doctor`: its options, its output, and its exit code."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._cli.doctor.examination import Examination
from locust_cw._cli.output import print_json
from locust_cw._cli.parser import AddParser, add_command
from locust_cw._cli.shared_options import (
    account_options,
    add_account_options,
    add_publish_options,
    add_spool_option,
    add_target_option,
    check_options,
)

if TYPE_CHECKING:
    import argparse

    from locust_cw._cli.doctor.check import Check

_DESCRIPTION = """\
Check what a test with these options needs: Locust, credentials, the endpoints of CloudWatch, the clock, and the
permission to publish. Print one line for each check, and for each one that fails how to fix it.
"""
_EPILOG = """\
examples:
  locust-cw doctor
  locust-cw doctor --region eu-north-1 --namespace Shop --log-group /load/shop --stop-on-alarm shop-errors
  locust-cw doctor --json | jq '.checks[] | select(.state == "failed")'

The command publishes one datum of the metric DoctorCheck in the namespace (about $0.0004), and one log event in each of
the streams <prefix>/doctor/<this machine> and runs/doctor/<this machine> of the log group. It creates the log group
only with --create-log-group. It puts the dashboard, if it exists, back unchanged. With LOCUST_CW_DISABLE or
LOCUST_CW_DRY_RUN, it does none of this, and skips these checks.

exit code: 0 nothing failed, 1 something failed, 2 invalid argument
"""


def declare(add_parser: AddParser) -> None:
    """Declare the sub-command."""
    parser = add_command(
        add_parser,
        "doctor",
        summary="check what a test needs, and how to fix what fails",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    add_publish_options(parser)
    add_target_option(parser)
    parser.add_argument("--create-log-group", action="store_true", help="create the log group if it does not exist")
    add_spool_option(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_account_options(parser)
    parser.set_defaults(run_command=_run)


def _run(options: argparse.Namespace) -> int:
    given = check_options(options, "namespace", "logs", "log_group", "log_stream", "spool_dir")
    _core.check_options(account_options(options) | given)
    checks: list[Check] = []
    for check in Examination(options).run():
        checks.append(check)
        if not options.json:
            sys.stdout.write(check.lines)
            sys.stdout.flush()
    failed = sum(check.state == "failed" for check in checks)
    if options.json:
        print_json({"ok": not failed, "checks": [asdict(check) for check in checks]})
    else:
        sys.stdout.write(f"{failed} of {len(checks)} checks failed.\n" if failed else "Nothing failed.\n")
    return 1 if failed else 0
