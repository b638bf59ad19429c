"""`locust-cw compare`: compare two recorded runs, or a run with a baseline."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._aws.account import message_of
from locust_cw._checks.files import ResultFiles
from locust_cw._checks.results import NOT_PASSED
from locust_cw._cli.output import print_error, print_json
from locust_cw._cli.parser import AddParser, add_command
from locust_cw._cli.recorded_run import add_recorded_run_options, named_record
from locust_cw._cli.report import findings_of
from locust_cw._cli.settings import from_test
from locust_cw._comparison.compare import compare_records
from locust_cw._comparison.output import ComparisonResults
from locust_cw._comparison.text import text_of
from locust_cw._comparison.tolerance import DEFAULT, parse_tolerance
from locust_cw._report.comparison import changes
from locust_cw._report.no_data import NoDataError
from locust_cw._report.page import NoPageError, render, require
from locust_cw._runs.record import NoRecordError
from locust_cw._settings.paths import check_file
from locust_cw._terminal.styles import has_colors

if TYPE_CHECKING:
    import argparse

    from locust_cw._comparison.results import ComparedRuns
    from locust_cw._runs.record import Record

_DESCRIPTION = """\
Compare a run with a base: requests/s, failure rate and the percentiles of response times, for all requests and for each
name, with the 95% interval of each change and a verdict. Records of other machines are read from CloudWatch Logs.
"""
_EPILOG = """\
examples:
  locust-cw compare 20261121T170544Z-01bc 20261122T110301Z-7f3a
  locust-cw compare main 20261122T110301Z-7f3a --tolerance 10% --junit comparison.xml
  locust-cw compare main feature/cart --out comparison
  locust-cw compare main 20261122T110301Z-7f3a --json | jq '.rows[] | select(.verdict == "slower")'

Verdicts: slower, faster, same (the interval of the change is within the tolerance), or undecided, with the reason.
There is no verdict on response times if the load of both runs differs, if the load generator was the bottleneck, or if
a run is too short.

exit code: 0 compared, 3 the run is slower, 1 the runs could not be compared or a file could not be written, 2 invalid
argument
"""


def declare(add_parser: AddParser) -> None:
    """Declare the sub-command."""
    parser = add_command(
        add_parser,
        "compare",
        summary="compare two runs, or a run with a baseline",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("base", metavar="BASE", help="run ID, or name of a baseline, to compare with")
    parser.add_argument("run", metavar="RUN", help="run ID, or name of a baseline, that is compared")
    parser.add_argument(
        "--tolerance",
        metavar="PERCENT",
        default=DEFAULT,
        help="change up to which both runs count as the same (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object with all rows")
    parser.add_argument(
        "--junit", metavar="FILE", default=from_test("junit"), help="write the results as JUnit XML to this file"
    )
    parser.add_argument(
        "--summary", metavar="FILE", default=from_test("summary"), help="append the results as Markdown to this file"
    )
    parser.add_argument(
        "--out", metavar="FOLDER", type=Path, help="write a report with charts of both runs to FOLDER/report.html"
    )
    add_recorded_run_options(parser)
    parser.set_defaults(run_command=_run)


def _run(options: argparse.Namespace) -> int:
    tolerance = parse_tolerance("tolerance", options.tolerance)
    for name in ("junit", "summary"):
        check_file(name, getattr(options, name))
    files = ResultFiles(options.junit, options.summary)
    try:
        base, run = named_record(options.base, options), named_record(options.run, options)
        baseline = None if base.run_id == options.base else options.base
        compared = compare_records(base, run, baseline=baseline, tolerance=tolerance)
        pages = [] if options.out is None else _write_report(compared, base, run, options)
    except (NoRecordError, NoDataError, NoPageError) as error:
        print_error(str(error))
        return 1
    except _core.AwsError as error:
        print_error(message_of(error))
        return 1
    except OSError as error:
        print_error(f"the report could not be written: {error}")
        return 1
    if options.json:
        print_json(compared.as_json())
    else:
        sys.stdout.write(text_of(compared, colors=has_colors(sys.stdout)))
        sys.stdout.writelines(f"{page}\n" for page in pages)
    if not files.write(ComparisonResults(compared)):
        return 1
    return NOT_PASSED if compared.verdict == "slower" else 0


def _write_report(compared: ComparedRuns, base: Record, run: Record, options: argparse.Namespace) -> list[Path]:
    require()
    findings = findings_of(run, [], options)
    try:
        of_base = findings_of(base, [], options)
    except NoDataError as error:
        of_base = None
        findings.notes.append(f"The charts have no lines of the base: {error}")
    page: Path = options.out / "report.html"
    text = render(findings, time.time(), sections=[changes(compared)], baseline=of_base)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")
    return [page]
