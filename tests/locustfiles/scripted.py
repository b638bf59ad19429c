"""Fires the requests of the JSON file SCRIPT, then quits from its task.

A list of objects: `names` (each fired in turn), `times` (ms, likewise), `repeat`, `length`, `error` (text) and its
`error_repeat`, `context`, `at` (the epoch second they complete in).
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
from locust import User, task

import locust_cw


def requests() -> Iterator[dict[str, Any]]:
    for entry in json.loads(Path(os.environ["SCRIPT"]).read_text()):
        error = entry.get("error")
        for _ in range(entry.get("repeat", 1)):
            for name in entry.get("names", ["/"]):
                for milliseconds in entry.get("times", [10.0]):
                    yield {
                        "request_type": entry.get("method", "GET"),
                        "name": name,
                        "response_time": milliseconds,
                        "response_length": entry.get("length", 100),
                        "exception": None if error is None else RuntimeError(error * entry.get("error_repeat", 1)),
                        "context": entry.get("context", {}),
                        **({"start_time": entry["at"] - milliseconds / 1000} if "at" in entry else {}),
                    }


class Scripted(User):
    fixed_count = 1

    @task
    def play(self) -> None:
        for number, request in enumerate(requests()):
            self.environment.events.request.fire(**request)
            if number % 100 == 0:
                gevent.sleep(0)
        assert self.environment.runner
        self.environment.runner.quit()


__all__ = ["Scripted", "locust_cw"]
