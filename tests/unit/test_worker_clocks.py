"""The clocks of workers are compared by their messages, which arrive with different delays."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from locust_cw._distributed import clocks, messages
from locust_cw._distributed import worker as _worker
from locust_cw._distributed.clocks import WorkerClocks
from locust_cw._distributed.worker import Worker
from locust_cw._plugin.locust_adapter import BY_MASTER

NOW = 1_795_003_200.0


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (clocks, _worker):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: NOW, monotonic=lambda: 0.0))


@pytest.mark.parametrize(
    ("behind", "offset"), [(0.0, 0), (1.5, 0), (-1.5, 0), (2.4, 2), (-90.0, -90), (300.2, 300), (-86_400.0, -86_400)]
)
def test_the_message_with_the_shortest_delay_decides(behind: float, offset: int) -> None:
    found = WorkerClocks()
    for delay in (45.0, 0.1, 3.0):
        found.note("w1", NOW - behind - delay, publishes=True)
    assert found.offset_of("w1") == offset
    assert found.offset_of("w2") == 0


@pytest.mark.parametrize(("behind", "words"), [(60, "60 s behind that of"), (-60, "60 s ahead of that of"), (5, "")])
def test_a_wrong_clock_is_a_warning_once(caplog: pytest.LogCaptureFixture, behind: float, words: str) -> None:
    found = WorkerClocks()
    for _ in range(3):
        found.note("w1", NOW - behind, publishes=True)
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == bool(words)
    assert all(f"The clock of worker w1 is {words} the master." in warning for warning in warnings)


def test_the_clock_of_a_worker_that_publishes_nothing_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    """The master publishes for it, with corrected times. A later run may be another matter."""
    found = WorkerClocks()
    found.note("w1", NOW - 60, publishes=False)
    assert (found.offset_of("w1"), caplog.records) == (60, [])
    found.note("w1", NOW - 60, publishes=True)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("sent_at", [None, "now", True, 5, float("nan"), float("inf"), -1.0, 1e300])
def test_a_message_without_a_usable_time_is_ignored(sent_at: object) -> None:
    message = {"run_id": "r", messages.CLOCK: sent_at}
    assert messages.take_clock(message) is None
    assert message == {"run_id": "r"}


@pytest.mark.parametrize(
    ("sent_at", "start"),
    [(NOW, NOW + 10), (NOW - 5, NOW + 10), (NOW - 300, NOW + 310), (NOW + 300, NOW - 290), (None, NOW + 10)],
)
def test_a_worker_has_the_end_of_the_warm_up_by_its_own_clock(sent_at: float | None, start: float) -> None:
    options = SimpleNamespace(**{f"{BY_MASTER}measured_from": NOW + 10, f"{BY_MASTER}clock": sent_at})
    assert Worker().measured_from(SimpleNamespace(parsed_options=options)) == start  # type: ignore[arg-type]
