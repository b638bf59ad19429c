"""Reading, writing and deleting dashboards, and saving the queries next to them."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._dashboard.body import make_body
from locust_cw._dashboard.limits import DashboardError
from locust_cw._dashboard.log_queries import saved_queries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locust_cw._aws.account import Account
    from locust_cw._dashboard.annotations import Mark
    from locust_cw._dashboard.view import View
    from locust_cw._dashboard.widget_json import Json

logger = logging.getLogger("locust_cw")


def get(account: Account, name: str) -> Json | None:
    """The body of a dashboard; None if there is no such dashboard.

    Raises:
        AwsError: If AWS refused the call, or the call did not reach AWS.
        DashboardError: If the body is not a JSON object.

    """
    try:
        text = account.call("GetDashboard", DashboardName=name)["DashboardBody"]
    except _core.AwsError as error:
        if error.kind == "not_found":
            return None
        raise
    try:
        existing = json.loads(text)
    except (TypeError, ValueError):
        existing = None
    if not isinstance(existing, dict):
        raise DashboardError(
            f"the body of the dashboard {name} is not a JSON object: delete the dashboard, or choose another name"
        )
    return existing


def put(account: Account, name: str, view: View, marks: Iterable[Mark] = ()) -> None:
    """Create or update a dashboard and add marks. Existing marks and users' widgets are kept.

    An annotation has no API of its own, so the dashboard is read, changed and written back.

    Raises:
        AwsError: If AWS refused a call, or a call did not reach AWS.
        DashboardError: If the existing dashboard cannot be changed, or the new one is too large.

    """
    body = make_body(view, marks, get(account, name))
    answer = account.call("PutDashboard", DashboardName=name, DashboardBody=json.dumps(body))
    for message in answer.get("DashboardValidationMessages") or ():
        logger.warning(
            "CloudWatch accepted the dashboard %s with a warning about %s: %s",
            name,
            message["DataPath"],
            message["Message"],
        )


def save_queries(account: Account, name: str, view: View) -> list[str]:
    """Create or update the saved Logs Insights queries, in a folder with the name of the dashboard.

    The queries are a convenience: a refusal by AWS is logged, and nothing is raised.

    Returns:
        The names of the queries that were saved.

    """
    saved: list[str] = []
    try:
        known = account.call("DescribeQueryDefinitions", queryDefinitionNamePrefix=f"{name}/")["queryDefinitions"]
        ids = {query["name"]: query["queryDefinitionId"] for query in known}
        for title, query in saved_queries(view).items():
            query_name = f"{name}/{title}"
            same = {"queryDefinitionId": ids[query_name]} if query_name in ids else {}
            account.call(
                "PutQueryDefinition", name=query_name, queryString=query, logGroupNames=[view.log_group], **same
            )
            saved.append(query_name)
    except _core.AwsError as error:
        # MiniStack has no saved queries.
        level = logging.WARNING if error.kind == "access_denied" else logging.DEBUG
        logger.log(level, "locust-cw could not save the Logs Insights queries of dashboard %s: %s", name, error.message)
    return saved


def delete(account: Account, name: str) -> bool:
    """Delete a dashboard.

    Returns:
        Whether it existed.

    Raises:
        AwsError: If AWS refused the call, or the call did not reach AWS.

    """
    try:
        account.call("DeleteDashboards", DashboardNames=[name])
    except _core.AwsError as error:
        if error.kind == "not_found":
            return False
        raise
    return True
