"""A web UI that asks for a login, as Locust's documentation has it: `/let-me-in` is the right password."""

import os
from typing import Any

from flask import redirect
from flask.typing import ResponseReturnValue
from flask_login import UserMixin, login_user  # type: ignore[import-untyped]
from locust import events
from locust.env import Environment

from watched import Paced


class Tester(UserMixin):  # type: ignore[misc]
    id = "tester"


@events.init.add_listener
def guard(environment: Environment, **_: Any) -> None:
    web_ui = environment.web_ui
    assert web_ui
    assert web_ui.app
    web_ui.app.secret_key = os.urandom(8)
    web_ui.login_manager.user_loader(lambda _: Tester())

    @web_ui.app.route("/let-me-in")
    def let_in() -> ResponseReturnValue:
        login_user(Tester())
        return redirect("/")


__all__ = ["Paced"]
