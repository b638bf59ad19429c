"""The CloudWatch tab in Locust's web UI: live charts, checks, the delivery, a CSV file, links to the AWS console.

All content is made when a browser requests it. Locust's page has a table of the delivery, which it polls while a test
runs. The script `tab.js`, which is added to that page, shows everything else, and the table in a better form. Without
it, the table works.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from flask import Response, request

from locust_cw._webui import assets
from locust_cw._webui import status as _status
from locust_cw._webui.session_view import SessionView

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.web import WebUI

    from locust_cw._plugin.session import Session
    from locust_cw._webui.session_view import View

logger = logging.getLogger("locust_cw")

KEY = "cloudwatch"
"""The key of the tab, and the prefix of the routes."""

_TITLE = "CloudWatch"
# Without inline scripts and styles, which a content security policy may forbid.
_HEAD = f'<link rel="stylesheet" href="./{KEY}/tab.css"></head>'
_SCRIPT = f'<script src="./{KEY}/tab.js" defer%s></script></body>'
_WITH_CHARTS = " data-charts"

_with_tab: WeakSet[WebUI] = WeakSet()
_warned: WeakSet[View] = WeakSet()
# Responses with the rows: Locust keeps its last response for two seconds or more, for all browsers.
_completed: WeakKeyDictionary[Response, bytes] = WeakKeyDictionary()


def show(session: Session, web_ui: WebUI) -> None:
    """Add the tab to the web UI of a session's environment."""
    add_tab(SessionView(session), web_ui)


def add_tab(view: View, web_ui: WebUI) -> None:
    """Add the tab. A second call does nothing."""
    if web_ui in _with_tab or web_ui.app is None:
        return
    _with_tab.add(web_ui)
    app = web_ui.app
    blueprint = app.blueprints.get("locust")
    prefix = f"{(blueprint and blueprint.url_prefix) or ''}/{KEY}"
    try:
        app.before_request(functools.partial(_name_tab, web_ui))
        app.after_request(functools.partial(_add_to_response, view))
        for name, route in (
            *((name, functools.partial(assets.asset, name)) for name in assets.NAMES),
            ("status", functools.partial(_show_status, view)),
            ("live", functools.partial(_show_live, view)),
            ("csv", functools.partial(_download, view)),
            ("report", functools.partial(_show_report, view)),
        ):
            title = name.replace(".", "_")
            guarded = web_ui.auth_required_if_enabled(_named(route, f"{KEY}_{title}"))
            app.add_url_rule(f"{prefix}/{name}", endpoint=f"{KEY}.{title}", view_func=guarded)
    except AssertionError:
        logger.warning("The web UI has no CloudWatch tab: it has already served a page. Call attach before it starts.")


def _named(view: Callable[[], Response], name: str) -> Callable[[], Response]:
    def named() -> Response:
        return view()

    named.__name__ = name
    return named


def _name_tab(web_ui: WebUI) -> None:
    """Before the page is made, add the tab beside those of other plugins, which may have been added later."""
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


def _add_to_response(view: View, response: Response) -> Response:
    """Add the rows to the statistics that Locust's page polls, and the script to the page."""
    if response.status_code == 200:  # noqa: PLR2004 - other responses are errors
        if request.endpoint == "locust.request_stats" and response.is_json:
            _add_rows(view, response)
        elif request.endpoint == "locust.index" and response.mimetype == "text/html":
            script = _SCRIPT % (_WITH_CHARTS if assets.has_charts() else "")
            page = response.get_data(as_text=True)
            response.set_data(page.replace("</head>", _HEAD, 1).replace("</body>", script))
    return response


def _add_rows(view: View, response: Response) -> None:
    """Add the rows once to each response. After an error, Locust's page still gets its own response."""
    if _completed.get(response) == response.get_data():
        return
    try:
        report = response.get_json()
        others = [entry for entry in report.get("extended_stats") or () if entry.get("key") != KEY]
        report["extended_stats"] = [*others, {"key": KEY, "data": _rows(view)}]
        response.set_data(json.dumps(report))
    except Exception as error:  # noqa: BLE001 - of this plugin or another one
        if view not in _warned:
            _warned.add(view)
            logger.warning("The table of the CloudWatch tab cannot be shown: %r", error)
    _completed[response] = response.get_data()


def _rows(view: View) -> list[dict[str, Any]]:
    return [_status.row(status) for status in view.statuses()]


def _status_json(view: View) -> str:
    statuses, checks, comparison = view.statuses(), view.checks(), view.comparison()
    status = {
        "key": KEY,
        "columns": _status.COLUMNS,
        "rows": [_status.row(status) for status in statuses],
        "meaning": _status.MEANING[statuses[0].health] if statuses else "",
        "links": [{"title": title, "url": url} for title, url in view.links().items()],
        "has_report": view.report_file() is not None,
        "checks": None if checks is None else asdict(checks),
        "comparison": None if comparison is None else dict(zip(("verdict", "text"), comparison, strict=True)),
    }
    return json.dumps(status)


def _show_status(view: View) -> Response:
    return _json_response(_status_json(view))


def _show_live(view: View) -> Response:
    """The values that a browser lacks and, if it asks for it, the status: a second request would cost much more."""
    known = (request.args.get(name, type=int) for name in ("since", "targets"))
    text = view.live(request.args.get("run"), *known)
    if "status" in request.args:
        text = f'{text[:-1]}, "status": {_status_json(view)}}}'
    return _json_response(text)


def _json_response(text: str) -> Response:
    response = Response(text, mimetype="application/json")
    response.cache_control.no_store = True
    return response


def _show_report(view: View) -> Response:
    file = view.report_file()
    try:
        page = None if file is None else file.read_bytes()
    except OSError:
        page = None
    if page is None:
        return Response("There is no report of this run.\n", status=404, mimetype="text/plain")
    response = Response(page, mimetype="text/html")
    response.cache_control.no_store = True
    return response


def _download(view: View) -> Response:
    statuses = view.statuses()
    text = io.StringIO()
    csv.writer(text).writerows(_status.records(statuses))
    run_id = statuses[0].run_id if statuses else None
    name = "cloudwatch.csv" if run_id is None else f"cloudwatch_{run_id}.csv"
    response = Response(text.getvalue(), mimetype="text/csv")
    response.headers["Content-Disposition"] = f"attachment;filename={name}"
    return response
