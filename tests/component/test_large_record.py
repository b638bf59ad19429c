"""The record of a test with 200 request names, 8 hours and several workers stays within all limits."""

from __future__ import annotations

import time

import pytest

from locust_cw._aws.account import Account
from locust_cw._runs.record_events import UpdatePhase
from locust_cw._runs.shared_records import PREFIX, RecordWriter, SharedRecords, events_of_update
from support.fixtures import Aws
from support.large_record import NAMES, RUN, SECONDS, large_record
from support.servers import REGION

MAX_EVENT_BYTES = 256 * 1024
"""The former limit of CloudWatch Logs, which other implementations of the API have."""
MAX_SUMMARY_BYTES = 4_000_000


@pytest.mark.long
def test_a_large_record_is_shared_and_read(
    aws: Aws, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    record = large_record(tmp_path_factory.mktemp("spools"), workers=2)
    assert len(record.summary) < MAX_SUMMARY_BYTES
    account = Account({"endpoint_url": aws.proxy.url, "region": REGION})
    aws.cloudwatch.logs.create_log_group(logGroupName=aws.cloudwatch.log_group)
    writer = RecordWriter(account.call, aws.cloudwatch.log_group)
    phases: list[UpdatePhase] = ["update", "end"]
    for phase in phases:
        writer.write(RUN, events_of_update(record, phase))
    # The fixture compares each call with the limits of AWS.
    assert max(len(event.message) for event in aws.cloudwatch.events(PREFIX)) <= MAX_EVENT_BYTES

    found = SharedRecords(account, aws.cloudwatch.log_group).read(RUN)
    now = time.time()
    begin, end = found.measured_time(now)
    assert (begin, end) == record.measured_time(now)
    assert end - begin == SECONDS
    summary = found.load_summary()
    assert len(summary.requests([])) == NAMES
    assert summary.to_json() == record.load_summary().to_json()
    # The newest update is at the end of the stream, so older ones are not read.
    assert len(aws.proxy.calls("GetLogEvents")) == 1
