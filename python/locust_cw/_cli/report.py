"""`locust-cw report`: load and target on one time axis, as one HTML file and PNGs."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws.account import message_of
from locust_cw._aws.targets import parse
from locust_cw._cli.output import complain, is_gone, print_json
from locust_cw._cli.shared_options import account_options, add_recorded_account_options
from locust_cw._report import chart as _chart
from locust_cw._report import findings as _findings
from locust_cw._report import page as _page
from locust_cw._runs.record import LOCAL_IS_GONE, NoRecordError, Record, newest

if TYPE_CHECKING:
    from locust_cw._cli.main import AddParser

_DESCRIPTION = """\
Draw a run's load and the metrics of what it loaded on one time axis, tell the load at which the target saturates, and
write it all to FOLDER: report.html, which needs nothing else to be read, and the charts as PNGs. What is known of the
run was written on the machine that printed its receipt; all else is asked of CloudWatch.
"""
_EPILOGUE = """\
examples:
  locust-cw report                                     the newest run
  locust-cw report 20261122T110301Z-7f3a --out july    the report goes to july/report.html
  locust-cw report --target rds:shop-db --target 'metric:App/QueueLength{Pool=web}:Maximum'

exit code: 0 written, 1 nothing to report or it could not be had, 2 wrong argument
"""


def declare(add_parser: AddParser) -> None:
    """Declare the command."""
    parser = add_parser(
        "report",
        help="draw load and target on one time axis, as HTML and PNGs",
        description=_DESCRIPTION,
        epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help="the run's id, as its receipt tells it; else the newest")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="where to write; else report-RUN")
    parser.add_argument(
        "--target",
        metavar="KIND:ID",
        action="append",
        default=[],
        help="an AWS resource to show beside those of the run's --cw-target; repeatable",
    )
    parser.add_argument("--json", action="store_true", help="tell what was found and written as JSON")
    parser.add_argument("--spool-dir", metavar="FOLDER", help="where the run's record is; else the user's state folder")
    add_recorded_account_options(parser)
    parser.set_defaults(run_command=_report)


def _report(options: argparse.Namespace) -> int:
    wanted = [parse(text) for text in options.target]
    try:
        record = Record.read(options.run or newest(options.spool_dir), options.spool_dir)
        if is_gone(record.local_url) and options.endpoint_url is None:
            complain(LOCAL_IS_GONE)
            return 1
        _chart.require()
        findings, files = _make(record, wanted, options)
    except _core.AwsError as error:
        complain(message_of(error))
        return 1
    except (NoRecordError, _findings.NothingThereError, _chart.NoChartsError) as error:
        complain(str(error))
        return 1
    except OSError as error:
        complain(f"the report could not be written: {error}")
        return 1
    if options.json:
        print_json(_as_json(findings, files))
    else:
        sys.stdout.write(f"{findings.verdict}\n")
        sys.stdout.writelines(f"Note: {note}\n" for note in findings.notes)
        sys.stdout.writelines(f"{file}\n" for file in files)
    return 0


def _make(record: Record, wanted: list[Any], options: argparse.Namespace) -> tuple[_findings.Findings, list[Path]]:
    given, recorded = account_options(options), dict(record.destination)
    accounts = _findings.account_of(record.account | given, recorded=recorded or None, account=options.account)
    # Where the report says that it asked.
    record.options |= given
    record.destination |= {name: given[name] for name in ("region", "profile") if name in given}
    targets = {target.text: target for target in [*map(parse, record.targets), *wanted]}
    findings = _findings.gather(record, list(targets.values()), accounts)
    charts = _chart.draw(findings)
    folder: Path = options.out or Path(f"report-{record.run_id}")
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "report.html"
    page.write_text(_page.page(findings, charts, time.time()), encoding="utf-8")
    files = [page]
    for chart in charts:
        files.append(folder / f"{chart.name}.png")
        files[-1].write_bytes(chart.png)
    return findings, files


def _as_json(findings: _findings.Findings, files: list[Path]) -> dict[str, Any]:
    found = findings.saturation

    def row(row: _findings.Row) -> dict[str, Any]:
        percentiles = dict(zip(_findings.PERCENTILES, row.percentiles, strict=True))
        return {
            "name": row.name,
            "method": row.method,
            "host": row.host,
            "requests": row.requests,
            "failures": row.failures,
            "requests_per_s": row.requests_per_s,
            "response_time_ms": {"mean": row.mean, **percentiles},
        }

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
            "latency_before_ms": found.latency_before,
            "latency_after_ms": found.latency_after,
        },
        "total": row(findings.total),
        "names": [row(each) for each in findings.rows],
        "highest": {"requests_per_s": findings.highest_rate, "users": findings.highest_users},
        "workers": findings.workers,
        "drawn": {group.title: [panel.title for panel in group.panels] for group in findings.groups},
        "receipt": findings.record.receipt,
        "notes": findings.notes,
        "files": [str(file.absolute()) for file in files],
    }
