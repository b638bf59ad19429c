"""Fires the nonsense of kind INPUT that a client library might, then quits. Locust's statistics do not take it all."""

import math
import os
import time
from typing import Any

import gevent
from locust import User, task

import locust_cw
import totals


class Unprintable:
    def __str__(self) -> str:
        raise ValueError("no text for you")

    __repr__ = __str__


class UnprintableError(Exception):
    __str__ = __repr__ = Unprintable.__str__


class FalsyError(Exception):
    def __bool__(self) -> bool:
        return False


class Response:
    """As odd as a client's response can be."""

    status_code: Any = "teapot"


NESTED: dict[str, Any] = {}
NESTED["self"] = NESTED


def each(argument: str, *values: object) -> list[dict[str, Any]]:
    return [{argument: value} for value in values]


CHANGES: dict[str, list[dict[str, Any]]] = {
    "tolerated": [
        *each(
            "name", "", " ", "n" * 5000, "n" * 5000 + "!", "주문 조회", "a\x00b\x07\n\t\x1b[31m", "\u202eto the left"
        ),
        *each("name", "\ud800lonely", "%EC%A3%BC", "(other)", ":colon", "🛒" * 400),
        *each("request_type", "", "get", "M" * 3000, "주문", "\x00"),
        *each("response_time", None, 0, -0.0, -1, -5.5, 1e-300, 10**6, 2**62, 1e15, True),  # noqa: FBT003 - the value is what is tried
        *each("response_length", -1, 0, 2**40, 10**30, 1.5, True),  # noqa: FBT003 - the value is what is tried
        *each("exception", RuntimeError(), ValueError("boom"), RuntimeError("x" * 3_000_000), KeyError("\x00\ud800")),
        *each(
            "exception", RuntimeError("주" * 1_000_000), "a plain string", TimeoutError(), FileNotFoundError(2, "no")
        ),
        *each("exception", FalsyError(), "", 0, False, []),  # noqa: FBT003 - the value is what is tried
        *each("context", None, "text", 5, [1, 2], Unprintable(), NESTED, {1: 2, None: "x"}, {"k": "v" * 2_000_000}),
        *each("context", {f"k{n}": n for n in range(20_000)}, {"nan": math.nan, "big": 10**400, "b": b"\xff"}),
        *each("context", {"o": Unprintable()}, {"": ""}, {"\ud800": "\ud800"}),
        *each("start_time", 0, -1, time.perf_counter(), math.inf, -math.inf, math.nan, "now", None, 1e300),
        *each("start_time", *(time.time() - days * 86_400 for days in (15, 1, -1))),
        *each("url", None, 5, b"http://bytes", "", "http://[broken", "주문://호스트", "u" * 100_000),
        *each("response", None, "text", Response(), Unprintable()),
        {"surprise": "an argument of tomorrow's Locust"},
    ],
    "crashing Locust's report": [
        *each("name", b"bytes \xff", 42, None, Unprintable(), 3.5, ("a", "tuple"), ["a", "list"]),
        *each("request_type", None, b"GET", b"\xff", 7, Unprintable()),
    ],
    "raising in Locust": [
        *each("response_time", math.nan, math.inf, -math.inf, "fast", "12.5", b"1", [1], 10**400),
        *each("response_length", None, "long", math.nan, math.inf, b"1", []),
        {"exception": UnprintableError()},
    ],
}


def usual() -> dict[str, Any]:
    """What an HTTP client of Locust's sends."""
    return {
        "request_type": "GET",
        "name": "usual",
        "response_time": 10.0,
        "response_length": 5,
        "exception": None,
        "context": {},
        "response": None,
        "start_time": time.time(),
        "url": "http://elsewhere.test/path",
    }


class Clumsy(User):
    fixed_count = 1

    @task
    def fire(self) -> None:
        for change in CHANGES[os.environ["INPUT"]]:
            self.environment.events.request.fire(**(usual() | change))
        for _ in range(10):
            self.environment.events.request.fire(
                request_type="GET", name="documented", response_time=10, response_length=5
            )
        gevent.sleep(0)
        print("all fired", flush=True)
        assert self.environment.runner
        self.environment.runner.quit()


__all__ = ["Clumsy", "locust_cw", "totals"]
