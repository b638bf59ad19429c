"""A paced load whose web UI says how much the core has computed for a live view, with CSP under a strict policy."""

import base64
import hashlib
import os
import re
import sys
from typing import Any

from flask import Response
from locust import events
from locust.env import Environment

from locust_cw._plugin.listener import Listener
from paced import Paced

INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def with_policy(response: Response) -> Response:
    """Allow only files of this server, and the one inline script of Locust's page, by its hash."""
    if response.mimetype == "text/html":
        hashes = [
            f" 'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
            for script in INLINE.findall(response.get_data(as_text=True))
        ]
        policy = f"default-src 'self'; style-src 'self'; img-src 'self' data:; script-src 'self'{''.join(hashes)}"
        response.headers["Content-Security-Policy"] = policy
    return response


@events.init.add_listener
def probe(environment: Environment, **_: Any) -> None:
    assert environment.web_ui
    app = environment.web_ui.app
    assert app
    if os.environ.get("CSP"):
        app.after_request(with_policy)

    @app.route("/live-changes")
    def live_changes() -> dict[str, Any]:
        run = Listener.of(environment.events).session.run
        statistics = None if run is None else run.publisher.statistics
        return {
            "changes": 0 if statistics is None else statistics.live_changes,
            "is_kept": statistics is not None and statistics.live() is not None,
            "is_imported": "locust_cw._webui.live_view" in sys.modules,
        }


__all__ = ["Paced"]
