"""The CloudWatch tab in Locust's web UI: a table that Locust's own page polls, a CSV file, links to the AWS console.

Everything is made when a browser asks. Locust's page stops polling when the test stops, and its tables show text alone:
`tab.js`, added to that page, goes on while results are delivered, and shows the links. The table works without it.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import logging
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

import gevent
from flask import Response, jsonify, request

from locust_cw import _core
from locust_cw._aws import console
from locust_cw._aws.account import Account
from locust_cw._plugin.greenlets import spawn
from locust_cw._webui import status as _status

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.env import Environment
    from locust.web import WebUI

    from locust_cw._plugin.session import Session

logger = logging.getLogger("locust_cw")

KEY = "cloudwatch"
"""Of the tab, and where our own routes begin."""

_TITLE = "CloudWatch"
_SCRIPT = f'<script src="./{KEY}/tab.js" defer></script>'

_with_tab: WeakSet[WebUI] = WeakSet()
_watched: WeakSet[Environment] = WeakSet()
_complained: WeakSet[Session] = WeakSet()
# Answers as we left them: Locust keeps its last one for two seconds or more, for all browsers.
_answered: WeakKeyDictionary[Response, bytes] = WeakKeyDictionary()


class Places:
    """Where people look at a test in the AWS console. The region is asked for once, beside the load.

    Args:
        options: Those of the core that the test was started with.
        dashboard: Name of its dashboard, if it has one.

    """

    def __init__(self, options: dict[str, Any], dashboard: str | None) -> None:
        """Begin to ask, where there is anything to be seen at AWS."""
        chosen = {**_core.default_options(), **options}
        self._namespace: str = chosen["namespace"]
        self._log_group: str | None = None if chosen["logs"] == "off" else chosen["log_group"]
        self._dashboard = dashboard
        self._region: str | None = None
        if not chosen["dry_run"]:
            spawn(self._find_region, options)

    def _find_region(self, options: dict[str, Any]) -> None:
        try:
            found = Account(options, gevent.sleep).destination()
        except _core.AwsError:
            return
        if not (found.is_custom_cloudwatch_url or found.is_custom_logs_url):
            self._region = found.region

    @property
    def links(self) -> dict[str, str]:
        """Addresses by what is seen there; none before the region is known."""
        region = self._region
        return {} if region is None else links(region, self._namespace, self._log_group, self._dashboard)


def links(region: str, namespace: str, log_group: str | None, dashboard: str | None) -> dict[str, str]:
    """Addresses in the AWS console, by what is seen there."""
    found = {f"Metrics in {namespace}": console.metrics_url(region, namespace)}
    if dashboard is not None:
        found = {f"Dashboard {dashboard}": console.dashboard_url(region, dashboard), **found}
    if log_group is not None:
        found[f"Log group {log_group}"] = console.log_group_url(region, log_group)
    return found


def show(session: Session, environment: Environment) -> None:
    """Give the web UI of an environment the tab: the one it has, or the one it will have. Harmless twice."""
    if environment.web_ui is not None:
        _add_tab(session, environment.web_ui)
    elif environment not in _watched:
        _watched.add(environment)
        create: Callable[..., WebUI] = environment.create_web_ui

        @functools.wraps(create)
        def create_with_tab(*args: Any, **kwargs: Any) -> WebUI:  # noqa: ANN401 - whatever Locust's takes
            web_ui = create(*args, **kwargs)
            _add_tab(session, web_ui)
            return web_ui

        environment.create_web_ui = create_with_tab  # type: ignore[method-assign]


def _add_tab(session: Session, web_ui: WebUI) -> None:
    if web_ui in _with_tab or web_ui.app is None:
        return
    _with_tab.add(web_ui)
    app = web_ui.app
    blueprint = app.blueprints.get("locust")
    prefix = f"{(blueprint and blueprint.url_prefix) or ''}/{KEY}"
    try:
        app.before_request(functools.partial(_name_tab, web_ui))
        app.after_request(functools.partial(_add_to_answer, session))
        for name, view in (
            ("tab.js", _script),
            ("status", functools.partial(_show_status, session)),
            ("csv", functools.partial(_download, session)),
        ):
            guarded = web_ui.auth_required_if_enabled(_named(view, f"{KEY}_{name.partition('.')[0]}"))
            app.add_url_rule(f"{prefix}/{name}", endpoint=f"{KEY}.{name.partition('.')[0]}", view_func=guarded)
    except AssertionError:
        logger.warning("The web UI has no CloudWatch tab, as it has served a page already: attach before it starts.")


def _named(view: Callable[[], Response], name: str) -> Callable[[], Response]:
    def named() -> Response:
        return view()

    named.__name__ = name
    return named


def _name_tab(web_ui: WebUI) -> None:
    """Before the page is made: have it show the tab, beside those of others, which may have come later."""
    if request.endpoint != "locust.index":
        return
    tab = {"title": _TITLE, "key": KEY}
    table = {"key": KEY, "structure": [{"key": key, "title": title} for key, title in _status.COLUMNS]}
    file = {"href": f"./{KEY}/csv", "title": "Download CloudWatch CSV"}
    for name, ours, mark in (
        ("extended_tabs", tab, "key"),
        ("extended_tables", table, "key"),
        ("extended_csv_files", file, "href"),
    ):
        others = [entry for entry in web_ui.template_args.get(name) or () if entry.get(mark) != ours[mark]]
        web_ui.template_args[name] = [*others, ours]


def _add_to_answer(session: Session, response: Response) -> Response:
    """After Locust made an answer: add the figures to those its page polls, and our script to the page."""
    if response.status_code == 200:  # noqa: PLR2004 - else it may be a refusal
        if request.endpoint == "locust.request_stats" and response.is_json:
            _add_figures(session, response)
        elif request.endpoint == "locust.index" and response.mimetype == "text/html":
            response.set_data(response.get_data(as_text=True).replace("</body>", f"{_SCRIPT}</body>"))
    return response


def _add_figures(session: Session, response: Response) -> None:
    """Add them once to each answer. Whatever is amiss with them, Locust's own page has its answer."""
    if _answered.get(response) == response.get_data():
        return
    try:
        report = response.get_json()
        others = [entry for entry in report.get("extended_stats") or () if entry.get("key") != KEY]
        report["extended_stats"] = [*others, {"key": KEY, "data": _rows(session)}]
        response.set_data(json.dumps(report))
    except Exception as error:  # noqa: BLE001 - of ours or of another plugin's
        if session not in _complained:
            _complained.add(session)
            logger.warning("The figures of the CloudWatch tab cannot be shown: %r", error)
    _answered[response] = response.get_data()


def _rows(session: Session) -> list[dict[str, Any]]:
    return [_status.row(status) for status in session.statuses()]


def _script() -> Response:
    return Response(
        files("locust_cw._webui").joinpath("tab.js").read_text(encoding="utf-8"), mimetype="text/javascript"
    )


def _show_status(session: Session) -> Response:
    told = session.statuses()
    answer = jsonify(
        key=KEY,
        rows=[_status.row(status) for status in told],
        meaning=_status.MEANING[told[0].health] if told else "",
        links=[{"title": title, "url": url} for title, url in session.links().items()],
    )
    answer.cache_control.no_store = True
    return answer


def _download(session: Session) -> Response:
    told = session.statuses()
    text = io.StringIO()
    csv.writer(text).writerows(_status.records(told))
    run_id = told[0].run_id if told else None
    name = "cloudwatch.csv" if run_id is None else f"cloudwatch_{run_id}.csv"
    answer = Response(text.getvalue(), mimetype="text/csv")
    answer.headers["Content-Disposition"] = f"attachment;filename={name}"
    return answer
