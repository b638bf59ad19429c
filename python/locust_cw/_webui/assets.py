"""The scripts and styles of the CloudWatch tab. The charts' are built by `make` if Node.js is there."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from flask import Response, request

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

MIMETYPES = {"css": "text/css", "js": "text/javascript"}

NAMES = ("tab.js", "tab.css", "live.js", "live.css")
"""The files, by the names of their routes."""

_FOLDER = files("locust_cw._webui")


def has_charts() -> bool:
    """Whether the scripts of the charts were built."""
    return _path("live.js").is_file()


def asset(name: str) -> Response:
    """A file, unless the browser has it."""
    path = _path(name)
    if not path.is_file():
        return Response(f"This installation has no {name}.", status=404, mimetype="text/plain")
    response = Response(path.read_bytes(), mimetype=MIMETYPES[name.rpartition(".")[2]])
    response.cache_control.no_cache = True
    response.add_etag()
    response.make_conditional(request)
    return response


def _path(name: str) -> Traversable:
    return _FOLDER.joinpath("static", name) if name.startswith("live.") else _FOLDER.joinpath(name)
