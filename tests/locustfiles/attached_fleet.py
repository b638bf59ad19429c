"""A program that gives `attach` what ATTACH says, as JSON: in a fleet each process may be told something else."""

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
