"""The log events of a record: a head with the entry of the list, and the parts of the record's text.

Each update of a record is written as new events, because log events cannot be replaced. The newest complete update
counts. All events of an update have the same hash, by which a reader finds them and notices a part that is missing. The
text is compressed: a record of many request names is written once a minute, and CloudWatch Logs charges by the byte.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from locust_cw._runs.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from locust_cw._runs.record import Record

HEAD, PART = "run_record", "run_record_part"
"""The kinds of events, as their key `event` has them."""

UpdatePhase: TypeAlias = Literal["start", "update", "end"]
"""Which update of a record it is: the first, the last, or one in between."""

FORMAT = 1
PART_BYTES = 240_000
"""Most bytes of data in an event. Implementations of the API may accept no more than 256 kB, the former limit."""

_MAX_BATCH_BYTES = 900_000
_EVENT_OVERHEAD_BYTES = 26
_MAX_TEXT_BYTES = 64 * 1024 * 1024
_LEVEL = 6


def events_of(record: Record, phase: UpdatePhase, milliseconds: int) -> list[dict[str, Any]]:
    """The log events of an update, as PutLogEvents takes them: first the parts, and then the head.

    Args:
        record: The record.
        phase: Which update it is.
        milliseconds: The time of the events, since the epoch.

    """
    data = zlib.compress(record.to_text().encode(), _LEVEL)
    shared = {"format": FORMAT, "sha256": hashlib.sha256(data).hexdigest()}
    encoded = base64.b64encode(data).decode()
    parts = [encoded[start : start + PART_BYTES] for start in range(0, len(encoded), PART_BYTES)]
    numbered = ({**shared, "part": number, "parts": len(parts), "data": part} for number, part in enumerate(parts))
    events = [_event(milliseconds, PART, each) for each in numbered]
    head = {"phase": phase, **shared, "parts": len(parts), **Entry.of(record).as_fields()}
    # A reader of the newest event of the stream finds the head.
    return [*events, _event(milliseconds + 1, HEAD, head)]


def _event(milliseconds: int, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    # Queries search for the beginning of the text, so its form matters.
    return {"timestamp": milliseconds, "message": json.dumps({"event": kind, **fields}, separators=(",", ":"))}


def batches_of(events: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Events by calls of PutLogEvents, each below the size limit."""
    batch: list[dict[str, Any]] = []
    size = 0
    for event in events:
        # `json.dumps` writes ASCII.
        bytes_of_event = len(event["message"]) + _EVENT_OVERHEAD_BYTES
        if batch and size + bytes_of_event > _MAX_BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += bytes_of_event
    if batch:
        yield batch


class Assembler:
    """Finds the newest complete update among log events, which arrive in any order."""

    def __init__(self) -> None:
        """There are no events yet."""
        self._heads: dict[str, tuple[int, dict[str, Any]]] = {}
        self._parts: dict[str, dict[int, str]] = {}

    def add(self, events: Sequence[dict[str, Any]]) -> None:
        """Add events of a stream. Those of other kinds are left out."""
        for event in events:
            fields = fields_of(event)
            kind, digest = fields.get("event"), fields.get("sha256")
            if not isinstance(digest, str):
                continue
            if kind == HEAD:
                self._heads[digest] = int(event["timestamp"]), fields
            elif kind == PART and isinstance(fields.get("data"), str) and isinstance(fields.get("part"), int):
                self._parts.setdefault(digest, {})[fields["part"]] = fields["data"]

    @property
    def newest_head(self) -> dict[str, Any] | None:
        """The head of the newest update, which may lack parts; None without one."""
        return max(self._heads.values(), key=lambda each: each[0])[1] if self._heads else None

    def text(self) -> str | None:
        """The text of the newest update that is complete; None if none is."""
        for _, head in sorted(self._heads.values(), key=lambda each: -each[0]):
            parts = self._parts.get(head["sha256"], {})
            if isinstance(head.get("parts"), int) and sorted(parts) == list(range(head["parts"])):
                text = _decoded("".join(parts[number] for number in range(head["parts"])), head["sha256"])
                if text is not None:
                    return text
        return None


def fields_of(event: dict[str, Any]) -> dict[str, Any]:
    """The fields of a log event; none if it is not a JSON object."""
    try:
        fields = json.loads(event["message"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _decoded(encoded: str, digest: str) -> str | None:
    try:
        data = base64.b64decode(encoded, validate=True)
        if hashlib.sha256(data).hexdigest() != digest:
            return None
        inflate = zlib.decompressobj()
        text = inflate.decompress(data, _MAX_TEXT_BYTES)
        return None if inflate.unconsumed_tail else text.decode()
    except (ValueError, zlib.error):
        return None
