"""The text of the receipt, with or without colors, and its remarks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._terminal.quantities import human_bytes
from locust_cw._terminal.replay_command import replay_command
from locust_cw._terminal.styles import BOLD, FAINT, GREEN, RED, YELLOW, paint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    Paint = Callable[[str, str], str]

_HEADS = ("observed", "delivered", "spooled", "rejected", "dropped")
_COLUMN = 11
_NAME = 12


class Receipt:
    """What happened to every sample of a run."""

    # The core counts, and decides whether a receipt is complete.

    def __init__(self, core: _core.Receipt, remarks: Sequence[str] = ()) -> None:
        """Wrap the core's receipt.

        Args:
            core: The numbers and facts.
            remarks: Lines to add to the text.

        """
        self._core = core
        self._remarks = [*remarks_on(core), *remarks]

    @property
    def text(self) -> str:
        """The receipt as text for the terminal, ending with a line break."""
        return text_of(self._core, self._remarks, colors=False)

    @property
    def colored_text(self) -> str:
        """The text with ANSI colors."""
        return text_of(self._core, self._remarks, colors=True)

    @property
    def json(self) -> str:
        """The receipt as one JSON object."""
        return self._core.json

    @property
    def message(self) -> str:
        """The JSON with the totals of each series, as in the record of the run."""
        return json.dumps(json.loads(self.json) | {"series": self._core.series})

    @property
    def complete(self) -> bool:
        """Whether CloudWatch has everything that was observed, and every process has reported."""
        return self._core.complete

    @property
    def checks(self) -> list[_core.CheckResult]:
        """The results of the checks."""
        return self._core.checks

    @property
    def passed(self) -> bool:
        """Whether all checks have passed."""
        return self._core.passed

    @property
    def remarks(self) -> list[str]:
        """Lines of the text about undelivered data: where it is, and why it was not delivered."""
        return list(self._remarks)


def remarks_on(receipt: _core.Receipt) -> list[str]:
    """Remarks about undelivered data: its folder, the command that sends it, and why it was not delivered."""
    lines = []
    if receipt.spool_folder is not None and receipt.dry_run:
        lines.append(f"The data of the dry run is in {receipt.spool_folder}")
    elif receipt.spool_folder is not None:
        lines.append(f"Undelivered data is in {receipt.spool_folder}")
        # A process has a folder in that of its run.
        root = receipt.spool_folder.parents[1]
        lines.append(f"Send it with: {replay_command(receipt.run_id, root)}")
    if receipt.rejected_folder is not None:
        lines.append(f"Rejected data is in {receipt.rejected_folder}")
    return lines + [failure.message for failure in receipt.call_failures]


def sent_to(receipt: _core.Receipt) -> list[str]:
    """The destination of delivered data; empty if none was delivered."""
    delivered = receipt.requests.delivered + receipt.log_events.delivered
    return [f"Sent to {_describe(receipt.destination)}."] if delivered and receipt.destination is not None else []


def _describe(destination: Mapping[str, Any]) -> str:
    account = "an unknown account" if destination["account_id"] is None else f"account {destination['account_id']}"
    urls = [destination[name] for name in ("cloudwatch_url", "logs_url") if destination[name] is not None]
    origins = sorted({origin for url in urls if (origin := _core.origin_of(url)) is not None})
    at = f" ({', '.join(origins)})" if origins else ""
    profile = "" if destination["profile"] is None else f", with profile {destination['profile']}"
    return f"{account} in region {destination['region'] or 'unknown'}{at}{profile}"


def text_of(receipt: _core.Receipt, remarks: Sequence[str], *, colors: bool) -> str:
    """The text for the terminal."""
    style = paint if colors else _plain
    return "".join(f"{line}\n" for line in _lines(receipt, remarks, style))


def _plain(_color: str, text: str) -> str:
    return text


def _lines(receipt: _core.Receipt, remarks: Sequence[str], style: Paint) -> Iterator[str]:
    yield f"{style(BOLD, f'CloudWatch receipt for run {receipt.run_id}:')} {style(*verdict(receipt))}"
    yield f"{'':{_NAME}}{''.join(f' {head:>{_COLUMN}}' for head in _HEADS)}"
    yield _row("requests", receipt.requests, style)
    yield _row("failures", receipt.failures, style)
    yield _row("log events", receipt.log_events, style)
    yield _traffic(receipt)
    if receipt.uncertain:
        yield (
            f"Up to {receipt.uncertain:,} duplicates: calls with that many requests and log events got no valid "
            f"response and may have been repeated."
        )
    if receipt.locust is not None:
        yield _reconciliation(*receipt.locust, reconciled=bool(receipt.reconciled), style=style)
    if receipt.user_errors:
        yield style(YELLOW, f"Exceptions in tasks: {receipt.user_errors:,}; see the log events user_error.")
    if receipt.dashboard_url is not None:
        yield f"Dashboard: {receipt.dashboard_url}"
    yield from remarks


def _row(name: str, counts: _core.DeliveryCounts, style: Paint) -> str:
    cells = (
        (counts.observed, None),
        (counts.delivered, None),
        (counts.spooled, YELLOW),
        (counts.rejected, RED),
        (counts.dropped, RED),
    )
    return f"{name:{_NAME}}" + "".join(_cell(number, color, style) for number, color in cells)


def _cell(number: int, color: str | None, style: Paint) -> str:
    text = f" {number:>{_COLUMN},}"
    if number == 0:
        return style(FAINT, text)
    return text if color is None else style(color, text)


def _traffic(receipt: _core.Receipt) -> str:
    calls = f"PutMetricData {receipt.put_metric_data_calls:,}, PutLogEvents {receipt.put_log_events_calls:,}"
    size, cost = human_bytes(receipt.bytes_sent), f"about ${receipt.estimated_cost_usd:.4f}"
    if receipt.dry_run:
        return (
            f"Dry run: nothing was sent. A real run would send {size} in the API calls {calls}; {cost} (prices of"
            f" {_core.PRICES_AS_OF})"
        )
    return f"API calls: {calls}, repeated {receipt.retries:,}; {size} sent; {cost} (prices of {_core.PRICES_AS_OF})"


def _reconciliation(requests: int, failures: int, *, reconciled: bool, style: Paint) -> str:
    if reconciled:
        return f"Reconciled with Locust: {requests:,} requests, {failures:,} failures."
    return style(RED, f"NOT reconciled with Locust, which counted {requests:,} requests and {failures:,} failures.")


def verdict(receipt: _core.Receipt) -> tuple[str, str]:  # noqa: PLR0911 - a table
    """The result of the run in a few words, with their color."""
    kinds = (receipt.requests, receipt.failures, receipt.log_events)
    if receipt.dry_run:
        return YELLOW, "dry run"
    if not any(counts.observed for counts in kinds):
        return YELLOW, "nothing was recorded"
    if any(counts.rejected or counts.dropped for counts in kinds):
        return RED, "not all delivered"
    if any(counts.delivered != counts.observed for counts in kinds):
        return YELLOW, "not all delivered yet"
    if receipt.lacks_reports:
        return YELLOW, "all reported data delivered"
    if receipt.locust is not None and receipt.locust[0] == 0 and receipt.requests.observed == 0:
        return YELLOW, "no requests were made"
    return GREEN, "all delivered"
