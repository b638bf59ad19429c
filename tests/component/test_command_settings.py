"""Commands and programs read options from the same sources as a test, in the same order."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from locust_cw import InvalidOptionError, Publisher
from locust_cw._settings.table import Options
from support.answering import answering
from support.in_process import captured
from support.locust_run import run_python
from support.paths import SCRIPTS

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`locust-cw` in this process, in an empty folder that is also the home folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    (tmp_path / "home").mkdir()
    return functools.partial(captured, capsys)


def namespace_of(policy: str) -> str:
    (statement,) = (each for each in json.loads(policy)["Statement"] if "cloudwatch:PutMetricData" in each["Action"])
    return str(statement["Condition"]["StringEquals"]["cloudwatch:namespace"])


def test_the_sources_have_the_order_of_a_test(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Command line, environment variable, `--config`, pyproject.toml, locust.conf, ~/.locust.conf, default."""

    def namespace(*args: str) -> str:
        code, out, err = command("policy", *args)
        assert code == 0, err
        return namespace_of(out)

    assert namespace() == "Locust"
    Path("home/.locust.conf").write_text("cw-namespace = Home\n")
    assert namespace() == "Home"
    Path("locust.conf").write_text("users = 5\nheadless\n--cw-namespace Conf\n")
    assert namespace() == "Conf"
    Path("pyproject.toml").write_text('[tool.locust]\ncw-namespace = "Toml"\nusers = 5\n')
    assert namespace() == "Toml"
    Path("given").write_text("cw-namespace: Given\n")
    assert namespace("--config=given") == "Given"
    monkeypatch.setenv("LOCUST_CW_NAMESPACE", "Variable")
    assert namespace("--config=given") == "Variable"
    assert namespace("--namespace=Argument") == "Argument"


def test_a_repeated_argument_replaces_the_values_of_other_sources(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCUST_HOST", "https://shop.test")
    Path("locust.conf").write_text("cw-target = [rds:conf-db, sqs:conf]\ncw-dimension = [team=blue]\n")
    _, body, _ = command("dashboard", "print")
    for text in ("DB instance conf-db", "Queue conf", "https://shop.test", '"team"'):
        assert text in body
    _, body, _ = command("dashboard", "print", "--target=sqs:one", "--target=sqs:two")
    assert "Queue one" in body
    assert "Queue two" in body
    assert "conf-db" not in body


def test_each_command_reads_the_options_that_it_has(command: Command, tmp_path: Path) -> None:
    settings = {
        "cw-namespace": "Shop",
        "cw-log-group": "/load/shop",
        "cw-log-retention-days": "30",
        "cw-role-arn": "arn:aws:iam::210987654321:role/LoadTest",
        "cw-logs": "failures",
        "cw-region": "ap-northeast-2",
        "cw-spool-dir": str(tmp_path / "elsewhere"),
        "cw-dashboard": "Board",
    }
    Path("locust.conf").write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
    (tmp_path / "elsewhere").mkdir()
    policy = json.loads(command("policy")[1])["Role"]
    assert "210987654321" in json.dumps(policy)
    assert "dashboard/Board" in json.dumps(policy)
    assert "log-group:/load/shop" in json.dumps(policy)
    template = command("template")[1]
    assert "load-test" in template
    assert "Shop" in template
    _, out, _ = command("cost", "--requests-per-second=100", "--json")
    assert json.loads(out)["per_run"]["log_events"] < 100 * 600 / 2, "only failures are logged"
    assert "GB-months" in command("cost", "--requests-per-second=100")[1]
    assert command("replay")[1] == f"There is nothing to send in {tmp_path / 'elsewhere'}.\n"
    for name in ("verify", "report"):
        assert str(tmp_path / "elsewhere") in command(name)[2]


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("locust.conf", "cw-logs = maybe", "argument --logs: cw-logs in locust.conf must be one of all, failures, off"),
        ("locust.conf", "cw-logs = [all, off]", "argument --logs: cw-logs in locust.conf must be one value"),
        ("locust.conf", "= =", "the configuration file locust.conf cannot be read: Unexpected line"),
        ("pyproject.toml", "[tool", "the configuration file pyproject.toml cannot be read: "),
    ],
)
def test_a_bad_value_is_named_with_its_source(command: Command, file: str, text: str, words: str) -> None:
    Path(file).write_text(text)
    code, _, err = command("policy")
    assert code == 2
    assert words in err


def test_a_bad_value_of_an_option_that_a_command_lacks_does_not_stop_it(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCUST_CW_LOGS", "maybe")
    assert command("replay")[0] == 0
    code, _, err = command("policy")
    assert (code, err) == (
        2,
        "locust-cw: error: argument --logs: LOCUST_CW_LOGS must be one of all, failures, off, not 'maybe'\n",
    )


def test_a_file_that_does_not_exist_is_named(command: Command) -> None:
    code, _, err = command("replay", "--config=nowhere")
    assert code == 2
    assert "the configuration file nowhere cannot be read: No such file" in err


# Opt-outs


@pytest.mark.parametrize("name", ["DISABLE", "DRY_RUN"])
def test_commands_do_not_write_if_the_environment_opts_out(
    command: Command, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Commands that only read still call AWS."""
    monkeypatch.setenv(f"LOCUST_CW_{name}", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with answering() as aws:
        url = f"--endpoint-url={aws.url}"
        checks = json.loads(command("doctor", "--dashboard=Board", "--stop-on-alarm=a", "--json", url)[1])["checks"]
        for action in ("put", "delete"):
            code, out, err = command("dashboard", action, url)
            assert (code, out) == (1, "")
            assert err.startswith(f"locust-cw: error: the dashboard was not changed, because LOCUST_CW_{name} is set:")
        assert [call.operation for call in aws.calls()] == ["GetCallerIdentity", "DescribeAlarms"]
    found = {each["name"]: (each["state"], each["text"]) for each in checks}
    for check in ("metrics", "logs", "dashboard"):
        assert found[check] == ("skipped", f"LOCUST_CW_{name} is set, so nothing is written to AWS")
    assert found["credentials"][0] == found["alarms"][0] == "ok"
    assert command("dashboard", "print")[0] == 0


# Programs without a command line of Locust's

CASES: list[tuple[dict[str, str], dict[str, str]]] = [
    ({"locust.conf": "cw-live\ncw-namespace = A b\ncw-target = [sqs:a, rds:b]\ncw-dashboard\n"}, {}),
    ({"locust.conf": "--cw-resolution 60\ncw-flush-interval: 2.5 # often\ncw-target = sqs:a\n"}, {}),
    ({"locust.conf": "cw-live = true\ncw-dry-run = yes\n"}, {"LOCUST_CW_LIVE": "false"}),
    ({"locust.conf": 'cw-namespace = "Quoted"\ncw-logs = off\n'}, {"LOCUST_CW_NAMESPACE": ""}),
    ({"pyproject.toml": '[tool.locust]\ncw-live = true\ncw-target = ["sqs:a"]\ncw-resolution = 60\n'}, {}),
    ({"pyproject.toml": '[tool.locust]\n"--cw-namespace" = "T"\n', "locust.conf": "cw-namespace = C\ncw-logs = off"}, {}),  # noqa: E501
    ({"pyproject.toml": "[tool.other]\nx = 1\n", "locust.conf": "cw-namespace = C\n"}, {"LOCUST_CW_TARGET": "[a, b]"}),
    ({".locust.conf": "cw-namespace = Home\n"}, {}),
]  # fmt: skip


def test_a_program_reads_the_same_sources_as_locusts_command_line(tmp_path: Path) -> None:
    """The same files and variables, read by Locust's parser and without it."""
    done = run_python(tmp_path, SCRIPTS / "sources.py", json.dumps(CASES))
    assert done.returncode == 0, done.stderr
    for case, (by_locust, by_itself) in zip(CASES, json.loads(done.stdout), strict=True):
        assert by_itself == by_locust, case


def test_a_publisher_reads_the_files_and_each_of_them_can_opt_out(command: Command, tmp_path: Path) -> None:
    del command  # its folder is the current one
    spool = tmp_path / "spool"
    Path("locust.conf").write_text(f"cw-dry-run = true\ncw-spool-dir = {spool}\ncw-run-id = from-the-file\n")
    with Publisher(dry_run=False) as publisher:
        publisher.record("GET", "/", 1.0)
    assert publisher.run_id == "from-the-file"
    assert list(spool.iterdir())
    Path("locust.conf").write_text("cw-disable = true\n")
    assert Options(None, {"disable": False})["disable"] is True
    Path("locust.conf").write_text("cw-logs = maybe\n")
    with pytest.raises(InvalidOptionError, match=r"cw-logs in locust\.conf must be one of"):
        Publisher()
