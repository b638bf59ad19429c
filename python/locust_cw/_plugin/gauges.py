"""The gauges of a Locust process: users, workers, and the load generator's own CPU and memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psutil

from locust_cw._plugin import locust_adapter
from locust_cw._plugin.locust_adapter import Role

if TYPE_CHECKING:
    from locust.env import Environment

    from locust_cw import _core


class Gauges:
    """The gauges of one run."""

    def __init__(self) -> None:
        self._sampled = time.monotonic(), time.process_time()
        self._process = psutil.Process()

    def sample(self, environment: Environment, publisher: _core.Publisher) -> None:
        """Publish the present values."""
        role = locust_adapter.role_of(environment)
        users = count_users(environment, publisher)
        if role is not Role.WORKER:
            publisher.gauge("UserCount", users, "Count")
            by_class = locust_adapter.users_by_class(environment)
            for name, number in by_class.items() if len(by_class) > 1 else ():
                publisher.gauge("UserCount", number, "Count", ("UserClass", name))
        if role is Role.MASTER:
            publisher.gauge("WorkerCount", locust_adapter.worker_count(environment), "Count")
        # Percent of one core, by all threads, since the last sample.
        before, self._sampled = self._sampled, (time.monotonic(), time.process_time())
        seconds, used = (after - earlier for after, earlier in zip(self._sampled, before, strict=True))
        if seconds > 0 and used >= 0:
            publisher.gauge("GeneratorCpu_Percent", used / seconds * 100, "Percent")
        publisher.gauge("GeneratorMemory_Bytes", self._process.memory_info().rss, "Bytes")


def count_users(environment: Environment, publisher: _core.Publisher) -> int:
    """The number of users, which the log events of requests contain from now on."""
    users = locust_adapter.user_count(environment)
    publisher.set_users(users)
    return users
