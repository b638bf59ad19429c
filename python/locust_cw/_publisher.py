"""`Publisher`: publishing from a program of its own, without Locust, from threads or from asyncio."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from locust_cw import _core
from locust_cw._plugin.process_name import process_name

if TYPE_CHECKING:
    from types import TracebackType

    from locust_cw._aws.local import LocalCloudWatch
    from locust_cw._disabled import Disabled
    from locust_cw._terminal.receipt import Receipt

logger = logging.getLogger("locust_cw")

_POLL_S = 0.01
_MESSAGES_EVERY_S = 1.0
# Each as long as a hook would wait: a second in all.
_WAITS_FOR_ROOM = 20


class Publisher:
    """One run of load: takes finished requests, publishes them to CloudWatch, and accounts for them.

    It may be used from any number of threads and event loops at once. Requests are taken in a few microseconds; what
    waits for AWS runs in threads of its own, outside Python. For asyncio `record`, `gauge`, `flush` and `close` have
    awaitable twins, which end in `_async`; one that is cancelled no longer waits, and loses nothing by it.

    Use it as a context manager, `with` or `async with`, or call `close`: it sends what is left. A publisher that is
    still open when the interpreter exits is closed then. One does not work in a forked process: each makes its own.

    An option that the program does not give is read from its environment variable, such as ``LOCUST_CW_NAMESPACE``, or
    else from `locust.conf` or `pyproject.toml`, as Locust reads them. Each source can opt out. With `disable` or
    ``LOCUST_CW_DISABLE=true`` nothing is recorded: there is no thread, no file and no call. Every method still works,
    `flush` returns True, and the receipt counts nothing, says why, and is `complete`. With `dry_run` or
    ``LOCUST_CW_DRY_RUN=true`` everything happens but the network calls: the receipt counts everything as spooled, and
    is not `complete`.

    What comes up, such as trouble with AWS, is logged by the logger `locust_cw`.
    """

    def __init__(
        self,
        *,
        host: str | None = None,
        run_id: str | None = None,
        worker: str | None = None,
        live: bool | None = None,
        **options: object,
    ) -> None:
        """Begin a run. Nothing is sent before there is something to send.

        Args:
            host: What is under test, such as ``https://service.example``: the dimension `Host`. Where it is None,
                the origin of each request's `url` is.
            run_id: Names the run; if neither given nor in ``LOCUST_CW_RUN_ID``, generated, such as
                ``20261122T110301Z-7f3a``.
            worker: Names this process within the run; made from the host name, the process ID and a random part if not
                given.
            live: Publish every few seconds, as is done if neither this nor ``LOCUST_CW_LIVE`` says otherwise. If False,
                everything is published by `flush` and `close`.
            **options: Those of the command line that say whether and what is published, where and as whom, in Python
                form: ``--cw-flush-interval`` is `flush_interval`. With `local` a CloudWatch on this machine is started.

        Raises:
            InvalidOptionError: If an option is not known or cannot be used, or its environment variable cannot.
            LocalCloudWatchError: If there is no local CloudWatch; only with `local`.
            OSError: If no thread can be started.

        """
        self._local: LocalCloudWatch | None = None
        self._receipt: Receipt | None = None
        self._sealed = False
        self._closing = threading.Lock()
        self._over = threading.Event()
        self._owner = os.getpid()
        self._remarks: list[str] = []
        named = {"live": live, "run_id": run_id or None}
        chosen = _with_environment({**{name: value for name, value in named.items() if value is not None}, **options})
        run_id = chosen.pop("run_id", None) or _core.new_run_id()
        if chosen.pop("disable", False):
            from locust_cw._disabled import WHY, Disabled  # noqa: PLC0415 - few programs need it

            self._core: _core.Publisher | Disabled = Disabled(run_id)
            self._remarks = [WHY]
            return
        self._core = self._begin(host, run_id, worker, {"live": True, **chosen})
        # Not joined at the interpreter's exit, which closes the publisher after such threads have ended.
        messages = threading.Thread(
            target=self._log_messages, args=(chosen.get("spool_dir"),), name="locust-cw-messages", daemon=True
        )
        messages.start()
        atexit.register(self._close_at_exit)

    def _begin(self, host: str | None, run_id: str, worker: str | None, options: dict[str, Any]) -> _core.Publisher:
        _core.check_options(options)
        # Few programs need what is imported here, and it brings a dozen modules.
        if options.get("local"):
            from locust_cw._settings.table import check_local  # noqa: PLC0415 - as said above

            check_local(options)
            # A dry run calls nobody.
            if not options.get("dry_run"):
                from locust_cw._aws.local import LocalCloudWatch  # noqa: PLC0415 - as said above

                self._local = LocalCloudWatch()
                options["endpoint_url"] = self._local.endpoint_url
        try:
            return _core.Publisher(options, run_id=run_id, worker=worker or process_name(), host=host or None)
        except BaseException:
            self._stop_local()
            raise

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._core.run_id

    @property
    def endpoint_url(self) -> str | None:
        """Where the local CloudWatch listens, if this publisher started one."""
        return self._local.endpoint_url if self._local is not None else None

    # What is published.

    def record(  # noqa: PLR0913 - a request has many sides
        self,
        request_type: str,
        name: str,
        response_time: float | None,
        response_length: int | None = None,
        *,
        exception: BaseException | str | None = None,
        status: int | None = None,
        context: dict[str, Any] | None = None,
        start_time: float | None = None,
        url: str | None = None,
    ) -> None:
        """Take a finished request.

        It is copied and this returns, in a few microseconds. Only where the queue is full, as on a machine that is out
        of breath, does it wait, for at most 50 ms, before the request is counted as dropped.

        Args:
            request_type: The method, such as GET.
            name: Groups requests: the dimension `Request`.
            response_time: Milliseconds. None, NaN, infinite and negative ones are counted but not timed.
            response_length: Bytes of the answer.
            exception: Why the request failed; None for a success. Of its text the log shows no values in URLs, such as
                ``?token=...``, unless the option `log_urls` is ``full``.
            status: HTTP status, for the log.
            context: Logged: numbers as numbers, other values as text like that of the exception, and the entries of a
                nested dict with names such as ``cart.items``. At most 100 entries.
            start_time: When the request began, in seconds since the epoch. Its time is this plus `response_time`;
                now, if that is not known, more than a week ago, or more than an hour ahead.
            url: Tells the host where the publisher has none.

        Raises:
            ValueError: If the publisher is closed, or is another process's.

        """
        self._require_open()
        self._core.record(
            request_type,
            name,
            response_time,
            response_length,
            exception,
            context,
            start_time=start_time,
            url=url,
            status=status,
        )

    async def record_async(  # noqa: PLR0913 - a request has many sides
        self,
        request_type: str,
        name: str,
        response_time: float | None,
        response_length: int | None = None,
        *,
        exception: BaseException | str | None = None,
        status: int | None = None,
        context: dict[str, Any] | None = None,
        start_time: float | None = None,
        url: str | None = None,
    ) -> None:
        """Take a finished request as `record` does, without holding the event loop up where the queue is full."""
        self._require_open()
        for _ in range(_WAITS_FOR_ROOM):
            if self._core.has_room:
                break
            await self._core.room_async()
        self.record(
            request_type,
            name,
            response_time,
            response_length,
            exception=exception,
            status=status,
            context=context,
            start_time=start_time,
            url=url,
        )

    def gauge(self, metric: str, value: float, unit: str = "None", dimension: tuple[str, str] | None = None) -> None:
        """Take the present value of a metric of your own. Never waits.

        Args:
            metric: Its name.
            value: Finite and not negative.
            unit: One of CloudWatch's: Milliseconds, Seconds, Bytes, Count, Percent, None.
            dimension: Name and value of a dimension beside the host.

        Raises:
            ValueError: If the name is taken, the value or unit cannot be published, or the publisher is closed.

        """
        self._require_open()
        self._core.gauge(metric, value, unit, dimension)

    async def gauge_async(
        self, metric: str, value: float, unit: str = "None", dimension: tuple[str, str] | None = None
    ) -> None:
        """Take the present value of a metric of your own, as `gauge` does."""
        self.gauge(metric, value, unit, dimension)

    def event(self, name: str, fields: dict[str, Any] | None = None) -> None:
        """Log something that happened to the whole test, with the scalar ones of its fields. Never waits.

        A text is logged as that of an exception is: see `record`. A field that has the name of one of ours, such as
        `time`, gets a `_` behind it.

        Raises:
            ValueError: If the publisher is closed, or is another process's.

        """
        self._require_open()
        self._core.event(name, fields)

    def set_users(self, users: int) -> None:
        """Tell how many users run in this process, for the log events that follow. Never waits.

        Raises:
            ValueError: If the publisher is closed, or is another process's.

        """
        self._require_open()
        self._core.set_users(users)

    # Its delivery.

    def flush(self, timeout: float | None = None) -> bool:
        """Send everything taken so far, and wait until CloudWatch has it.

        Args:
            timeout: Seconds to wait at most; None for as long as it takes.

        Returns:
            Whether all of it is settled: False where the time was over, or where AWS refuses everything until somebody
            changes something, which the log tells.

        Raises:
            ValueError: If the publisher is closed.

        """
        self._require_open()
        deadline = _deadline(timeout)
        flush = self._core.flush()
        while (settled := flush.settled) is None and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return bool(settled)

    async def flush_async(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - it does not cancel anything
        """Send everything taken so far, and wait until CloudWatch has it, as `flush` does."""
        self._require_open()
        return await self._core.flush_async(timeout)

    def close(self, timeout: float | None = None) -> Receipt:
        """Send what is left, take nothing more, and draw up the receipt. The second time it gives the same.

        Args:
            timeout: Seconds to keep sending at most; None for the option `drain_timeout`. The rest stays in the spool,
                for ``locust-cw replay``.

        Returns:
            What happened to every request.

        """
        self._require_owner()
        deadline = _deadline(self._core.drain_timeout if timeout is None else timeout)
        self._sealed = True
        self._core.seal()
        while not self._core.progress().over and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return self._ended(self._core.finish())

    async def close_async(self, timeout: float | None = None) -> Receipt:  # noqa: ASYNC109 - it does not cancel anything
        """Send what is left, take nothing more, and draw up the receipt, as `close` does.

        Cancelled, it leaves the publisher sending what is left; it is to be closed again for the receipt.
        """
        self._require_owner()
        closing = self._core.close_async(self._core.drain_timeout if timeout is None else timeout)
        self._sealed = True
        receipt = await closing
        # Imported long ago by whoever runs the event loop; a program without one is spared it.
        from asyncio import to_thread  # noqa: PLC0415 - a program without asyncio does without it

        return await to_thread(self._ended, receipt)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it, whatever happened."""
        self.close()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it, whatever happened."""
        await self.close_async()

    def _ended(self, receipt: _core.Receipt) -> Receipt:
        from locust_cw._terminal.receipt import Receipt  # noqa: PLC0415 - needed at the end only

        with self._closing:
            if self._receipt is None:
                self._receipt = Receipt(receipt, self._remarks)
                self._over.set()
                self._log_waiting()
                atexit.unregister(self._close_at_exit)
                self._stop_local()
            return self._receipt

    def _stop_local(self) -> None:
        if self._local is not None:
            self._local.stop()

    def _require_owner(self) -> None:
        if os.getpid() != self._owner:
            raise ValueError("this publisher was created before the process forked: create one in each process")

    def _require_open(self) -> None:
        if self._sealed:
            raise ValueError(f"the publisher of run {self.run_id} is closed: create a new publisher for another run")
        self._require_owner()

    def _log_messages(self, spool_dir: str | None) -> None:
        # Imported here, as this thread has time.
        from locust_cw._extensions.pending_spools import log_pending_spools  # noqa: PLC0415 - as said above

        log_pending_spools(spool_dir, self._over.wait)
        while not self._over.wait(_MESSAGES_EVERY_S):
            self._log_waiting()

    def _log_waiting(self) -> None:
        for message in self._core.diagnostics():
            logger.log(message.level, "%s", message.text)

    def _close_at_exit(self) -> None:
        if os.getpid() == self._owner:
            # The process is ending: an exception here would only hide the reason why.
            with suppress(Exception, KeyboardInterrupt):
                self.close()


def _with_environment(given: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, and those that variables and files add; an opt-out holds wherever it is set."""
    from locust_cw._settings.sources import existing_files  # noqa: PLC0415 - needed by programs with a publisher only

    has_variables = any(name.startswith("LOCUST_CW_") for name in os.environ)
    if "disable" not in given and not has_variables and not existing_files():
        return given
    # Few programs need what is imported here, and it brings modules with it.
    from locust_cw._settings.table import NAMES_OF_PUBLISHER, Options  # noqa: PLC0415 - as said above

    options = Options(None, given, NAMES_OF_PUBLISHER)
    return {**options.core, "disable": options["disable"]}


def _deadline(timeout: float | None) -> float:
    if timeout is None:
        return float("inf")
    if not isinstance(timeout, (int, float)) or not timeout >= 0:
        raise ValueError(f"a timeout must be a number of seconds, not {timeout!r}")
    return time.monotonic() + timeout
