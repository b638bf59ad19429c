"""If a master has no value for a setting of a machine, its workers keep theirs."""

from __future__ import annotations

from typing import Any

import configargparse
import pytest

from locust_cw._settings.opt_outs import OF_MACHINE
from locust_cw._settings.table import Options, add_to

OWN = {
    "spool_dir": "/disk/spool",
    "region": "eu-north-1",
    "profile": "worker",
    "role_arn": "arn:aws:iam::123456789012:role/Worker",
    "external_id": "blue",
    "endpoint_url": "http://127.0.0.1:4566",
}


def flag(name: str) -> str:
    return f"--cw-{name.replace('_', '-')}"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OWN:
        monkeypatch.delenv(f"LOCUST_CW_{name.upper()}", raising=False)


def parsed(*args: str) -> Any:
    parser = configargparse.ArgumentParser(default_config_files=[])
    add_to(parser)
    return parser.parse_args(args)


def sent_by(master: Any) -> dict[str, object]:
    """The options that Locust sends to a worker, which replace those of the worker."""
    return dict(vars(master))


@pytest.mark.parametrize("name", OF_MACHINE)
def test_a_worker_keeps_its_own_value_unless_the_master_has_one(name: str) -> None:
    worker = parsed(flag(name), OWN[name])
    vars(worker).update(sent_by(parsed("--cw-namespace=Shop")))
    options = Options(worker, {})
    assert options[name] == OWN[name]
    assert options["namespace"] == "Shop"
    vars(worker).update(sent_by(parsed(flag(name), "of-the-master")))
    assert Options(worker, {})[name] == "of-the-master"


@pytest.mark.parametrize("name", OF_MACHINE)
def test_an_environment_variable_of_the_worker_applies_too(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Also in a program without a command line: Locust makes it one of the master's options."""
    monkeypatch.setenv(f"LOCUST_CW_{name.upper()}", OWN[name])
    worker = parsed()
    monkeypatch.delenv(f"LOCUST_CW_{name.upper()}")
    master = parsed()
    vars(worker).update(sent_by(master))
    assert Options(worker, {})[name] == OWN[name]
    monkeypatch.setenv(f"LOCUST_CW_{name.upper()}", OWN[name])
    made_by_locust = configargparse.Namespace(**sent_by(master))
    assert Options(made_by_locust, {})[name] == OWN[name]


def test_options_of_the_program_take_precedence() -> None:
    worker = parsed("--cw-spool-dir=/disk/spool")
    vars(worker).update(sent_by(parsed()))
    assert Options(worker, {"spool_dir": "/given"})["spool_dir"] == "/given"
