"""`Publisher`: publish from a program without Locust, from threads or from asyncio."""

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
from locust_cw._recorder import Recorder

# Not imported at the end: generated code, as of dataclasses, makes the interpreter forget that Ctrl-C ended it.
from locust_cw._runs.publisher_record import write_record
from locust_cw._settings.publisher_options import publisher_options

if TYPE_CHECKING:
    from types import TracebackType

    from locust_cw._aws.local import LocalCloudWatch
    from locust_cw._disabled import Disabled
    from locust_cw._terminal.receipt import Receipt

logger = logging.getLogger("locust_cw")

_POLL_S = 0.01
_MESSAGES_EVERY_S = 1.0


class Publisher(Recorder):
    """One run: records finished requests, publishes them to CloudWatch, and accounts for them.

    A publisher is safe to use from several threads and event loops. A method that records takes a few microseconds;
    calls to AWS run in separate threads, outside Python. For asyncio, `record`, `gauge`, `count`, `flush` and
    `close` have awaitable variants whose names end in `_async`. Canceling one ends only the wait; no data is lost.

    Use a publisher as a context manager (`with` or `async with`), or call `close` to send the remaining data. When the
    interpreter exits, it closes a publisher that is still open. A publisher does not work in a forked process: create
    one in each process.

    A closed publisher leaves a record of the run, on this machine only, for ``locust-cw verify`` and ``report``.
    Processes that publish there at the same time with one run ID have one record, with the sum of their numbers.

    An option that the program does not set is read from its environment variable, such as ``LOCUST_CW_NAMESPACE``, or
    from `locust.conf` or `pyproject.toml`, as Locust does. Each of these sources can opt out. With `disable` or
    ``LOCUST_CW_DISABLE=true``, the publisher records nothing and has no thread, file or network call. Its methods still
    work: `flush` returns True, and the receipt counts nothing, contains the reason, and is `complete`. With `dry_run`
    or ``LOCUST_CW_DRY_RUN=true``, the publisher makes no network calls: the receipt counts all data as spooled and is
    not `complete`.

    The logger `locust_cw` logs warnings and errors, such as failed calls to AWS.
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
        """Start a run. The first call to AWS is made when there is data to send.

        Args:
            host: The host under test, such as ``https://service.example``, which becomes the dimension `Host`. If None,
                the host is the origin of each request's `url`.
            run_id: The run ID. By default, that of ``LOCUST_CW_RUN_ID``, or a generated one such as
                ``20261122T110301Z-7f3a``.
            worker: The name of this process within the run. By default, it is made from the host name, the process ID
                and a random part.
            live: Whether to publish every few seconds, which is the default unless ``LOCUST_CW_LIVE`` is false. If
                False, `flush` and `close` publish all data.
            **options: Command-line options of the metrics, logs, destination and credentials, in Python form:
                ``--cw-flush-interval`` is `flush_interval`. `local` starts a CloudWatch on this machine.

        Raises:
            InvalidOptionError: If an option or its environment variable is unknown or invalid.
            LocalCloudWatchError: With `local`, if the local CloudWatch does not start.
            OSError: If the system cannot start a thread.

        """
        self._local: LocalCloudWatch | None = None
        self._receipt: Receipt | None = None
        self._closing = threading.Lock()
        self._over = threading.Event()
        self._owner = os.getpid()
        self._host = host or None
        self._options: dict[str, Any] | None = None
        self._started = time.time()
        self._stopped: float | None = None
        self._remarks: list[str] = []
        named = {"live": live, "run_id": run_id or None}
        chosen = publisher_options({**{name: value for name, value in named.items() if value is not None}, **options})
        run_id = chosen.pop("run_id", None) or _core.new_run_id()
        if chosen.pop("disable", False):
            from locust_cw._disabled import WHY, Disabled  # noqa: PLC0415 - few programs need it

            self._core: _core.Publisher | Disabled = Disabled(run_id)
            self._remarks = [WHY]
            return
        self._options = {"live": True, **chosen}
        self._core = self._begin(run_id, worker, self._options)
        # Not joined at the interpreter's exit, which closes the publisher after such threads have ended.
        messages = threading.Thread(
            target=self._log_messages, args=(self._options.get("spool_dir"),), name="locust-cw-messages", daemon=True
        )
        messages.start()
        atexit.register(self._close_at_exit)

    def _begin(self, run_id: str, worker: str | None, options: dict[str, Any]) -> _core.Publisher:
        _core.check_options(options)
        if options.get("spool_dir"):
            # The program may change its working directory before it closes the publisher.
            options["spool_dir"] = os.path.abspath(options["spool_dir"])  # noqa: PTH100 - the core uses text
        # Few programs need what is imported here, and it brings a dozen modules.
        if options.get("local"):
            from locust_cw._settings.table import check_local  # noqa: PLC0415 - as said above

            check_local(options)
            # A dry run makes no network calls.
            if not options.get("dry_run"):
                from locust_cw._aws.local import LocalCloudWatch  # noqa: PLC0415 - as said above

                self._local = LocalCloudWatch()
                options["endpoint_url"] = self._local.endpoint_url
        try:
            return _core.Publisher(options, run_id=run_id, worker=worker or process_name(), host=self._host)
        except BaseException:
            self._stop_local()
            raise

    @property
    def run_id(self) -> str:
        """The run ID."""
        return self._core.run_id

    @property
    def endpoint_url(self) -> str | None:
        """The address of the local CloudWatch, if this publisher started one."""
        return self._local.endpoint_url if self._local is not None else None

    # Delivery.

    def flush(self, timeout: float | None = None) -> bool:
        """Send all recorded data, and wait until CloudWatch has accepted it.

        Args:
            timeout: Maximum time to wait, in seconds; None for no limit.

        Returns:
            Whether all data is settled. False if the time elapsed, or if AWS refuses calls until you resolve the cause,
            which the log names.

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
        """Send all recorded data, and wait until CloudWatch has accepted it, as `flush` does."""
        self._require_open()
        return await self._core.flush_async(timeout)

    def close(self, timeout: float | None = None) -> Receipt:
        """Stop recording, send the remaining data, and create the receipt. A second call returns the same receipt.

        Args:
            timeout: Maximum time to keep sending, in seconds; None for that of the option `drain_timeout`. Data that is
                left stays in the spool for ``locust-cw replay``.

        Returns:
            The receipt, which accounts for every request.

        """
        self._require_owner()
        deadline = _deadline(self._core.drain_timeout if timeout is None else timeout)
        self._seal()
        self._core.seal()
        while not self._core.progress().over and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return self._ended(self._core.finish())

    async def close_async(self, timeout: float | None = None) -> Receipt:  # noqa: ASYNC109 - it does not cancel anything
        """Stop recording, send the remaining data, and create the receipt, as `close` does.

        If this call is canceled, the publisher keeps sending. Close it again to get the receipt.
        """
        self._require_owner()
        closing = self._core.close_async(self._core.drain_timeout if timeout is None else timeout)
        self._seal()
        receipt = await closing
        from asyncio import to_thread  # noqa: PLC0415 - programs without asyncio do not load it

        return await to_thread(self._ended, receipt)

    def __enter__(self) -> Self:
        """Return the publisher."""
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the publisher, also after an exception."""
        self.close()

    async def __aenter__(self) -> Self:
        """Return the publisher."""
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the publisher, also after an exception."""
        await self.close_async()

    def _seal(self) -> None:
        self._stopped = self._stopped or time.time()

    def _ended(self, receipt: _core.Receipt) -> Receipt:
        from locust_cw._terminal.receipt import Receipt  # noqa: PLC0415 - needed at the end only

        with self._closing:
            if self._receipt is None:
                if isinstance(self._core, _core.Publisher) and (ignored := self._core.ignored):
                    self._remarks.append(f"{ignored:,} values of custom metrics or marks were ignored")
                self._receipt = Receipt(receipt, self._remarks)
                self._over.set()
                self._log_waiting()
                atexit.unregister(self._close_at_exit)
                self._write_record(receipt)
                self._stop_local()
            return self._receipt

    def _write_record(self, receipt: _core.Receipt) -> None:
        if self._options is None or not isinstance(self._core, _core.Publisher):
            # The publisher is disabled.
            return
        times = self._started, self._stopped or time.time()
        host = self._host and _core.public_host(self._host)
        write_record(receipt, self._options, times, host, self._core.statistics)

    def _stop_local(self) -> None:
        if self._local is not None:
            self._local.stop()

    def _require_owner(self) -> None:
        if os.getpid() != self._owner:
            raise ValueError("this publisher was created before the process forked: create one in each process")

    def _require_open(self) -> None:
        if self._stopped is not None:
            raise ValueError(f"the publisher of run {self.run_id} is closed: create a new publisher for another run")
        self._require_owner()

    def _log_messages(self, spool_dir: str | None) -> None:
        # Imported here so that the program need not wait for it.
        from locust_cw._extensions.pending_spools import log_pending_spools  # noqa: PLC0415 - as said above

        log_pending_spools(spool_dir, self._over.wait)
        while not self._over.wait(_MESSAGES_EVERY_S):
            self._log_waiting()

    def _log_waiting(self) -> None:
        for message in self._core.take_messages():
            logger.log(message.level, "%s", message.text)

    def _close_at_exit(self) -> None:
        if os.getpid() == self._owner:
            # The process is ending: an exception here would only hide the reason why.
            with suppress(Exception, KeyboardInterrupt):
                self.close()


def _deadline(timeout: float | None) -> float:
    if timeout is None:
        return float("inf")
    if not isinstance(timeout, (int, float)) or not timeout >= 0:
        raise ValueError(f"a timeout must be a number of seconds, not {timeout!r}")
    return time.monotonic() + timeout
