"""A publisher with asyncio: flushes are awaited and canceled, and never block the loop."""

from __future__ import annotations

from pathlib import Path

from support.fixtures import Aws
from support.programs import Program, requests, run
from support.proxy import error
from support.servers import wait_until


def test_the_event_loop_runs_while_a_flush_is_awaited(aws: Aws, tmp_path: Path) -> None:
    """CloudWatch does not respond for some time. Other tasks run, and the flush ends when CloudWatch answers."""
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
        asyncio.run(main())
        """,
        quiet=True,
    )
    with program:
        program.wait_for("waiting")
        wait_until(lambda: len(aws.proxy.calls("PutMetricData")) > 2, "it tries again")
        aws.proxy.stop_faults()
        in_time, _, (delivered, steps), ended = program.wait()
    assert (in_time, delivered, ended) == (False, True, [True, True, True])
    assert steps > 10
    assert requests(aws) == 1


def test_a_canceled_flush_or_close_loses_nothing(aws: Aws, tmp_path: Path) -> None:
    """The task that awaits it is canceled. Recorded requests are delivered nevertheless."""
    aws.proxy.on("PutMetricData", error("ServiceUnavailable", 503))
    program = Program(
        tmp_path,
        aws,
        """
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
            cancels = [await cancelled(publisher.flush_async()) for _ in range(20)]
            try:
                await asyncio.wait_for(publisher.flush_async(), 0.1)
            except TimeoutError:
                cancels.append(True)
            cancels.append(await cancelled(publisher.close_async()))
            print(json.dumps(cancels), flush=True)
            print((await publisher.close_async()).json.replace("\\n", " "))
        asyncio.run(main())
        """,
        quiet=True,
    )
    with program:
        program.wait_for("]")
        aws.proxy.stop_faults()
        printed, receipt = program.wait()
    assert printed == [True] * 22
    assert receipt["requests"]["delivered"] == 100
    assert requests(aws) == 100


def test_a_loop_that_is_closed_before_the_response_causes_no_error(aws: Aws, tmp_path: Path) -> None:
    """There is no traceback of a callback, and the publisher works with the next loop."""
    aws.proxy.on("PutMetricData", error("ServiceUnavailable", 503), times=2)
    printed = run(
        tmp_path,
        aws,
        """
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
        quiet=True,
    )
    assert printed == [[True, True], False, True]


def test_several_loops_share_a_publisher(aws: Aws, tmp_path: Path) -> None:
    """Each loop has its own thread."""
    printed = run(
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
    assert printed == [True]
    assert requests(aws) == 1000


def test_a_full_queue_does_not_block_the_loop(aws: Aws, tmp_path: Path) -> None:
    """It waits for as long as `record` would, and then records the request."""
    printed = run(
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
    assert printed == [[4, True, True]]
    assert requests(aws) == 1
