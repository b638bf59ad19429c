"""`Recorder`: the part of a `Publisher` that takes requests, custom metrics, marks and events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from locust_cw import _core
    from locust_cw._disabled import Disabled

# Each as long as a hook would wait: a second in all.
_WAITS_FOR_ROOM = 20


class Recorder:
    """Takes what a program records."""

    _core: _core.Publisher | Disabled

    def _require_open(self) -> None:
        """Raise a ValueError if nothing can be recorded any more."""
        raise NotImplementedError

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
        """Record a finished request.

        The method copies the arguments and returns within a few microseconds. If the queue is full because the machine
        is overloaded, it waits for at most 50 ms, and then counts the request as dropped.

        Args:
            request_type: The method, such as GET.
            name: The request name, which becomes the dimension `Request`.
            response_time: Response time in milliseconds. If it is None, NaN, infinite or negative, the request is
                counted without a response time.
            response_length: Size of the response in bytes.
            exception: The reason for a failure; None for a success. Log events omit the values in URLs, such as
                ``?token=...``, from its text, unless the option `log_urls` is ``full``.
            status: HTTP status for the log event.
            context: Fields for the log event, at most 100. Numbers stay numbers, and other values become text, treated
                like that of `exception`. The entries of a nested dict get names such as ``cart.items``.
            start_time: Start of the request in seconds since the epoch. The request is counted at this time plus
                `response_time`, or at the present time if this is unknown, more than a week ago, or more than an hour
                ahead.
            url: URL that determines the host if the publisher has none.

        Raises:
            ValueError: If the publisher is closed, or belongs to another process.

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
        """Record a finished request as `record` does, without blocking the event loop if the queue is full."""
        await self._await_room()
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

    def gauge(
        self,
        metric: str,
        value: float,
        unit: str = "None",
        dimension: tuple[str, str] | None = None,
        **dimensions: str | float,
    ) -> None:
        """Record the present value of a custom metric, such as the length of a queue.

        CloudWatch gets all values of a second: their average, minimum, maximum and percentiles are over the values of
        all processes. If the queue is full, it waits as `record` does, and then ignores the value.

        Args:
            metric: Name of the metric: up to 255 ASCII characters, and not the name of a metric of requests.
            value: Number from 0 to 2^360.
            unit: Unit of CloudWatch, such as ``Count``, ``Percent`` or ``Bytes/Second``.
            dimension: Name and value of a dimension in addition to the host, whatever its name is.
            **dimensions: More dimensions by name. Each combination of values is a metric with its own cost. A process
                has at most 200; further ones have the value ``(other)``.

        Raises:
            TypeError: If an argument has another type.
            ValueError: If a name, unit or value is invalid, or the publisher is closed.

        """
        self._record_custom("gauge", metric, value, unit, dimensions | dict([dimension] if dimension else []))

    async def gauge_async(
        self,
        metric: str,
        value: float,
        unit: str = "None",
        dimension: tuple[str, str] | None = None,
        **dimensions: str | float,
    ) -> None:
        """Record the present value of a custom metric as `gauge` does, without blocking the event loop."""
        await self._await_room()
        self.gauge(metric, value, unit, dimension, **dimensions)

    def count(self, metric: str, value: float = 1, unit: str = "Count", **dimensions: str | float) -> None:
        """Add to a custom metric, such as the number of tokens that a service has used.

        CloudWatch gets the sum of each second, and its statistic `Sum` adds up all processes. Apart from that, it is
        like `gauge`.

        Args:
            metric: Name of the metric, as for `gauge`, but not that of a gauge.
            value: Number to add, from 0 on.
            unit: Unit of CloudWatch.
            **dimensions: Dimensions by name, as for `gauge`.

        Raises:
            TypeError: If an argument has another type.
            ValueError: If a name, unit or value is invalid, or the publisher is closed.

        """
        self._record_custom("count", metric, value, unit, dimensions)

    async def count_async(self, metric: str, value: float = 1, unit: str = "Count", **dimensions: str | float) -> None:
        """Add to a custom metric as `count` does, without blocking the event loop."""
        await self._await_room()
        self.count(metric, value, unit, **dimensions)

    def mark(self, text: str) -> None:
        """Mark the present moment, such as the start of a deployment, without waiting.

        The mark is a log event `mark`, a vertical line in the report, and part of the run's record. A publisher can
        make 100 marks per minute and 1,000 in all.

        Args:
            text: What happened. It becomes one line of up to 256 characters, without the values in URLs, as in log
                events.

        Raises:
            TypeError: If it is not text.
            ValueError: If it is blank, or the publisher is closed.

        """
        self._require_open()
        self._core.mark(text, in_test=False)

    def event(self, name: str, fields: dict[str, Any] | None = None) -> None:
        """Log an event of the whole test with its scalar fields, without waiting.

        Text is treated like that of an exception: see `record`. If the name of a field is reserved, such as `time`, it
        gets the suffix `_`.

        Raises:
            ValueError: If the publisher is closed, or belongs to another process.

        """
        self._require_open()
        self._core.event(name, fields)

    def set_users(self, users: int) -> None:
        """Set the number of users of this process for the log events that follow, without waiting.

        Raises:
            ValueError: If the publisher is closed, or belongs to another process.

        """
        self._require_open()
        self._core.set_users(users)

    def _record_custom(
        self, kind: str, metric: str, value: float, unit: str, dimensions: dict[str, str | float]
    ) -> None:
        self._require_open()
        self._core.custom(kind, metric, value, unit, dimensions, in_test=False)

    async def _await_room(self) -> None:
        self._require_open()
        for _ in range(_WAITS_FOR_ROOM):
            if self._core.has_room:
                break
            await self._core.room_async()
