"""A worker notes how many parsers Locust made for the start message."""

import itertools
from pathlib import Path
from typing import Any

from locust import argument_parser, events
from locust.env import Environment
from locust.runners import WorkerRunner

import locust_cw
from plain_walker import Walker

__all__ = ["Walker", "locust_cw"]

numbers = itertools.count()
make_parser = argument_parser.get_empty_argument_parser


def make_and_count(*args: Any, **kwargs: Any) -> argument_parser.LocustArgumentParser:
    next(numbers)
    return make_parser(*args, **kwargs)


@events.init.add_listener
def count_parsers(environment: Environment, **_: Any) -> None:
    if isinstance(environment.runner, WorkerRunner):
        argument_parser.get_empty_argument_parser = make_and_count


@events.test_start.add_listener
def note_parsers(environment: Environment, **_: Any) -> None:
    if isinstance(environment.runner, WorkerRunner):
        Path("parsers").write_text(str(next(numbers)))
