"""The files of the CloudWatch tab: what the page loads with and without the charts, which need Node.js to build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient

from locust_cw._webui import assets, tab

PAGE = "<!doctype html><html><head></head><body><div id=root></div></body></html>"


class WebUi:
    """What the tab uses of Locust's web UI."""

    def __init__(self) -> None:
        self.app = Flask(__name__)
        self.template_args: dict[str, Any] = {}
        blueprint = Blueprint("locust", __name__, url_prefix="/load")
        blueprint.add_url_rule("/", endpoint="index", view_func=lambda: PAGE)
        self.app.register_blueprint(blueprint)

    @staticmethod
    def auth_required_if_enabled(view: Callable[[], object]) -> Callable[[], object]:
        return view


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(assets, "_FOLDER", tmp_path)
    for name in ("tab.js", "tab.css"):
        (tmp_path / name).write_text(f"/* {name} */")
    return tmp_path


@pytest.fixture
def client() -> FlaskClient:
    web_ui: Any = WebUi()
    view: Any = object()
    tab.add_tab(view, web_ui)
    client: FlaskClient = web_ui.app.test_client()
    return client


def test_without_a_build_the_page_loads_no_charts(folder: Path, client: FlaskClient) -> None:
    assert folder.is_dir()
    page = client.get("/load/").text
    assert '<script src="./cloudwatch/tab.js" defer></script></body>' in page
    assert '<link rel="stylesheet" href="./cloudwatch/tab.css"></head>' in page
    for name in ("live.js", "live.css"):
        answer = client.get(f"/load/cloudwatch/{name}")
        assert (answer.status_code, answer.mimetype) == (404, "text/plain")


def test_with_a_build_the_page_loads_the_charts(folder: Path, client: FlaskClient) -> None:
    """A browser that has a file does not receive it again, unless it has changed."""
    (folder / "static").mkdir()
    (folder / "static" / "live.js").write_text("export {}")
    assert '<script src="./cloudwatch/tab.js" defer data-charts></script></body>' in client.get("/load/").text
    first = client.get("/load/cloudwatch/live.js")
    assert (first.status_code, first.mimetype, first.text) == (200, "text/javascript", "export {}")
    tag = {"If-None-Match": first.headers["ETag"]}
    assert client.get("/load/cloudwatch/live.js", headers=tag).status_code == 304
    (folder / "static" / "live.js").write_text("export { changed }")
    assert client.get("/load/cloudwatch/live.js", headers=tag).text == "export { changed }"
    assert client.get("/load/cloudwatch/tab.css").mimetype == "text/css"


def test_the_page_needs_neither_inline_scripts_nor_inline_styles() -> None:
    """A content security policy can forbid both."""
    script = Path(tab.__file__).with_name("tab.js").read_text()
    assert not {
        word
        for word in ("innerHTML", "insertAdjacentHTML", 'element("style', "eval(", 'setAttribute("style')
        if word in script
    }
