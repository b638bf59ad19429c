"""The table of checks on the CloudWatch tab: text for each result, whatever an expression contains."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Flask

from locust_cw._checks.results import RecordedResult
from locust_cw._webui.check_table import CheckTable, check_table
from locust_cw._webui.status import Status
from locust_cw._webui.tab import add_tab

NASTY = "<img src=x onerror=alert(1)>: p95 < 300ms"
RESULTS = [
    RecordedResult("p95 < 300ms", "passed", 212.4, 300, "ms"),
    RecordedResult("failures < 1%", "failed", 2.35, 1, "%", first_breach=1_795_003_200.0),
    RecordedResult("rds:shop-db: CPUUtilization Average < 80", "undecided", None, 80, reason="CloudWatch has\nno data"),
    RecordedResult(NASTY, "undecided", None, 300, "ms", reason="there are no requests"),
]


def test_each_result_is_a_row() -> None:
    table = check_table(RESULTS, "running")
    assert table.title == "Checks so far"
    assert table.columns == ("Check", "Result", "Measured", "Limit", "Note")
    assert table.rows == [
        ["p95 < 300ms", "passed", "212 ms", "300 ms", ""],
        ["failures < 1%", "failed", "2.35%", "1%", "first breach at 2026-11-18 12:00:00 UTC"],
        ["rds:shop-db: CPUUtilization Average < 80", "undecided", "-", "80", "CloudWatch has no data"],
        [NASTY, "undecided", "-", "300 ms", "there are no requests"],
    ]


class Shown:
    """Takes the place of a session."""

    def __init__(self, table: CheckTable | None) -> None:
        self.table = table

    def statuses(self) -> list[Status]:
        return []

    def links(self) -> dict[str, str]:
        return {}

    def report_file(self) -> None:
        return None

    def checks(self) -> CheckTable | None:
        return self.table

    def comparison(self) -> tuple[str, str] | None:
        return "slower", "p95 of GET / +12 %"


class WebUi:
    """The parts of Locust's web UI that the tab needs."""

    def __init__(self, view: Shown) -> None:
        self.app = Flask(__name__)
        self.template_args: dict[str, Any] = {}
        self.app.register_blueprint(Blueprint("locust", __name__))
        add_tab(view, self)  # type: ignore[arg-type]

    @staticmethod
    def auth_required_if_enabled(view: Any) -> Any:
        return view

    def status(self) -> dict[str, Any]:
        response = self.app.test_client().get("/cloudwatch/status")
        assert response.mimetype == "application/json"
        return dict(json.loads(response.get_data()))


def test_the_page_gets_the_table_with_the_status() -> None:
    status = WebUi(Shown(check_table(RESULTS, "over"))).status()
    shown = status["checks"]
    assert (shown["title"], len(shown["columns"]), len(shown["rows"])) == ("Checks", 5, 4)
    assert status["comparison"] == {"verdict": "slower", "text": "p95 of GET / +12 %"}
    assert WebUi(Shown(None)).status()["checks"] is None
