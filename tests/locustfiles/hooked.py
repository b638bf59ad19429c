"""Event hooks: own options, own figures, a verdict of its own as exit code, and listeners that fail."""

from argparse import ArgumentParser
from typing import Any

from locust import FastHttpUser, events, task
from locust.env import Environment

from finite import FiniteUser

figures = {"bytes": 0, "failures": 0, "started": 0, "stopped": 0, "spawned": 0}


@events.init_command_line_parser.add_listener
def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--max-failures", type=int, default=0)


@events.test_start.add_listener
def start(**_: Any) -> None:
    figures["started"] += 1


@events.spawning_complete.add_listener
def spawned(user_count: int, **_: Any) -> None:
    figures["spawned"] += user_count


@events.request.add_listener
def on_request(response_length: int, exception: Exception | None, **_: Any) -> None:
    figures["bytes"] += response_length
    figures["failures"] += exception is not None


@events.test_stop.add_listener
def stop(**_: Any) -> None:
    figures["stopped"] += 1


@events.quitting.add_listener
def judge(environment: Environment, **_: Any) -> None:
    assert environment.parsed_options
    too_many = figures["failures"] > environment.parsed_options.max_failures
    environment.process_exit_code = 7 if too_many else 0


@events.quit.add_listener
def tell(exit_code: int, **_: Any) -> None:
    print(f"> {figures}, exit code {exit_code}", flush=True)


class Hooked(FiniteUser, FastHttpUser):
    @task
    def both(self) -> None:
        self.client.get("/items/7")
        self.client.get("/broken")
        self.round_over()
