"""What goes wrong between a test and AWS: outages, throttling, and sessions that end."""

from __future__ import annotations

import random
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from support.proxy import Answer, Call, Exchange, Fault, Proxy, error, hang, lose_answer, passing, reset


@dataclass(frozen=True)
class Outage:
    """One way for AWS to be away."""

    begin: Callable[[Proxy], None]
    end: Callable[[Proxy], None]
    takes_calls: bool = True


def _faulty(fault: Fault) -> Outage:
    return Outage(lambda proxy: proxy.on("*", fault), Proxy.stop_faults)


OUTAGES = {
    "refused": Outage(Proxy.refuse, Proxy.listen, takes_calls=False),
    "hanging": _faulty(hang),
    "unavailable": _faulty(error("ServiceUnavailable", 503)),
}


class BadWeather:
    """Of every ten calls of an operation three are throttled and one is cut off, in turn before and after it is done.

    Which first is by chance, as is the order of the ten.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._decks: defaultdict[str, list[Fault]] = defaultdict(list)

    def __call__(self, exchange: Exchange) -> Answer | None:
        throttled = error("Throttling" if exchange.call.service == "cloudwatch" else "ThrottlingException", 400)
        with self._lock:
            deck = self._decks[exchange.call.operation]
            if not deck:
                for cut_off in self._random.sample([reset, lose_answer], 2):
                    ten = [*[throttled] * 3, cut_off, *[passing] * 6]
                    self._random.shuffle(ten)
                    deck += ten
            fault = deck.pop()
        return fault(exchange)


class Sessions:
    """Sessions of an assumed role: each ends `lifetime` seconds after it was given and is good for nothing then."""

    def __init__(self, proxy: Proxy, lifetime: float) -> None:
        self._lifetime = lifetime
        self._ends: dict[str, float] = {}
        proxy.on("*", self._check)
        proxy.on("AssumeRole", self._give)

    def _give(self, exchange: Exchange) -> Answer:
        answer = exchange.forward(exchange.call)
        key = re.search(rb"<AccessKeyId>(.*?)</AccessKeyId>", answer.body)
        assert key, answer.body
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=self._lifetime)
        self._ends[key[1].decode()] = end.timestamp()
        stamp = b"<Expiration>%s</Expiration>" % end.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
        return Answer(answer.status, answer.headers, re.sub(rb"<Expiration>.*?</Expiration>", stamp, answer.body))

    def _check(self, exchange: Exchange) -> Answer | None:
        found = re.search(r"Credential=([^/]+)/", exchange.call.headers["authorization"])
        if not found or time.time() > self._ends.get(found[1], 0):
            return error("ExpiredTokenException", 403, "The security token included in the request is expired")(
                exchange
            )
        return exchange.forward(exchange.call)


class Answered:
    """Passes every call on and knows when each was answered."""

    def __init__(self) -> None:
        self._times: dict[int, float] = {}

    def __call__(self, exchange: Exchange) -> Answer:
        answer = exchange.forward(exchange.call)
        self._times[id(exchange.call)] = time.time()
        return answer

    def time(self, call: Call) -> float:
        return self._times.get(id(call), float("inf"))
