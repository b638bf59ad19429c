"""`locust-cw dashboard`: print, put or delete the dashboard of tests."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws import targets as _targets
from locust_cw._aws.account import message_of
from locust_cw._cli.output import account_at, complain, print_json
from locust_cw._cli.shared_options import account_options, add_account_options
from locust_cw._dashboard import body as _dashboard
from locust_cw._settings.table import choices_of

if TYPE_CHECKING:
    from locust_cw._aws.account import Account
    from locust_cw._cli.main import AddParser

_DESCRIPTION = """\
The dashboard of tests: requests and failures per second, response times, users, each request name, the load generator,
the newest failures, and how the AWS resources under test are doing, all on one time axis.

A test with --cw-dashboard puts it by itself and marks its start, the end of its ramp-up and its stop. This command does
it without a test:

  print   write the body as JSON, to be looked at or kept in a template; asks AWS nothing
  put     create the dashboard, or bring it up to date; marks of runs and widgets that others added stay
  delete  delete it, with the marks; saved Logs Insights queries stay
"""
_EPILOG = """\
targets, for --target:
{kinds}
examples:
  locust-cw dashboard put --host https://shop.example --target alb:app/shop/50dc6c495c0c9188 --target rds:shop-db
  locust-cw dashboard print --namespace Shop --region eu-west-1 > dashboard.json
  locust-cw dashboard delete --name Shop

exit code: 0 done, 1 AWS refused or there is no such dashboard, 2 wrong argument
"""
_OF_THE_CORE = ("namespace", "dimensions", "dimension", "logs", "log_format", "log_group")


def declare(add_parser: AddParser) -> None:
    """Declare the command."""
    kinds = "".join(f"  {form}\n" for form in _targets.FORMS)
    parser = add_parser(
        "dashboard",
        help="print, put or delete the dashboard of tests",
        description=_DESCRIPTION,
        epilog=_EPILOG.format(kinds=kinds),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=("print", "put", "delete"), metavar="print|put|delete", help="what to do")
    parser.add_argument("--name", help="the dashboard's name; else made from the namespace")
    parser.add_argument("--json", action="store_true", help="write what was done as one JSON object")
    shown = parser.add_argument_group("what it shows", "As the test's own options --cw-namespace and so on say.")
    default = _core.default_options()
    shown.add_argument(
        "--namespace", metavar="NAME", help=f"namespace of the test's metrics (default: {default['namespace']})"
    )
    shown.add_argument("--host", metavar="URL", help="the host under test; else the first one that has metrics")
    shown.add_argument(
        "--dimensions", metavar="LIST", help=f"what series are made of (default: {default['dimensions']})"
    )
    shown.add_argument(
        "--dimension", metavar="KEY=VALUE", action="append", help="constant dimension of every metric; repeatable"
    )
    shown.add_argument(
        "--logs", choices=choices_of("logs"), help=f"which requests are logged (default: {default['logs']})"
    )
    shown.add_argument(
        "--log-format", choices=choices_of("log_format"), help=f"how they are logged (default: {default['log_format']})"
    )
    shown.add_argument("--log-group", metavar="NAME", help=f"log group (default: {default['log_group']})")
    shown.add_argument(
        "--target", metavar="KIND:ID", action="append", default=[], help="AWS resource under test; repeatable"
    )
    add_account_options(parser)
    parser.set_defaults(run_command=_run)


def _run(options: argparse.Namespace) -> int:
    where = account_options(options)
    core = where | {name: value for name in _OF_THE_CORE if (value := getattr(options, name)) is not None}
    _core.check_options(core)
    namespace = core.get("namespace", _core.default_options()["namespace"])
    name = _checked_name(options.name, namespace)
    account = account_at(where)
    try:
        if options.action == "delete":
            return _delete(account, name, options)
        view = _view(core, options)
        if options.action == "print":
            print_json(_dashboard.body(view))
            return 0
        return _put(account, name, view, options)
    except _core.AwsError as error:
        complain(message_of(error))
    except _dashboard.DashboardError as error:
        complain(f"not put: {message_of(error)}")
    return 1


def _checked_name(given: str | None, namespace: str) -> str:
    if given is None:
        return _dashboard.default_name(namespace)
    try:
        return _dashboard.check_name(given)
    except _core.InvalidOptionError as error:
        # The test's option has the name for its value.
        raise _core.InvalidOptionError("name", error.problem) from None


def _view(core: dict[str, Any], options: argparse.Namespace) -> _dashboard.View:
    targets = [_targets.parse(text) for text in options.target]
    region = account_at(core).region()
    if region is None:
        raise _core.InvalidOptionError("region", "no region is known; give one, or set AWS_REGION")
    return _dashboard.View.of(core, region=region, host=options.host, targets=targets)


def _put(account: Account, name: str, view: _dashboard.View, options: argparse.Namespace) -> int:
    _dashboard.put(account, name, view)
    url = _dashboard.shown_at(account_options(options), view.region, name)
    queries = _dashboard.save_queries(account, name, view)
    if options.json:
        print_json({"dashboard": name, "url": url, "queries": queries})
        return 0
    sys.stdout.write(f"Put the dashboard {name}{'.' if url is None else f': {url}'}\n")
    for query in queries:
        sys.stdout.write(f"Saved the Logs Insights query {query}\n")
    return 0


def _delete(account: Account, name: str, options: argparse.Namespace) -> int:
    deleted = _dashboard.delete(account, name)
    if options.json:
        print_json({"dashboard": name, "deleted": deleted})
    elif deleted:
        sys.stdout.write(f"Deleted the dashboard {name}.\n")
    if not deleted:
        complain(f"there is no dashboard {name} in this account")
    return 0 if deleted else 1
