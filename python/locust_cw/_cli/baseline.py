"""`locust-cw baseline`: give a run a name that later runs are compared with."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws.account import message_of
from locust_cw._checks.wording import one_line, utc
from locust_cw._cli.output import print_error, print_json
from locust_cw._cli.parser import AddParser, add_command
from locust_cw._cli.recorded_run import add_log_group_option, record_of, shared_account
from locust_cw._cli.settings import opt_out_of
from locust_cw._cli.shared_options import add_account_options, add_spool_option
from locust_cw._runs.baselines import DEFAULT_NAME, Baseline, chosen, problem_with
from locust_cw._runs.entry import Entry
from locust_cw._runs.local_baselines import local_baselines, update_local
from locust_cw._runs.record import NoRecordError
from locust_cw._runs.shared_baselines import STREAM, SharedBaselines

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_DESCRIPTION = """\
Set, list or remove baselines. A baseline is a name, such as that of a branch, for the run that later runs are compared
with, by --cw-baseline of a test or by 'locust-cw compare'. All machines whose tests log to the same log group know it.
"""
_EPILOG = f"""\
actions:
  set RUN [NAME]  set the baseline NAME (default: {DEFAULT_NAME}) to a run, or move it there
  list            list all baselines
  remove NAME     remove a baseline; the run and its record are kept

examples:
  locust-cw baseline set 20261122T110301Z-7f3a
  locust-cw baseline set "build-$GITHUB_RUN_ID" "$GITHUB_REF_NAME"
  locust-cw baseline list --json
  locust-cw baseline remove feature/cart

Baselines are log events in the stream '{STREAM}' of the log group, and are kept as long as the group keeps log events.
'set' writes the record of the run again, so that it is kept as long as the baseline. With --local, AWS is not called.

exit code: 0 done, 1 it could not be done or AWS could not be read, 2 invalid argument
"""
_ACTIONS = ("set", "list", "remove")
_NUMBERS = {"set": (1, 2), "list": (0, 0), "remove": (1, 1)}
_USAGES = {"set": "set RUN [NAME]", "list": "list", "remove": "remove NAME"}


def declare(add_parser: AddParser) -> None:
    """Declare the sub-command."""
    parser = add_command(
        add_parser,
        "baseline",
        summary="set, list or remove the runs that later runs are compared with",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("action", choices=_ACTIONS, help="what to do")
    parser.add_argument("arguments", metavar="RUN, NAME", nargs="*", help="run ID and name of the baseline; see below")
    parser.add_argument(
        "--local", action="store_true", help="a baseline that only this machine knows; AWS is not called"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_spool_option(parser)
    add_log_group_option(parser)
    add_account_options(parser)
    parser.set_defaults(run_command=_run, account=None)


def _run(options: argparse.Namespace) -> int:
    action, given = options.action, options.arguments
    least, most = _NUMBERS[action]
    if not least <= len(given) <= most:
        raise _core.InvalidOptionError("action", f"the command is: locust-cw baseline {_USAGES[action]}")
    if action != "list" and (problem := problem_with(_name_of(options))):
        raise _core.InvalidOptionError("name", problem)
    if action != "list" and not options.local and (source := opt_out_of(options)):
        print_error(
            f"the baseline was not changed, because {source} is set: unset it, or give --local to change baselines of"
            " this machine"
        )
        return 1
    try:
        code: int = {"set": _set, "list": _list, "remove": _remove}[action](options)
    except NoRecordError as error:
        print_error(str(error))
    except (_core.AwsError, TimeoutError) as error:
        print_error(_why_not_shared(error, options))
    except OSError as error:
        print_error(f"the baselines of this machine could not be written: {error}")
    else:
        return code
    return 1


def _name_of(options: argparse.Namespace) -> str:
    given: list[str] = options.arguments
    if options.action == "remove":
        return given[0]
    return given[1] if len(given) > 1 else DEFAULT_NAME


def _why_not_shared(error: Exception, options: argparse.Namespace) -> str:
    if isinstance(error, _core.AwsError) and error.kind == "not_found":
        return (
            f"there is no log group {options.log_group} in this account and Region: the first test that logs to it"
            " creates it. A baseline of this machine needs none: --local"
        )
    return (
        f"the baselines in CloudWatch Logs could not be read or written: {message_of(error)}\n"
        "For a baseline that only this machine knows, as after tests with --cw-local, add --local"
    )


def _shared(options: argparse.Namespace) -> SharedBaselines:
    return SharedBaselines(shared_account(options), options.log_group)


def _set(options: argparse.Namespace) -> int:
    record = record_of(options.arguments[0], options, on_this_machine=options.local)
    # Without a summary, nothing can be compared with the run.
    record.load_summary()
    entry = Entry.of(record)
    if entry.state(time.time()) == "running":
        print_error(f"the run {record.run_id} has not ended: set the baseline when it has")
        return 1
    baseline = Baseline(_name_of(options), record.run_id, time.time(), is_local=options.local)
    if not options.local:
        _shared(options).add(baseline, record)
    update_local(options.spool_dir, add=[baseline])
    if options.json:
        print_json(_as_json(baseline))
    else:
        p95 = "" if entry.p95_ms is None else f", p95 {entry.p95_ms:,.0f} ms"
        sys.stdout.write(
            f"The baseline {baseline.name} is run {record.run_id} of {utc(record.started)}: {entry.requests:,}"
            f" requests{p95}\n"
        )
    return 0


def _remove(options: argparse.Namespace) -> int:
    name = _name_of(options)
    local = local_baselines(options.spool_dir).get(name)
    removed = local if local is not None and local.is_local else None
    if not options.local:
        shared = _shared(options)
        known = shared.read(name).get(name)
        removed = removed or chosen(local, known)
        if known is not None and known.run_id is not None:
            shared.add(Baseline(name, None, time.time()))
    if removed is not None:
        update_local(options.spool_dir, remove=[name])
    if removed is None:
        print_error(f"there is no baseline {name}: 'locust-cw baseline list' lists all")
        return 1
    if options.json:
        print_json({"name": name, "removed": True})
    else:
        sys.stdout.write(f"Removed the baseline {name}.\n")
    return 0


def _list(options: argparse.Namespace) -> int:
    local, code = local_baselines(options.spool_dir), 0
    shared: dict[str, Baseline] = {}
    if not options.local:
        try:
            shared = _shared(options).read()
        except (_core.AwsError, TimeoutError) as error:
            print_error(_why_not_shared(error, options))
            code = 1
    found = [chosen(local.get(name), shared.get(name)) for name in sorted({*local, *shared})]
    baselines = [each for each in found if each is not None]
    if options.json:
        print_json([_as_json(each) for each in baselines])
    else:
        _print(baselines)
    return code


def _as_json(baseline: Baseline) -> dict[str, Any]:
    return {
        "name": baseline.name,
        "run_id": baseline.run_id,
        "set": baseline.time,
        "local": baseline.is_local,
    }


def _print(baselines: Sequence[Baseline]) -> None:
    if not baselines:
        sys.stdout.write("There are no baselines.\n")
        return
    rows = [("run", "set", "known to", "name")]
    rows += [
        (each.run_id or "", utc(each.time), "this machine" if each.is_local else "all machines", one_line(each.name))
        for each in baselines
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        # The name is last, because a terminal shows some characters two columns wide.
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        sys.stdout.write("  ".join([*cells, row[-1]]) + "\n")
