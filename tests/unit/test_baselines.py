"""Baselines: their names, which of several entries counts, and the file of a machine."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from locust_cw._runs.baselines import Baseline, chosen, newest_of, problem_with
from locust_cw._runs.folder import KEPT, baselines_file, delete_oldest, records_folder
from locust_cw._runs.local_baselines import local_baselines, update_local

RUN = "20261122T110301Z-7f3a"


@pytest.mark.parametrize("name", ["main", "feature/ü x", "release 1.2", "한글", 'a"b`c$(d)', "x" * 256])
def test_a_branch_can_be_a_name(name: str) -> None:
    assert problem_with(name) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "must not be empty"),
        ("  ", "must not be empty"),
        ("x" * 257, "at most 256"),
        (" main", "begins or ends with a space"),
        ("a\nb", "cannot be shown"),
        ("a\x1b[31m", "cannot be shown"),
        ("\ud800", "cannot be shown"),
        (RUN, "is a run ID, and not a name"),
    ],
)
def test_other_texts_are_no_names(name: str, words: str) -> None:
    assert words in (problem_with(name) or "")


def test_the_newest_entry_of_a_name_counts() -> None:
    entries = [Baseline("main", "b", 20.0), Baseline("main", "a", 10.0), Baseline("other", "c", 5.0)]
    assert {name: each.run_id for name, each in newest_of(entries).items()} == {"main": "b", "other": "c"}
    # Of the same time, the one that was written last.
    assert newest_of([Baseline("main", "a", 10.0), Baseline("main", None, 10.0)])["main"].run_id is None


@pytest.mark.parametrize(
    ("local", "shared", "run_id"),
    [
        (None, None, None),
        (("a", 1.0, False), None, "a"),
        (None, ("b", 1.0, False), "b"),
        (("a", 1.0, False), ("b", 2.0, False), "b"),
        (("a", 2.0, False), ("b", 1.0, False), "a"),
        (("a", 1.0, False), (None, 2.0, False), None),
        # One that only this machine knows takes precedence here.
        (("a", 1.0, True), ("b", 2.0, False), "a"),
        (("a", 1.0, True), (None, 2.0, False), "a"),
    ],
)
def test_which_baseline_counts_on_a_machine(
    local: tuple[str, float, bool] | None, shared: tuple[str | None, float, bool] | None, run_id: str | None
) -> None:
    one, other = (None if each is None else Baseline("main", *each) for each in (local, shared))
    found = chosen(one, other)
    assert (None if found is None else found.run_id) == run_id


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "main"},
        {"name": "main", "run_id": "a b", "time": 1.0},
        {"name": "main", "run_id": RUN, "time": "now"},
        {"name": "main", "run_id": RUN, "time": -1},
        {"name": "main", "run_id": RUN, "time": float("nan")},
        {"name": "", "run_id": RUN, "time": 1.0},
        {"name": 7, "run_id": RUN, "time": 1.0},
        {"name": "main", "run_id": ["x"], "time": 1.0},
        {"name": "main", "run_id": RUN, "time": 1.0, "is_local": "yes"},
        [],
        None,
    ],
    ids=str,
)
def test_what_is_no_baseline_is_ignored(fields: object) -> None:
    assert Baseline.from_fields(fields) is None


def test_a_baseline_of_a_newer_version_is_read() -> None:
    found = Baseline.from_fields({"name": "main", "run_id": RUN, "time": 1.0, "is_local": False, "color": "red"})
    assert found == Baseline("main", RUN, 1.0)


def test_the_file_of_a_machine_keeps_what_is_set(tmp_path: Path) -> None:
    spool = str(tmp_path)
    assert local_baselines(spool) == {}
    update_local(spool, add=[Baseline("main", "a", 1.0), Baseline("feature/ü", "b", 2.0, is_local=True)])
    update_local(spool, add=[Baseline("main", "c", 0.5)])
    assert local_baselines(spool)["main"].run_id == "c"
    update_local(spool, remove=["main", "unknown"])
    assert local_baselines(spool) == {"feature/ü": Baseline("feature/ü", "b", 2.0, is_local=True)}
    assert baselines_file(records_folder(spool)).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"baselines": 7}', '{"baselines": [7, {"name": "x"}]}', "\x80"])
def test_a_damaged_file_has_no_baselines_and_is_replaced(tmp_path: Path, text: str) -> None:
    path = baselines_file(records_folder(str(tmp_path)))
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="latin-1")
    assert local_baselines(str(tmp_path)) == {}
    delete_oldest(path.parent)
    update_local(str(tmp_path), add=[Baseline("main", "a", 1.0)])
    assert list(local_baselines(str(tmp_path))) == ["main"]


def test_processes_that_set_baselines_at_the_same_time_lose_none(tmp_path: Path) -> None:
    def add(number: int) -> None:
        update_local(str(tmp_path), add=[Baseline(f"b{number}", "run", float(number))])

    threads = [threading.Thread(target=add, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(local_baselines(str(tmp_path))) == 12


def test_the_record_of_a_baseline_is_not_deleted_as_one_of_the_oldest(tmp_path: Path) -> None:
    folder = records_folder(str(tmp_path))
    folder.mkdir(parents=True)
    for number in range(KEPT + 3):
        (folder / f"run{number:03}.json").write_text(json.dumps({}))
    for number in range(KEPT + 3):
        os.utime(folder / f"run{number:03}.json", (number, number))
    update_local(str(tmp_path), add=[Baseline("main", "run001", 1.0)])
    delete_oldest(folder)
    left = {path.stem for path in folder.glob("*.json")}
    assert "run001" in left
    assert not {"run000", "run002"} & left
    assert len(left) == KEPT + 1
