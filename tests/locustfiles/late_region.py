"""The region is found once the event that REGION_AFTER names was fired, as where the instance tells it late."""

import os
from typing import Any

from gevent.event import Event
from locust import events

import locust_cw
from locust_cw._aws.account import Account
from orders import Walker

find_region = Account.region
fired = Event()


@getattr(events, os.environ["REGION_AFTER"]).add_listener
def note(**_: Any) -> None:
    fired.set()


def region(self: Account) -> str | None:
    fired.wait()
    return find_region(self)


Account.region = region  # type: ignore[method-assign]

__all__ = ["Walker", "locust_cw"]
