"""`Publisher`: without Locust, from threads and from asyncio, safe whatever becomes of tasks, loops and processes."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
import textwrap
import threading
from collections.abc import Sequence
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from types import ModuleType
from typing import Any, Self

import pytest

from locust_cw import Publisher
from support.fixtures import Aws
from support.locust_run import NOBODY, Receipt, clean_environment, launch, run_python
from support.paths import EXAMPLES
from support.proxy import error, hang
from support.servers import Target, wait_until

HOST = "http://service.example"
PRELUDE = """
import asyncio, json, os, sys, threading, time
from locust_cw import Publisher
options = json.loads(sys.argv[1])
def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("waited in vain")
        time.sleep(0.01)
"""


class Program:
    """A program of its own that publishes to a test's corner of CloudWatch, and prints what it finds as JSON lines."""

    def __init__(self, folder: Path, aws: Aws, code: str, prelude: str = "", **options: Any) -> None:
        options = {"host": HOST, **aws.in_python, **options}
        code = prelude + PRELUDE + textwrap.dedent(code)
        self._run = launch(folder, sys.executable, "-c", code, json.dumps(options), env=clean_environment(folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._run.process.poll() is None:
            self._run.process.kill()
            self._run.process.wait()

    def wait_for(self, pattern: str) -> None:
        self._run.wait_for(pattern)

    def finish(self) -> list[Any]:
        """What it printed, ended by itself and without a word of complaint."""
        assert self._run.exit_code == 0, self._run.err
        assert not self._run.err
        return [json.loads(line) for line in self._run.out.splitlines()]


def run(folder: Path, aws: Aws, code: str, **how: Any) -> list[Any]:
    with Program(folder, aws, code, **how) as program:
        return program.finish()


def requests(aws: Aws) -> float:
    return aws.cloudwatch.sum("RequestCount", Host=HOST)


def test_threads_share_a_publisher_and_a_flush_delivers_what_they_recorded(aws: Aws, tmp_path: Path) -> None:
    """Everything recorded before it, with all that was told of each request; the receipt adds up."""
    told = run(
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
    assert told[0] is True
    receipt = Receipt(json.dumps(told[1]))
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
    assert [event.fields["tenants"] for event in events if event.tells("half_time")] == [3]


def test_the_event_loop_runs_on_while_a_flush_is_awaited(aws: Aws, tmp_path: Path) -> None:
    """CloudWatch does not answer for a while: other tasks are not held up, and the flush ends when it does."""
    aws.proxy.on("PutMetricData", error("ServiceUnavailable", 503))
    program = Program(
        tmp_path,
        aws,
        """
        async def main():
            steps = 0
            async def beat():
                nonlocal steps
                while True:
                    await asyncio.sleep(0.01)
                    steps += 1
            async with Publisher(logs="off", **options) as publisher:
                beating = asyncio.create_task(beat())
                await publisher.record_async("GET", "/a", 1.0)
                await publisher.gauge_async("QueueDepth", 7)
                print(json.dumps(await publisher.flush_async(0.2)))
                print('"waiting"', flush=True)
                print(json.dumps([await publisher.flush_async(), steps]))
                beating.cancel()
                receipt = await publisher.close_async()
            again = [await publisher.close_async(), publisher.close()]
            print(json.dumps([receipt.complete, *(each is receipt for each in again)]))
        import logging
        logging.disable()
        asyncio.run(main())
        """,
    )
    with program:
        program.wait_for("waiting")
        wait_until(lambda: len(aws.proxy.calls("PutMetricData")) > 2, "it tries again")
        aws.proxy.heal()
        in_time, _, (delivered, steps), ended = program.finish()
    assert (in_time, delivered, ended) == (False, True, [True, True, True])
    assert steps > 10
    assert requests(aws) == 1


def test_a_cancelled_flush_or_close_loses_nothing(aws: Aws, tmp_path: Path) -> None:
    """Whoever awaited it no longer waits; what was recorded is delivered all the same."""
    aws.proxy.on("PutMetricData", error("ServiceUnavailable", 503))
    program = Program(
        tmp_path,
        aws,
        """
        import logging
        logging.disable()
        async def cancelled(awaitable):
            task = asyncio.ensure_future(awaitable)
            await asyncio.sleep(0.1)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                return True
        async def main():
            publisher = Publisher(**options)
            for i in range(100):
                publisher.record("GET", "/a", 1.0)
            told = [await cancelled(publisher.flush_async()) for _ in range(20)]
            try:
                await asyncio.wait_for(publisher.flush_async(), 0.1)
            except TimeoutError:
                told.append(True)
            told.append(await cancelled(publisher.close_async()))
            print(json.dumps(told), flush=True)
            print((await publisher.close_async()).json.replace("\\n", " "))
        asyncio.run(main())
        """,
    )
    with program:
        program.wait_for("]")
        aws.proxy.heal()
        told, receipt = program.finish()
    assert told == [True] * 22
    assert receipt["requests"]["delivered"] == 100
    assert requests(aws) == 100


def test_a_loop_that_is_closed_before_the_answer_comes_is_left_alone(aws: Aws, tmp_path: Path) -> None:
    """No traceback of a callback that found its loop closed, and the publisher serves the next loop."""
    aws.proxy.on("PutMetricData", error("ServiceUnavailable", 503), times=2)
    told = run(
        tmp_path,
        aws,
        """
        import logging
        logging.disable()
        publisher = Publisher(**options)
        publisher.record("GET", "/a", 1.0)
        class Loop(asyncio.SelectorEventLoop):
            told_when_closed = False
            def call_soon_threadsafe(self, *args, **kwargs):
                self.told_when_closed = self.is_closed()
                return super().call_soon_threadsafe(*args, **kwargs)
        loop = Loop()
        async def begin():
            return publisher._core.flush_async(None)
        forgotten = loop.run_until_complete(begin())
        loop.close()
        print(json.dumps([publisher.flush(30), asyncio.run(publisher.flush_async(30))]))
        wait_until(lambda: loop.told_when_closed)
        print(json.dumps(forgotten.done()))
        print(json.dumps(publisher.close().complete))
        """,
    )
    assert told == [[True, True], False, True]


def test_several_loops_share_a_publisher(aws: Aws, tmp_path: Path) -> None:
    """Each awaits in its own thread."""
    told = run(
        tmp_path,
        aws,
        """
        publisher = Publisher(**options)
        async def work():
            for _ in range(5):
                await asyncio.gather(*(publisher.record_async("GET", "/a", 1.0) for _ in range(50)))
                assert await publisher.flush_async(30)
        threads = [threading.Thread(target=asyncio.run, args=(work(),)) for _ in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        print(json.dumps(asyncio.run(publisher.close_async()).complete))
        """,
    )
    assert told == [True]
    assert requests(aws) == 1000


def test_a_publisher_that_is_still_open_at_exit_is_closed_then(aws: Aws, tmp_path: Path) -> None:
    """With a flush that nobody awaits any more, a loop left running in a thread, and threads that go on recording."""
    aws.proxy.on("PutMetricData", error("ServiceUnavailable", 503), times=3)
    told = run(
        tmp_path,
        aws,
        """
        import logging
        logging.disable()
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
    )
    assert told == [1]
    assert aws.cloudwatch.sum("RequestCount", Host=HOST, Request="/a") == 100


def test_an_interpreter_that_ends_while_a_flush_hangs_ends_quietly(aws: Aws, tmp_path: Path) -> None:
    """What was not taken is in the spool."""
    aws.proxy.on("*", hang)
    told = run(
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
    assert told == [1]
    assert list((tmp_path / "state").rglob("*-metrics.jsonl"))


def test_each_process_makes_its_own(aws: Aws, tmp_path: Path) -> None:
    """A forked process is told so instead of losing what it records; its own works, with asyncio too."""
    told = run(
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
                    assert "make one in each process" in str(error)
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
    assert told == [0, True]
    assert {name: aws.cloudwatch.sum("RequestCount", Host=HOST, Request=name) for name in ("/parent", "/child")} == {
        "/parent": 1,
        "/child": 1,
    }


@pytest.mark.skipif(importlib.util.find_spec("gevent") is None, reason="gevent has no wheel for this Python")
def test_greenlets_run_on_while_one_flushes(aws: Aws, tmp_path: Path) -> None:
    """In a process that gevent has patched, as Locust's is."""
    aws.proxy.on("PutMetricData", error("ServiceUnavailable", 503), times=3)
    told = run(
        tmp_path,
        aws,
        """
        import gevent, logging
        logging.disable()
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
        prelude="import gevent.monkey; gevent.monkey.patch_all()\n",
    )
    ((flushed, steps),) = told
    assert flushed
    assert steps > 5


def test_what_only_the_user_can_mend_ends_a_flush_and_is_logged(aws: Aws, tmp_path: Path) -> None:
    """There is nothing to wait for; the log says what to do, once."""
    aws.proxy.on("PutMetricData", error("AccessDenied", 403))
    told = run(
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
    flushed, (complete, remarks), messages = told
    assert (flushed, complete) == ([False, False], False)
    assert any("locust-cw replay" in remark for remark in remarks)
    ((level, message),) = messages
    assert level == "ERROR"
    assert "IAM policy" in message


def test_a_full_queue_is_awaited_without_holding_the_loop_up(aws: Aws, tmp_path: Path) -> None:
    """As long as `record` would wait in its place, and then the request is recorded."""
    told = run(
        tmp_path,
        aws,
        """
        class Full:
            # The queue is emptied faster than Python can fill it: this is what it looks like on a starved machine.
            def __init__(self, core):
                self._core, self.looks = core, 0
            def __getattr__(self, name):
                return getattr(self._core, name)
            @property
            def has_room(self):
                self.looks += 1
                return self.looks > 3
            async def room_async(self):
                await self._core.room_async()
                await asyncio.sleep(0.02)
        async def main():
            steps = 0
            async def beat():
                nonlocal steps
                while True:
                    await asyncio.sleep(0.001)
                    steps += 1
            async with Publisher(**options) as publisher:
                publisher._core = Full(publisher._core)
                beating = asyncio.create_task(beat())
                await publisher.record_async("GET", "/a", 1.0)
                beating.cancel()
            print(json.dumps([publisher._core.looks, steps > 0, publisher.close().complete]))
        asyncio.run(main())
        """,
    )
    assert told == [[4, True, True]]
    assert requests(aws) == 1


def test_a_flush_ends_when_the_publisher_is_closed_with_something_left(aws: Aws, tmp_path: Path) -> None:
    """From a thread and from a loop: there is nothing more to wait for. What comes after that is refused, not lost."""
    aws.proxy.on("*", hang)
    told = run(
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
        wait_until(lambda: publisher._sealed)
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
    closed, flushed, account = told
    assert closed
    assert flushed == [False, False]
    assert (account["observed"], account["spooled"], account["dropped"]) == (1, 1, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no niceness of their own")
def test_threads_that_send_stand_back(aws: Aws, tmp_path: Path) -> None:
    """Those that wait for AWS and read the spool; the one that empties the queue keeps up with the users."""
    (told,) = run(
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
    assert len(told["locust-cw"]) >= 2
    assert set(told["locust-cw"]) == {min(own + 10, 19)}
    assert told["locust-cw-intak"] == [own]


def test_a_dry_run_starts_no_local_cloudwatch(aws: Aws, tmp_path: Path) -> None:
    told = run(
        tmp_path,
        aws,
        """
        with Publisher(local=True, dry_run=True) as publisher:
            publisher.record("GET", "/", 1.0)
            print(json.dumps([publisher.endpoint_url, "locust_cw._aws.local" in sys.modules]))
        """,
    )
    assert told == [[None, False]]


def test_wrong_use_is_told_at_once(aws: Aws, tmp_path: Path) -> None:
    """With the name of what is wrong, and what to do."""
    told = run(
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
    kinds = [kind for kind, _ in told]
    assert kinds == ["InvalidOptionError"] * 5 + ["ValueError"] * 3 + ["RuntimeError"] + ["ValueError"] * 6
    for (_, message), word in zip(
        told,
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


@pytest.mark.parametrize("options", [[], ["--local"]], ids=["elsewhere", "local"])
@pytest.mark.parametrize("script", ["asyncio_load.py", "threads.py"])
def test_the_examples_publish_what_they_measure(
    aws: Aws, target: Target, tmp_path: Path, script: str, options: Sequence[str]
) -> None:
    """As they stand, for a second."""
    served = target.served
    env = NOBODY if options else {"AWS_ENDPOINT_URL": aws.proxy.url}
    done = run_python(tmp_path, EXAMPLES / script, target.url, "--seconds", "1", *options, timeout=90, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "all delivered" in done.stdout
    seen = target.served - served
    assert f"{seen:,}" in done.stdout
    if not options:
        assert sum(call.accepted for call in aws.proxy.calls("PutMetricData")) > 0


def test_ctrl_c_in_what_a_request_is_asked_for_is_heard(aws: Aws, tmp_path: Path) -> None:
    """It comes at any line, of code too that makes a text, a status or a number; the request counts all the same."""
    code = """
    class Interrupted(Exception):
        def __str__(self):
            raise KeyboardInterrupt
        __float__ = status_code = property(__str__)
    publisher = Publisher(**options)
    heard = 0
    for said in ({"exception": Interrupted()}, {"response": Interrupted()}, {"response_time": Interrupted()}, {}):
        try:
            publisher._core.record(**{"request_type": "GET", "name": "/", "response_time": 1.0, **said})
            time.sleep(0.001)
        except KeyboardInterrupt:
            heard += 1
    print(json.dumps([heard, json.loads(publisher.close().json)["requests"]["observed"]]))
    """
    assert run(tmp_path, aws, code) == [[3, 4]]


@pytest.mark.parametrize("script", ["asyncio_load.py", "threads.py"])
@pytest.mark.parametrize("host", ["https://service.example", "service.example"])
def test_an_example_refuses_a_host_that_it_cannot_talk_to(tmp_path: Path, script: str, host: str) -> None:
    """Plain HTTP to a port that expects TLS would be a load of nothing but failures."""
    done = run_python(tmp_path, EXAMPLES / script, host, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"must be an http:// URL, not {host}" in done.stderr


def example(script: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{Path(script).stem}", EXAMPLES / script)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class WithoutLength(BaseRequestHandler):
    """Ends its answer by closing, as HTTP allows."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")


def test_an_answer_without_a_length_is_a_failure_that_the_example_counts() -> None:
    get = example("asyncio_load.py").get
    with ThreadingTCPServer(("127.0.0.1", 0), WithoutLength) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(ValueError, match="content-length"):
            asyncio.run(get(f"http://127.0.0.1:{server.server_address[1]}"))
        server.shutdown()


def test_what_goes_wrong_in_a_thread_of_the_example_is_seen(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = example("threads.py")

    def user(*_: object) -> None:
        raise KeyError("a mistake in the example's user")

    def published(**how: Any) -> Publisher:
        return Publisher(endpoint_url=aws.proxy.url, spool_dir=str(tmp_path), logs="off", **how)

    monkeypatch.setattr(threads, "user", user)
    monkeypatch.setattr(threads, "Publisher", published)
    monkeypatch.setattr(sys, "argv", ["threads.py", "http://service.example", "--seconds=0"])
    with pytest.raises(KeyError, match="a mistake"):
        threads.main()
