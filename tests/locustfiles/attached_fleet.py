"""A program that calls `attach` with the options in the variable ATTACH, as JSON. Each process can have its own."""

import json
import os
from typing import Any

from locust import events
from locust.env import Environment

import locust_cw
from traders import Buyer, Seller


@events.init.add_listener
def attach(environment: Environment, **_: Any) -> None:
    locust_cw.attach(environment, **json.loads(os.environ.get("ATTACH", "{}")))


__all__ = ["Buyer", "Seller", "locust_cw"]
