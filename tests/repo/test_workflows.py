"""GitHub's workflows are valid, and have only the permissions that they need."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from check_wheel import MAX_BYTES, UnfitError, install, leads_somewhere
from check_wheel import main as check_wheel
from support.paths import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
ACTIONS = sorted((GITHUB / "actions").glob("*/action.yml"))
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml"))
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
# What a job needs beyond reading: which job of which workflow, and what.
WRITES = {("release.yml", "publish"): {"id-token": "write", "attestations": "write"}}
# Where GitHub does not know yet which runner it will be. Its schema does not say so.
BEFORE_THE_RUNNER = re.compile(r"\$\{\{[^}]*\b(?:runner|env|job|steps)\.")


def locks() -> list[Path]:
    return [path for folder in (ROOT, ROOT / "fuzz") for path in folder.glob("Cargo.lock")]


def named(path: Path) -> str:
    return str(path.relative_to(GITHUB))


def loaded(path: Path) -> dict[str, Any]:
    # Each process of pytest reads the files, and the loader in C takes a tenth of the time.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - safe ones
    return content


JOBS = [
    pytest.param(path, name, job, id=f"{path.stem}-{name}")
    for path in WORKFLOWS
    for name, job in loaded(path)["jobs"].items()
]


def check_schema(schema: str, *paths: Path) -> None:
    command: list[str | Path] = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("custom.github-workflows-require-timeout", WORKFLOWS),
        ("vendor.github-actions", ACTIONS),
        ("vendor.github-issue-forms", [path for path in FORMS if path.name != "config.yml"]),
        ("vendor.github-issue-config", [GITHUB / "ISSUE_TEMPLATE" / "config.yml"]),
        ("vendor.dependabot", [GITHUB / "dependabot.yml"]),
    ],
)
def test_each_file_is_valid_for_github(schema: str, paths: list[Path]) -> None:
    assert paths
    check_schema(schema, *paths)


def test_zizmor_finds_no_security_problem() -> None:
    """Such as injected scripts, poisoned caches and persisted credentials, without the network."""
    zizmor = Path(sys.executable).with_name("zizmor")
    command: list[str | Path] = [zizmor, "--offline", "--no-progress", "--min-severity=medium", GITHUB]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "completed" in done.stderr


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=named)
def test_actions_of_others_are_pinned_by_hash(path: Path) -> None:
    used = re.findall(r"^ *(?:- )?(uses: .*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert used
    own = "uses: ./.github/actions/"
    assert not [line for line in used if not line.startswith(own) and not PINNED.fullmatch(line)]
    assert all((ROOT / line.removeprefix("uses: ") / "action.yml").is_file() for line in used if line.startswith(own))


def test_dependabot_updates_the_actions_in_all_folders() -> None:
    """For the root folder, Dependabot reads `.github/workflows`. The configuration must list other folders."""
    (kept,) = (
        each for each in loaded(GITHUB / "dependabot.yml")["updates"] if each["package-ecosystem"] == "github-actions"
    )
    assert "/" in kept["directories"]
    folders = [f"/{path.parent.relative_to(ROOT)}" for path in ACTIONS]
    assert folders
    patterns = [pattern for pattern in kept["directories"] if pattern != "/"]
    assert all(any(fnmatch.fnmatch(folder, pattern) for pattern in patterns) for folder in folders)


def test_one_version_of_each_action_is_used() -> None:
    used: dict[str, set[str]] = {}
    for path in (*WORKFLOWS, *ACTIONS):
        for action, version in re.findall(r"uses: ([^@\s]+)@(.*)", path.read_text(encoding="utf-8")):
            used.setdefault(action, set()).add(version)
    assert not {action: versions for action, versions in used.items() if len(versions) > 1}


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_a_workflow_has_no_permissions_beside_those_of_its_jobs(path: Path) -> None:
    workflow = loaded(path)
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"]
    assert "pull_request_target" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("path", "name", "job"), JOBS)
def test_jobs_can_only_read_the_source_except_for_the_publishing_job(
    path: Path, name: str, job: dict[str, Any]
) -> None:
    assert job["permissions"] == WRITES.get((path.name, name), {"contents": "read"})
    for step in job["steps"]:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize(("path", "name", "job"), JOBS)
def test_a_job_asks_for_nothing_before_it_is_known(path: Path, name: str, job: dict[str, Any]) -> None:
    early = {key: value for key, value in job.items() if key in ("env", "runs-on", "strategy", "timeout-minutes", "if")}
    assert not BEFORE_THE_RUNNER.search(yaml.safe_dump(early, width=1000)), (path.name, name)


def test_publishing_waits_for_everything_that_is_built() -> None:
    workflow = loaded(GITHUB / "workflows" / "release.yml")
    publish = workflow["jobs"].pop("publish")
    assert set(publish["needs"]) == set(workflow["jobs"])
    assert publish["if"] == "github.event_name == 'push' && github.ref_type == 'tag'"


def test_wheels_are_uploaded_before_other_packages_are_installed() -> None:
    """A checker from PyPI cannot change them any more."""
    for name, job in loaded(GITHUB / "workflows" / "release.yml")["jobs"].items():
        if name == "publish":
            continue
        steps = [step.get("uses", "").partition("@")[0] or step["run"] for step in job["steps"]]
        handed_over = steps.index("actions/upload-artifact")
        assert not [each for each in steps[:handed_over] if "pip" in each.replace("for_pypi", "")]
        assert any("tests/check_wheel.py --for-pypi" in each for each in steps[handed_over:])


def test_an_image_is_pinned_by_hash() -> None:
    for path in (*WORKFLOWS, *ACTIONS):
        images = re.findall(r"\b\w+:[\w.]+-alpine\S*", path.read_text(encoding="utf-8"))
        assert all(re.fullmatch(r"[^@]+@sha256:[0-9a-f]{64}", image) for image in images)
    assert "ALPINE" in loaded(GITHUB / "workflows" / "release.yml")["env"]


def test_each_command_of_make_that_is_called_exists() -> None:
    files = [*WORKFLOWS, *ACTIONS, ROOT / ".pre-commit-config.yaml"]
    called = {command for path in files for command in re.findall(r"\bmake ([a-z-]+)$", path.read_text(), re.MULTILINE)}
    assert called >= {"lint", "test", "wheel"}
    assert called <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_each_test_that_is_named_exists() -> None:
    named = {test for path in WORKFLOWS for test in re.findall(r"tests/[\w/]+\.py", path.read_text())}
    assert len(named) > 5
    assert not [test for test in named if not (ROOT / test).is_file()]


def test_releases_and_checks_use_the_same_rust() -> None:
    minimum = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["rust-version"]
    assert loaded(GITHUB / "workflows" / "release.yml")["env"]["RUST_TOOLCHAIN"] == minimum


def test_each_exception_among_the_dependencies_is_still_needed() -> None:
    bans = tomllib.loads((ROOT / "deny.toml").read_text())["bans"]
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    versions = {f"{package['name']}@{package['version']}." for package in locked}
    for skipped in bans["skip"]:
        assert skipped["reason"]
        assert any(version.startswith(f"{skipped['crate']}.") for version in versions), skipped


def test_every_cargo_lock_is_checked_against_the_list() -> None:
    steps = loaded(GITHUB / "workflows" / "check.yml")["jobs"]["dependencies"]["steps"]
    looked_at = {
        step.get("with", {}).get("manifest-path", "./Cargo.toml") for step in steps if "cargo-deny" in step["uses"]
    }
    assert looked_at == {f"./{path.relative_to(ROOT).with_suffix('.toml')}" for path in locks()}


def test_the_workflow_installs_the_minimum_version_of_ministack() -> None:
    """If it is installed alone, pip chooses the version that fits the newest boto3."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (least,) = {each for each in project["dependency-groups"]["dev"] if str(each).startswith("ministack")}
    pinned = re.findall(r"'?\bministack\b[^\s']*", (GITHUB / "workflows" / "check.yml").read_text())
    assert pinned
    assert {each.strip("'") for each in pinned} == {least}


def test_a_wheel_that_is_too_large_is_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = tmp_path / "locust_cw-0.1.0-cp311-abi3-manylinux_2_28_x86_64.whl"
    with wheel.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert check_wheel([str(wheel)]) == 1
    assert "development build" in capsys.readouterr().err


REPOSITORY = "https://github.com/example/locust-cw"


@pytest.fixture
def for_pypi(tmp_path: Path) -> Path:
    """The two files, as the release builds them."""
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    subprocess.run([sys.executable, ROOT / "docs" / "for_pypi.py", REPOSITORY, "v0.1.0"], cwd=tmp_path, check=True)
    return tmp_path


def test_links_of_a_released_readme_lead_to_the_files_of_its_tag(for_pypi: Path) -> None:
    page, released = ((folder / "README.md").read_text(encoding="utf-8") for folder in (ROOT, for_pypi))
    ends, led = (re.findall(r"\]\(([^)\s]+)\)", text) for text in (page, released))
    assert len(ends) == len(led) > 20
    for end, url in zip(ends, led, strict=True):
        if "://" in end:
            assert url == end
            continue
        kind = "raw" if end.endswith(".png") else "blob"
        path = f"README.md{end}" if end.startswith("#") else end
        assert url == f"{REPOSITORY}/{kind}/v0.1.0/{path}"
        assert (ROOT / path.partition("#")[0]).is_file()
    for end, url in zip(ends, led, strict=True):
        page = page.replace(f"]({end})", f"]({url})")
    assert released == page


def test_a_released_package_names_its_repository(for_pypi: Path) -> None:
    before, released = (tomllib.loads((folder / "pyproject.toml").read_text()) for folder in (ROOT, for_pypi))
    urls = released["project"].pop("urls")
    assert released == before
    assert {"Source", "Documentation", "Changelog", "Issues"} == set(urls)
    assert all(url.startswith(REPOSITORY) for url in urls.values())


def wheel_that_shows(folder: Path, page: str, *, url: str) -> Path:
    wheel = folder / "locust_cw-0.1.0-cp311-abi3-manylinux_2_28_x86_64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("locust_cw-0.1.0.dist-info/METADATA", f"Metadata-Version: 2.4\n{url}\n{page}")
    return wheel


SOURCE = f"Project-URL: Source, {REPOSITORY}\n"


def test_a_released_wheel_with_absolute_links_is_fit(for_pypi: Path) -> None:
    page = (for_pypi / "README.md").read_text(encoding="utf-8")
    leads_somewhere(wheel_that_shows(for_pypi, page, url=SOURCE))
    with pytest.raises(UnfitError, match="where its source is"):
        leads_somewhere(wheel_that_shows(for_pypi, page, url=""))


@pytest.mark.parametrize(
    "page",
    ["[How](docs/cost.md)", "![a picture](a.png)", "[below](#guides)", '<img src="a.png">', "[how]: docs/cost.md"],
)
def test_a_released_wheel_with_relative_links_is_not_fit(tmp_path: Path, page: str) -> None:
    with pytest.raises(UnfitError, match="lead nowhere"):
        leads_somewhere(wheel_that_shows(tmp_path, f"A page.\n\n{page}\n", url=SOURCE))


def test_a_wheel_that_no_python_can_install_is_not_fit() -> None:
    foreign = "locust_cw-0.1.0-cp314-cp314t-musllinux_1_2_s390x.whl"
    with pytest.raises(UnfitError, match=f"not installed: {foreign}"):
        install([Path(foreign)], [sys.executable])
