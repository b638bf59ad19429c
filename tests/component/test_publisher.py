"""`Publisher` in programs without Locust: with threads and asyncio, forked processes, and interpreters that exit."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest

from locust_cw import Publisher
from support.fixtures import Aws
from support.locust_run import Receipt
from support.programs import HOST, requests, run
from support.proxy import error, hang


def test_threads_share_a_publisher_and_a_flush_delivers_what_they_recorded(aws: Aws, tmp_path: Path) -> None:
    """CloudWatch has all requests from before the flush, with all fields, and the receipt adds up."""
    printed = run(
        tmp_path,
        aws,
        """
        with Publisher(flush_interval=60, run_id="mine", worker="w7", **options) as publisher:
            def work():
                for i in range(500):
                    publisher.record("GET", "/a", i % 100 + 0.5, 10, status=200, context={"tenant": i % 3})
            threads = [threading.Thread(target=work) for _ in range(8)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            publisher.record("POST", "/b", 5, exception=OSError("broken"), status=502)
            publisher.record("POST", "/b", None, exception="no answer")
            publisher.gauge("QueueDepth", 7, "Count")
            publisher.event("half_time", {"tenants": 3})
            print(json.dumps(publisher.flush(30)))
            publisher.record("GET", "/late", 1.0)
        print(publisher.close().json.replace("\\n", " "))
        """,
    )
    assert printed[0] is True
    receipt = Receipt(json.dumps(printed[1]))
    assert receipt["run_id"] == "mine"
    assert receipt["requests"] == {"observed": 4003, "delivered": 4003, "spooled": 0, "rejected": 0, "dropped": 0}
    assert (receipt["failures"]["delivered"], receipt["locust"], receipt["reconciled"]) == (2, None, None)
    assert requests(aws) == 4003
    times = aws.cloudwatch.statistics("ResponseTime_ms", Host=HOST, Request="/a")
    assert (times.count, times.sum, times.min, times.max) == (4000, 200_000, 0.5, 99.5)
    assert aws.cloudwatch.sum("QueueDepth", Host=HOST) == 7
    events = aws.cloudwatch.events("load-generator/mine/w7")
    failed = [event.fields for event in events if event.fields.get("outcome") == "failure"]
    assert [(each.get("status"), each["error"]) for each in failed] == [(502, "broken"), (None, "no answer")]
    assert sum(event.is_request and event.fields.get("status") == 200 for event in events) == 4000
    assert sum(event.fields.get("context", {}).get("tenant") == 2 for event in events) == 8 * 166
    assert [event.fields["tenants"] for event in events if event.is_event("half_time")] == [3]


def test_a_publisher_that_is_still_open_at_exit_is_closed_then(aws: Aws, tmp_path: Path) -> None:
    """With a canceled flush, an event loop that runs in a thread, and threads that continue to record."""
    aws.proxy.on("PutMetricData", error("ServiceUnavailable", 503), times=3)
    printed = run(
        tmp_path,
        aws,
        """
        publisher = Publisher(**options)
        for _ in range(100):
            publisher.record("GET", "/a", 1.0)
        begun = set()
        def go_on():
            while True:
                try:
                    publisher.record("GET", "/b", 1.0)
                except ValueError:
                    return
                begun.add("recording")
                time.sleep(0.001)
        async def wait():
            asyncio.get_running_loop().call_soon(begun.add, "flushing")
            while True:
                try:
                    await publisher.flush_async()
                except ValueError:
                    return
        threading.Thread(target=go_on, daemon=True).start()
        threading.Thread(target=asyncio.run, args=(wait(),), daemon=True).start()
        wait_until(lambda: len(begun) == 2)
        print("1")
        """,
        quiet=True,
    )
    assert printed == [1]
    assert aws.cloudwatch.sum("RequestCount", Host=HOST, Request="/a") == 100


def test_an_interpreter_exits_without_a_message_while_a_flush_hangs(aws: Aws, tmp_path: Path) -> None:
    """Undelivered data is in the spool."""
    aws.proxy.on("*", hang)
    printed = run(
        tmp_path,
        aws,
        """
        async def main():
            publisher = Publisher(drain_timeout=0.5, **options)
            publisher.record("GET", "/a", 1.0)
            asyncio.ensure_future(publisher.flush_async())
            await asyncio.sleep(0.1)
            print("1")
        asyncio.run(main())
        """,
    )
    assert printed == [1]
    assert list((tmp_path / "state").rglob("*-metrics.jsonl"))


def test_each_process_needs_its_own_publisher(aws: Aws, tmp_path: Path) -> None:
    """In a forked process, the parent's publisher raises an error. A new publisher works, with asyncio too."""
    printed = run(
        tmp_path,
        aws,
        """
        publisher = Publisher(**options)
        publisher.record("GET", "/parent", 1.0)
        assert asyncio.run(publisher.flush_async(30))
        pid = os.fork()
        if not pid:
            record, set_users = lambda: publisher.record("GET", "/x", 1.0), lambda: publisher.set_users(1)
            for attempt in (record, set_users, publisher.flush, publisher.close):
                try:
                    attempt()
                except ValueError as error:
                    assert "create one in each process" in str(error)
                else:
                    os._exit(3)
            async def main():
                async with Publisher(**options) as own:
                    own.record("GET", "/child", 1.0)
                    assert await own.flush_async(30)
            asyncio.run(main())
            sys.exit()  # runs what is registered with atexit, the parent's publisher included
        print(json.dumps(os.waitpid(pid, 0)[1]))
        print(json.dumps(publisher.close().complete))
        """,
    )
    assert printed == [0, True]
    assert {name: aws.cloudwatch.sum("RequestCount", Host=HOST, Request=name) for name in ("/parent", "/child")} == {
        "/parent": 1,
        "/child": 1,
    }


@pytest.mark.skipif(importlib.util.find_spec("gevent") is None, reason="gevent has no wheel for this Python")
def test_greenlets_run_while_one_flushes(aws: Aws, tmp_path: Path) -> None:
    """In a process that gevent has patched, like that of Locust."""
    aws.proxy.on("PutMetricData", error("ServiceUnavailable", 503), times=3)
    printed = run(
        tmp_path,
        aws,
        """
        import gevent
        steps = 0
        def beat():
            global steps
            while True:
                gevent.sleep(0.01)
                steps += 1
        gevent.spawn(beat)
        with Publisher(**options) as publisher:
            publisher.record("GET", "/a", 1.0)
            print(json.dumps([publisher.flush(30), steps]))
        """,
        quiet=True,
        prelude="import gevent.monkey; gevent.monkey.patch_all()\n",
    )
    ((flushed, steps),) = printed
    assert flushed
    assert steps > 5


def test_a_cause_that_only_the_user_can_resolve_ends_a_flush_and_is_logged(aws: Aws, tmp_path: Path) -> None:
    """The flush does not wait, and the log says once what to do."""
    aws.proxy.on("PutMetricData", error("AccessDenied", 403))
    printed = run(
        tmp_path,
        aws,
        """
        import logging
        messages = []
        class Kept(logging.Handler):
            def emit(self, record):
                messages.append((record.levelname, record.getMessage()))
        logging.getLogger("locust_cw").addHandler(Kept())
        publisher = Publisher(logs="off", **options)
        publisher.record("GET", "/a", 1.0)
        print(json.dumps([publisher.flush(), publisher.flush()]))
        receipt = publisher.close()
        print(json.dumps([receipt.complete, receipt.remarks]))
        print(json.dumps(messages))
        """,
    )
    flushed, (complete, remarks), messages = printed
    assert (flushed, complete) == ([False, False], False)
    assert any("locust-cw replay" in remark for remark in remarks)
    ((level, message),) = messages
    assert level == "ERROR"
    assert "IAM policy" in message


def test_a_flush_ends_when_the_publisher_is_closed_with_something_left(aws: Aws, tmp_path: Path) -> None:
    """In a thread and in a loop. Later requests are refused, not lost."""
    aws.proxy.on("*", hang)
    printed = run(
        tmp_path,
        aws,
        """
        class Counting:
            # The flushes that have begun.
            def __init__(self, core):
                self._core, self.begun = core, []
            def __getattr__(self, name):
                return getattr(self._core, name)
            def flush(self):
                flush = self._core.flush()
                self.begun.append("thread")
                return flush
            def flush_async(self, timeout):
                flush = self._core.flush_async(timeout)
                self.begun.append("loop")
                return flush
        publisher = Publisher(**options)
        publisher._core = Counting(publisher._core)
        publisher.record("GET", "/a", 1.0)
        flushed = []
        waiting = [
            threading.Thread(target=lambda: flushed.append(publisher.flush())),
            threading.Thread(target=lambda: flushed.append(asyncio.run(publisher.flush_async()))),
        ]
        [thread.start() for thread in waiting]
        wait_until(lambda: len(publisher._core.begun) == 2)
        closing = threading.Thread(target=publisher.close, args=(1.0,))
        closing.start()
        wait_until(lambda: publisher._stopped)
        try:
            publisher.record("GET", "/late", 1.0)
        except ValueError as error:
            print(json.dumps("is closed" in str(error)))
        [thread.join() for thread in [closing, *waiting]]
        print(json.dumps(flushed))
        receipt = json.loads(asyncio.run(publisher.close_async(float("inf"))).json)
        print(json.dumps(receipt["requests"]))
        """,
    )
    closed, flushed, account = printed
    assert closed
    assert flushed == [False, False]
    assert (account["observed"], account["spooled"], account["dropped"]) == (1, 1, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no niceness of their own")
def test_threads_that_send_have_a_lower_priority(aws: Aws, tmp_path: Path) -> None:
    """Also those that read the spool. The thread that empties the queue has normal priority."""
    (printed,) = run(
        tmp_path,
        aws,
        """
        publisher = Publisher(**options)
        publisher.record("GET", "/", 1.0)
        publisher.flush()
        niceness = {}
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/comm") as name:
                niceness.setdefault(name.read().strip(), []).append(os.getpriority(os.PRIO_PROCESS, int(thread)))
        publisher.close()
        print(json.dumps(niceness))
        """,
    )
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert len(printed["locust-cw"]) >= 2
    assert set(printed["locust-cw"]) == {min(own + 10, 19)}
    assert printed["locust-cw-queue"] == [own]


def test_a_dry_run_starts_no_local_cloudwatch(aws: Aws, tmp_path: Path) -> None:
    printed = run(
        tmp_path,
        aws,
        """
        with Publisher(local=True, dry_run=True) as publisher:
            publisher.record("GET", "/", 1.0)
            print(json.dumps([publisher.endpoint_url, "locust_cw._aws.local" in sys.modules]))
        """,
    )
    assert printed == [[None, False]]


def test_wrong_use_raises_an_error_that_names_the_argument(aws: Aws, tmp_path: Path) -> None:
    printed = run(
        tmp_path,
        aws,
        """
        def error(attempt):
            try:
                attempt()
            except Exception as error:
                return [type(error).__name__, str(error)]
        print(json.dumps(error(lambda: Publisher(nonsense=1))))
        print(json.dumps(error(lambda: Publisher(resolution=7))))
        print(json.dumps(error(lambda: Publisher(dimension="Team=web"))))
        print(json.dumps(error(lambda: Publisher(run_id="../../elsewhere"))))
        print(json.dumps(error(lambda: Publisher(local=True, endpoint_url="http://127.0.0.1:9"))))
        publisher = Publisher(**options)
        print(json.dumps(error(lambda: publisher.flush(-1))))
        print(json.dumps(error(lambda: publisher.close(float("nan")))))
        print(json.dumps(error(lambda: publisher.gauge("RequestCount", 1))))
        print(json.dumps(error(lambda: publisher._core.flush_async())))
        print(json.dumps(error(lambda: asyncio.run(publisher.flush_async(-1)))))
        publisher.close()
        print(json.dumps(error(lambda: publisher.record("GET", "/", 1.0))))
        print(json.dumps(error(lambda: asyncio.run(publisher.record_async("GET", "/", 1.0)))))
        print(json.dumps(error(lambda: publisher.flush())))
        print(json.dumps(error(lambda: publisher.event("x"))))
        print(json.dumps(error(lambda: publisher.set_users(1))))
        """,
    )
    kinds = [kind for kind, _ in printed]
    assert kinds == ["InvalidOptionError"] * 5 + ["ValueError"] * 3 + ["RuntimeError"] + ["ValueError"] * 6
    for (_, message), word in zip(
        printed,
        [
            "nonsense",
            "resolution",
            "--cw-dimension: must be a list of text, not ",
            "--cw-run-id: must be",
            "local",
            "timeout",
            "timeout",
            "RequestCount",
            "event loop",
            "timeout",
        ]
        + ["closed"] * 5,
        strict=True,
    ):
        assert word in message


def test_ctrl_c_while_the_values_of_a_request_are_read_is_raised(aws: Aws, tmp_path: Path) -> None:
    """Also in code that creates a text, a status or a number. The request counts nevertheless."""
    code = """
    class Interrupted(Exception):
        def __str__(self):
            raise KeyboardInterrupt
        __float__ = status_code = property(__str__)
    publisher = Publisher(**options)
    recorded = 0
    for said in ({"exception": Interrupted()}, {"response": Interrupted()}, {"response_time": Interrupted()}, {}):
        try:
            publisher._core.record(**{"request_type": "GET", "name": "/", "response_time": 1.0, **said})
            time.sleep(0.001)
        except KeyboardInterrupt:
            recorded += 1
    print(json.dumps([recorded, json.loads(publisher.close().json)["requests"]["observed"]]))
    """
    assert run(tmp_path, aws, code) == [[3, 4]]


@pytest.mark.parametrize("timeout", ["x", -1, float("nan"), [1]])
def test_an_invalid_timeout_is_refused(tmp_path: Path, timeout: object) -> None:
    with Publisher(host=HOST, dry_run=True, spool_dir=str(tmp_path)) as publisher:
        for wait in (publisher.flush, publisher.close):
            with pytest.raises(ValueError, match="a timeout must be a number of seconds, not "):
                wait(timeout)  # type: ignore[arg-type]


def test_processes_with_the_same_host_name_process_id_and_run_id_have_different_names(tmp_path: Path) -> None:
    """Like two containers."""
    for _ in range(2):
        with Publisher(host=HOST, run_id="shared", dry_run=True, spool_dir=str(tmp_path)) as publisher:
            publisher.record("GET", "/a", 1.0)
    names = [path.name for path in (tmp_path / "shared").iterdir() if path.is_dir()]
    assert len(names) == 2
    assert len({name.rpartition("-")[2] for name in names}) == 2, names


def test_a_dry_run_counts_the_bytes_that_a_real_run_sends(aws: Aws, tmp_path: Path) -> None:
    """Byte by byte, with calls above and below the size from which the SDK compresses metrics."""
    code = """
    def bytes_sent(names, **how):
        with Publisher(run_id="same", worker="w", flush_interval=60, **options, **how) as publisher:
            for i in range(names * 2):
                publisher.record("GET", f"/{i % names}", 1 + i % 7, 10, start_time=begun + i // names)
            return json.loads(publisher.close().json)["bytes_sent"]
    begun = int(time.time()) - 60
    print(json.dumps([[bytes_sent(names), bytes_sent(names, dry_run=True)] for names in (1, 20)]))
    """
    (((small, small_dry), (large, large_dry)),) = run(tmp_path, aws, code)
    creating = [call for name in ("CreateLogGroup", "CreateLogStream") for call in aws.proxy.calls(name)]
    assert small + large == small_dry + large_dry + sum(len(call.body) for call in creating)
    metrics = aws.proxy.calls("PutMetricData")
    assert {"content-encoding" in call.headers for call in metrics} == {True, False}
