"""`attach` in `init`, whose options win over the command line's."""

import os
from typing import Any

from locust import events
from locust.env import Environment

import locust_cw
from shopper import Shopper


@events.init.add_listener
def attach(environment: Environment, **_: Any) -> None:
    locust_cw.attach(environment, namespace=os.environ["ATTACH_NAMESPACE"])


__all__ = ["Shopper", "locust_cw"]
