"""Measures the memory of a run: for a million requests as fast as possible, and over a longer time.

    python benches/memory.py [--requests 1000000] [--minutes 1] [--rate 2000] [--json FILE]

Each measurement has its own process, without Locust. Growth is the largest resident set until everything is delivered,
minus the resident set before the run.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import driver
import figures
from figures import Figure
from sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

TARGET_MB = 48
DRAIN_TARGET_S = 10
NAMES = 20
LOOK_S = 1.0
FLAT_MB = 1.0
"""Accepted growth from the first half to the second: the noise of the allocator."""

Row = dict[str, float]


def resident_mb(what: str) -> float:
    """`VmRSS` of this process, or `VmHWM`, its maximum so far, in millions of bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(what):
            return int(line.split()[1]) * 1024 / 1e6
    raise KeyError(what)


def forget_largest() -> None:
    """Reset `VmHWM`."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def at_once(url: str, requests: int, live: bool) -> Row:  # noqa: FBT001 - called by the name of its mode
    """Record requests as fast as possible, and deliver them."""
    before = resident_mb("VmRSS")
    forget_largest()
    with driver.run(url, live=live) as publisher:
        begun = time.monotonic()
        driver.Load(publisher, NAMES).record(requests)
        recorded_s = time.monotonic() - begun
        at_end = resident_mb("VmRSS")
        drained_s = driver.deliver(publisher)
        given = publisher.finish()
        largest = resident_mb("VmHWM")
    if not given.complete:
        print(given.json)
    receipt = json.loads(given.json)
    lost = sum(account["observed"] - account["delivered"] for account in (receipt["requests"], receipt["log_events"]))
    return {
        "growth": largest - before,
        "recorded": at_end - before,
        "recorded_s": recorded_s,
        "drained_s": drained_s,
        "events_per_s": receipt["log_events"]["delivered"] / (recorded_s + drained_s),
        "lost": lost,
    }


def soak(url: str, rate: float, seconds: float) -> Row:
    """Hold a rate with `--cw-live`, and read the memory once a second."""
    before = resident_mb("VmRSS")
    looks: list[float] = []
    with driver.run(url, live=True) as publisher:
        load = driver.Load(publisher, NAMES)
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            driver.hold({load: rate}, LOOK_S)
            looks.append(resident_mb("VmRSS"))
        driver.deliver(publisher)
        receipt = json.loads(publisher.finish().json)
    # Memory at the start is not growth: at least two flushes.
    settled = looks[len(looks) // 4 :]
    half = len(settled) // 2
    first, second = settled[:half], settled[half:]
    return {
        "growth": max(looks) - before,
        "drift": statistics.median(second) - statistics.median(first),
        "requests": receipt["requests"]["observed"],
        "lost": receipt["requests"]["observed"] - receipt["requests"]["delivered"],
    }


def apart(measure: Callable[..., Row], *arguments: object) -> Row:
    """Call a function in a new process, with its own sink."""
    context = multiprocessing.get_context("spawn")
    with Sink() as sink:
        receiving, sending = context.Pipe(duplex=False)
        process = context.Process(target=_send, args=(sending, measure, sink.url, *arguments))
        process.start()
        sending.close()
        try:
            row: Row = receiving.recv()
        except EOFError:
            sys.exit("The measured process ended early; see its error above.")
        process.join()
    return row


def _send(sending: Connection, measure: Callable[..., Row], *arguments: object) -> None:
    sending.send(measure(*arguments))


def main() -> int:
    """Measure and print; return 0 if everything was delivered."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--requests", type=int, default=1_000_000, help="requests as fast as possible (default: %(default)s)"
    )
    parser.add_argument("--minutes", type=float, default=1, help="duration of the constant load (default: %(default)g)")
    parser.add_argument(
        "--rate", type=float, default=2_000, help="requests/s of the constant load (default: %(default)g)"
    )
    figures.add_option(parser)
    arguments = parser.parse_args()

    modes = {"live": True, "recorded until the end": False}
    rows = {mode: apart(at_once, arguments.requests, live) for mode, live in modes.items()}
    print(f"{arguments.requests:,} requests, all logged{'':14}{'largest':>9}{'recorded':>10}{'drained':>9}{'lost':>6}")
    for mode, row in rows.items():
        print(
            f"{mode:42}{row['growth']:5.1f} MB{row['recorded_s']:8.1f} s{row['drained_s']:7.1f} s{row['lost']:6,.0f}"
            f"   {row['events_per_s']:,.0f} log events/s in all"
        )
    soaked = apart(soak, arguments.rate, arguments.minutes * 60)
    print(
        f"\n{arguments.minutes:g} minutes at {arguments.rate:,.0f}/s: largest {soaked['growth']:.1f} MB, "
        f"{soaked['drift']:+.2f} MB from the first half to the second, {soaked['lost']:,.0f} lost"
    )
    millions = f"{arguments.requests:,}"
    figures.write(
        arguments.json,
        [
            *(
                Figure(
                    f"memory for {millions} requests, {mode}",
                    f"{row['growth']:.0f} MB",
                    f"at most {TARGET_MB}",
                    row["growth"] <= TARGET_MB,
                )
                for mode, row in rows.items()
            ),
            Figure(
                f"the same recorded from Python: drain of {millions} requests",
                f"{rows['recorded until the end']['drained_s']:.1f} s",
                f"at most {DRAIN_TARGET_S}",
                rows["recorded until the end"]["drained_s"] <= DRAIN_TARGET_S,
            ),
            Figure(
                f"drift over {arguments.minutes:g} minutes at {arguments.rate:,.0f}/s",
                f"{soaked['drift']:+.1f} MB of {soaked['growth']:.0f}",
                "flat",
                soaked["drift"] <= FLAT_MB,
            ),
        ],
    )
    return 0 if not soaked["lost"] and not any(row["lost"] for row in rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
