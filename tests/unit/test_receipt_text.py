"""The text of the receipt: its numbers, its verdict, and the command that sends the rest."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_cw import _core
from locust_cw._terminal.quantities import human_bytes
from locust_cw._terminal.receipt import Receipt, remarks_on, sent_to, text_of, verdict
from locust_cw._terminal.replay_command import replay_command
from support import status_reports

COUNTS = {"observed": 10, "delivered": 7, "spooled": 2, "rejected": 0, "dropped": 1}
DONE = {"observed": 10, "delivered": 10}
LEFT = {"observed": 10, "delivered": 7, "spooled": 3}


def receipt(**changes: Any) -> _core.Receipt:
    """A receipt of the core with only numbers."""
    return status_reports.status_report(receipt=status_reports.receipt(**changes)).receipt


def facts(**known: Any) -> Any:
    """The receipt of a process that has ended, with facts in addition to its numbers."""
    nothing = dict.fromkeys(("spool_folder", "rejected_folder", "destination"))
    return SimpleNamespace(**{"run_id": "r", "dry_run": False, "call_failures": [], **nothing, **known})


def test_the_text_shows_what_does_not_add_up() -> None:
    text = text_of(
        receipt(requests=COUNTS, locust={"requests": 11, "failures": 2}, reconciled=False), ["Because."], colors=False
    )
    assert text.startswith("CloudWatch receipt for run r: not all delivered\n")
    assert re.search(r"^requests {14}10 {11}7 {11}2 {11}0 {11}1$", text, re.MULTILINE)
    assert "API calls: PutMetricData 3, PutLogEvents 4, repeated 1; 5 B sent; about $0.5000 (prices of " in text
    assert "\nNOT reconciled with Locust, which counted 11 requests and 2 failures.\n" in text
    assert text.endswith("\nBecause.\n")


def test_a_dry_run_shows_what_it_would_have_sent() -> None:
    text = text_of(receipt(requests=LEFT, dry_run=True), [], colors=False)
    assert text.startswith("CloudWatch receipt for run r: dry run\n")
    assert "\nDry run: nothing was sent. A real run would send 5 B in the API calls PutMetricData 3" in text


VERDICTS: list[tuple[str, dict[str, Any]]] = [
    ("all delivered", {"requests": DONE}),
    ("dry run", {"requests": LEFT, "dry_run": True}),
    ("nothing was recorded", {}),
    ("not all delivered yet", {"requests": LEFT}),
    ("not all delivered", {"requests": COUNTS}),
    ("not all delivered", {"requests": {"observed": 1, "rejected": 1}}),
    ("no requests were made", {"log_events": status_reports.NOTHING | DONE, "locust": {"requests": 0, "failures": 0}}),
    # A program may have other things to tell.
    ("all delivered", {"log_events": status_reports.NOTHING | DONE}),
]


@pytest.mark.parametrize(("words", "changes"), VERDICTS, ids=str)
def test_the_verdict_is_a_few_words(words: str, changes: dict[str, Any]) -> None:
    assert verdict(receipt(**changes))[1] == words


def test_the_verdict_depends_on_missing_reports(tmp_path: Path) -> None:
    publisher = _core.Publisher({"spool_dir": str(tmp_path), "dry_run": False}, run_id="r", worker="w")
    worker = status_reports.status_report(receipt=status_reports.receipt(requests=DONE))
    finished = publisher.finish(workers=[worker], lacks_reports=True)
    assert verdict(finished)[1] == "all reported data delivered"
    assert not finished.complete
    assert publisher.finish(workers=[worker]).complete


def test_colors_do_not_change_the_text() -> None:
    known = receipt(requests=COUNTS, locust={"requests": 11, "failures": 2}, reconciled=False)
    colored = text_of(known, [], colors=True)
    assert "\x1b[31mnot all delivered\x1b[0m" in colored
    assert re.sub(r"\x1b\[\d+m", "", colored) == text_of(known, [], colors=False)


NUMBERS = st.integers(0, 2**64 - 1)


@given(st.fixed_dictionaries(dict.fromkeys(status_reports.NOTHING, NUMBERS)), st.booleans())
def test_any_receipt_can_be_printed(counts: dict[str, int], dry_run: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    text = text_of(receipt(requests=counts, dry_run=dry_run, uncertain=counts["dropped"]), [], colors=False)
    assert all(f"{number:,}" in text for number in counts.values())


def test_the_remarks_have_the_folder_the_command_and_the_reason() -> None:
    failure = SimpleNamespace(message="PutMetricData was refused.")
    known = facts(
        spool_folder=Path("/spool/r/w1"), rejected_folder=Path("/spool/r/w1/rejected"), call_failures=[failure]
    )
    assert remarks_on(known) == [
        "Undelivered data is in /spool/r/w1",
        "Send it with: locust-cw replay r --spool-dir /spool",
        "Rejected data is in /spool/r/w1/rejected",
        "PutMetricData was refused.",
    ]
    dry_run = facts(spool_folder=Path("/spool/r/w1"), dry_run=True)
    assert remarks_on(dry_run) == ["The data of the dry run is in /spool/r/w1"]


def test_a_replay_shows_the_destination_without_passwords() -> None:
    place = {
        "account_id": "123456789012",
        "region": "eu-north-1",
        "profile": "shop",
        "cloudwatch_url": "https://user:secret@proxy.example/x",
        "logs_url": "https://logs.example",
        "sts_url": None,
    }
    delivered, nothing = SimpleNamespace(delivered=1), SimpleNamespace(delivered=0)
    (sent,) = sent_to(facts(destination=place, requests=delivered, log_events=nothing))
    assert sent.startswith("Sent to account 123456789012 in region eu-north-1 (https://logs.example, https://proxy.")
    assert sent.endswith("), with profile shop.")
    assert "secret" not in sent
    assert sent_to(facts(destination=place, requests=nothing, log_events=nothing)) == []
    bare = dict.fromkeys(place)
    assert sent_to(facts(destination=bare, requests=delivered, log_events=nothing)) == [
        "Sent to an unknown account in region unknown."
    ]


def test_the_receipt_of_a_program_has_text_and_json() -> None:
    made = Receipt(
        receipt(requests=DONE, series=[{"dimensions": {"Host": "h"}, "requests": 1, "failures": 0}]), ["Why."]
    )
    assert (made.complete, made.remarks) == (True, ["Why."])
    assert made.text.endswith("Why.\n")
    assert made.colored_text != made.text
    assert '"series"' not in made.json
    assert '"series": [{"dimensions": {"Host": "h"}' in made.message


def test_the_command_names_a_folder_that_is_not_the_users_own() -> None:
    own = _core.spool_root()
    assert replay_command("r") == replay_command("r", own) == "locust-cw replay r"
    assert replay_command("--all", "/a/spool") == "locust-cw replay --all --spool-dir /a/spool"
    assert shlex.split(replay_command("r", "/it's a spool"))[-1] == "/it's a spool"
    assert replay_command("r", "spool") == replay_command("r", Path.cwd() / "spool")


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KB"), (1_572_864, "1.5 MB"), (2**30, "1.0 GB"), (2**40, "1024.0 GB")],
)
def test_a_size_is_rounded(number: int, text: str) -> None:
    assert human_bytes(number) == text
