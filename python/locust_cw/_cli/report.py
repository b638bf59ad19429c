"""`locust-cw report`: chart load and targets on one time axis, as one HTML file and PNGs."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws.account import message_of
from locust_cw._aws.accounts import account_of
from locust_cw._aws.targets import Target, parse
from locust_cw._cli.account import is_unreachable
from locust_cw._cli.output import print_error, print_json
from locust_cw._cli.parser import AddParser, add_command
from locust_cw._cli.recorded_run import add_recorded_run_options, record_of
from locust_cw._cli.shared_options import account_options
from locust_cw._report import chart as _chart
from locust_cw._report.findings import PERCENTILES, Findings, Row
from locust_cw._report.gather import gather, own_findings
from locust_cw._report.no_data import NoDataError
from locust_cw._report.page import NoPageError, render, require
from locust_cw._runs.neighbours import newest
from locust_cw._runs.record import LOCAL_IS_GONE, NoRecordError, Record

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_DESCRIPTION = """\
Chart the load of a run and the metrics of its targets on one time axis, find the load at which the target saturates,
and write the result to FOLDER: report.html, which needs no other file, and the charts as PNGs. A run of another machine
is read from CloudWatch Logs; the metrics are read from CloudWatch, or else the run's own numbers are shown.
"""
_EPILOG = """\
examples:
  locust-cw report                                     the newest run
  locust-cw report 20261122T110301Z-7f3a --out july    write the report to july/report.html
  locust-cw report --target rds:shop-db --target 'metric:App/QueueLength{Pool=web}:Maximum'

exit code: 0 written, 1 there is nothing to report or it could not be read, 2 invalid argument
"""


def declare(add_parser: AddParser) -> None:
    """Declare the sub-command."""
    parser = add_command(
        add_parser,
        "report",
        summary="chart load and targets on one time axis, as HTML and PNGs",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help="run ID, as printed in the receipt (default: the newest)")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="folder to write to (default: report-RUN)")
    parser.add_argument(
        "--target",
        metavar="KIND:ID",
        action="append",
        default=[],
        help="AWS resource to chart in addition to the --cw-target of the run; repeatable",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print findings and files as one JSON object; without matplotlib and --out, it writes no file",
    )
    add_recorded_run_options(parser)
    parser.set_defaults(run_command=_run)


def _run(options: argparse.Namespace) -> int:
    wanted = [parse(text) for text in options.target]
    try:
        record = record_of(options.run or newest(options.spool_dir), options)
        # A program that reads the findings needs no charts, unless it says where they go.
        with_files = options.out is not None or not options.json or _chart.is_possible()
        if with_files:
            require()
        findings = findings_of(record, wanted, options)
        files = _write(findings, options.out or Path(f"report-{record.run_id}")) if with_files else []
    except _core.AwsError as error:
        print_error(message_of(error))
        return 1
    except (NoRecordError, NoDataError, NoPageError) as error:
        print_error(str(error))
        return 1
    except OSError as error:
        print_error(f"the report could not be written: {error}")
        return 1
    if options.json:
        print_json(_as_json(findings, files))
    else:
        sys.stdout.write(f"{findings.verdict}\n")
        sys.stdout.writelines(f"Note: {note}\n" for note in findings.notes)
        sys.stdout.writelines(f"{file}\n" for file in files)
        if not _chart.is_possible():
            sys.stdout.write("Note: PNGs of the charts need matplotlib: run pip install 'locust-cw[report]'\n")
    return 0


def findings_of(record: Record, wanted: Sequence[Target], options: argparse.Namespace) -> Findings:
    """What the report of a run says.

    Args:
        record: The record of the run.
        wanted: Targets in addition to those of the run.
        options: The options of the command.

    Raises:
        AwsError: If AWS refused a call about the run, or the call did not reach AWS.
        NoDataError: If CloudWatch has no metrics of the run.

    """
    targets = list({target.text: target for target in [*map(parse, record.targets), *wanted]}.values())
    if is_unreachable(record.local_url) and options.endpoint_url is None:
        try:
            return own_findings(record, record.load_summary(), targets, None, LOCAL_IS_GONE)
        except NoRecordError:
            raise NoDataError(LOCAL_IS_GONE) from None
    given, recorded = account_options(options), dict(record.destination)
    accounts = account_of(record.account | given, recorded=recorded or None, account=options.account)
    # If CloudWatch has no data, the message names what was requested.
    record.options |= given
    record.destination |= {name: given[name] for name in ("region", "profile") if name in given}
    return gather(record, targets, accounts)


def _write(findings: Findings, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "report.html"
    page.write_text(render(findings, time.time()), encoding="utf-8")
    files = [page]
    for chart in _chart.draw(findings) if _chart.is_possible() else []:
        files.append(folder / f"{chart.name}.png")
        files[-1].write_bytes(chart.png)
    return files


def _as_json(findings: Findings, files: Sequence[Path]) -> dict[str, Any]:
    found = findings.saturation
    return {
        "run_id": findings.record.run_id,
        "started": findings.started,
        "ramped_up": findings.ramped_up,
        "stopped": findings.stopped,
        "period_s": findings.period,
        "saturation": {
            "state": found.state,
            "reason": found.reason,
            "time": found.time,
            "users": found.users,
            "requests_per_s": found.requests_per_s,
            "latency_is": findings.latency_is,
            "latency_before_ms": found.latency_before,
            "latency_after_ms": found.latency_after,
        },
        "total": _row_as_json(findings.total),
        "names": [_row_as_json(each) for each in findings.rows],
        "highest": {"requests_per_s": findings.highest_rate, "users": findings.highest_users},
        "workers": findings.workers,
        "drawn": {group.title: [panel.title for panel in group.panels] for group in findings.groups},
        "receipt": findings.record.receipt,
        "resources": findings.resources,
        "errors": [_error_as_json(error) for error in findings.errors],
        "slowest": [_request_as_json(request) for request in findings.slowest],
        "links": findings.links,
        "notes": findings.notes,
        "files": [str(file.absolute()) for file in files],
    }


def _error_as_json(error: _core.ErrorTotals) -> dict[str, Any]:
    return {
        "type": error.error_type,
        "failures": error.failures,
        "requests": [
            {"method": method, "name": name, "failures": failures} for method, name, failures in error.requests
        ],
        "first": None if error.first is None else _request_as_json(error.first),
    }


def _request_as_json(request: _core.SingleRequest) -> dict[str, Any]:
    return {
        "time": request.time,
        "method": request.method,
        "name": request.name,
        "response_time_ms": request.response_ms,
        "error": request.error,
        "status": request.status,
        "users": request.users,
        "context": dict(request.context),
    }


def _row_as_json(row: Row) -> dict[str, Any]:
    percentiles = dict(zip(PERCENTILES, row.percentiles, strict=True))
    return {
        "name": row.name,
        "method": row.method,
        "host": row.host,
        "requests": row.requests,
        "failures": row.failures,
        "requests_per_s": row.requests_per_s,
        "response_time_ms": {"mean": row.mean, **percentiles},
        "methods": [_row_as_json(method) for method in row.methods],
    }
