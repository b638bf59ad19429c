"""`locust-cw dashboard`: print, put or delete the dashboard of a test."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws import console
from locust_cw._aws.account import message_of
from locust_cw._aws.targets import FORMS, parse
from locust_cw._cli.account import interruptible_account
from locust_cw._cli.output import print_error, print_json
from locust_cw._cli.parser import AddParser, add_command
from locust_cw._cli.settings import Repeatable, from_test, opt_out_of
from locust_cw._cli.shared_options import (
    account_options,
    add_account_options,
    add_check_option,
    add_target_option,
    given_options,
)
from locust_cw._dashboard import client
from locust_cw._dashboard.body import make_body
from locust_cw._dashboard.limits import DashboardError
from locust_cw._dashboard.name import dashboard_name, default_name, problem_with
from locust_cw._dashboard.view import View

if TYPE_CHECKING:
    import argparse

    from locust_cw._aws.account import Account

_DESCRIPTION = """\
The dashboard of a test: requests and failures per second, response times, users, each request name, the load generator,
the newest failures, and the metrics of the AWS resources under test, all on one time axis.

A test with --cw-dashboard puts the dashboard and marks the start of the test, the end of the ramp-up and the stop. This
command does it without a test:

  print   print the body as JSON, for review or for a template; AWS is not called
  put     create or update the dashboard; marks of runs and widgets that users added are kept
  delete  delete the dashboard with its marks; saved Logs Insights queries are kept

With LOCUST_CW_DISABLE or LOCUST_CW_DRY_RUN, put and delete change nothing.
"""
_EPILOG = """\
targets, for --target:
{forms}
examples:
  locust-cw dashboard put --host https://shop.example --target alb:app/shop/50dc6c495c0c9188 --target rds:shop-db
  locust-cw dashboard print --namespace Shop --region eu-west-1 > dashboard.json
  locust-cw dashboard delete --name Shop

exit code: 0 done, 1 AWS refused or there is no such dashboard, 2 invalid argument
"""
_OF_THE_CORE = ("namespace", "dimensions", "dimension", "logs", "log_format", "log_fields", "log_group", "check")


def declare(add_parser: AddParser) -> None:
    """Declare the sub-command."""
    parser = add_command(
        add_parser,
        "dashboard",
        summary="print, put or delete the dashboard of a test",
        description=_DESCRIPTION,
        epilog=_EPILOG.format(forms="".join(f"  {form}\n" for form in FORMS)),
    )
    parser.add_argument("action", choices=("print", "put", "delete"), metavar="print|put|delete", help="what to do")
    parser.add_argument(
        "--name", default=from_test("dashboard"), help="name of the dashboard (default: made from the namespace)"
    )
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    _add_view_options(parser)
    add_account_options(parser)
    parser.set_defaults(run_command=_run)


def _add_view_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "contents of the dashboard", "The options are the same as for Locust, without --cw-."
    )
    add, shown = group.add_argument, "default: %(default)s"
    add("--namespace", metavar="NAME", default=from_test("namespace"), help=f"namespace of the test's metrics; {shown}")
    add(
        "--host",
        metavar="URL",
        default=from_test("host"),
        help="host under test (default: the first one that has metrics)",
    )
    add("--dimensions", metavar="LIST", default=from_test("dimensions"), help=f"dimensions of a series; {shown}")
    add(
        "--dimension",
        metavar="KEY=VALUE",
        action=Repeatable,
        default=from_test("dimension"),
        help="constant dimension of every metric; repeatable",
    )
    add(
        "--logs",
        choices=_core.option_choices("logs"),
        default=from_test("logs"),
        help=f"requests that are logged; {shown}",
    )
    add(
        "--log-format",
        choices=_core.option_choices("log_format"),
        default=from_test("log_format"),
        help=f"format of log events; {shown}",
    )
    add(
        "--log-fields",
        choices=_core.option_choices("log_fields"),
        default=from_test("log_fields"),
        help=f"fields of the log events of requests; {shown}",
    )
    add("--log-group", metavar="NAME", default=from_test("log_group"), help=f"log group; {shown}")
    add_target_option(group)
    add_check_option(group)


def _run(options: argparse.Namespace) -> int:
    core = account_options(options) | given_options(options, *_OF_THE_CORE)
    _core.check_options(core)
    name = _checked_name(options.name, options.namespace)
    if options.action != "print" and (source := opt_out_of(options)):
        print_error(f"the dashboard was not changed, because {source} is set: unset it, and run this command again")
        return 1
    account = interruptible_account(account_options(options))
    try:
        if options.action == "delete":
            return _delete(account, name, options)
        view = _view(account, core, options)
        if options.action == "print":
            print_json(make_body(view))
            return 0
        return _put(account, name, view, options)
    except _core.AwsError as error:
        print_error(message_of(error))
    except DashboardError as error:
        print_error(f"the dashboard was not put: {message_of(error)}")
    return 1


def _checked_name(given: str | None, namespace: str) -> str:
    # The value of --cw-dashboard can also be `default`, or `none`.
    name = dashboard_name(given, namespace) or default_name(namespace)
    if problem := problem_with(name):
        raise _core.InvalidOptionError("name", problem)
    return name


def _view(account: Account, core: dict[str, Any], options: argparse.Namespace) -> View:
    targets = [parse(text) for text in options.target]
    region = account.region()
    if region is None:
        raise _core.InvalidOptionError("region", "no AWS region is configured: give --region, or set AWS_REGION")
    return View.of(core, region=region, host=options.host, targets=targets)


def _put(account: Account, name: str, view: View, options: argparse.Namespace) -> int:
    client.put(account, name, view)
    url = console.link_to_dashboard(account.destination(), name)
    queries = client.save_queries(account, name, view)
    if options.json:
        print_json({"dashboard": name, "url": url, "queries": queries})
        return 0
    sys.stdout.write(f"Put the dashboard {name}{'.' if url is None else f': {url}'}\n")
    for query in queries:
        sys.stdout.write(f"Saved the Logs Insights query {query}\n")
    return 0


def _delete(account: Account, name: str, options: argparse.Namespace) -> int:
    deleted = client.delete(account, name)
    if options.json:
        print_json({"dashboard": name, "deleted": deleted})
    elif deleted:
        sys.stdout.write(f"Deleted the dashboard {name}.\n")
    if not deleted:
        print_error(f"there is no dashboard {name} in this account: check --name and the account")
    return 0 if deleted else 1
