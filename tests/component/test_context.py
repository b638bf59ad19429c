"""The `context` of a request in log events: numbers as numbers, other values as text, one level of nesting."""

from __future__ import annotations

import enum
import json
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from locust_cw import Publisher
from support.fixtures import Aws
from support.servers import REGION

HOST = "http://service.example"


class Colour(enum.Enum):
    RED = 1


class Plan(enum.StrEnum):
    GOLD = "gold"


class Level(enum.IntEnum):
    HIGH = 3


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Growing:
    """Changes the dict that contains it while it is converted to text."""

    def __init__(self, owner: dict[str, Any]) -> None:
        self._owner = owner

    def __str__(self) -> str:
        self._owner[uuid.uuid4().hex] = 1
        return "growing"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "REGION": REGION}.items():
        monkeypatch.setenv(f"AWS_{name}", value)


def logged(aws: Aws, context: Any) -> dict[str, Any]:
    """The `context` in the log event of a request with this context."""
    run_id = uuid.uuid4().hex
    with Publisher(host=HOST, run_id=run_id, worker="w", **aws.in_python) as publisher:
        publisher.record("GET", "/a", 1.0, context=context)
    [event] = [event for event in aws.cloudwatch.events(f"load-generator/{run_id}/w") if event.is_request]
    fields: dict[str, Any] = event.fields.get("context", {})
    return fields


def test_numbers_are_logged_as_numbers(aws: Aws) -> None:
    numbers = {
        "int": 7,
        "int64": np.int64(-8),
        "uint8": np.uint8(9),
        "float": 0.5,
        "float64": np.float64(1.5),
        "float32": np.float32(2.5),
        "decimal": Decimal("12.25"),
        "fraction": Fraction(1, 4),
        "level": Level.HIGH,
        "true": True,
        "numpy_true": np.bool_(1),
        "none": None,
    }
    expected = {
        "int": 7,
        "int64": -8,
        "uint8": 9,
        "float": 0.5,
        "float64": 1.5,
        "float32": 2.5,
        "decimal": 12.25,
        "fraction": 0.25,
        "level": 3,
        "true": True,
        "numpy_true": True,
        "none": None,
    }
    assert json.dumps(logged(aws, numbers), sort_keys=True) == json.dumps(expected, sort_keys=True)


def test_other_values_are_logged_as_text(aws: Aws) -> None:
    order = uuid.UUID("12345678-1234-5678-1234-567812345678")
    values = {
        "uuid": order,
        "date": date(2026, 11, 29),
        "time": datetime(2026, 11, 29, 12, 30, tzinfo=UTC),
        "enum": Colour.RED,
        "plan": Plan.GOLD,
        "bytes": b"raw",
        "list": [1, 2],
        "array": np.array([1, 2]),
        "complex": 1 + 2j,
        "big": 2**70,
        "infinite": float("inf"),
        "huge": Decimal("1E+999"),
        "unprintable": Unprintable(),
        3: "a key that is not text",
    }
    assert logged(aws, values) == {
        "uuid": str(order),
        "date": "2026-11-29",
        "time": "2026-11-29 12:30:00+00:00",
        "enum": "Colour.RED",
        "plan": "gold",
        "bytes": "raw",
        "list": "[1, 2]",
        "array": "[1 2]",
        "complex": "(1+2j)",
        "big": str(2**70),
        "infinite": "inf",
        "huge": "1E+999",
        "unprintable": "(Unprintable that has no text)",
        "3": "a key that is not text",
    }


def test_one_level_of_nesting_becomes_names_with_a_dot(aws: Aws) -> None:
    context = {"cart": {"items": 3, "owner": {"id": 5}}, "empty": {}}
    assert logged(aws, context) == {"cart.items": 3, "cart.owner": "{'id': 5}", "empty": "{}"}


def test_a_context_that_changes_while_it_is_read_disturbs_nothing(aws: Aws) -> None:
    context: dict[str, Any] = {"before": 1}
    context["growing"] = Growing(context)
    context["after"] = 2
    assert logged(aws, context) == {"before": 1, "growing": "growing", "after": 2}


def test_at_most_100_entries_are_logged(aws: Aws) -> None:
    assert len(logged(aws, {"many": {str(i): i for i in range(500)}, "more": 1})) == 100
    assert logged(aws, "no dict") == {}


@pytest.mark.parametrize("response_time", ["12", b"12", [12]])
def test_a_response_time_that_is_not_a_number_is_reported_once(
    aws: Aws, caplog: pytest.LogCaptureFixture, response_time: Any
) -> None:
    with Publisher(host=HOST, **aws.in_python) as publisher:
        for value in (response_time, response_time, None, float("nan"), -1, 12):
            publisher.record("GET", "/a", value)
        receipt = publisher.close()
    assert json.loads(receipt.json)["requests"]["delivered"] == 6
    assert aws.cloudwatch.count("ResponseTime_ms", Host=HOST) == 1
    [warning] = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith(f"The response time of GET /a has the type {type(response_time).__name__}, and is not")
